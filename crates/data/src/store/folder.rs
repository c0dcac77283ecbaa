//! A store in a folder of the local disk. Metadata lies beside the object as `.NAME.meta.json`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{BoxFuture, ByteStream, ObjectInfo, Store, StoreError, Upload};

mod reading;
mod writing;

use writing::Pending;

/// Objects as files under one folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// A store rooted at `root`, which need not exist before the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Folder { root: root.into() }
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        let relative = Path::new(key);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || key.is_empty() {
            return Err(StoreError {
                doing: format!("use `{key}` as a key: it leaves the folder {}", self.root.display()),
                transient: false,
                not_found: false,
                source: None,
            });
        }
        Ok(self.root.join(relative))
    }
}

fn sidecar(path: &Path) -> PathBuf {
    beside(path, ".meta.json")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}{suffix}"))
}

fn describe(root: &Path, path: &Path, with_metadata: bool) -> std::io::Result<ObjectInfo> {
    let stat = std::fs::metadata(path)?;
    let modified: DateTime<Utc> = stat.modified()?.into();
    let key = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let metadata = match std::fs::read(sidecar(path)) {
        Ok(text) if with_metadata => serde_json::from_slice(&text).unwrap_or_default(),
        _ => BTreeMap::new(),
    };
    let etag = format!("{:x}-{:x}", modified.timestamp_nanos_opt().unwrap_or_default(), stat.len());
    Ok(ObjectInfo { key, size: stat.len(), etag, modified, metadata })
}

fn walk(root: &Path, folder: &Path, prefix: &str, into: &mut Vec<ObjectInfo>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.metadata()?.is_dir() {
            walk(root, &path, prefix, into)?;
        } else {
            let info = describe(root, &path, false)?;
            if info.key.starts_with(prefix) {
                into.push(info);
            }
        }
    }
    Ok(())
}

impl Store for Folder {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>, StoreError>> {
        Box::pin(async move {
            let mut found = Vec::new();
            walk(&self.root, &self.root, prefix, &mut found)
                .map_err(|source| StoreError::io(format!("list {}/{prefix}", self.root.display()), source))?;
            found.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(found)
        })
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        Box::pin(async move {
            let path = self.path(key)?;
            match describe(&self.root, &path, true) {
                Ok(info) => Ok(Some(info)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(StoreError::io(format!("look at {}", path.display()), error)),
            }
        })
    }

    fn get<'a>(&'a self, key: &'a str, offset: u64) -> BoxFuture<'a, Result<ByteStream, StoreError>> {
        Box::pin(async move {
            let path = self.path(key)?;
            reading::open(path, offset).await
        })
    }

    fn local(&self, key: &str) -> Option<PathBuf> {
        self.path(key).ok()
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<ObjectInfo, StoreError>> {
        Box::pin(async move {
            let mut pending = Pending::start(self.root.clone(), self.path(key)?, metadata).await?;
            pending.append(bytes).await?;
            pending.complete().await
        })
    }

    fn upload<'a>(&'a self, key: &'a str, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<Box<dyn Upload>, StoreError>> {
        Box::pin(async move {
            let pending = Pending::start(self.root.clone(), self.path(key)?, metadata).await?;
            let upload: Box<dyn Upload> = Box::new(pending);
            Ok(upload)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let path = self.path(key)?;
            let _ = tokio::fs::remove_file(sidecar(&path)).await;
            match tokio::fs::remove_file(&path).await {
                Ok(()) => Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(StoreError::io(format!("delete {}", path.display()), error)),
            }
        })
    }
}
