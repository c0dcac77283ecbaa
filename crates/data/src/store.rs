//! Where bytes lie: one small trait over S3, a folder or memory.
//!
//! Keys are `/`-separated and relative to the store's root. An object appears whole or not at all:
//! `put` and `Upload::finish` are atomic, an upload that is dropped leaves nothing that `list` shows.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::Stream;

mod folder;
mod memory;

pub use folder::Folder;
pub use memory::Memory;

/// A boxed future, so that stores can be used behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream of an object's bytes in order.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// What a listing or a head request says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key relative to the store's root.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// A token that changes whenever the content changes (S3: the ETag without quotes).
    pub etag: String,
    /// When the object was last written.
    pub modified: DateTime<Utc>,
    /// User metadata, lower-case keys. Listings leave it empty; `head` fills it.
    pub metadata: BTreeMap<String, String>,
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct StoreError {
    /// What was being done, with the key: `read s3://bucket/key`.
    pub doing: String,
    /// Whether the same call may go through later.
    pub transient: bool,
    /// Whether the object (or bucket) is simply not there.
    pub not_found: bool,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// The object is not there.
    pub fn not_found(doing: impl Into<String>) -> Self {
        StoreError { doing: doing.into(), transient: false, not_found: true, source: None }
    }

    /// A file system fault.
    pub fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        let not_found = source.kind() == std::io::ErrorKind::NotFound;
        StoreError { doing: doing.into(), transient: false, not_found, source: Some(Box::new(source)) }
    }
}

/// An object being written piece by piece. Dropping it without `finish` aborts it.
pub trait Upload: Send {
    /// Appends bytes. May wait until earlier parts are away, so memory stays bounded.
    fn write<'a>(&'a mut self, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Makes the object appear, with the metadata given here.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<ObjectInfo, StoreError>>;
    /// Throws away what was written so far.
    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A place for objects.
pub trait Store: Send + Sync {
    /// How people call this place: `s3://p8-meteo`, `./out`.
    fn name(&self) -> String;
    /// All objects whose key starts with `prefix`, sorted by key, across every page. A missing bucket or folder is an error with `not_found`.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>, StoreError>>;
    /// The object's description, or `None` on the service's explicit word that it is not there.
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>>;
    /// Whether the object is there: for those who do not need its description.
    fn exists<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.head(key).await?.is_some()) })
    }
    /// The object's bytes from `offset` on.
    fn get<'a>(&'a self, key: &'a str, offset: u64) -> BoxFuture<'a, Result<ByteStream, StoreError>>;
    /// The file of this machine that the object is, where it is one: it may be read at several places at the same time.
    fn local(&self, _key: &str) -> Option<std::path::PathBuf> {
        None
    }
    /// Writes a small object at once.
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<ObjectInfo, StoreError>>;
    /// Starts an object of unknown size. Metadata is fixed at the start, as S3 wants it.
    fn upload<'a>(&'a self, key: &'a str, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<Box<dyn Upload>, StoreError>>;
    /// Removes the object; removing what is not there is fine.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// A store shared between stages.
pub type SharedStore = Arc<dyn Store>;

/// Reads a whole small object; refuses more than `limit` bytes.
pub async fn read_all(store: &dyn Store, key: &str, limit: usize) -> Result<Bytes, StoreError> {
    use futures_util::StreamExt;
    let mut stream = store.get(key, 0).await?;
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if all.len() + chunk.len() > limit {
            return Err(StoreError {
                doing: format!("read {}/{key}: larger than {limit} bytes", store.name()),
                transient: false,
                not_found: false,
                source: None,
            });
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}
