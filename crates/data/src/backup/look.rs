//! Which backups there are, and whether one is due.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::BackupSpec;
use super::manifest::{BackupManifest, DRILL_SUFFIX, MANIFEST_SUFFIX, time_of};
use super::retention::surplus;
use crate::mongo::DatabaseError;
use crate::store::{ObjectInfo, Store, read_all};

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
    /// Whether a manifest lies beside it that was not read, because nothing depends on what it says.
    pub unread: bool,
    /// Whether the evidence of a restore drill lies beside it.
    pub drilled: bool,
}

impl Listed {
    /// Whether it is a verified backup of this database.
    pub fn is_of(&self, database: &str) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.database == database)
    }
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
    /// Verified backups; those whose manifest nothing depends on are taken at the word of their being there.
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
    let mut listed = names(store, prefix).await?;
    read(store, &mut listed).await?;
    Ok(listed)
}

/// As [`list`], with no more manifests read than it takes to [`judge`]: from the newest on until one is of this database, and the
/// others only where some may have to expire. So a look costs as much with a hundred backups as with one.
pub async fn survey(store: &dyn Store, spec: &BackupSpec) -> Result<Vec<Listed>, DatabaseError> {
    let mut listed = names(store, &spec.prefix).await?;
    let some_may_expire = spec.keep_last.is_some_and(|keep| listed.iter().filter(|backup| backup.unread).count() > keep.max(1));
    if some_may_expire {
        read(store, &mut listed).await?;
        return Ok(listed);
    }
    for backup in listed.iter_mut().rev().filter(|backup| backup.unread) {
        read(store, std::slice::from_mut(backup)).await?;
        if backup.is_of(&spec.database) {
            break;
        }
    }
    Ok(listed)
}

/// All backups under a prefix with no manifest read yet.
async fn names(store: &dyn Store, prefix: &str) -> Result<Vec<Listed>, DatabaseError> {
    let objects = match store.list(prefix).await {
        Err(error) if error.not_found => Vec::new(),
        outcome => outcome?,
    };
    let keys: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let of_archive = |object: &ObjectInfo| {
        let is_there = |suffix: &str| keys.contains(format!("{}{suffix}", object.key).as_str());
        Some(Listed {
            key: object.key.clone(),
            started_at: time_of(&object.key)?,
            bytes: object.size,
            manifest: None,
            unread: is_there(MANIFEST_SUFFIX),
            drilled: is_there(DRILL_SUFFIX),
        })
    };
    let mut listed: Vec<Listed> = objects.iter().filter_map(of_archive).collect();
    listed.sort_by_key(|backup| backup.started_at);
    Ok(listed)
}

/// Reads the manifests that were not read yet.
async fn read(store: &dyn Store, listed: &mut [Listed]) -> Result<(), DatabaseError> {
    let reads = listed.iter_mut().filter(|backup| backup.unread).map(async |backup| {
        backup.manifest = read_manifest(store, backup).await?;
        backup.unread = false;
        Ok::<(), DatabaseError>(())
    });
    let reads: Vec<_> = reads.collect();
    futures_util::stream::iter(reads).buffered(AT_ONCE).try_collect().await
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
    Ok(judge(&survey(store, spec).await?, spec, now))
}

/// As [`look`], on a list already made with [`survey`] or [`list`].
pub fn judge(listed: &[Listed], spec: &BackupSpec, now: DateTime<Utc>) -> BackupState {
    let newest = listed.iter().rev().find(|backup| backup.is_of(&spec.database));
    let verified = listed.iter().filter(|backup| backup.unread || backup.is_of(&spec.database)).count();
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
        verified,
        unverified: listed.len() - verified,
        surplus: surplus(listed, spec).len(),
        next: spec.schedule.as_ref().and_then(|schedule| schedule.next(now)),
    }
}
