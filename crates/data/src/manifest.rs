//! The manifest written beside a dataset file, last: the proof that a transform ran and of what it made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::StationDays;

/// Version of this manifest's layout.
pub const VERSION: u32 = 2;

/// What a transform read, made and counted. Lies at `<output>.manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatasetManifest {
    /// Layout version, [`VERSION`].
    pub version: u32,
    /// Digest of the inputs (keys, sizes, etags), of the options and of the transform's own version: equal means nothing to do.
    pub inputs_digest: String,
    /// Every input object: key → etag.
    pub inputs: BTreeMap<String, String>,
    /// Key of the dataset file.
    pub output: String,
    /// Size of the dataset file in bytes.
    pub bytes: u64,
    /// Digest of the dataset file as it is stored, `xxh3-128:HEX`: it tells files apart and finds damage, not malice.
    pub digest: String,
    /// ETag that the store gave the dataset file: a listing that shows it shows this very file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub etag: String,
    /// Number of documents in the file.
    pub documents: u64,
    /// Documents per `source`.
    pub sources: BTreeMap<String, u64>,
    /// What became of every row read.
    pub ledger: Ledger,
    /// Fields outside the contract that were kept in `extra`, and how often they came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown_fields: BTreeMap<String, u64>,
    /// Digest per station and UTC day.
    pub station_days: StationDays,
}

/// What became of every row read. `rows_read == documents + superseded() + rejected_rows + null_rows + blank_lines` always holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Ledger {
    /// Rows, hourly entries and lines read, blank lines included.
    pub rows_read: u64,
    /// Documents in the file.
    pub documents: u64,
    /// Earlier readings of the same station and instant with the same content as the last.
    pub superseded_identical: u64,
    /// Earlier readings of the same station and instant that differ from the last.
    pub superseded_differing: u64,
    /// Rows rejected as a whole.
    pub rejected_rows: u64,
    /// Rows in which every value was missing.
    pub null_rows: u64,
    /// Lines with nothing but white space.
    pub blank_lines: u64,
    /// Values that became null with a reject while their row stayed (not part of the equation).
    pub rejected_values: u64,
}

impl Ledger {
    /// Rows that gave way to a later reading of the same station and instant.
    pub fn superseded(&self) -> u64 {
        self.superseded_identical + self.superseded_differing
    }

    /// Whether every row is accounted for.
    pub fn balances(&self) -> bool {
        self.rows_read == self.documents + self.superseded() + self.rejected_rows + self.null_rows + self.blank_lines
    }
}
