//! A store in memory, for tests and small work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chrono::Utc;
use futures_util::stream;
use xxhash_rust::xxh3::xxh3_128;

use super::{BoxFuture, ByteStream, ObjectInfo, Store, StoreError, Upload};

type Objects = Arc<Mutex<BTreeMap<String, (ObjectInfo, Bytes)>>>;

/// Objects in a map.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    objects: Objects,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Memory::default()
    }
}

fn insert(objects: &Objects, key: &str, bytes: Bytes, metadata: BTreeMap<String, String>) -> ObjectInfo {
    let info = ObjectInfo {
        key: key.to_owned(),
        size: bytes.len() as u64,
        etag: format!("{:032x}", xxh3_128(&bytes)),
        modified: Utc::now(),
        metadata,
    };
    objects.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), (info.clone(), bytes));
    info
}

struct Pending {
    objects: Objects,
    key: String,
    metadata: BTreeMap<String, String>,
    bytes: Vec<u8>,
}

impl Upload for Pending {
    fn write<'a>(&'a mut self, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.bytes.extend_from_slice(&bytes);
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<ObjectInfo, StoreError>> {
        Box::pin(async move { Ok(insert(&self.objects, &self.key, self.bytes.into(), self.metadata)) })
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Store for Memory {
    fn name(&self) -> String {
        "memory:".to_owned()
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>, StoreError>> {
        Box::pin(async move {
            let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(objects
                .range(prefix.to_owned()..)
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(_, (info, _))| ObjectInfo { metadata: BTreeMap::new(), ..info.clone() })
                .collect())
        })
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        Box::pin(async move {
            let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(objects.get(key).map(|(info, _)| info.clone()))
        })
    }

    fn get<'a>(&'a self, key: &'a str, offset: u64) -> BoxFuture<'a, Result<ByteStream, StoreError>> {
        Box::pin(async move {
            let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            let (_, bytes) = objects.get(key).ok_or_else(|| StoreError::not_found(format!("read memory:/{key}")))?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let rest = bytes.slice(start..);
            let stream: ByteStream = Box::pin(stream::iter([Ok(rest)]));
            Ok(stream)
        })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<ObjectInfo, StoreError>> {
        Box::pin(async move { Ok(insert(&self.objects, key, bytes, metadata)) })
    }

    fn upload<'a>(&'a self, key: &'a str, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<Box<dyn Upload>, StoreError>> {
        let pending = Pending { objects: self.objects.clone(), key: key.to_owned(), metadata, bytes: Vec::new() };
        Box::pin(async move {
            let upload: Box<dyn Upload> = Box::new(pending);
            Ok(upload)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            Ok(())
        })
    }
}
