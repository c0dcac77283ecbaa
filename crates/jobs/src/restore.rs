//! Restore: a backup back into a database, checked first.

use std::path::Path;
use std::sync::Arc;

use meteoctl_data::restore::{self, Progress, RestoreSpec};
use meteoctl_data::store::{Folder, SharedStore};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::{Id, Outputs};
use serde_json::Value;

use crate::context::{JobContext, database};
use crate::s3_store::S3Store;
use crate::server::Connection;

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
}

/// Restores onto the server of a Collection (its outputs); `backup` are the outputs of the Backup document, for `latest`.
///
/// # Errors
/// An archive that is not there or does not verify, a target that holds documents without `replace`, the server's refusals.
pub async fn run(context: &JobContext, collection: &Outputs, backup: Option<&Outputs>, request: &Request) -> Outcome<Value> {
    let (store, key) = locate(context, backup, &request.backup)?;
    let server = Connection::from_outputs(collection)?.open(context).await?;
    let spec = RestoreSpec {
        collection: request.collection.clone(),
        into: request.into.clone(),
        replace: request.replace,
        dry_run: request.dry_run,
        ..RestoreSpec::new(key)
    };
    let id = Id::new("Restore", request.backup.clone());
    let told = |progress: Progress| match progress {
        Progress::Checking => context.progress(&id, "check the archive", 0, None, "bytes"),
        Progress::Filling { done, total } => context.progress(&id, "restore", done, Some(total), "documents"),
        Progress::Indexing => context.progress(&id, "build indexes", 0, None, "indexes"),
        Progress::Comparing => context.progress(&id, "compare", 0, None, "documents"),
    };
    let outcome = restore::run(&server, &spec, store.as_ref(), &told).await.map_err(database)?;
    serde_json::to_value(outcome).map_err(|error| Failure::rejected("tell what was restored").because(error))
}

fn locate(context: &JobContext, backup: Option<&Outputs>, name: &str) -> Outcome<(SharedStore, String)> {
    let s3 = |bucket: &str, key: &str| -> (SharedStore, String) { (Arc::new(S3Store::new(context.aws.clone(), bucket)), key.to_owned()) };
    if let Some((bucket, key)) = name.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
        return Ok(s3(bucket, key));
    }
    if name == "latest" {
        let text = |key: &str| backup.and_then(|outputs| outputs.get(key)).and_then(Value::as_str);
        return match (text("bucket"), text("newest")) {
            (Some(bucket), Some(key)) => Ok(s3(bucket, key)),
            _ => Err(Failure::rejected("find the latest backup")
                .because(Failure::rejected("no Backup document has a verified backup"))
                .hint("name the archive: s3://bucket/key")),
        };
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
