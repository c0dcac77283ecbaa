//! The canonical document's identity and its digest: shared by the file and the database.
//!
//! A canonical document is one JSON object, compact (no white space outside strings), fields in the
//! order of `data.md`: `source`, `station`, `timestamp`, `measurements`. Its text is what the dataset
//! file holds and what the digest is computed from; the database side writes the same text back from
//! BSON (`_id` left out, numbers by value: integral values without a fraction, otherwise the shortest
//! decimal that reads back to the same `f64`; a BSON date as ISO-8601 seconds with `Z`).

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// Order-free digest of a set of documents: how many, and the wrapping sum of their XXH3-128 hashes.
///
/// A sum does not depend on order, can be computed in parallel and is the same from file and database.
/// It detects difference, not malice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetDigest {
    /// Number of documents.
    pub count: u64,
    /// Wrapping sum of XXH3-128 over each document's canonical text.
    pub sum: u128,
}

impl SetDigest {
    /// Adds the canonical text of one document.
    pub fn add(&mut self, canonical_text: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(xxh3_128(canonical_text));
    }

    /// Joins two disjoint sets.
    pub fn merge(&mut self, other: SetDigest) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl std::fmt::Display for SetDigest {
    /// `COUNT:HEX`, the spelling used in manifests.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:032x}", self.count, self.sum)
    }
}

impl std::str::FromStr for SetDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is not a digest (COUNT:HEX)");
        let (count, sum) = text.split_once(':').ok_or_else(fault)?;
        Ok(SetDigest { count: count.parse().map_err(|_| fault())?, sum: u128::from_str_radix(sum, 16).map_err(|_| fault())? })
    }
}

impl Serialize for SetDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SetDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `_id` of a document: `<station_id>@<timestamp>`.
pub fn id(station_id: &str, timestamp: &str) -> String {
    format!("{station_id}@{timestamp}")
}

/// Station-days of a dataset: station id → UTC day `YYYY-MM-DD` → digest.
pub type StationDays = std::collections::BTreeMap<String, std::collections::BTreeMap<String, SetDigest>>;
