//! What every job is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use meteoctl_aws::client::Aws;
use meteoctl_aws::kinds::secret::{Login, login};
use meteoctl_data::fault::Fault;
use meteoctl_data::mongo::DatabaseError;
use meteoctl_data::store::{SharedStore, StoreError};
use meteoctl_engine::event::{Event, Listener};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::{Id, Link};

use crate::recall::Recall;
use crate::s3_store::S3Store;

/// Everything the jobs share within a run.
pub struct JobContext {
    /// The AWS clients.
    pub aws: Arc<Aws>,
    /// Hears progress.
    pub listener: Listener,
    /// Where MongoDB is reached, when the operator says so; wins over the Service's own endpoint.
    pub mongodb_uri: Option<String>,
    /// Variables of the environment that documents name by `uriFromEnv`.
    pub variables: BTreeMap<String, String>,
    /// CA files that Collections name: a server with TLS answers nobody who does not trust its authority.
    pub authorities: Vec<String>,
    /// Whether looks recompute every digest in the database.
    pub deep: bool,
    /// Jobs that are to be done although nothing is due.
    pub forced: Forced,
    /// What the plan that goes on has read.
    pub recall: Recall,
    /// Whether datasets take along the rejects that a person mended.
    pub replay: bool,
}

impl JobContext {
    /// The bucket behind a link as a store.
    pub fn store(&self, bucket: &Link) -> Outcome<SharedStore> {
        Ok(self.bucket(bucket.output("name")?))
    }

    /// The bucket of this name as a store. During a plan it asks for nothing twice.
    pub fn bucket(&self, name: String) -> SharedStore {
        Arc::new(self.recall.over(S3Store::new(self.aws.clone(), name)))
    }

    /// User name and password in a secret, by its name or ARN.
    pub async fn login(&self, secret: &str) -> Outcome<Login> {
        self.recall.login(secret, login(&self.aws, secret)).await
    }

    /// Tells how far a document's work is.
    pub fn progress(&self, id: &Id, doing: &str, done: u64, total: Option<u64>, unit: &'static str) {
        (self.listener)(&Event::Progress { id: id.clone(), doing: doing.to_owned(), done, total, unit });
    }

    /// Tells something worth knowing.
    pub fn notice(&self, id: &Id, text: String) {
        (self.listener)(&Event::Notice { id: id.clone(), text });
    }
}

/// Jobs asked for by name: due once, whatever the look says.
#[derive(Debug, Clone, Default)]
pub struct Forced(Arc<Mutex<BTreeSet<Id>>>);

impl Forced {
    /// Makes a job due once.
    pub fn ask(&self, id: Id) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Whether the job was asked for and has not been done since.
    pub fn wants(&self, id: &Id) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// The job was done.
    pub fn done(&self, id: &Id) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// `1 row`, `2 rows`.
pub fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// A fault of the pipeline as a failure.
pub fn fault(fault: Fault) -> Failure {
    let failure = if fault.transient { Failure::transient(fault.doing) } else { Failure::rejected(fault.doing) };
    with(failure, fault.source, fault.hint)
}

/// A store's error as a failure.
pub fn store(error: StoreError) -> Failure {
    let failure = if error.transient { Failure::transient(error.doing) } else { Failure::rejected(error.doing) };
    with(failure, error.source, None)
}

/// A database error as a failure.
pub fn database(error: DatabaseError) -> Failure {
    let failure = if error.transient { Failure::transient(error.doing) } else { Failure::rejected(error.doing) };
    with(failure, error.source, error.hint)
}

fn with(mut failure: Failure, source: Option<Box<dyn std::error::Error + Send + Sync>>, hint: Option<String>) -> Failure {
    failure.source = source;
    failure.hint = hint;
    failure
}
