//! Restore drills: the newest backup restored on a scratch server, compared, timed, and the evidence kept beside it.

use std::time::Duration;

use bson::doc;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{RestoreSpec, run};
use crate::backup::{DRILL_SUFFIX, EncryptionKey, Listed, list};
use crate::mongo::{DatabaseError, Server};
use crate::store::{Store, read_all};

/// Version of the evidence's layout.
const VERSION: u32 = 1;
/// Evidence larger than this is none of ours.
const EVIDENCE_LIMIT: usize = 1 << 20;
/// How the databases of drills are named: with the second they were begun in, and a number of their own.
const SCRATCH: &str = "meteoctl_drill_";
/// A drill's database older than this many seconds is the remains of a drill that was killed.
const REMAINS: i64 = 86_400;

/// Which backups to drill, and how often.
#[derive(Debug, Clone)]
pub struct DrillSpec {
    /// Key prefix of the backups.
    pub prefix: String,
    /// Database that was backed up.
    pub database: String,
    /// A passed drill stays good for so many days.
    pub every_days: u32,
    /// Opens sealed archives.
    pub encryption: Option<EncryptionKey>,
}

/// What a drill found. Lies at `ARCHIVE.drill.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillEvidence {
    /// Layout version.
    pub version: u32,
    /// Key of the archive.
    pub archive: String,
    /// Database that the archive is of.
    pub database: String,
    /// SHA-256 of the archive, hex, out of its manifest.
    pub sha256: String,
    /// When the drill began.
    pub started_at: DateTime<Utc>,
    /// Version of the scratch server.
    pub server_version: String,
    /// Documents restored and compared.
    pub documents: u64,
    /// Collections and views restored.
    pub collections: u64,
    /// Indexes rebuilt and compared.
    pub indexes: u64,
    /// From opening the archive to the last comparison, in seconds: how long a restore takes.
    pub restore_seconds: f64,
    /// Why the drill failed; `None`: it passed.
    pub fault: Option<String>,
}

/// What a look at the drills found, and what follows from it in an emergency.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillState {
    /// Why a drill is due now; `None`: nothing to do.
    pub due: Option<String>,
    /// The newest evidence, passed or not.
    pub last: Option<DrillEvidence>,
    /// Seconds of data that would be lost now: the age of the newest verified backup. Unknown without one.
    pub loss_seconds: Option<i64>,
    /// Seconds a restore took in the newest passed drill. Unknown without one.
    pub restore_seconds: Option<f64>,
    /// When that drill began.
    pub passed_at: Option<DateTime<Utc>>,
}

/// Whether a drill is due at `now`: when no passed one is younger than the spec allows. Without a verified backup none is.
pub async fn look(store: &dyn Store, spec: &DrillSpec, now: DateTime<Utc>) -> Result<DrillState, DatabaseError> {
    judge(store, &list(store, &spec.prefix).await?, spec, now).await
}

/// As [`look`], on a list already made; reads only the evidence.
pub async fn judge(store: &dyn Store, listed: &[Listed], spec: &DrillSpec, now: DateTime<Utc>) -> Result<DrillState, DatabaseError> {
    let of_database = |backup: &&Listed| backup.is_of(&spec.database);
    let newest_backup = listed.iter().rfind(of_database).map(|backup| backup.started_at);
    let mut evidence = Vec::new();
    // From the newest on: what lies before a drill that passed does not count any more.
    for backup in listed.iter().rev().filter(|backup| backup.drilled && (backup.unread || of_database(backup))) {
        let read = read_evidence(store, &backup.key).await?.filter(|evidence| evidence.database == spec.database);
        let passed = read.as_ref().is_some_and(|one| one.fault.is_none());
        evidence.extend(read);
        if passed {
            break;
        }
    }
    evidence.sort_by_key(|one: &DrillEvidence| one.started_at);
    let passed = evidence.iter().rev().find(|one| one.fault.is_none());
    let limit = chrono::Duration::days(i64::from(spec.every_days));
    let failed = evidence.last().and_then(|one| one.fault.as_ref());
    let due = match (newest_backup, passed) {
        (None, _) => None,
        (Some(_), Some(last)) if now - last.started_at < limit => None,
        (Some(_), passed) => Some(match (failed, passed) {
            (Some(fault), _) => format!("the last drill failed: {fault}"),
            (None, Some(last)) => format!("the last passed drill is of {}", last.started_at.format("%Y-%m-%d %H:%M UTC")),
            (None, None) => "no backup has been restored for a drill yet".to_owned(),
        }),
    };
    Ok(DrillState {
        due,
        restore_seconds: passed.map(|one| one.restore_seconds),
        passed_at: passed.map(|one| one.started_at),
        loss_seconds: newest_backup.map(|at| (now - at).num_seconds()),
        last: evidence.pop(),
    })
}

/// Restores the newest verified backup on the scratch server under a database name of its own, compares counts,
/// digests and indexes, takes it away again and writes the evidence.
///
/// # Errors
/// No verified backup; a scratch server that cannot be used. A backup that does not restore is written down as
/// evidence and then an error too.
pub async fn drill(scratch: &Server, spec: &DrillSpec, store: &dyn Store, now: DateTime<Utc>) -> Result<DrillEvidence, DatabaseError> {
    let newest = verified(store, spec).await?.pop();
    let Some(Listed { key, manifest: Some(manifest), .. }) = newest else {
        return Err(DatabaseError::rejected(format!("drill a restore of {}", spec.database), "there is no verified backup")
            .with_hint("make a backup first"));
    };
    let server_version = scratch.server_version().await?;
    sweep(scratch).await?;
    let into = format!("{SCRATCH}{}_{}", Utc::now().timestamp(), uuid::Uuid::new_v4().simple());
    let began = std::time::Instant::now();
    let outcome = restore_and_compare(scratch, store, spec, &key, &into).await;
    let took = began.elapsed();
    scratch.drop_database(&into).await?;
    let mut evidence = DrillEvidence {
        version: VERSION,
        archive: key.clone(),
        database: manifest.database,
        sha256: manifest.sha256,
        started_at: now,
        server_version,
        documents: 0,
        collections: 0,
        indexes: 0,
        restore_seconds: round(took),
        fault: None,
    };
    let fault = match outcome {
        Ok([documents, collections, indexes]) => {
            (evidence.documents, evidence.collections, evidence.indexes) = (documents, collections, indexes);
            None
        }
        Err(error) if error.transient => return Err(error),
        Err(error) => Some(error),
    };
    evidence.fault = fault.as_ref().map(DatabaseError::story);
    let text = serde_json::to_vec_pretty(&evidence).map_err(|error| DatabaseError::caused("write the evidence of the drill", error))?;
    store.put(&format!("{key}{DRILL_SUFFIX}"), Bytes::from(text), Default::default()).await?;
    fault.map_or(Ok(evidence), Err)
}

/// Drops what drills left that were killed.
async fn sweep(scratch: &Server) -> Result<(), DatabaseError> {
    let limit = Utc::now().timestamp() - REMAINS;
    for name in scratch.databases().await? {
        let begun = name.strip_prefix(SCRATCH).and_then(|rest| rest.split('_').next()).and_then(|second| second.parse::<i64>().ok());
        if begun.is_some_and(|second| second < limit) {
            scratch.drop_database(&name).await?;
        }
    }
    Ok(())
}

/// Documents, collections and indexes restored and found equal.
async fn restore_and_compare(
    scratch: &Server,
    store: &dyn Store,
    drill: &DrillSpec,
    key: &str,
    into: &str,
) -> Result<[u64; 3], DatabaseError> {
    let spec = RestoreSpec { into: Some(into.to_owned()), encryption: drill.encryption.clone(), ..RestoreSpec::new(key) };
    let outcome = run(scratch, &spec, store, &|_| {}).await?;
    let mut indexes = 0;
    for planned in outcome.collections.iter().filter(|planned| !planned.view) {
        let there = scratch.indexes(into, &planned.name).await?;
        for wished in &planned.indexes {
            let found = there.iter().any(|index| index.get("name") == wished.get("name") && index.get("key") == wished.get("key"));
            if !found {
                let name = wished.get_str("name").unwrap_or("?");
                return Err(DatabaseError::rejected(
                    format!("verify the drill of {key}"),
                    format!("index {name} of {} is missing", planned.name),
                ));
            }
            indexes += 1;
        }
        let count = scratch.count(into, &planned.name, doc! {}).await?;
        if count != planned.digest.count {
            let why = format!("{} holds {count} documents instead of {}", planned.name, planned.digest.count);
            return Err(DatabaseError::rejected(format!("verify the drill of {key}"), why));
        }
    }
    Ok([outcome.documents, outcome.collections.len() as u64, indexes])
}

async fn verified(store: &dyn Store, spec: &DrillSpec) -> Result<Vec<Listed>, DatabaseError> {
    let mut listed = list(store, &spec.prefix).await?;
    listed.retain(|backup| backup.is_of(&spec.database));
    Ok(listed)
}

async fn read_evidence(store: &dyn Store, key: &str) -> Result<Option<DrillEvidence>, DatabaseError> {
    match read_all(store, &format!("{key}{DRILL_SUFFIX}"), EVIDENCE_LIMIT).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.not_found => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// To the millisecond.
fn round(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e3).round() / 1e3
}
