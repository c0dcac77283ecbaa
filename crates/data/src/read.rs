//! From one raw line to readings and rejects, without any memory of other lines.

mod careful;
mod corrections;
mod envelope;
mod extra;
mod fast;
mod infoclimat;
mod number;
mod weather_underground;

pub use corrections::Corrections;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::reading::Reading;
use crate::rejects::{Reason, Reject};
use crate::station::{Format, Station};

/// What the reader must know of a source; shared by all its blocks.
#[derive(Debug)]
pub struct Contract {
    /// The declared format; `None` takes what each payload shows.
    pub format: Option<Format>,
    /// The station of a Weather Underground source.
    pub station: Option<Arc<Station>>,
    /// What becomes of fields outside the contract.
    pub unknown_fields: UnknownFields,
}

/// What becomes of a field nobody knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownFields {
    /// It is kept in the document's `extra`, and counted for a warning.
    #[default]
    Keep,
    /// Its row is rejected.
    Reject,
}

/// What a piece of raw text said, in the order of its lines.
#[derive(Debug, Default)]
pub struct Block {
    /// Stations the readings point at.
    pub stations: Vec<Arc<Station>>,
    /// Rows that become documents.
    pub readings: Vec<Reading>,
    /// Rejects, with `file` still empty.
    pub rejects: Vec<Reject>,
    /// Lines, the last one included where it has no end.
    pub lines: u64,
    /// Rows, hourly entries and lines, blank lines included.
    pub rows_read: u64,
    /// Rows rejected as a whole.
    pub rejected_rows: u64,
    /// Rows in which everything was missing.
    pub null_rows: u64,
    /// Lines with nothing but white space.
    pub blank_lines: u64,
    /// Fields outside the contract and how often they came.
    pub unknown_fields: BTreeMap<String, u64>,
}

impl Block {
    /// Lines of `text`, counted from `first_line`.
    pub fn read(contract: &Contract, corrections: Option<&Corrections>, text: &[u8], first_line: u64) -> Block {
        let mut block = Block::default();
        // As many rows as the shape of our records makes likely; a row of all nulls is shorter.
        block.readings.reserve(if contract.station.is_some() { text.len() / 384 } else { 0 });
        let mut habits = fast::Habits::default();
        let mut line_number = first_line;
        let mut rest = text;
        while !rest.is_empty() {
            rest = match corrections {
                None => fast::line(contract, rest, &mut habits, &mut block),
                Some(_) => None,
            }
            .unwrap_or_else(|| block.line(contract, corrections, rest, line_number, &mut habits));
            line_number += 1;
        }
        block.lines = line_number - first_line;
        block
    }

    /// Reads one line that the fast path did not take as it came; gives what follows it.
    fn line<'a>(
        &mut self,
        contract: &Contract,
        corrections: Option<&Corrections>,
        text: &'a [u8],
        number: u64,
        habits: &mut fast::Habits,
    ) -> &'a [u8] {
        let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
        let (line, behind) = text.split_at(end);
        if let Some(corrected) = corrections.and_then(|corrections| corrections.apply(line, number)) {
            careful::line(contract, &corrected, number, self);
        } else if (behind.len() > fast::AHEAD && corrections.is_none()) || !self.last_line(contract, line, habits) {
            careful::line(contract, line, number, self);
        }
        behind.get(1..).unwrap_or_default()
    }

    /// The fast path for a line with nothing (or nothing we may look at) behind it.
    fn last_line(&mut self, contract: &Contract, line: &[u8], habits: &mut fast::Habits) -> bool {
        let padded = [line, b"\n", &[b' '; fast::AHEAD]].concat();
        fast::line(contract, &padded, habits, self).is_some()
    }

    fn station(&mut self, station: &Arc<Station>) -> u32 {
        let known = self.stations.iter().rposition(|known| Arc::ptr_eq(known, station) || known == station);
        let index = known.unwrap_or_else(|| {
            self.stations.push(Arc::clone(station));
            self.stations.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Notes a row that is rejected as a whole.
    fn reject_row(&mut self, place: &Place<'_>, field: Option<&str>, reason: Reason, raw: &str) {
        self.rows_read += 1;
        self.rejected_rows += 1;
        self.rejects.push(place.reject(field, reason, raw));
    }
}

/// Whether a line is one the fast path reads. For tests and benchmarks.
#[doc(hidden)]
pub fn takes_fast_path(contract: &Contract, line: &[u8]) -> bool {
    Block::default().last_line(contract, line, &mut fast::Habits::default())
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, Default)]
struct Place<'a> {
    line: u64,
    sheet: Option<(&'a str, u64)>,
    entry: Option<(&'a str, u64)>,
}

impl Place<'_> {
    fn reject(&self, field: Option<&str>, reason: Reason, raw: &str) -> Reject {
        Reject {
            file: String::new(),
            line: self.line,
            sheet: self.sheet.map(|(sheet, _)| sheet.to_owned()),
            row: self.sheet.map(|(_, row)| row),
            station: self.entry.map(|(station, _)| station.to_owned()),
            index: self.entry.map(|(_, index)| index),
            field: field.map(str::to_owned),
            reason,
            raw: raw.to_owned(),
            check: String::new(),
        }
    }
}
