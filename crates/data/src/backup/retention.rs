//! Expiry: the newest verified backups stay, whatever the number says at least one.

use super::BackupSpec;
use super::look::list;
use super::manifest::{DRILL_SUFFIX, MANIFEST_SUFFIX};
use crate::mongo::DatabaseError;
use crate::store::Store;

/// Removes verified backups of this database beyond the number to keep, oldest first; says which.
///
/// Archives without a manifest are left alone: they may be another tool's. The archive goes before its
/// manifest, so an interrupted removal leaves a manifest without archive, which is swept up next time.
pub async fn expire(store: &dyn Store, spec: &BackupSpec) -> Result<Vec<String>, DatabaseError> {
    let Some(keep) = spec.keep_last else { return Ok(Vec::new()) };
    let listed = list(store, &spec.prefix).await?;
    let verified: Vec<String> = listed
        .into_iter()
        .filter(|backup| backup.manifest.as_ref().is_some_and(|manifest| manifest.database == spec.database))
        .map(|backup| backup.key)
        .collect();
    let surplus = verified.len().saturating_sub(keep.max(1));
    let mut removed = Vec::new();
    for key in verified.into_iter().take(surplus) {
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
