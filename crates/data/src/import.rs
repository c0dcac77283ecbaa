//! The dataset file in the database: what differs, and making it not differ.
//!
//! The unit is the station-day. [`look()`] compares the manifest's digest of each station-day with the
//! database's and names those that are missing, differing or extra; [`run`] writes those alone, can be
//! killed at any moment and repeated, and ends by reading the collection back.

mod content;
mod encode;
mod fast;
mod lines;
mod load;
mod look;
mod outcome;
mod stale;
mod summary;

use bson::{Document, doc};
use serde::{Deserialize, Serialize};

pub use content::{Content, read as read_content};
pub(crate) use encode::instant;
pub use encode::{EncodeError, Encoded, encode};
pub use fast::{Encoder, Line};
pub use look::{ensure_indexes, look, missing_indexes};
pub use outcome::{ImportOutcome, Progress};

use crate::digest::TimestampType;
use crate::manifest::DatasetManifest;
use crate::mongo::{DatabaseError, Server};
use crate::store::Store;

/// Side collection that keeps, per collection, the digests of the last verified import.
pub const SIDE_COLLECTION: &str = "_meteoctl";

/// Which collection to keep equal to the dataset, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSpec {
    /// Database name.
    pub database: String,
    /// Collection name.
    pub collection: String,
    /// How `timestamp` is stored.
    pub timestamp_type: TimestampType,
    /// Indexes beside the unique one on (station.station_id, timestamp), which is always wished.
    pub indexes: Vec<IndexSpec>,
    /// What to do with documents no import made.
    pub foreign: Foreign,
    /// How many batches are on their way at once; 1 to 16.
    pub connections: usize,
}

impl ImportSpec {
    /// The usual wish: text timestamps, the one unique index, foreign documents refused, three connections.
    pub fn new(database: impl Into<String>, collection: impl Into<String>) -> Self {
        ImportSpec {
            database: database.into(),
            collection: collection.into(),
            timestamp_type: TimestampType::String,
            indexes: Vec::new(),
            foreign: Foreign::Refuse,
            connections: 3,
        }
    }

    /// All wished indexes, the unique one first.
    pub fn wished_indexes(&self) -> Vec<IndexSpec> {
        let mut all = vec![IndexSpec::unique_reading()];
        all.extend(self.indexes.iter().filter(|index| index.keys != IndexSpec::unique_reading().keys).cloned());
        all
    }
}

/// One index, told by its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexSpec {
    /// Fields in order, each 1 (rising) or -1 (falling).
    pub keys: Vec<(String, i32)>,
    /// Whether equal keys are refused.
    #[serde(default)]
    pub unique: bool,
}

impl IndexSpec {
    /// One reading per station and instant.
    pub fn unique_reading() -> Self {
        IndexSpec { keys: vec![("station.station_id".into(), 1), ("timestamp".into(), 1)], unique: true }
    }

    /// The server's usual name for it: `station.station_id_1_timestamp_1`.
    pub fn name(&self) -> String {
        let parts: Vec<String> = self.keys.iter().map(|(field, direction)| format!("{field}_{direction}")).collect();
        parts.join("_")
    }

    fn key_document(&self) -> Document {
        self.keys.iter().map(|(field, direction)| (field.clone(), bson::Bson::Int32(*direction))).collect()
    }

    fn to_document(&self) -> Document {
        let mut index = doc! {"key": self.key_document(), "name": self.name()};
        if self.unique {
            index.insert("unique", true);
        }
        index
    }
}

/// What to do with documents whose `_id` is not `<station_id>@<timestamp>` of their own fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Foreign {
    /// Refuse to import over them: the collection may be someone else's.
    #[default]
    Refuse,
    /// Remove them: the collection is ours alone.
    Remove,
}

/// One station-day with its number of documents in the file and in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationDay {
    /// Station id.
    pub station: String,
    /// UTC day, `YYYY-MM-DD`.
    pub day: String,
    /// Documents in the dataset.
    pub expected: u64,
    /// Documents in the database.
    pub found: u64,
}

/// What a look found, in the plan's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportState {
    /// Whether the collection exists.
    pub exists: bool,
    /// Whether every digest was computed from the documents (otherwise from the record of the last import).
    pub deep: bool,
    /// Documents in the collection, foreign ones included.
    pub documents: u64,
    /// Station-days that agree.
    pub agreeing: u64,
    /// Documents in the station-days that agree.
    pub unchanged: u64,
    /// Station-days of the dataset that the database does not have at all.
    pub missing: Vec<StationDay>,
    /// Station-days on both sides with different content.
    pub differing: Vec<StationDay>,
    /// Station-days of the database that the dataset does not have.
    pub extra: Vec<StationDay>,
    /// Documents no import made.
    pub foreign: u64,
    /// Names of wished indexes that are not there or differ.
    pub indexes_missing: Vec<String>,
    /// Names of indexes nobody wished; they are left alone.
    pub indexes_extra: Vec<String>,
    /// Whether the record that makes the next look fast is there and true.
    pub recorded: bool,
}

impl ImportState {
    /// Whether nothing would be written. A missing record alone is not a difference.
    pub fn in_sync(&self) -> bool {
        self.missing.is_empty()
            && self.differing.is_empty()
            && self.extra.is_empty()
            && self.foreign == 0
            && self.indexes_missing.is_empty()
    }

    /// Documents that are surely removed: those of extra station-days and what differing ones have too many.
    pub fn removals(&self) -> u64 {
        let extra: u64 = self.extra.iter().map(|day| day.found).sum();
        let surplus: u64 = self.differing.iter().map(|day| day.found.saturating_sub(day.expected)).sum();
        extra + surplus
    }

    /// One line for people: `3 station-days differ (07015 2024-10-05, …), 1 index missing`.
    pub fn headline(&self) -> String {
        let mut parts = Vec::new();
        let differ = if self.differing.len() == 1 { "differs" } else { "differ" };
        for (days, verb) in [(&self.missing, "missing"), (&self.differing, differ), (&self.extra, "too many")] {
            if !days.is_empty() {
                parts.push(format!("{} {verb} ({})", counted(days.len(), "station-day"), examples(days)));
            }
        }
        if self.foreign > 0 {
            parts.push(format!("{} not made by an import", counted(self.foreign as usize, "document")));
        }
        if !self.indexes_missing.is_empty() {
            parts.push(format!("{} missing ({})", counted(self.indexes_missing.len(), "index"), self.indexes_missing.join(", ")));
        }
        if parts.is_empty() { format!("{} in sync", counted(self.documents as usize, "document")) } else { parts.join(", ") }
    }
}

fn counted(n: usize, noun: &str) -> String {
    let plural = if noun.ends_with('x') { "es" } else { "s" };
    format!("{n} {noun}{}", if n == 1 { "" } else { plural })
}

fn examples(days: &[StationDay]) -> String {
    let mut shown: Vec<String> = days.iter().take(3).map(|day| format!("{} {}", day.station, day.day)).collect();
    if days.len() > shown.len() {
        shown.push("…".into());
    }
    shown.join(", ")
}

/// Makes the collection equal to the dataset, writing only what `state` found different, and reads it back.
///
/// Safe to kill at any moment and to repeat: `_id`s are deterministic, every write is idempotent, and the
/// record that lets the next look be fast is taken away before the first write and put back after the check.
///
/// # Errors
/// Foreign documents under [`Foreign::Refuse`]; a dataset file that is not what its manifest says; the
/// server's refusals; a collection that does not agree with the dataset after the import.
pub async fn run(
    server: &Server,
    spec: &ImportSpec,
    store: &dyn Store,
    manifest: &DatasetManifest,
    state: &ImportState,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<ImportOutcome, DatabaseError> {
    let started = std::time::Instant::now();
    if state.in_sync()
        && state.recorded
        && let Some(content) = look::recorded(server, spec).await?
    {
        let nothing = load::Loaded::default();
        return Ok(outcome::tell(manifest, &content, nothing, 0, state, started.elapsed()));
    }
    if state.foreign > 0 && spec.foreign == Foreign::Refuse {
        return Err(foreign_refused(server, spec, state.foreign));
    }
    if !state.in_sync() {
        summary::forget(server, spec).await?;
    }
    let mut removed = 0;
    if state.foreign > 0 {
        removed += stale::remove_foreign(server, spec).await?;
    }
    removed += stale::remove_days(server, spec, &state.extra).await?;
    let loaded = load::load(server, spec, store, manifest, state, progress).await?;
    progress(Progress::Indexing);
    look::ensure_indexes(server, spec).await?;
    removed += stale::remove_surplus(server, spec, store, manifest, &state.differing).await?;
    progress(Progress::Checking);
    let content = content::read(server, spec).await?;
    let after = look::compare(manifest, &content);
    if !after.in_sync() {
        return Err(not_converged(server, spec, manifest, &after));
    }
    summary::remember(server, spec, &content).await?;
    Ok(outcome::tell(manifest, &content, loaded, removed, state, started.elapsed()))
}

fn foreign_refused(server: &Server, spec: &ImportSpec, foreign: u64) -> DatabaseError {
    let place = format!("{}.{} on {}", spec.database, spec.collection, server.name());
    DatabaseError::rejected(format!("import into {place}"), format!("it holds {foreign} documents that no import made"))
        .with_hint("choose another collection, remove them by hand, or write `foreign: remove` if the collection is yours alone")
}

fn not_converged(server: &Server, spec: &ImportSpec, manifest: &DatasetManifest, after: &ImportState) -> DatabaseError {
    let place = format!("{}.{} on {}", spec.database, spec.collection, server.name());
    let why = format!("after the import {} (dataset: {} documents)", after.headline(), manifest.documents);
    let hint = match after.differing.iter().all(|day| day.found < day.expected) && after.missing.is_empty() && after.extra.is_empty() {
        true => "the dataset may hold several documents of one station and instant: set `duplicates: last` in the Dataset",
        false => "someone else may be writing to this collection: stop it and run again",
    };
    DatabaseError::rejected(format!("verify {place}"), why).with_hint(hint)
}
