//! From archive bytes to the store: pieces compressed side by side, uploaded in order, hashed on the way.

use std::collections::VecDeque;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::seal::Sealer;
use super::{BackupSpec, retention};
use crate::archive::gzip;
use crate::mongo::DatabaseError;
use crate::store::{Store, Upload};

/// How many pieces are compressed at once.
const SIDE_BY_SIDE: usize = 3;

/// What was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uploaded {
    pub bytes: u64,
    pub sha256: String,
}

/// Compresses and uploads every piece of `pieces` under `key`. The object appears only after the last one.
pub(super) async fn upload(
    store: &dyn Store,
    key: &str,
    mut pieces: mpsc::Receiver<Vec<u8>>,
    spec: &BackupSpec,
) -> Result<(Box<dyn Upload>, Uploaded), DatabaseError> {
    let level = spec.level;
    let sealing = |error| DatabaseError::caused("encrypt the backup", error);
    let mut sealer = Sealer::new(spec.encryption.as_ref()).map_err(sealing)?;
    let mut upload = store.upload(key, retention::mark(spec)).await?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut pending: VecDeque<JoinHandle<std::io::Result<Vec<u8>>>> = VecDeque::new();
    loop {
        let piece = match pending.len() < SIDE_BY_SIDE {
            true => pieces.recv().await,
            false => None,
        };
        if let Some(piece) = piece {
            pending.push_back(tokio::task::spawn_blocking(move || gzip::member(&piece, level)));
            continue;
        }
        let Some(next) = pending.pop_front() else { break };
        let member = next.await.map_err(|error| DatabaseError::caused("compress the backup", error))?;
        let member = member.map_err(|error| DatabaseError::caused("compress the backup", error))?;
        let sealed = sealer.seal(member).map_err(sealing)?;
        hash.update(&sealed);
        bytes += sealed.len() as u64;
        upload.write(Bytes::from(sealed)).await?;
    }
    let last = sealer.finish().map_err(sealing)?;
    hash.update(&last);
    bytes += last.len() as u64;
    upload.write(Bytes::from(last)).await?;
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((upload, Uploaded { bytes, sha256 }))
}
