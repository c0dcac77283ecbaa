//! Deciding what a restore does before anything is written.

use bson::{Document, doc};
use serde::Serialize;

use super::RestoreSpec;
use crate::archive::Namespace;
use crate::backup::{BackupManifest, MANIFEST_SUFFIX, Verified, agree, check_archive};
use crate::document::SetDigest;
use crate::mongo::{CollectionKind, DatabaseError, Server};
use crate::store::{Store, read_all};

/// A manifest larger than this is none of ours.
const MANIFEST_LIMIT: usize = 16 << 20;

/// An archive that was read whole and found right.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What it holds.
    pub verified: Verified,
    /// Whether a manifest lies beside it, with which it agrees.
    pub has_manifest: bool,
    /// What of it will be restored, and where to.
    pub planned: Vec<Planned>,
}

/// One collection or view to restore.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Database in the archive.
    pub from_database: String,
    /// Database it goes into.
    pub database: String,
    /// Name.
    pub name: String,
    /// Whether it is a view.
    pub view: bool,
    /// Order-free digest over the BSON bytes of its documents.
    pub digest: SetDigest,
    /// Options it is made with.
    #[serde(skip)]
    pub options: Document,
    /// Indexes it gets, the one on `_id` left out.
    #[serde(skip)]
    pub indexes: Vec<Document>,
    /// Names of those indexes.
    pub index_names: Vec<String>,
}

/// Reads the archive whole and compares it with its manifest, if it has one. Writes nothing.
pub async fn check(store: &dyn Store, spec: &RestoreSpec) -> Result<Check, DatabaseError> {
    let doing = || format!("restore {}/{}", store.name(), spec.key);
    let manifest = match read_all(store, &format!("{}{MANIFEST_SUFFIX}", spec.key), MANIFEST_LIMIT).await {
        Ok(bytes) => Some(serde_json::from_slice::<BackupManifest>(&bytes).map_err(|error| DatabaseError::caused(doing(), error))?),
        Err(error) if error.not_found => None,
        Err(error) => return Err(error.into()),
    };
    let verified = check_archive(store, &spec.key, spec.encryption.as_ref(), &|_| ()).await?;
    if let Some(manifest) = &manifest {
        agree(&verified, manifest).map_err(|why| {
            DatabaseError::rejected(doing(), format!("the archive is not the one its manifest describes: {why}"))
                .with_hint("use an older backup")
        })?;
    }
    let mut planned = Vec::new();
    for namespace in &verified.prelude.namespaces {
        if spec.collection.as_ref().is_none_or(|name| *name == namespace.collection) {
            planned.push(plan(namespace, spec, &verified)?);
        }
    }
    if let (Some(name), true) = (&spec.collection, planned.is_empty()) {
        let names: Vec<&str> = verified.prelude.namespaces.iter().map(|namespace| namespace.collection.as_str()).collect();
        return Err(
            DatabaseError::rejected(doing(), format!("it holds no collection {name}")).with_hint(format!("it holds: {}", names.join(", ")))
        );
    }
    refuse_clashes(&planned)
        .map_err(|why| DatabaseError::rejected(doing(), why).with_hint("restore one collection at a time, or without another database"))?;
    Ok(Check { verified, has_manifest: manifest.is_some(), planned })
}

fn plan(namespace: &Namespace, spec: &RestoreSpec, verified: &Verified) -> Result<Planned, DatabaseError> {
    let doing = || format!("restore {}", namespace.name());
    let details = namespace.details().map_err(|error| DatabaseError::caused(doing(), error))?;
    if details.kind == "timeseries" || namespace.kind == "timeseries" || details.options.contains_key("timeseries") {
        return Err(DatabaseError::rejected(doing(), "it is a time series collection")
            .with_hint("restore the other collections one by one, and this one with mongorestore"));
    }
    let source = (namespace.database.clone(), namespace.collection.clone());
    let indexes: Vec<Document> =
        details.indexes.into_iter().filter(|index| index.get_str("name").ok() != Some("_id_")).map(portable).collect();
    Ok(Planned {
        from_database: namespace.database.clone(),
        database: spec.into.clone().unwrap_or_else(|| namespace.database.clone()),
        name: namespace.collection.clone(),
        view: details.kind == "view" || namespace.kind == "view" || details.options.contains_key("viewOn"),
        digest: verified.digests.get(&source).copied().unwrap_or_default(),
        options: details.options,
        index_names: indexes.iter().filter_map(|index| index.get_str("name").ok().map(str::to_owned)).collect(),
        indexes,
    })
}

/// Without what old servers wrote into index specifications and new ones refuse.
fn portable(mut index: Document) -> Document {
    index.remove("ns");
    index.remove("background");
    index
}

fn refuse_clashes(planned: &[Planned]) -> Result<(), String> {
    for (at, one) in planned.iter().enumerate() {
        if let Some(other) = planned.iter().skip(at + 1).find(|other| other.database == one.database && other.name == one.name) {
            return Err(format!(
                "{}.{} and {}.{} would both become {}.{}",
                one.from_database, one.name, other.from_database, other.name, one.database, one.name
            ));
        }
    }
    Ok(())
}

/// Refuses when something with content has one of the names.
pub(super) async fn refuse_overwriting(server: &Server, planned: &[Planned]) -> Result<(), DatabaseError> {
    for one in planned {
        let Some(info) = server.collection(&one.database, &one.name).await? else { continue };
        let documents = match info.kind {
            CollectionKind::Collection => server.count(&one.database, &one.name, doc! {}).await?,
            _ => 1,
        };
        if documents > 0 {
            let place = format!("{}.{} on {}", one.database, one.name, server.name());
            let why = if info.kind == CollectionKind::Collection {
                format!("it holds {documents} documents")
            } else {
                "it is a view or a time series".into()
            };
            return Err(DatabaseError::rejected(format!("restore over {place}"), why)
                .with_hint("restore into another database (--into), or say --replace"));
        }
    }
    Ok(())
}
