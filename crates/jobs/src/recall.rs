//! What one plan has read already, so that no two of its documents ask S3 or Secrets Manager for the same.
//!
//! Kept only while a run that looks goes on, and forgotten when the next run begins: a change is never judged by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use meteoctl_aws::kinds::secret::Login;
use meteoctl_data::store::{BoxFuture, ByteStream, ObjectInfo, Store, StoreError, Upload, read_all};
use tokio::sync::OnceCell;

use crate::s3_store::{FirstPage, S3Store};

/// Objects up to this size are kept: manifests and reports. Larger ones are read anew by everybody.
const LARGEST: usize = 16 << 20;

/// The memory of the plan that goes on; none otherwise.
#[derive(Debug, Clone, Default)]
pub struct Recall(Arc<Mutex<Option<Arc<Memory>>>>);

#[derive(Debug, Default)]
struct Memory {
    pages: Cells<String, FirstPage>,
    bodies: Cells<(String, String), Body>,
    logins: Cells<String, Login>,
}

/// Answers by what was asked. The first to ask makes the call, the others wait for its answer; a failure is not kept.
type Cells<K, V> = Mutex<BTreeMap<K, Arc<OnceCell<V>>>>;

#[derive(Debug, Clone)]
enum Body {
    Whole(Bytes),
    Absent,
    Large,
}

fn cell<K: Ord, V>(cells: &Cells<K, V>, key: K) -> Arc<OnceCell<V>> {
    cells.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
}

impl Recall {
    /// A run begins: its plan remembers what it reads, any other run remembers nothing.
    pub fn begin(&self, looks: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = looks.then(Arc::default);
    }

    /// Whether the run that goes on only looks.
    pub fn looks(&self) -> bool {
        self.memory().is_some()
    }

    /// The bucket as a store that remembers.
    pub fn over(&self, store: S3Store) -> RecallingStore {
        RecallingStore { store, recall: self.clone() }
    }

    /// The login of a secret, asked for once.
    ///
    /// # Errors
    /// Whatever reading it says.
    pub async fn login<F, E>(&self, secret: &str, read: F) -> Result<Login, E>
    where
        F: Future<Output = Result<Login, E>>,
    {
        match self.memory() {
            Some(memory) => cell(&memory.logins, secret.to_owned()).get_or_try_init(|| read).await.cloned(),
            None => read.await,
        }
    }

    fn memory(&self) -> Option<Arc<Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A bucket whose first thousand objects are listed once a plan, and whose small objects are read once.
pub struct RecallingStore {
    store: S3Store,
    recall: Recall,
}

impl RecallingStore {
    async fn list_once(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let Some(memory) = self.recall.memory() else { return self.store.list(prefix).await };
        let page = cell(&memory.pages, self.store.bucket().to_owned());
        match page.get_or_try_init(|| self.store.first_page()).await? {
            FirstPage::NoBucket => Err(StoreError::not_found(format!("list {}/{prefix}", self.store.name()))),
            page => match page.under(prefix) {
                Some(objects) => Ok(objects),
                None => self.store.list(prefix).await,
            },
        }
    }

    /// Only what is known already to be absent is not asked for: the listing tells no metadata.
    async fn head_unless_absent(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        let page = self.recall.memory().and_then(|memory| cell(&memory.pages, self.store.bucket().to_owned()).get().cloned());
        match page.and_then(|page| page.holds(key)) {
            Some(false) => Ok(None),
            _ => self.store.head(key).await,
        }
    }

    async fn exists_by_listing(&self, key: &str) -> Result<bool, StoreError> {
        let Some(memory) = self.recall.memory() else { return self.store.exists(key).await };
        let page = cell(&memory.pages, self.store.bucket().to_owned());
        match page.get_or_try_init(|| self.store.first_page()).await?.holds(key) {
            Some(there) => Ok(there),
            None => self.store.exists(key).await,
        }
    }

    async fn get_once(&self, key: &str, offset: u64) -> Result<ByteStream, StoreError> {
        let Some(memory) = self.recall.memory().filter(|_| offset == 0) else { return self.store.get(key, offset).await };
        let body = cell(&memory.bodies, (self.store.bucket().to_owned(), key.to_owned()));
        match body.get_or_try_init(|| self.body(key)).await?.clone() {
            Body::Whole(bytes) => Ok(Box::pin(futures_util::stream::once(async move { Ok(bytes) }))),
            Body::Absent => Err(StoreError::not_found(format!("read {}/{key}", self.store.name()))),
            Body::Large => self.store.get(key, offset).await,
        }
    }

    async fn body(&self, key: &str) -> Result<Body, StoreError> {
        match read_all(&self.store, key, LARGEST).await {
            Ok(bytes) => Ok(Body::Whole(bytes)),
            Err(error) if error.not_found => Ok(Body::Absent),
            // Neither the service nor the network said so: it is larger than what is kept.
            Err(error) if error.source.is_none() && !error.transient => Ok(Body::Large),
            Err(error) => Err(error),
        }
    }
}

impl Store for RecallingStore {
    fn name(&self) -> String {
        self.store.name()
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>, StoreError>> {
        Box::pin(self.list_once(prefix))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        Box::pin(self.head_unless_absent(key))
    }

    fn exists<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.exists_by_listing(key))
    }

    fn get<'a>(&'a self, key: &'a str, offset: u64) -> BoxFuture<'a, Result<ByteStream, StoreError>> {
        Box::pin(self.get_once(key, offset))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<ObjectInfo, StoreError>> {
        self.recall.begin(false);
        self.store.put(key, bytes, metadata)
    }

    fn upload<'a>(&'a self, key: &'a str, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<Box<dyn Upload>, StoreError>> {
        self.recall.begin(false);
        self.store.upload(key, metadata)
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.recall.begin(false);
        self.store.delete(key)
    }
}
