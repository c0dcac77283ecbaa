//! Reading an archive back from the store, whole.

use std::collections::BTreeMap;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::manifest::BackupManifest;
use super::{EncryptionKey, SEALED_SUFFIX};
use crate::archive::{ArchiveError, Piece, Prelude, Reader, gzip};
use crate::document::SetDigest;
use crate::mongo::DatabaseError;
use crate::store::{Store, StoreError};

/// Bytes of documents parsed before they are counted.
const BATCH: usize = 1 << 20;

/// What an archive turned out to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// What stands before the documents.
    pub prelude: Prelude,
    /// Digest over the BSON bytes, per (database, collection).
    pub digests: BTreeMap<(String, String), SetDigest>,
    /// Size of the archive as stored, in bytes.
    pub bytes: u64,
    /// SHA-256 of the archive as stored, hex.
    pub sha256: String,
}

/// A store's stream as `std::io::Read` for a blocking thread, with its SHA-256.
pub(crate) struct Spool {
    chunks: mpsc::Receiver<Result<Bytes, StoreError>>,
    current: Bytes,
    hash: Sha256,
    bytes: u64,
}

impl Read for Spool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) => {
                    self.hash.update(&chunk);
                    self.bytes += chunk.len() as u64;
                    self.current = chunk;
                }
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(0),
            }
        }
        let size = self.current.len().min(buffer.len());
        let (into, _) = buffer.split_at_mut(size);
        self.current.copy_to_slice(into);
        Ok(size)
    }
}

/// Starts fetching an object in the background, a few chunks ahead.
pub(crate) async fn spool<'a>(
    store: &dyn Store,
    key: &str,
    told: &'a (dyn Fn(u64) + Send + Sync),
) -> Result<(Spool, impl Future<Output = ()> + use<'a>), DatabaseError> {
    let mut stream = store.get(key, 0).await?;
    let (sender, chunks) = mpsc::channel(4);
    let feeding = async move {
        let mut read = 0;
        while let Some(chunk) = stream.next().await {
            let failed = chunk.is_err();
            read += chunk.as_ref().map_or(0, |chunk: &Bytes| chunk.len() as u64);
            told(read);
            if sender.send(chunk).await.is_err() || failed {
                break;
            }
        }
    };
    Ok((Spool { chunks, current: Bytes::new(), hash: Sha256::new(), bytes: 0 }, feeding))
}

/// Opens the archive inside a gzip stream, which may be sealed.
pub(crate) fn open_archive<'a, R: Read + 'a>(
    input: R,
    key: Option<&EncryptionKey>,
) -> Result<(Prelude, Reader<impl Read + 'a>), ArchiveError> {
    let opened: Box<dyn Read + 'a> = match key {
        Some(key) => key.open(input)?,
        None => Box::new(input),
    };
    Reader::open(gzip::reader(opened))
}

/// The key a sealed archive needs, none for others.
///
/// # Errors
/// A sealed archive without a key.
pub(crate) fn key_for(archive: &str, key: Option<&EncryptionKey>) -> Result<Option<EncryptionKey>, DatabaseError> {
    match (archive.ends_with(SEALED_SUFFIX), key) {
        (true, None) => Err(DatabaseError::rejected(format!("open {archive}"), "it is encrypted, and no key is given")
            .with_hint("name the Secret that holds the key of the Backup (AGE-SECRET-KEY-1…)")),
        (true, Some(key)) => Ok(Some(key.clone())),
        (false, _) => Ok(None),
    }
}

/// Reads the whole archive: encryption, gzip, grammar, checksums, counts, digests. Needs no manifest.
///
/// # Errors
/// Anything that is not right, with what was found.
pub async fn check_archive(
    store: &dyn Store,
    key: &str,
    encryption: Option<&EncryptionKey>,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Verified, DatabaseError> {
    let opener = key_for(key, encryption)?;
    let (spool, feeding) = spool(store, key, told).await?;
    let parsing = tokio::task::spawn_blocking(move || parse(spool, opener.as_ref()));
    feeding.await;
    let parsed = parsing.await.map_err(|error| DatabaseError::caused("verify the backup", error))?;
    parsed.map_err(|error| {
        DatabaseError::caused(format!("verify {}/{key}", store.name()), error)
            .with_hint("the archive cannot be trusted: use an older backup")
    })
}

fn parse(mut spool: Spool, key: Option<&EncryptionKey>) -> Result<Verified, ArchiveError> {
    let (prelude, mut reader) = open_archive(&mut spool, key)?;
    let mut digests: BTreeMap<(String, String), SetDigest> = BTreeMap::new();
    for namespace in &prelude.namespaces {
        digests.insert((namespace.database.clone(), namespace.collection.clone()), SetDigest::default());
    }
    let mut batch = Vec::new();
    while let Some(piece) = reader.next(&mut batch, BATCH)? {
        let Piece::Documents(index) = piece else { continue };
        let Some((database, collection)) = reader.namespace(index) else { continue };
        let digest = digests.entry((database.to_owned(), collection.to_owned())).or_default();
        for document in documents(&batch) {
            digest.add(document);
        }
        batch.clear();
    }
    drop(reader);
    // Whatever lies behind the archive belongs to the checksum too.
    io::copy(&mut spool, &mut io::sink())?;
    let sha256 = std::mem::take(&mut spool.hash).finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Verified { prelude, digests, bytes: spool.bytes, sha256 })
}

/// The documents laid end to end in a batch of the reader.
pub(crate) fn documents(batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        let size = rest.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)?;
        let (document, tail) = rest.split_at_checked(size as usize)?;
        rest = tail;
        Some(document)
    })
}

/// Compares what an archive holds with what its manifest (or the dump itself) says.
pub(crate) fn agree(verified: &Verified, manifest: &BackupManifest) -> Result<(), String> {
    if verified.sha256 != manifest.sha256 || verified.bytes != manifest.bytes {
        return Err(format!(
            "{} bytes with SHA-256 {}, expected {} bytes with {}",
            verified.bytes, verified.sha256, manifest.bytes, manifest.sha256
        ));
    }
    if verified.digests.len() != manifest.collections.len() {
        return Err(format!("{} collections, expected {}", verified.digests.len(), manifest.collections.len()));
    }
    for record in &manifest.collections {
        let found = verified.digests.get(&(manifest.database.clone(), record.name.clone()));
        if found != Some(&record.digest) {
            let found = found.map_or_else(|| "nothing".to_owned(), ToString::to_string);
            return Err(format!("{}: {found}, expected {}", record.name, record.digest));
        }
    }
    Ok(())
}
