//! Writes that survive elections: every batch is safe to send again, so it is sent again while patience lasts.

use std::time::Duration;

use bson::{Bson, Document, doc};
use tokio::time::{Instant, sleep};

use super::batch::Verb;
use super::{DatabaseError, Documents, Server};

/// Code of a key that exists already.
const DUPLICATE_KEY: i32 = 11000;

/// What became of one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteReply {
    /// Documents inserted, matched or deleted.
    pub n: u64,
    /// Documents an update really changed.
    pub modified: u64,
    /// Documents an update inserted.
    pub upserted: u64,
    /// Places in the batch refused because a key exists already.
    pub duplicates: Vec<usize>,
}

impl Server {
    /// Inserts a batch, unordered, acknowledged by the majority. Existing keys come back as `duplicates`.
    pub async fn insert(&self, database: &str, collection: &str, batch: &Documents) -> Result<WriteReply, DatabaseError> {
        let doing = format!("insert {} documents into {database}.{collection}", batch.len());
        self.write(database, batch, Verb::Insert, collection, &doing).await
    }

    /// As [`insert`](Server::insert), but past the collection's validator: the documents were valid where they come from.
    pub async fn insert_unvalidated(&self, database: &str, collection: &str, batch: &Documents) -> Result<WriteReply, DatabaseError> {
        let doing = format!("insert {} documents into {database}.{collection}", batch.len());
        self.write(database, batch, Verb::InsertUnvalidated, collection, &doing).await
    }

    /// Replaces or inserts whole documents; the batch is built with [`Documents::push_upsert`].
    pub async fn upsert(&self, database: &str, collection: &str, batch: &Documents) -> Result<WriteReply, DatabaseError> {
        let doing = format!("write {} documents into {database}.{collection}", batch.len());
        self.write(database, batch, Verb::Update, collection, &doing).await
    }

    async fn write(
        &self,
        database: &str,
        batch: &Documents,
        verb: Verb,
        collection: &str,
        doing: &str,
    ) -> Result<WriteReply, DatabaseError> {
        if batch.is_empty() {
            return Ok(WriteReply::default());
        }
        let mut pauses = Pauses::new(self.patience);
        loop {
            let outcome = self.raw_command(database, batch.command(verb, collection)?, doing).await;
            match outcome.and_then(|reply| self.read_reply(&reply, doing)) {
                Err(error) if error.transient && pauses.wait().await => {
                    tracing::warn!(error = %error.story(), "sending the batch again");
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs a command that may be repeated without harm, again and again while the failure is transient and patience lasts.
    pub async fn repeatable(&self, database: &str, command: &Document, doing: &str) -> Result<Document, DatabaseError> {
        let mut pauses = Pauses::new(self.patience);
        loop {
            match self.command(database, command, doing).await {
                Err(error) if error.transient && pauses.wait().await => {
                    tracing::warn!(error = %error.story(), "trying again");
                }
                outcome => return outcome,
            }
        }
    }

    /// Deletes every document that matches; says how many.
    pub async fn delete(&self, database: &str, collection: &str, filter: Document) -> Result<u64, DatabaseError> {
        let command = doc! {
            "delete": collection,
            "writeConcern": {"w": "majority"},
            "deletes": [{"q": filter, "limit": 0}],
        };
        let doing = format!("delete documents from {database}.{collection}");
        let reply = self.repeatable(database, &command, &doing).await?;
        Ok(self.read_reply(&reply, &doing)?.n)
    }

    fn read_reply(&self, reply: &Document, doing: &str) -> Result<WriteReply, DatabaseError> {
        let mut read = WriteReply { n: whole(reply.get("n")), modified: whole(reply.get("nModified")), ..WriteReply::default() };
        read.upserted = reply.get_array("upserted").map(|all| all.len() as u64).unwrap_or(0);
        for fault in reply.get_array("writeErrors").into_iter().flatten().filter_map(Bson::as_document) {
            if whole(fault.get("code")) == DUPLICATE_KEY as u64 {
                read.duplicates.push(whole(fault.get("index")) as usize);
            } else {
                return Err(self.refused(fault, doing));
            }
        }
        match reply.get_document("writeConcernError") {
            Ok(fault) => Err(DatabaseError { transient: true, ..self.refused(fault, doing) }),
            Err(_) => Ok(read),
        }
    }

    fn refused(&self, fault: &Document, doing: &str) -> DatabaseError {
        let why = format!("{} (code {})", fault.get_str("errmsg").unwrap_or("no reason given"), whole(fault.get("code")));
        DatabaseError::rejected(format!("{doing} on {}", self.name()), why)
    }
}

/// A number whatever BSON type the server chose for it; 0 when there is none.
pub(crate) fn whole(value: Option<&Bson>) -> u64 {
    match value {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or(0),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or(0),
        Some(Bson::Double(n)) if *n > 0.0 => *n as u64,
        _ => 0,
    }
}

/// Growing pauses, 100 ms doubling to 2 s, until the patience is used up.
pub(super) struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    pub(super) fn new(patience: Duration) -> Self {
        Pauses { until: Instant::now() + patience, next: Duration::from_millis(100) }
    }

    /// Waits and says whether to try again.
    pub(super) async fn wait(&mut self) -> bool {
        if Instant::now() + self.next > self.until {
            return false;
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(Duration::from_secs(2));
        true
    }
}

impl Server {
    /// Does something repeatable as a whole, again from the start while it fails in passing and patience lasts.
    pub async fn patiently<T, Again, Once>(&self, again: Again) -> Result<T, DatabaseError>
    where
        Again: Fn() -> Once,
        Once: Future<Output = Result<T, DatabaseError>>,
    {
        let mut pauses = Pauses::new(self.patience);
        loop {
            match again().await {
                Err(error) if error.transient && pauses.wait().await => {
                    tracing::warn!(error = %error.story(), "starting again");
                }
                outcome => return outcome,
            }
        }
    }
}
