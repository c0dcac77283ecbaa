//! Restoring an archive: checked whole before the first write, complete before it takes anyone's place.
//!
//! Each collection is filled under a temporary name in the target database, gets its indexes, is read back
//! and compared with the archive, and only then renamed, in one step. A restore that is killed leaves the
//! target as it was; the next one starts over.

pub mod drill;
mod fill;
mod plan;

use std::time::Instant;

use serde::Serialize;

pub(crate) use fill::is_temporary;
pub use plan::{Check, Planned, check};

use crate::backup::EncryptionKey;
use crate::mongo::{DatabaseError, Server};
use crate::store::Store;

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct RestoreSpec {
    /// Key of the archive, `….gz`.
    pub key: String,
    /// Only this collection or view; `None`: all.
    pub collection: Option<String>,
    /// Into this database instead of the one it came from.
    pub into: Option<String>,
    /// Whether collections that hold documents (or views of the same name) may be replaced.
    pub replace: bool,
    /// Check everything, write nothing.
    pub dry_run: bool,
    /// Opens a sealed archive, `….gz.age`.
    pub encryption: Option<EncryptionKey>,
    /// How many batches are on their way at once; 1 to 16.
    pub connections: usize,
}

impl RestoreSpec {
    /// The whole archive into the database it came from, replacing nothing.
    pub fn new(key: impl Into<String>) -> Self {
        RestoreSpec { key: key.into(), collection: None, into: None, replace: false, dry_run: false, encryption: None, connections: 3 }
    }
}

/// What a restore did, or with `dry_run` would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreOutcome {
    /// Key of the archive.
    pub archive: String,
    /// Whether a manifest vouches for the archive (without one the archive was checked by itself).
    pub has_manifest: bool,
    /// The collections and views, in the archive's order.
    pub collections: Vec<Planned>,
    /// Documents in all.
    pub documents: u64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Checking the archive, in seconds.
    pub check_seconds: f64,
    /// Writing, building indexes, reading back and renaming, in seconds.
    pub restore_seconds: f64,
}

/// Where a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Reading the archive.
    Checking,
    /// So many documents of so many are written.
    Filling {
        /// Documents written.
        done: u64,
        /// Documents to write.
        total: u64,
    },
    /// Building indexes.
    Indexing,
    /// Reading back and comparing.
    Comparing,
}

/// Checks the archive, then the target, then restores.
///
/// # Errors
/// An archive that is damaged or not the one its manifest describes; a collection it does not hold; a time
/// series; a target that holds documents without `replace`; the server's refusals; a result that differs.
pub async fn run(
    server: &Server,
    spec: &RestoreSpec,
    store: &dyn Store,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<RestoreOutcome, DatabaseError> {
    progress(Progress::Checking);
    let began = Instant::now();
    let Check { planned, has_manifest, .. } = check(store, spec).await?;
    let mut outcome = RestoreOutcome {
        archive: spec.key.clone(),
        has_manifest,
        documents: planned.iter().map(|planned| planned.digest.count).sum(),
        collections: planned,
        dry_run: spec.dry_run,
        check_seconds: began.elapsed().as_secs_f64(),
        restore_seconds: 0.0,
    };
    if !spec.replace {
        plan::refuse_overwriting(server, &outcome.collections).await?;
    }
    if spec.dry_run {
        return Ok(outcome);
    }
    let began = Instant::now();
    server.patiently(|| fill::fill(server, spec, store, &outcome.collections, progress)).await?;
    outcome.restore_seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}
