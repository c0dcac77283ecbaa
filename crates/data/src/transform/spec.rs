//! What a transform is asked to do.

use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body;
use crate::fault::Fault;
use crate::read::{Contract, UnknownFields};
use crate::station::{Format, Station};

/// A dataset: which raw prefixes go in, where the file comes out, and what the options are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformSpec {
    /// Sources in the order of the dataset.
    pub sources: Vec<SourceSpec>,
    /// Key of the dataset file; its name tells the form. `.jsonl` gives one document a line, `.parquet` a table for
    /// analysis, anything else one JSON array; `.gz` or `.zst` behind a JSON form packs it.
    pub output: String,
    /// Key of the rejects; `rejects.jsonl` beside the output where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// What a missing amount of rain or snow becomes.
    #[serde(default)]
    pub missing: MissingFill,
    /// What becomes of several readings of one station and instant.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// What becomes of fields outside the contract.
    #[serde(default)]
    pub unknown_fields: UnknownFields,
    /// Whether a dataset without any document is fine.
    #[serde(default)]
    pub allow_empty: bool,
}

/// One raw prefix and what must be known to read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSpec {
    /// How people call the source.
    pub name: String,
    /// Prefix of its raw objects.
    pub raw: String,
    /// Format of the payloads; left out, each payload shows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Day of the first row, where rows carry a time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<NaiveDate>,
    /// IANA time zone of local times, such as `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The station of a Weather Underground table: `station_id`, `name`, `latitude`, `longitude`, `elevation` and whatever else belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<Map<String, Value>>,
}

/// What a missing value becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// It stays null: nobody knows.
    #[default]
    Null,
    /// It is written as 0.
    Zero,
}

/// Fields whose missing values may be written as zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissingFill {
    /// Rain since the reading before.
    #[serde(default)]
    pub precip_mm: Fill,
    /// Snow on the ground, where the source carries it.
    #[serde(default)]
    pub snow_cm: Fill,
}

/// What becomes of several readings of one station and instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// Only the last one read stays, at its own place.
    #[default]
    Last,
    /// All stay.
    Keep,
}

/// A source, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub contract: Arc<Contract>,
    pub zone: Option<Tz>,
    pub start: Option<NaiveDate>,
}

impl TransformSpec {
    /// Key of the rejects file.
    pub fn rejects_key(&self) -> String {
        self.rejects.clone().unwrap_or_else(|| self.beside("rejects.jsonl"))
    }

    /// Key of the corrections that a replay keeps.
    pub fn corrections_key(&self) -> String {
        self.beside("corrections.jsonl")
    }

    fn beside(&self, name: &str) -> String {
        match self.output.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{name}"),
            None => name.to_owned(),
        }
    }

    /// Checks every source.
    pub(super) fn plan(&self) -> Result<Vec<Plan>, Fault> {
        if self.sources.is_empty() {
            return Err(Fault::new(format!("make the dataset {}: it has no sources", self.output)).hint("list at least one source"));
        }
        body::check(&self.output)?;
        self.sources.iter().map(|source| source.plan(self.unknown_fields)).collect()
    }
}

impl SourceSpec {
    fn plan(&self, unknown_fields: UnknownFields) -> Result<Plan, Fault> {
        let fault = |what: String, hint: &str| Fault::new(format!("read source {}: {what}", self.name)).hint(hint);
        let zone = match &self.timezone {
            Some(name) => Some(
                name.parse::<Tz>()
                    .map_err(|_| fault(format!("`{name}` is no time zone"), "give a name of the IANA database, such as Europe/Paris"))?,
            ),
            None => None,
        };
        let station = match &self.station {
            Some(metadata) => {
                let id = metadata.get("station_id").and_then(Value::as_str).filter(|id| !id.trim().is_empty());
                let id = id.ok_or_else(|| fault("its station has no station_id".to_owned(), "add station: {station_id: …}"))?;
                Some(Arc::new(Station::new(Format::WeatherUnderground, id, metadata)))
            }
            None => None,
        };
        if self.format == Some(Format::WeatherUnderground) && (station.is_none() || zone.is_none()) {
            let missing = if station.is_none() { "station" } else { "timezone" };
            return Err(fault(format!("a weather-underground source needs `{missing}`"), "Weather Underground rows name neither"));
        }
        Ok(Plan { contract: Arc::new(Contract { format: self.format, station, unknown_fields }), zone, start: self.start_date })
    }
}
