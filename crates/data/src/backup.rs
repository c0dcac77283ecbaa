//! Backups: cursor → archive → gzip members → store, read back whole, manifest last.
//!
//! A backup exists when its manifest does. The manifest is written after the archive was read back from the
//! store and every length, checksum, count and digest was right, so whatever failed on the way is never listed.

mod look;
mod manifest;
mod pump;
mod retention;
mod run;
mod seal;
mod sink;
mod verify;

use std::time::Duration;

pub use look::{BackupState, Listed, judge, list, look, survey};
pub use manifest::{BackupManifest, CollectionRecord, Consistency, DRILL_SUFFIX, MANIFEST_SUFFIX, key_at, time_of};
pub use retention::expire;
pub use run::{BackupOutcome, Phase, run};
pub use seal::{EncryptionKey, SEALED_SUFFIX};
pub use verify::{Verified, check_archive};
pub(crate) use verify::{agree, documents, key_for, open_archive, spool};

use crate::schedule::Schedule;

/// What to back up, where to, how often.
#[derive(Debug, Clone)]
pub struct BackupSpec {
    /// Database name.
    pub database: String,
    /// Collections and views; empty means all of the database except `_meteoctl` and `system.` ones.
    pub collections: Vec<String>,
    /// Key prefix of the backups: `p8-backups/mongodb/`.
    pub prefix: String,
    /// When a backup is due; `None`: only when there is none at all.
    pub schedule: Option<Schedule>,
    /// How many verified backups to keep, at least 1; `None` keeps all.
    pub keep_last: Option<usize>,
    /// Gzip level, 1 (fast) to 9 (small).
    pub level: u32,
    /// Seals archives on our side of the network; `None` leaves them as gzip.
    pub encryption: Option<EncryptionKey>,
    /// Time allowed for reading and uploading.
    pub dump_deadline: Duration,
    /// Time allowed for reading back and verifying.
    pub verify_deadline: Duration,
}

impl BackupSpec {
    /// Usual values: whole database, no schedule, everything kept, level 3, an hour per phase.
    pub fn new(database: impl Into<String>, prefix: impl Into<String>) -> Self {
        BackupSpec {
            database: database.into(),
            collections: Vec::new(),
            prefix: prefix.into(),
            schedule: None,
            keep_last: None,
            level: 3,
            encryption: None,
            dump_deadline: Duration::from_secs(3600),
            verify_deadline: Duration::from_secs(3600),
        }
    }
}
