//! Which backups there are, and whether one is due.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use serde::Serialize;

use super::BackupSpec;
use super::manifest::{BackupManifest, MANIFEST_SUFFIX, time_of};
use crate::mongo::DatabaseError;
use crate::store::{ObjectInfo, Store, read_all};

/// A manifest larger than this is none of ours (10,000 collections would fit).
const MANIFEST_LIMIT: usize = 16 << 20;
/// Manifests are read so many at a time.
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
    let mut listed = Vec::new();
    for some in archives(store, prefix).await?.chunks(AT_ONCE) {
        listed.extend(try_join_all(some.iter().map(|archive| read(store, archive))).await?);
    }
    Ok(listed)
}

/// An archive as a listing tells it.
struct Archive {
    object: ObjectInfo,
    started_at: DateTime<Utc>,
    /// Whether there is a manifest beside it.
    has_manifest: bool,
}

/// The archives under a prefix, oldest first.
async fn archives(store: &dyn Store, prefix: &str) -> Result<Vec<Archive>, DatabaseError> {
    let objects = match store.list(prefix).await {
        Err(error) if error.not_found => Vec::new(),
        outcome => outcome?,
    };
    let keys: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let archive = |object: &ObjectInfo| {
        let has_manifest = keys.contains(manifest_key(object).as_str());
        Some(Archive { object: object.clone(), started_at: time_of(&object.key)?, has_manifest })
    };
    let mut archives: Vec<Archive> = objects.iter().filter_map(archive).collect();
    archives.sort_by_key(|archive| archive.started_at);
    Ok(archives)
}

fn manifest_key(archive: &ObjectInfo) -> String {
    format!("{}{MANIFEST_SUFFIX}", archive.key)
}

/// An archive with its manifest.
async fn read(store: &dyn Store, archive: &Archive) -> Result<Listed, DatabaseError> {
    let manifest = match archive.has_manifest {
        true => read_manifest(store, &manifest_key(&archive.object), &archive.object).await?,
        false => None,
    };
    Ok(Listed { key: archive.object.key.clone(), started_at: archive.started_at, bytes: archive.object.size, manifest })
}

/// The manifest, unless it cannot be read or speaks for another archive.
async fn read_manifest(store: &dyn Store, key: &str, archive: &ObjectInfo) -> Result<Option<BackupManifest>, DatabaseError> {
    let bytes = match read_all(store, key, MANIFEST_LIMIT).await {
        Err(error) if error.not_found => return Ok(None),
        outcome => outcome?,
    };
    let manifest = serde_json::from_slice::<BackupManifest>(&bytes).ok();
    Ok(manifest.filter(|manifest| manifest.bytes == archive.size && manifest.archive == archive.key))
}

/// Whether a backup is due at `now`: when no verified backup was begun at or after the last scheduled instant.
/// The first backup is due at once.
///
/// Reads manifests from the newest on until one speaks for its archive; an older archive counts as verified when a manifest
/// lies beside it. Where that makes more than are to be kept, every manifest is read before any counts as too many.
pub async fn look(store: &dyn Store, spec: &BackupSpec, now: DateTime<Utc>) -> Result<BackupState, DatabaseError> {
    let archives = archives(store, &spec.prefix).await?;
    let (mut newest, mut read_in_vain) = (None, 0);
    for archive in archives.iter().rev().filter(|archive| archive.has_manifest) {
        let listed = read(store, archive).await?;
        if speaks_for(&listed, spec) {
            newest = Some(listed);
            break;
        }
        read_in_vain += 1;
    }
    let verified = archives.iter().filter(|archive| archive.has_manifest).count() - read_in_vain;
    if spec.keep_last.is_some_and(|keep| verified > keep.max(1)) {
        let listed = list(store, &spec.prefix).await?;
        let verified = listed.iter().filter(|backup| speaks_for(backup, spec)).count();
        return Ok(judge(newest.as_ref(), verified, listed.len(), spec, now));
    }
    Ok(judge(newest.as_ref(), verified, archives.len(), spec, now))
}

/// Whether a backup is verified, and of this database.
fn speaks_for(backup: &Listed, spec: &BackupSpec) -> bool {
    backup.manifest.as_ref().is_some_and(|manifest| manifest.database == spec.database)
}

fn judge(newest: Option<&Listed>, verified: usize, all: usize, spec: &BackupSpec, now: DateTime<Utc>) -> BackupState {
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
        unverified: all.saturating_sub(verified),
        surplus: spec.keep_last.map_or(0, |keep| verified.saturating_sub(keep.max(1))),
        next: spec.schedule.as_ref().and_then(|schedule| schedule.next(now)),
    }
}
