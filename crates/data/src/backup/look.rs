//! Which backups there are, and whether one is due.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::BackupSpec;
use super::manifest::{BackupManifest, DRILL_SUFFIX, MANIFEST_SUFFIX, time_of};
use super::retention::surplus;
use crate::mongo::DatabaseError;
use crate::store::{Store, read_all};

/// A manifest larger than this is none of ours (10,000 collections would fit).
const MANIFEST_LIMIT: usize = 16 << 20;
/// Manifests read at the same time.
const AT_ONCE: usize = 16;

/// One backup in the store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Key of the archive.
    pub key: String,
    /// When it was begun, from its name.
    pub started_at: DateTime<Utc>,
    /// Size of the archive as the store tells it.
    pub bytes: u64,
    /// The manifest, if there is one and it speaks for an archive of this size: then the backup counts as verified.
    pub manifest: Option<BackupManifest>,
    /// Whether the evidence of a restore drill lies beside it.
    pub drilled: bool,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupState {
    /// Why a backup is due now; `None`: nothing to do.
    pub due: Option<String>,
    /// Key of the newest verified backup.
    pub newest: Option<String>,
    /// When the newest verified backup was begun.
    pub newest_at: Option<DateTime<Utc>>,
    /// Verified backups.
    pub verified: usize,
    /// Archives without a valid manifest: interrupted, or made by other tools.
    pub unverified: usize,
    /// Verified backups beyond the number to keep.
    pub surplus: usize,
    /// The next scheduled instant.
    pub next: Option<DateTime<Utc>>,
}

/// All backups under a prefix, oldest first. A bucket or folder that is not there holds none.
pub async fn list(store: &dyn Store, prefix: &str) -> Result<Vec<Listed>, DatabaseError> {
    let objects = match store.list(prefix).await {
        Err(error) if error.not_found => Vec::new(),
        outcome => outcome?,
    };
    let keys: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let mut reads = Vec::new();
    for object in &objects {
        let Some(started_at) = time_of(&object.key) else { continue };
        let is_there = |suffix: &str| keys.contains(format!("{}{suffix}", object.key).as_str());
        let backup = Listed { key: object.key.clone(), started_at, bytes: object.size, manifest: None, drilled: is_there(DRILL_SUFFIX) };
        reads.push(complete(store, backup, is_there(MANIFEST_SUFFIX)));
    }
    let mut listed: Vec<Listed> = futures_util::stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    listed.sort_by_key(|backup| backup.started_at);
    Ok(listed)
}

async fn complete(store: &dyn Store, mut backup: Listed, has_manifest: bool) -> Result<Listed, DatabaseError> {
    if has_manifest {
        backup.manifest = read_manifest(store, &backup).await?;
    }
    Ok(backup)
}

/// The manifest, unless it cannot be read or speaks for another archive.
async fn read_manifest(store: &dyn Store, backup: &Listed) -> Result<Option<BackupManifest>, DatabaseError> {
    let bytes = match read_all(store, &format!("{}{MANIFEST_SUFFIX}", backup.key), MANIFEST_LIMIT).await {
        Err(error) if error.not_found => return Ok(None),
        outcome => outcome?,
    };
    let manifest = serde_json::from_slice::<BackupManifest>(&bytes).ok();
    Ok(manifest.filter(|manifest| manifest.bytes == backup.bytes && manifest.archive == backup.key))
}

/// Whether a backup is due at `now`: when no verified backup was begun at or after the last scheduled instant.
/// The first backup is due at once.
pub async fn look(store: &dyn Store, spec: &BackupSpec, now: DateTime<Utc>) -> Result<BackupState, DatabaseError> {
    Ok(judge(&list(store, &spec.prefix).await?, spec, now))
}

/// As [`look`], on a list already made with [`list`].
pub fn judge(listed: &[Listed], spec: &BackupSpec, now: DateTime<Utc>) -> BackupState {
    let verified: Vec<&Listed> =
        listed.iter().filter(|backup| backup.manifest.as_ref().is_some_and(|m| m.database == spec.database)).collect();
    let newest = verified.last();
    let scheduled = spec.schedule.as_ref().and_then(|schedule| schedule.last(now));
    let due = match (newest, scheduled) {
        (None, _) => Some("there is no verified backup".to_owned()),
        (Some(newest), Some(scheduled)) if newest.started_at < scheduled => {
            let stamp = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
            Some(format!("scheduled for {}, the last verified backup is of {}", stamp(scheduled), stamp(newest.started_at)))
        }
        _ => None,
    };
    BackupState {
        due,
        newest: newest.map(|backup| backup.key.clone()),
        newest_at: newest.map(|backup| backup.started_at),
        verified: verified.len(),
        unverified: listed.len() - verified.len(),
        surplus: surplus(listed, spec).len(),
        next: spec.schedule.as_ref().and_then(|schedule| schedule.next(now)),
    }
}
