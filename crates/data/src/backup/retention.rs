//! Expiry: the newest verified backups stay, whatever the number says at least one.

use std::collections::{BTreeMap, BTreeSet};

use super::BackupSpec;
use super::look::{Listed, list};
use super::manifest::{DRILL_SUFFIX, MANIFEST_SUFFIX, time_of};
use crate::mongo::DatabaseError;
use crate::store::Store;

/// Metadata that tells an archive of ours from another tool's.
const MARK: &str = "meteoctl-backup-of";

/// Verified backups of this database beyond the number to keep, oldest first.
///
/// The newest one that holds documents is never among them: a row of backups of an emptied database must not
/// push out the last one worth having.
pub(super) fn surplus<'a>(listed: &'a [Listed], spec: &BackupSpec) -> Vec<&'a Listed> {
    let Some(keep) = spec.keep_last else { return Vec::new() };
    let documents = |backup: &Listed| backup.manifest.as_ref().filter(|manifest| manifest.database == spec.database).map(|m| m.documents);
    let mut verified: Vec<&Listed> = listed.iter().filter(|backup| documents(backup).is_some()).collect();
    let treasure = verified.iter().rev().find(|backup| documents(backup) > Some(0)).map(|backup| &backup.key);
    verified.truncate(verified.len().saturating_sub(keep.max(1)));
    verified.retain(|backup| Some(&backup.key) != treasure);
    verified
}

/// Removes verified backups of this database beyond the number to keep, oldest first, and what was left half done; says which
/// backups expired.
///
/// Archives without a manifest that carry no mark of ours are left alone: they are another tool's. An archive goes before its
/// manifest, so an interrupted removal leaves a manifest without archive, which is swept up next time.
pub async fn expire(store: &dyn Store, spec: &BackupSpec) -> Result<Vec<String>, DatabaseError> {
    let mut removed = Vec::new();
    if spec.keep_last.is_some() {
        let listed = list(store, &spec.prefix).await?;
        let surplus: Vec<String> = surplus(&listed, spec).into_iter().map(|backup| backup.key.clone()).collect();
        for key in surplus {
            store.delete(&key).await?;
            store.delete(&format!("{key}{DRILL_SUFFIX}")).await?;
            store.delete(&format!("{key}{MANIFEST_SUFFIX}")).await?;
            removed.push(key);
        }
    }
    sweep(store, spec).await?;
    Ok(removed)
}

/// Metadata of an archive: whose it is, from its first byte on. S3 takes nothing but ASCII there.
pub(super) fn mark(spec: &BackupSpec) -> BTreeMap<String, String> {
    BTreeMap::from([(MARK.to_owned(), spec.database.escape_default().to_string())])
}

/// Removes manifests and evidence whose archive is gone, and archives of this database that a run which died never proved.
///
/// One writer at a time is the caller's promise: nobody else is about to write the manifest of such an archive.
async fn sweep(store: &dyn Store, spec: &BackupSpec) -> Result<(), DatabaseError> {
    let objects = store.list(&spec.prefix).await?;
    let keys: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    for key in &keys {
        let beside = key.strip_suffix(MANIFEST_SUFFIX).or_else(|| key.strip_suffix(DRILL_SUFFIX));
        let useless = match beside {
            Some(archive) => time_of(archive).is_some() && !keys.contains(archive),
            None => {
                time_of(key).is_some() && !keys.contains(format!("{key}{MANIFEST_SUFFIX}").as_str()) && is_marked(store, key, spec).await?
            }
        };
        if useless {
            tracing::info!(key, "removed what an interrupted run left");
            store.delete(key).await?;
        }
    }
    Ok(())
}

async fn is_marked(store: &dyn Store, key: &str, spec: &BackupSpec) -> Result<bool, DatabaseError> {
    let found = store.head(key).await?;
    Ok(found.is_some_and(|object| object.metadata.get(MARK) == mark(spec).get(MARK)))
}
