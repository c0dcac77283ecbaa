//! Writing a file beside its final name; it takes that name when it is complete and on the disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::super::{BoxFuture, ObjectInfo, StoreError, Upload};
use super::reading::away;
use super::{beside, describe, sidecar};

/// Pieces shorter than this are gathered before they are written, in bytes.
const SHORT: usize = 64 << 10;
/// What is gathered at most, in bytes.
const GATHERED: usize = 256 << 10;
/// Bytes after which the disk is asked to take what it has, while writing goes on: the last wait is then short.
const UNSYNCED: u64 = 8 << 20;

/// A file under way. One piece is being written while the next is made; memory holds those two at most.
pub(super) struct Pending {
    root: PathBuf,
    target: PathBuf,
    partial: PathBuf,
    metadata: BTreeMap<String, String>,
    file: Arc<File>,
    gathered: Vec<u8>,
    writing: Option<JoinHandle<std::io::Result<()>>>,
    syncing: Option<JoinHandle<std::io::Result<()>>>,
    unsynced: u64,
}

impl Pending {
    pub async fn start(root: PathBuf, target: PathBuf, metadata: BTreeMap<String, String>) -> Result<Self, StoreError> {
        let doing = format!("write {}", target.display());
        let partial = beside(&target, &format!(".{}.partial", uuid::Uuid::new_v4().simple()));
        let (parent, path) = (target.parent().map(PathBuf::from), partial.clone());
        let made = away(&doing, move || {
            if let Some(parent) = parent {
                std::fs::create_dir_all(parent)?;
            }
            File::create(path)
        });
        let file = Arc::new(made.await?);
        Ok(Pending { root, target, partial, metadata, file, gathered: Vec::new(), writing: None, syncing: None, unsynced: 0 })
    }

    fn doing(&self) -> String {
        format!("write {}", self.target.display())
    }

    pub async fn append(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if bytes.len() >= SHORT && self.gathered.is_empty() {
            return self.send(bytes).await;
        }
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= GATHERED { self.send_gathered().await } else { Ok(()) }
    }

    async fn send_gathered(&mut self) -> Result<(), StoreError> {
        let gathered = std::mem::take(&mut self.gathered);
        self.send(gathered.into()).await
    }

    /// Waits for the piece before, then starts this one.
    async fn send(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.settle().await?;
        self.unsynced += bytes.len() as u64;
        let file = Arc::clone(&self.file);
        self.writing = Some(spawn_blocking(move || (&*file).write_all(&bytes)));
        if self.unsynced >= UNSYNCED {
            self.unsynced = 0;
            self.synced().await?;
            let file = Arc::clone(&self.file);
            self.syncing = Some(spawn_blocking(move || file.sync_data()));
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        join(self.writing.take(), || self.doing()).await
    }

    async fn synced(&mut self) -> Result<(), StoreError> {
        join(self.syncing.take(), || self.doing()).await
    }

    pub async fn complete(mut self) -> Result<ObjectInfo, StoreError> {
        self.send_gathered().await?;
        self.settle().await?;
        self.synced().await?;
        let doing = self.doing();
        away(&doing, move || {
            self.file.sync_all()?;
            let meta = sidecar(&self.target);
            if self.metadata.is_empty() {
                let _ = std::fs::remove_file(&meta);
            } else {
                std::fs::write(&meta, serde_json::to_vec(&self.metadata)?)?;
            }
            std::fs::rename(&self.partial, &self.target)?;
            describe(&self.root, &self.target, true)
        })
        .await
    }
}

async fn join(work: Option<JoinHandle<std::io::Result<()>>>, doing: impl FnOnce() -> String) -> Result<(), StoreError> {
    let Some(work) = work else { return Ok(()) };
    let done = work.await.unwrap_or_else(|lost| Err(std::io::Error::other(lost)));
    done.map_err(|source| StoreError::io(doing(), source))
}

impl Drop for Pending {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.partial);
    }
}

impl Upload for Pending {
    fn write<'a>(&'a mut self, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.append(bytes))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<ObjectInfo, StoreError>> {
        Box::pin(self.complete())
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(async move {
            drop(self);
            Ok(())
        })
    }
}
