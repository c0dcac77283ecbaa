//! Expiry: the newest verified backups stay, whatever the number says at least one.

use super::BackupSpec;
use super::look::{Listed, list};
use super::manifest::{DRILL_SUFFIX, MANIFEST_SUFFIX};
use crate::mongo::DatabaseError;
use crate::store::Store;

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

/// Removes verified backups of this database beyond the number to keep, oldest first; says which.
///
/// Archives without a manifest are left alone: they may be another tool's. The archive goes before its
/// manifest, so an interrupted removal leaves a manifest without archive, which is swept up next time.
pub async fn expire(store: &dyn Store, spec: &BackupSpec) -> Result<Vec<String>, DatabaseError> {
    if spec.keep_last.is_none() {
        return Ok(Vec::new());
    }
    let listed = list(store, &spec.prefix).await?;
    let surplus: Vec<String> = surplus(&listed, spec).into_iter().map(|backup| backup.key.clone()).collect();
    let mut removed = Vec::new();
    for key in surplus {
        store.delete(&key).await?;
        store.delete(&format!("{key}{DRILL_SUFFIX}")).await?;
        store.delete(&format!("{key}{MANIFEST_SUFFIX}")).await?;
        removed.push(key);
    }
    sweep(store, spec).await?;
    Ok(removed)
}

/// Removes manifests and evidence whose archive is gone.
async fn sweep(store: &dyn Store, spec: &BackupSpec) -> Result<(), DatabaseError> {
    let objects = store.list(&spec.prefix).await?;
    for object in &objects {
        let archive = object.key.strip_suffix(MANIFEST_SUFFIX).or_else(|| object.key.strip_suffix(DRILL_SUFFIX));
        let Some(archive) = archive else { continue };
        if super::time_of(archive).is_some() && !objects.iter().any(|other| other.key == archive) {
            store.delete(&object.key).await?;
        }
    }
    Ok(())
}
