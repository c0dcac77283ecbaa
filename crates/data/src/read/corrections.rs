//! Corrections: rejects whose raw text a person mended, put in place of what the file says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rejects::{Reason, Reject};

/// The corrections of one file, by line.
#[derive(Debug, Default)]
pub struct Corrections {
    lines: BTreeMap<u64, Vec<Reject>>,
}

impl Corrections {
    /// Adds one.
    pub fn insert(&mut self, correction: Reject) {
        self.lines.entry(correction.line).or_default().push(correction);
    }

    /// The mended line; `None` when the line has no correction.
    pub fn apply(&self, line: &[u8], number: u64) -> Option<Vec<u8>> {
        let corrections = self.lines.get(&number)?;
        let mut text = line.to_vec();
        for correction in corrections {
            if let Some(mended) = mend(&text, correction) {
                text = mended;
            }
        }
        Some(text)
    }
}

/// Puts one correction into a line. `None` when its place is not there (any more).
fn mend(line: &[u8], correction: &Reject) -> Option<Vec<u8>> {
    if correction.station.is_none() && whole_row(correction.reason) {
        return Some(correction.raw.clone().into_bytes());
    }
    let mut record: Value = serde_json::from_slice(line).ok()?;
    let payload = match record.get_mut("_airbyte_data") {
        Some(payload) => unfold(payload)?,
        None => &mut record,
    };
    let row = match (&correction.station, correction.index) {
        (Some(station), Some(index)) => {
            let entries = unfold(unfold(payload.get_mut("hourly")?)?.get_mut(station)?)?;
            unfold_any(entries.get_mut(usize::try_from(index).ok()?)?)
        }
        _ => payload,
    };
    if whole_row(correction.reason) {
        *row = serde_json::from_str(&correction.raw).unwrap_or_else(|_| Value::from(correction.raw.as_str()));
    } else {
        unfold(row)?.as_object_mut()?.insert(correction.field.clone()?, Value::from(correction.raw.as_str()));
    }
    serde_json::to_vec(&record).ok()
}

/// Whether `raw` holds the whole row, or one value of it.
fn whole_row(reason: Reason) -> bool {
    !matches!(reason, Reason::BadValue | Reason::BadUnit)
}

/// JSON nested as text becomes a value in place.
fn unfold(value: &mut Value) -> Option<&mut Value> {
    if let Value::String(text) = value {
        *value = serde_json::from_str(text).ok()?;
    }
    Some(value)
}

fn unfold_any(value: &mut Value) -> &mut Value {
    if let Value::String(text) = value
        && let Ok(nested) = serde_json::from_str(text)
    {
        *value = nested;
    }
    value
}
