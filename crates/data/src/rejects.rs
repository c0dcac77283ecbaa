//! Rejects: what could not be read, where it stands and why. Nothing vanishes.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::store::Store;
use crate::transform::standing::INPUTS_KEY;

/// Why something was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The line is no JSON (or no UTF-8).
    InvalidJson,
    /// The line, the payload or the entry is no JSON object.
    NotAnObject,
    /// The record carries no payload.
    MissingData,
    /// The payload is neither InfoClimat's nor Weather Underground's, or not the one the source declares.
    UnknownFormat,
    /// The row carries values but no time.
    MissingTime,
    /// The row's time or day cannot be read.
    BadTime,
    /// The value cannot be read; it became null.
    BadValue,
    /// The value's unit is none of its quantity; it became null.
    BadUnit,
    /// The row carries a field outside the contract, and the dataset's policy refuses it.
    UnknownField,
}

/// One reject: a line of `rejects.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Key of the raw object.
    pub file: String,
    /// Line in it, from 1.
    pub line: u64,
    /// Excel sheet, where collect noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Excel row, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Station of an hourly entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<String>,
    /// Index of an hourly entry, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The field at fault; absent when the whole row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The raw text: of the value, or of the whole row. Bytes that are no UTF-8 are shown as U+FFFD.
    pub raw: String,
    /// XXH3-64 of `raw`, hex: a replay takes those whose `raw` was edited.
    #[serde(default)]
    pub check: String,
}

/// Whether the rejects at `key` were put there by a person: a transform marks its own with the digest of their inputs.
///
/// # Errors
/// A [`Fault`] when the store cannot be asked.
pub async fn edited(store: &dyn Store, key: &str) -> Result<bool, Fault> {
    Ok(store.head(key).await?.is_some_and(|found| !found.metadata.contains_key(INPUTS_KEY)))
}
