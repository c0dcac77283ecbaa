//! Making one backup.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use tokio::sync::mpsc;

use super::manifest::{BackupManifest, MANIFEST_SUFFIX, VERSION, key_at};
use super::{BackupSpec, EncryptionKey, SEALED_SUFFIX, pump, retention, sink, verify};
use crate::mongo::{DatabaseError, Server};
use crate::store::Store;

/// Where a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading and uploading.
    Dumping {
        /// Documents read.
        done: u64,
        /// Documents in all, as the catalogue had them when it began.
        total: u64,
    },
    /// Reading the archive back.
    Verifying {
        /// Bytes read.
        done: u64,
        /// Bytes of the archive.
        total: u64,
    },
    /// Removing old backups.
    Expiring,
}

/// What a backup run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupOutcome {
    /// The new backup's manifest.
    pub manifest: BackupManifest,
    /// Keys of backups that expired.
    pub expired: Vec<String>,
}

/// Dumps, uploads, reads back, and only then writes the manifest; afterwards old backups expire.
///
/// A failure aborts the upload; an archive that does not verify is removed. Either way nothing is listed.
///
/// # Errors
/// A namespace that is not there or a time series; the server's or the store's refusal; a deadline;
/// an archive that reads back differently.
pub async fn run(
    server: &Server,
    spec: &BackupSpec,
    store: &dyn Store,
    now: DateTime<Utc>,
    progress: &(dyn Fn(Phase) + Send + Sync),
) -> Result<BackupOutcome, DatabaseError> {
    let key = free_key(store, spec, now).await?;
    let dumping = dump(server, spec, store, &key, now, progress);
    let mut manifest = within(spec.dump_deadline, "dump and upload", dumping).await?;
    let total = manifest.bytes;
    let told = |done| progress(Phase::Verifying { done, total });
    told(0);
    let began = Instant::now();
    let checked = within(spec.verify_deadline, "read back and verify", prove(store, &manifest, spec.encryption.as_ref(), &told)).await;
    if let Err(error) = checked {
        // What does not verify must not lie about; without a manifest it is not listed in any case.
        if let Err(removal) = store.delete(&key).await {
            tracing::warn!(key, error = %removal, "the archive that failed its check could not be removed");
        }
        return Err(error);
    }
    manifest.verify_seconds = began.elapsed().as_secs_f64();
    manifest.verified_at = now + Duration::from_secs_f64(manifest.dump_seconds + manifest.verify_seconds);
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| DatabaseError::caused("write the manifest", error))?;
    store.put(&format!("{key}{MANIFEST_SUFFIX}"), Bytes::from(text), Default::default()).await?;
    progress(Phase::Expiring);
    let expired = retention::expire(store, spec).await?;
    Ok(BackupOutcome { manifest, expired })
}

/// The key for `now`, or for the next second that has none yet.
async fn free_key(store: &dyn Store, spec: &BackupSpec, now: DateTime<Utc>) -> Result<String, DatabaseError> {
    let mut at = now;
    loop {
        let mut key = key_at(&spec.prefix, at);
        if spec.encryption.is_some() {
            key.push_str(SEALED_SUFFIX);
        }
        if store.head(&key).await?.is_none() {
            return Ok(key);
        }
        at += Duration::from_secs(1);
    }
}

async fn dump(
    server: &Server,
    spec: &BackupSpec,
    store: &dyn Store,
    key: &str,
    now: DateTime<Utc>,
    progress: &(dyn Fn(Phase) + Send + Sync),
) -> Result<BackupManifest, DatabaseError> {
    let began = Instant::now();
    let work = pump::survey(server, &spec.database, &spec.collections).await?;
    let server_version = work.server_version.clone();
    let (sender, pieces) = mpsc::channel(2);
    let told = |done, total| progress(Phase::Dumping { done, total });
    let pumping = pump::pump(server, work, sender, &told);
    let uploading = sink::upload(store, key, pieces, spec);
    let (pumped, uploaded) = tokio::join!(pumping, uploading);
    // If the upload failed, the pump only noticed that nobody takes its pieces: the upload's error is the cause.
    let (upload, sent) = match (&pumped, uploaded) {
        (_, Ok(uploaded)) => uploaded,
        (_, Err(error)) => return Err(error),
    };
    let (collections, consistency) = match pumped {
        Ok(pumped) => pumped,
        Err(error) => {
            upload.abort().await?;
            return Err(error);
        }
    };
    upload.finish().await?;
    Ok(BackupManifest {
        version: VERSION,
        archive: key.to_owned(),
        bytes: sent.bytes,
        sha256: sent.sha256,
        database: spec.database.clone(),
        documents: collections.iter().map(|collection| collection.digest.count).sum(),
        collections,
        consistency,
        encryption: spec.encryption.as_ref().map(EncryptionKey::recipient),
        server_version,
        started_at: now.trunc_subsecs(0),
        verified_at: now,
        dump_seconds: began.elapsed().as_secs_f64(),
        verify_seconds: 0.0,
    })
}

async fn prove(
    store: &dyn Store,
    manifest: &BackupManifest,
    encryption: Option<&EncryptionKey>,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), DatabaseError> {
    let verified = verify::check_archive(store, &manifest.archive, encryption, told).await?;
    verify::agree(&verified, manifest).map_err(|why| DatabaseError::rejected(format!("verify {}/{}", store.name(), manifest.archive), why))
}

async fn within<T>(limit: Duration, phase: &str, work: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, DatabaseError> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(DatabaseError {
            transient: true,
            ..DatabaseError::rejected(format!("{phase} the backup"), format!("not done within {} s", limit.as_secs()))
        }),
    }
}
