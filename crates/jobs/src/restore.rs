//! Restore: a backup back into a database, checked first.
//!
//! It needs the server and the archive, nothing else: on the day it is needed the dataset, the sources and the
//! collection itself may all be gone.

use std::path::Path;
use std::sync::Arc;

use meteoctl_data::backup;
use meteoctl_data::restore::{self, RestoreSpec};
use meteoctl_data::store::{Folder, SharedStore};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::Meta;
use meteoctl_engine::reference::{Id, Outputs};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::backup::BackupSpec;
use crate::collection::{CollectionSpec, progress_of};
use crate::context::{JobContext, database};
use crate::s3_store::S3Store;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `s3://bucket/key`, a file, or `latest`.
    pub backup: String,
    /// Database to restore into; the one it came from where left out.
    pub into: Option<String>,
    /// Only this collection.
    pub collection: Option<String>,
    /// Whether collections that hold documents may be replaced.
    pub replace: bool,
    /// Check everything, write nothing.
    pub dry_run: bool,
    /// Folder of the Collection's file; a relative path in it starts there.
    pub folder: std::path::PathBuf,
}

/// Restores onto the server of a Collection. `collection` and `backup` are the specs of the documents, with the outputs
/// of what they refer to as far as they are known; the Backup serves `latest` and knows the key of sealed archives.
///
/// # Errors
/// An archive that is not there or does not verify, a target that holds documents without `replace`, the server's refusals.
pub async fn run(context: &JobContext, collection: &Outputs, backup: Option<&Outputs>, request: &Request) -> Outcome<Value> {
    let backup: Option<BackupSpec> = backup.map(read).transpose()?;
    let collection: CollectionSpec = read(collection)?;
    let (store, key) = locate(context, &collection, backup.as_ref(), &request.backup).await?;
    let encryption = match backup.as_ref().and_then(|backup| backup.encryption.as_ref()) {
        Some(sealed) if key.ends_with(backup::SEALED_SUFFIX) => Some(sealed.key(context).await?),
        _ => None,
    };
    let meta = Meta { folder: request.folder.clone(), ..Meta::default() };
    let server = collection.connection(context, &meta)?.open(context).await?;
    let spec = RestoreSpec {
        collection: request.collection.clone(),
        into: request.into.clone(),
        replace: request.replace,
        dry_run: request.dry_run,
        encryption,
        ..RestoreSpec::new(key)
    };
    let id = Id::new("Restore", request.backup.clone());
    let outcome = restore::run(&server, &spec, store.as_ref(), &|progress| progress_of(context, &id, progress)).await.map_err(database)?;
    serde_json::to_value(outcome).map_err(|error| Failure::rejected("tell what was restored").because(error))
}

fn read<T: DeserializeOwned>(spec: &Outputs) -> Outcome<T> {
    serde_json::from_value(Value::Object(spec.clone())).map_err(|error| Failure::rejected("read the document to restore by").because(error))
}

async fn locate(
    context: &JobContext,
    collection: &CollectionSpec,
    backup: Option<&BackupSpec>,
    name: &str,
) -> Outcome<(SharedStore, String)> {
    if let Some((bucket, key)) = name.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
        return Ok((Arc::new(S3Store::new(context.aws.clone(), bucket)), key.to_owned()));
    }
    if name == "latest" {
        return latest(context, collection, backup).await;
    }
    let path = Path::new(name);
    match (path.parent(), path.file_name().and_then(|file| file.to_str())) {
        (Some(folder), Some(file)) if path.is_file() => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok((Arc::new(Folder::new(folder)), file.to_owned()))
        }
        _ => Err(Failure::rejected(format!("find the backup {name}")).hint("give s3://bucket/key, a file, or `latest`")),
    }
}

/// The newest verified backup, found without the collection's help.
async fn latest(context: &JobContext, collection: &CollectionSpec, backup: Option<&BackupSpec>) -> Outcome<(SharedStore, String)> {
    let Some(backup) = backup else {
        return Err(Failure::rejected("find the latest backup")
            .because("no Backup document refers to the collection")
            .hint("name the archive: s3://bucket/key"));
    };
    let store = context.store(&backup.bucket)?;
    let listed = backup::list(store.as_ref(), &backup.prefix).await.map_err(database)?;
    match listed.into_iter().rev().find(|backup| backup.is_of(&collection.database)) {
        Some(newest) => Ok((store, newest.key)),
        None => {
            Err(Failure::rejected(format!("find the latest backup of {} below {}/{}", collection.database, store.name(), backup.prefix))
                .because("no verified one is there")
                .hint("name the archive: s3://bucket/key"))
        }
    }
}
