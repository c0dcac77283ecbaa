//! Collections, views and indexes.

use bson::{Bson, Document, doc};

use super::write::whole;
use super::{DatabaseError, Server, Topology};

/// What a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionKind {
    /// Holds documents.
    Collection,
    /// A stored pipeline over another namespace.
    View,
    /// A time series collection.
    TimeSeries,
}

/// One namespace of a database.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionInfo {
    /// Name without the database.
    pub name: String,
    /// What it is.
    pub kind: CollectionKind,
    /// Options it was made with (validator, collation, capped, `viewOn`, `pipeline`, …).
    pub options: Document,
    /// Identity of a collection, 32 hex digits: another one means dropped and made anew. Views have none.
    pub uuid: Option<String>,
}

impl Server {
    /// All namespaces of a database by name, `system.` ones left out.
    pub async fn collections(&self, database: &str) -> Result<Vec<CollectionInfo>, DatabaseError> {
        self.list_collections(database, doc! {}).await
    }

    /// One namespace, or `None` on the server's word that it is not there.
    pub async fn collection(&self, database: &str, name: &str) -> Result<Option<CollectionInfo>, DatabaseError> {
        Ok(self.list_collections(database, doc! {"name": name}).await?.pop())
    }

    async fn list_collections(&self, database: &str, filter: Document) -> Result<Vec<CollectionInfo>, DatabaseError> {
        let command = doc! {"listCollections": 1, "filter": filter, "cursor": {"batchSize": 100_000}};
        let reply = self.repeatable(database, &command, &format!("list the collections of {database}")).await?;
        let mut found: Vec<CollectionInfo> = first_batch(&reply).filter_map(describe).collect();
        found.retain(|info| !info.name.starts_with("system."));
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Index specifications as the server keeps them; none for a collection that is not there.
    pub async fn indexes(&self, database: &str, collection: &str) -> Result<Vec<Document>, DatabaseError> {
        let command = doc! {"listIndexes": collection, "cursor": {"batchSize": 10_000}};
        match self.repeatable(database, &command, &format!("list the indexes of {database}.{collection}")).await {
            Ok(reply) => Ok(first_batch(&reply).cloned().collect()),
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Builds indexes; those that exist already are left as they are.
    pub async fn create_indexes(&self, database: &str, collection: &str, indexes: Vec<Document>) -> Result<(), DatabaseError> {
        if indexes.is_empty() {
            return Ok(());
        }
        let mut command = doc! {"createIndexes": collection, "indexes": indexes, "writeConcern": {"w": "majority"}};
        if self.patiently(|| self.describe()).await?.topology != Topology::Standalone {
            // The server's default waits for every voting member: with one of them down, for ever.
            command.insert("commitQuorum", "majority");
        }
        self.repeatable(database, &command, &format!("build the indexes of {database}.{collection}")).await.map(drop)
    }

    /// Drops an index by its name; one that is not there is fine.
    pub async fn drop_index(&self, database: &str, collection: &str, name: &str) -> Result<(), DatabaseError> {
        let command = doc! {"dropIndexes": collection, "index": name, "writeConcern": {"w": "majority"}};
        match self.repeatable(database, &command, &format!("drop the index {name} of {database}.{collection}")).await {
            Err(error) if is_missing(&error) || code(&error) == Some(27) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Makes a collection or view with these options; one that exists is left as it is.
    pub async fn create(&self, database: &str, name: &str, options: &Document) -> Result<(), DatabaseError> {
        let mut command = doc! {"create": name};
        command.extend(options.clone());
        command.insert("writeConcern", doc! {"w": "majority"});
        match self.repeatable(database, &command, &format!("create {database}.{name}")).await {
            Err(error) if code(&error) == Some(48) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Drops a namespace; one that is not there is fine.
    pub async fn drop_collection(&self, database: &str, name: &str) -> Result<(), DatabaseError> {
        let command = doc! {"drop": name, "writeConcern": {"w": "majority"}};
        match self.repeatable(database, &command, &format!("drop {database}.{name}")).await {
            Err(error) if is_missing(&error) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Names of the databases this user may see.
    pub async fn databases(&self) -> Result<Vec<String>, DatabaseError> {
        let command = doc! {"listDatabases": 1, "nameOnly": true, "authorizedDatabases": true};
        let reply = self.repeatable("admin", &command, "list the databases").await?;
        let all = reply.get_array("databases").into_iter().flatten().filter_map(Bson::as_document);
        Ok(all.filter_map(|database| database.get_str("name").ok().map(str::to_owned)).collect())
    }

    /// Drops a database; one that is not there is fine.
    pub async fn drop_database(&self, database: &str) -> Result<(), DatabaseError> {
        let command = doc! {"dropDatabase": 1, "writeConcern": {"w": "majority"}};
        self.repeatable(database, &command, &format!("drop the database {database}")).await.map(drop)
    }

    /// Gives a collection another name within its database, in one step taking the place of what is there.
    pub async fn rename(&self, database: &str, from: &str, to: &str) -> Result<(), DatabaseError> {
        let command = doc! {
            "renameCollection": format!("{database}.{from}"),
            "to": format!("{database}.{to}"),
            "dropTarget": true,
            "writeConcern": {"w": "majority"},
        };
        self.command("admin", &command, &format!("rename {database}.{from} to {to}")).await.map(drop)
    }

    /// Number of documents that match; an empty filter is answered from the catalogue at once.
    pub async fn count(&self, database: &str, collection: &str, filter: Document) -> Result<u64, DatabaseError> {
        let command = doc! {"count": collection, "query": filter};
        let reply = self.repeatable(database, &command, &format!("count {database}.{collection}")).await?;
        Ok(whole(reply.get("n")))
    }
}

fn first_batch(reply: &Document) -> impl Iterator<Item = &Document> {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    batch.into_iter().flatten().filter_map(Bson::as_document)
}

fn describe(found: &Document) -> Option<CollectionInfo> {
    let kind = match found.get_str("type") {
        Ok("view") => CollectionKind::View,
        Ok("timeseries") => CollectionKind::TimeSeries,
        _ => CollectionKind::Collection,
    };
    let uuid = match found.get_document("info").ok().and_then(|info| info.get("uuid")) {
        Some(Bson::Binary(binary)) => Some(binary.bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        _ => None,
    };
    Some(CollectionInfo {
        name: found.get_str("name").ok()?.to_owned(),
        kind,
        options: found.get_document("options").cloned().unwrap_or_default(),
        uuid,
    })
}

fn code(error: &DatabaseError) -> Option<i32> {
    let driver = error.source.as_ref()?.downcast_ref::<mongodb::error::Error>()?;
    match driver.kind.as_ref() {
        mongodb::error::ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// Code 26: the namespace does not exist.
fn is_missing(error: &DatabaseError) -> bool {
    code(error) == Some(26)
}
