//! The MongoDB server behind a handful of verbs: ping, command, write a batch, scan, catalogue.
//!
//! This module and its folder `mongo/` are the only places that name the driver. Everything above
//! speaks BSON bytes and [`DatabaseError`].

mod batch;
mod catalog;
mod connect;
mod error;
pub mod evidence;
mod scan;
mod write;

use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};
use mongodb::Client;

pub use batch::Documents;
pub use catalog::{CollectionInfo, CollectionKind};
pub use connect::{ConnectSpec, Credentials};
pub use error::DatabaseError;
pub use scan::{Query, Scan, ScanBatch, Snapshot};
pub use write::WriteReply;
pub(crate) use write::whole;

/// A MongoDB deployment: a standalone server, a replica set or a sharded cluster.
#[derive(Debug, Clone)]
pub struct Server {
    client: Client,
    name: String,
    patience: Duration,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Version, such as `6.0.5`.
    pub version: String,
    /// How the deployment is laid out.
    pub topology: Topology,
}

/// How a deployment is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server; a scan of it is not a snapshot.
    Standalone,
    /// A replica set of this name; scans read one snapshot.
    ReplicaSet(String),
    /// A sharded cluster behind `mongos`.
    Sharded,
}

impl Server {
    /// Hosts as people know them, never with credentials: `127.0.0.1:27017`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Succeeds when the server answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.command("admin", &doc! {"ping": 1}, "ping").await.map(drop)
    }

    /// Version and layout.
    pub async fn describe(&self) -> Result<ServerInfo, DatabaseError> {
        let build = self.command("admin", &doc! {"buildInfo": 1}, "ask for the version").await?;
        let hello = self.command("admin", &doc! {"hello": 1}, "ask for the layout").await?;
        let topology = match (hello.get_str("setName"), hello.get_str("msg")) {
            (Ok(set), _) => Topology::ReplicaSet(set.to_owned()),
            (_, Ok("isdbgrid")) => Topology::Sharded,
            _ => Topology::Standalone,
        };
        Ok(ServerInfo { version: build.get_str("version").unwrap_or("unknown").to_owned(), topology })
    }

    /// The server's version, such as `6.0.5`.
    pub async fn server_version(&self) -> Result<String, DatabaseError> {
        Ok(self.describe().await?.version)
    }

    /// Runs one command. `doing` completes the sentence "could not … on HOST".
    pub async fn command(&self, database: &str, command: &Document, doing: &str) -> Result<Document, DatabaseError> {
        self.client.database(database).run_command(command.clone()).await.map_err(|error| self.fault(doing, error))
    }

    async fn raw_command(&self, database: &str, command: RawDocumentBuf, doing: &str) -> Result<Document, DatabaseError> {
        self.client.database(database).run_raw_command(command).await.map_err(|error| self.fault(doing, error))
    }

    fn fault(&self, doing: &str, error: mongodb::error::Error) -> DatabaseError {
        error::from_driver(&self.name, doing, error)
    }
}
