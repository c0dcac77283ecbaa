//! The manifest beside a backup, and the names of both.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::document::SetDigest;

/// What a manifest's key adds to the key of its archive.
pub const MANIFEST_SUFFIX: &str = ".manifest.json";
/// What the key of a drill's evidence adds to the key of its archive.
pub const DRILL_SUFFIX: &str = ".drill.json";
/// Version of the manifest's layout.
pub const VERSION: u32 = 1;

const STEM: &str = "mongodb_backup_";
const FORM: &str = "%Y-%m-%d_%H-%M-%S";

/// Proof of a backup: written after the archive was read back and found right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupManifest {
    /// Layout version.
    pub version: u32,
    /// Key of the archive.
    pub archive: String,
    /// Size of the archive in bytes.
    pub bytes: u64,
    /// SHA-256 of the archive, hex.
    pub sha256: String,
    /// Database that was backed up.
    pub database: String,
    /// What the archive holds.
    pub collections: Vec<CollectionRecord>,
    /// Documents in all.
    pub documents: u64,
    /// Whether the documents are those of one instant.
    pub consistency: Consistency,
    /// Public half of the key that sealed the archive, `age1…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// Version of the server.
    pub server_version: String,
    /// When reading began.
    pub started_at: DateTime<Utc>,
    /// When the archive was found right.
    pub verified_at: DateTime<Utc>,
    /// Reading and uploading, in seconds.
    pub dump_seconds: f64,
    /// Reading back and verifying, in seconds.
    pub verify_seconds: f64,
}

/// One namespace in a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionRecord {
    /// Name without the database.
    pub name: String,
    /// `collection` or `view`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Order-free digest over the BSON bytes of its documents.
    pub digest: SetDigest,
    /// BSON bytes.
    pub bytes: u64,
    /// CRC-64 of the documents in archive order, hex: the one in the archive.
    pub crc64: String,
    /// Index specifications as extended JSON.
    pub indexes: Vec<serde_json::Value>,
}

/// Whether the documents of a backup are those of one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Consistency {
    /// All documents are those of one instant of the replica set.
    Snapshot {
        /// Seconds since 1970 of the instant.
        seconds: u32,
        /// Ordinal within the second.
        increment: u32,
    },
    /// Not a snapshot: a standalone server was read while others may have written.
    #[serde(rename = "not a snapshot")]
    NotASnapshot,
}

/// Key of the backup begun at `at`: `PREFIXmongodb_backup_YYYY-MM-DD_HH-MM-SS.gz`, UTC.
pub fn key_at(prefix: &str, at: DateTime<Utc>) -> String {
    format!("{prefix}{STEM}{}.gz", at.trunc_subsecs(0).format(FORM))
}

/// When the backup of this key (`….gz` or, sealed, `….gz.age`) was begun; `None` for other names.
pub fn time_of(key: &str) -> Option<DateTime<Utc>> {
    let name = key.rsplit('/').next()?;
    let name = name.strip_suffix(super::SEALED_SUFFIX).unwrap_or(name);
    let time = name.strip_prefix(STEM)?.strip_suffix(".gz")?;
    Some(NaiveDateTime::parse_from_str(time, FORM).ok()?.and_utc())
}
