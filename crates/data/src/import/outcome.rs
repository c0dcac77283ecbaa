//! What an import says of itself, during and after.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ImportState;
use super::content::Content;
use super::load::Loaded;
use crate::manifest::DatasetManifest;

/// Where an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Reading the file and writing documents.
    Loading {
        /// Bytes of the dataset file read so far.
        read: u64,
        /// Bytes of the dataset file.
        total: u64,
        /// Documents sent so far.
        written: u64,
    },
    /// Building indexes.
    Indexing,
    /// Reading the collection back.
    Checking,
}

/// The figures of one import.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportOutcome {
    /// Documents in the dataset file.
    pub documents_in_file: u64,
    /// Documents in the collection after the import.
    pub documents_in_database: u64,
    /// Documents that were not there before.
    pub inserted: u64,
    /// Documents whose content changed.
    pub replaced: u64,
    /// Documents taken away.
    pub removed: u64,
    /// Documents that were right already.
    pub unchanged: u64,
    /// Documents sharing station and instant with another.
    pub duplicates: u64,
    /// Documents without temperature.
    pub missing_temperature: u64,
    /// Documents without humidity.
    pub missing_humidity: u64,
    /// Documents without pressure.
    pub missing_pressure: u64,
    /// Documents per source, counted in the database.
    pub sources: BTreeMap<String, u64>,
    /// Station-days written.
    pub station_days_written: u64,
    /// Duration in seconds.
    pub seconds: f64,
}

pub(super) fn tell(
    manifest: &DatasetManifest,
    content: &Content,
    loaded: Loaded,
    removed: u64,
    state: &ImportState,
    took: Duration,
) -> ImportOutcome {
    let [missing_temperature, missing_humidity, missing_pressure] = content.missing;
    ImportOutcome {
        documents_in_file: manifest.documents,
        documents_in_database: content.documents,
        inserted: loaded.inserted,
        replaced: loaded.replaced,
        removed,
        unchanged: content.documents.saturating_sub(loaded.inserted + loaded.replaced),
        // The unique index was there when the collection was read back, so there cannot be any.
        duplicates: 0,
        missing_temperature,
        missing_humidity,
        missing_pressure,
        sources: content.sources.clone(),
        station_days_written: (state.missing.len() + state.differing.len()) as u64,
        seconds: took.as_secs_f64(),
    }
}
