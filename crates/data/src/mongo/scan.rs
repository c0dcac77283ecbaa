//! Reading a collection batch by batch, without decoding documents.

use bson::{Bson, Document, RawArray, doc};
use futures_util::StreamExt;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};

use super::{DatabaseError, Server};

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which documents.
    pub filter: Document,
    /// Which fields; empty means whole documents.
    pub projection: Document,
    /// Index to use, as its key pattern or `{$natural: 1}`; empty lets the server choose.
    pub hint: Document,
    /// Read one snapshot of the majority's data (replica sets and sharded clusters only), at this time if given.
    pub snapshot: Option<Snapshot>,
}

/// The instant a snapshot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// Now; the scan tells the instant it got.
    Latest,
    /// The instant of an earlier scan.
    At(bson::Timestamp),
}

/// A running scan.
pub struct Scan {
    cursor: RawBatchCursor,
    server: Server,
    doing: String,
}

/// One batch of documents as the server sent it.
#[derive(Debug)]
pub struct ScanBatch {
    batch: RawBatch,
}

impl ScanBatch {
    /// The array of documents, still in the server's reply.
    pub fn documents(&self) -> Result<&RawArray, DatabaseError> {
        self.batch.doc_slices().map_err(|error| DatabaseError::caused("read a batch of documents", error))
    }

    /// The bytes of each document in order.
    pub fn slices(&self) -> Result<impl Iterator<Item = Result<&[u8], DatabaseError>>, DatabaseError> {
        Ok(self.documents()?.into_iter().map(|element| match element {
            Ok(element) => match element.as_document() {
                Some(document) => Ok(document.as_bytes()),
                None => Err(DatabaseError::rejected("read a batch of documents", "an element is not a document")),
            },
            Err(error) => Err(DatabaseError::caused("read a batch of documents", error)),
        }))
    }

    /// The instant of the snapshot this batch belongs to.
    pub fn snapshot_time(&self) -> Option<bson::Timestamp> {
        self.batch.as_raw_document().get_document("cursor").and_then(|cursor| cursor.get_timestamp("atClusterTime")).ok()
    }
}

impl Scan {
    /// The next batch, `None` at the end.
    pub async fn next(&mut self) -> Option<Result<ScanBatch, DatabaseError>> {
        let batch = self.cursor.next().await?;
        Some(batch.map(|batch| ScanBatch { batch }).map_err(|error| self.server.fault(&self.doing, error)))
    }
}

impl Server {
    /// Starts reading a collection. The server fills batches up to its limit of 16 MiB.
    pub async fn scan(&self, database: &str, collection: &str, query: Query) -> Result<Scan, DatabaseError> {
        let mut command = doc! {"find": collection, "filter": query.filter, "batchSize": 4000};
        if !query.projection.is_empty() {
            command.insert("projection", query.projection);
        }
        if !query.hint.is_empty() {
            command.insert("hint", query.hint);
        }
        match query.snapshot {
            Some(Snapshot::Latest) => drop(command.insert("readConcern", doc! {"level": "snapshot"})),
            Some(Snapshot::At(time)) => {
                command.insert("readConcern", doc! {"level": "snapshot", "atClusterTime": Bson::Timestamp(time)});
            }
            None => {}
        }
        self.cursor(database, command, format!("read {database}.{collection}")).await
    }

    /// Runs an aggregation and collects its few result documents.
    pub async fn aggregate(&self, database: &str, collection: &str, pipeline: Vec<Document>) -> Result<Vec<Document>, DatabaseError> {
        let command = doc! {
            "aggregate": collection,
            "pipeline": pipeline,
            "allowDiskUse": true,
            "cursor": {},
        };
        let mut scan = self.cursor(database, command, format!("summarise {database}.{collection}")).await?;
        let mut found = Vec::new();
        while let Some(batch) = scan.next().await {
            for bytes in batch?.slices()? {
                let document = bson::RawDocument::from_bytes(bytes?).and_then(Document::try_from);
                found.push(document.map_err(|error| DatabaseError::caused("read a summary", error))?);
            }
        }
        Ok(found)
    }

    async fn cursor(&self, database: &str, command: Document, doing: String) -> Result<Scan, DatabaseError> {
        let cursor = self.client.database(database).run_cursor_command(command).batch().await;
        let cursor = cursor.map_err(|error| self.fault(&doing, error))?;
        Ok(Scan { cursor, server: self.clone(), doing })
    }
}
