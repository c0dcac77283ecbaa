//! A collection without a dataset: what the last verified backup held, put back whenever it is not there.

use meteoctl_data::backup::{self, BackupManifest};
use meteoctl_data::import;
use meteoctl_data::mongo::{CollectionKind as Namespace, Server};
use meteoctl_data::restore::{self, Progress, RestoreSpec};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Fault, Observed, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CollectionSpec;
use crate::backup::EncryptionSpec;
use crate::context::{JobContext, database};

/// Where backups lie.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreFrom {
    /// Bucket of the backups.
    pub bucket: Link,
    /// Prefix of the backups.
    pub prefix: String,
    /// What they are sealed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionSpec>,
}

impl RestoreFrom {
    /// Faults that can be told from the document.
    pub(super) fn check(&self) -> Vec<Fault> {
        let bucket = expect_kind("/restoreFrom/bucket", &self.bucket, &["Bucket"]);
        let key = self.encryption.as_ref().and_then(|sealed| expect_kind("/restoreFrom/encryption/ageKey", &sealed.age_key, &["Secret"]));
        bucket.into_iter().chain(key).collect()
    }

    /// The manifest of the newest verified backup that holds the collection.
    async fn newest(&self, context: &JobContext, want: &CollectionSpec) -> Outcome<BackupManifest> {
        let store = context.store(&self.bucket)?;
        let listed = backup::list(store.as_ref(), &self.prefix).await.map_err(database)?;
        let holds = |manifest: &BackupManifest| {
            manifest.database == want.database && manifest.collections.iter().any(|record| record.name == want.collection)
        };
        listed.into_iter().rev().filter_map(|backup| backup.manifest).find(holds).ok_or_else(|| {
            Failure::rejected(format!("find a backup of {}.{} below {}/{}", want.database, want.collection, store.name(), self.prefix))
                .because("no verified one is there")
                .hint("correct bucket and prefix, or give the collection a `dataset`")
        })
    }
}

/// What is there. A collection that holds documents is in order, whatever they are.
pub(super) async fn look(
    context: &JobContext,
    server: &Server,
    want: &CollectionSpec,
    from: &RestoreFrom,
) -> Outcome<Observed<CollectionSpec>> {
    let documents = documents(server, want).await?;
    let seen = Observed::new(want.clone())
        .output("documents", documents)
        .output("bucket", from.bucket.output("name")?)
        // What a measurement of it is good for.
        .output("manifestDigest", format!("{documents} documents without a dataset"));
    if documents == 0 {
        let backup = from.newest(context, want).await?;
        return Ok(seen.work("/restoreFrom", format!("put back {}: {} documents", backup.archive, held(&backup, want))));
    }
    let missing = import::missing_indexes(server, &want.import()).await.map_err(database)?;
    let seen = seen.note(format!("{documents} documents, without a dataset"));
    Ok(if missing.is_empty() { seen } else { seen.work("/indexes", format!("build {}", missing.join(", "))) })
}

/// Restores if nothing is there, and builds the indexes that are missing.
pub(super) async fn run(context: &JobContext, id: &Id, server: &Server, want: &CollectionSpec, from: &RestoreFrom) -> Outcome<()> {
    if documents(server, want).await? == 0 {
        let backup = from.newest(context, want).await?;
        let key = match &from.encryption {
            Some(sealed) => Some(sealed.key(context).await?),
            None => None,
        };
        let spec = RestoreSpec {
            collection: Some(want.collection.clone()),
            into: Some(want.database.clone()),
            encryption: key,
            ..RestoreSpec::new(backup.archive.clone())
        };
        let told = |progress: Progress| progress_of(context, id, progress);
        let done = restore::run(server, &spec, context.store(&from.bucket)?.as_ref(), &told).await.map_err(database)?;
        context.notice(id, format!("{}: {} documents put back, compared with the archive", done.archive, done.documents));
    }
    import::ensure_indexes(server, &want.import()).await.map_err(database)
}

/// Tells how far a restore is.
pub(crate) fn progress_of(context: &JobContext, id: &Id, progress: Progress) {
    match progress {
        Progress::Checking => context.progress(id, "check the archive", 0, None, "bytes"),
        Progress::Filling { done, total } => context.progress(id, "restore", done, Some(total), "documents"),
        Progress::Indexing => context.progress(id, "build indexes", 0, None, "indexes"),
        Progress::Comparing => context.progress(id, "compare", 0, None, "documents"),
    }
}

/// Documents of this collection in a backup.
fn held(backup: &BackupManifest, want: &CollectionSpec) -> u64 {
    backup.collections.iter().filter(|record| record.name == want.collection).map(|record| record.digest.count).sum()
}

async fn documents(server: &Server, want: &CollectionSpec) -> Outcome<u64> {
    match server.collection(&want.database, &want.collection).await.map_err(database)?.map(|info| info.kind) {
        None => Ok(0),
        Some(Namespace::Collection) => server.count(&want.database, &want.collection, Default::default()).await.map_err(database),
        Some(_) => Err(Failure::rejected(format!("look at {}.{} on {}", want.database, want.collection, server.name()))
            .because("it is a view or a time series collection")
            .hint("choose another collection name")),
    }
}
