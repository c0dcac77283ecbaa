//! What a quality report is asked to judge.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// Version of the tests: part of the spec's digest, so that changed tests make reports stale.
const VERSION: u32 = 2;

/// A report on one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QualitySpec {
    /// Key of the dataset file.
    pub dataset: String,
    /// Key of the report. The page, the JUnit file and the flags lie beside it, with `.html`, `.junit.xml` and `.flags.jsonl`.
    pub output: String,
    /// The gate in front of the import.
    #[serde(default)]
    pub fail: Limits,
    /// IANA time zones by station id, for the hours that are lived twice. Without it that test is not evaluated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timezones: BTreeMap<String, String>,
}

/// What the gate lets through; a limit left out is no limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Largest error rate: missing temperatures and duplicates over all records, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate_percent: Option<f64>,
    /// Most records without temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_temperature: Option<u64>,
    /// Most records without humidity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_humidity: Option<u64>,
    /// Most records without pressure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_pressure: Option<u64>,
    /// Most records whose station and instant were there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<u64>,
    /// Largest share of values that fail a test, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_values_percent: Option<f64>,
    /// Most rows rejected as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_rows: Option<u64>,
    /// Fewest records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_records: Option<u64>,
    /// Oldest that the newest reading may be, in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_hours: Option<f64>,
}

impl QualitySpec {
    /// Digest of everything that decides the report besides the data.
    pub fn digest(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{:032x}", xxh3_128(format!("quality {VERSION}\n{text}").as_bytes()))
    }

    /// Key of the page.
    pub fn page_key(&self) -> String {
        format!("{}.html", self.stem())
    }

    /// Key of the JUnit file.
    pub fn junit_key(&self) -> String {
        format!("{}.junit.xml", self.stem())
    }

    /// Key of the list of suspect and failed values.
    pub fn flags_key(&self) -> String {
        format!("{}.flags.jsonl", self.stem())
    }

    pub(super) fn companions(&self) -> [String; 3] {
        [self.page_key(), self.junit_key(), self.flags_key()]
    }

    fn stem(&self) -> &str {
        self.output.strip_suffix(".json").unwrap_or(&self.output)
    }
}
