//! Collection: the dataset in MongoDB, by station and day, with its indexes; what the last verified backup held where that is gone.

mod refill;

use std::sync::Arc;

use meteoctl_data::digest::TimestampType;
use meteoctl_data::import::{self, Foreign, ImportOutcome, ImportSpec, ImportState, IndexSpec};
use meteoctl_data::manifest::DatasetManifest;
use meteoctl_data::mongo::Server;
use meteoctl_data::store::SharedStore;
use meteoctl_data::transform::read_manifest;
use meteoctl_engine::ahead::Ahead;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::refill::RestoreFrom;
pub(crate) use self::refill::progress_of;
use crate::context::{self, JobContext, database, fault};
use crate::server::{Connection, ServerRef};

/// Keeps a collection equal to a dataset, or refilled from backups.
pub struct CollectionKind {
    pub(crate) context: Arc<JobContext>,
}

/// A collection.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectionSpec {
    /// The server: `{ref: Service/name}` or `{uriFromEnv: MONGO_URI}`.
    pub server: ServerRef,
    /// Secret with `username` and `password`; not used with a URI from the environment, which carries its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Link>,
    /// PEM file with the certificate authorities to trust, relative to this document's file; switches TLS on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<String>,
    /// Database name.
    pub database: String,
    /// Collection name.
    pub collection: String,
    /// The dataset it is kept equal to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Link>,
    /// Where the last verified backup is taken from when the collection is not there or empty: beside a `dataset`, once that is gone
    /// and cannot be made again; without one, whenever it is needed. What the collection holds otherwise is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_from: Option<RestoreFrom>,
    /// What must be fine before anything is written, for example `{ref: QualityReport/weather}`.
    #[serde(default)]
    pub requires: Vec<Link>,
    /// How `timestamp` is stored: `string` (the default) or `date`.
    #[serde(default)]
    pub timestamp_type: TimestampType,
    /// Indexes beside the unique one on station and timestamp.
    #[serde(default)]
    pub indexes: Vec<IndexSpec>,
    /// What to do with documents no import made: `refuse` (the default) or `remove`.
    #[serde(default)]
    pub foreign: Foreign,
}

impl CollectionSpec {
    /// What leads to the server.
    pub fn connection(&self, context: &JobContext, meta: &Meta) -> Outcome<Connection> {
        Connection::of(context, meta, &self.server, self.credentials.as_ref(), self.tls_ca_file.as_deref())
    }

    fn import(&self) -> ImportSpec {
        ImportSpec {
            timestamp_type: self.timestamp_type,
            indexes: self.indexes.clone(),
            foreign: self.foreign,
            ..ImportSpec::new(&self.database, &self.collection)
        }
    }
}

/// What a look needs: the server, the dataset's store and its manifest.
struct Sides {
    server: Server,
    store: SharedStore,
    manifest: DatasetManifest,
}

impl CollectionKind {
    async fn sides(&self, meta: &Meta, want: &CollectionSpec, dataset: &Link) -> Outcome<Sides> {
        let output = dataset.output("output")?;
        let store: SharedStore = self.context.bucket(dataset.output("bucket")?);
        let manifest = match read_manifest(store.as_ref(), &output).await.map_err(fault)? {
            Some(manifest) => manifest,
            None => {
                return Err(dataset.target().map_or_else(|| Failure::rejected(format!("read the manifest of {output}")), Failure::pending));
            }
        };
        let server = want.connection(&self.context, meta)?.open(&self.context).await?;
        Ok(Sides { server, store, manifest })
    }

    /// Writes the station-days that differ, and tells the figures.
    async fn import(&self, meta: &Meta, want: &CollectionSpec, dataset: &Link) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let sides = self.sides(meta, want, dataset).await?;
        let spec = want.import();
        // The state may have moved since the look; it is cheap to look again and never wrong.
        let state = import::look(&sides.server, &spec, &sides.manifest, self.context.deep).await.map_err(database)?;
        let told = |progress: import::Progress| match progress {
            import::Progress::Loading { read, total, .. } => self.context.progress(&id, "import", read, Some(total), "bytes"),
            import::Progress::Indexing => self.context.progress(&id, "build indexes", 0, None, "indexes"),
            import::Progress::Checking => self.context.progress(&id, "check", 0, None, "documents"),
        };
        let done = import::run(&sides.server, &spec, sides.store.as_ref(), &sides.manifest, &state, &told).await.map_err(database)?;
        self.context.notice(&id, figures(&done));
        Ok(())
    }
}

/// What stands on the console after an import.
fn figures(done: &ImportOutcome) -> String {
    let sources: Vec<String> = done.sources.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!(
        "documents in file {}, in database {} ({}): inserted {}, replaced {}, removed {}, unchanged {}; duplicates {}, without temperature {}, humidity {}, pressure {}",
        done.documents_in_file,
        done.documents_in_database,
        sources.join(", "),
        done.inserted,
        done.replaced,
        done.removed,
        done.unchanged,
        done.duplicates,
        done.missing_temperature,
        done.missing_humidity,
        done.missing_pressure
    )
}

fn observed(want: &CollectionSpec, state: &ImportState) -> Observed<CollectionSpec> {
    let mut seen = Observed::new(want.clone()).note(state.headline()).output("documents", state.documents);
    if !state.indexes_missing.is_empty() {
        seen = seen.work("/indexes", format!("build {}", state.indexes_missing.join(", ")));
    }
    let data_differs = !(state.missing.is_empty() && state.differing.is_empty() && state.extra.is_empty() && state.foreign == 0);
    if data_differs {
        let removals = state.removals();
        let removed = if removals > 0 { format!("; {removals} documents to remove") } else { String::new() };
        seen = seen.work("/stationDays", format!("{}{removed}", state.headline()));
    }
    seen
}

impl Kind for CollectionKind {
    const NAME: &'static str = "Collection";
    const ABOUT: &'static str = "Keeps a MongoDB collection equal to a dataset, by station and day, with its indexes.";
    const HOLDS_DATA: bool = true;
    const FOLLOWS: &'static [&'static str] = &["Dataset"];
    /// A report cannot be made either when the dataset is gone; one that refuses a dataset which is there still stops the import.
    const OUTLIVES: &'static [&'static str] = &["Dataset", "QualityReport"];
    type Spec = CollectionSpec;

    fn check(&self, _: &Meta, spec: &CollectionSpec) -> Vec<Fault> {
        let mut faults: Vec<Fault> =
            spec.dataset.as_ref().and_then(|link| expect_kind("/dataset", link, &["Dataset"])).into_iter().collect();
        if spec.dataset.is_none() && spec.restore_from.is_none() {
            faults.push(
                Fault::wrong("", "nothing says what it is to hold")
                    .hint("write `dataset: {ref: Dataset/name}`, or `restoreFrom` where the dataset is gone and a backup is left"),
            );
        }
        faults.extend(spec.restore_from.iter().flat_map(RestoreFrom::check));
        if let ServerRef::Service(link) = &spec.server {
            faults.extend(expect_kind("/server", link, &["Service"]));
        }
        faults.extend(spec.credentials.as_ref().and_then(|link| expect_kind("/credentials", link, &["Secret"])));
        faults
    }

    fn predicted(&self, _: &Meta, spec: &CollectionSpec) -> Outputs {
        let place = json!({"database": spec.database, "collection": spec.collection, "timestampType": spec.timestamp_type});
        place.as_object().cloned().unwrap_or_default()
    }

    /// With the dataset gone and nothing to make it of, the last verified backup, where the document names its place.
    async fn without(&self, _: &Meta, want: &CollectionSpec) -> Outcome<Option<CollectionSpec>> {
        let (Some(dataset), Some(_)) = (&want.dataset, &want.restore_from) else { return Ok(None) };
        let (store, output): (SharedStore, String) = (self.context.bucket(dataset.output("bucket")?), dataset.output("output")?);
        let manifest = read_manifest(store.as_ref(), &output).await.map_err(fault)?;
        let whole = manifest.is_some() && store.exists(&output).await.map_err(context::store)?;
        Ok((!whole).then(|| CollectionSpec { dataset: None, ..want.clone() }))
    }

    /// The manifest and the login need no task that runs: a plan has them when its endpoint is known.
    async fn ahead(&self, _: &Meta, want: &CollectionSpec) -> Outcome<Ahead> {
        let manifest = async {
            let Some(dataset) = &want.dataset else { return Ok(()) };
            let store = self.context.bucket(dataset.output("bucket")?);
            read_manifest(store.as_ref(), &dataset.output("output")?).await.map_err(fault).map(drop)
        };
        let given = self.context.mongodb_uri.is_some() || matches!(want.server, ServerRef::FromEnv(_));
        let login = async {
            match want.credentials.as_ref().filter(|_| !given) {
                Some(secret) => self.context.login(&secret.output("name")?).await.map(drop),
                None => Ok(()),
            }
        };
        tokio::try_join!(manifest, login)?;
        Ok(Ahead::nothing())
    }

    async fn observe(&self, meta: &Meta, want: &CollectionSpec) -> Outcome<Option<Observed<CollectionSpec>>> {
        let connection = want.connection(&self.context, meta)?;
        let told = serde_json::to_value(&connection).unwrap_or_default();
        let seen = match (&want.dataset, &want.restore_from) {
            (Some(dataset), _) => {
                let sides = self.sides(meta, want, dataset).await?;
                let state = import::look(&sides.server, &want.import(), &sides.manifest, self.context.deep).await.map_err(database)?;
                if !state.exists && sides.manifest.documents > 0 {
                    return Ok(None);
                }
                observed(want, &state)
                    .output("bucket", dataset.output("bucket").unwrap_or_default())
                    .output("manifestDigest", sides.manifest.digest.clone())
            }
            (None, Some(from)) => refill::look(&self.context, &connection.open(&self.context).await?, want, from).await?,
            (None, None) => {
                return Err(Failure::rejected(format!("look at {}/{}", Self::NAME, meta.name)).because("nothing says what it is to hold"));
            }
        };
        let seen = seen.output("connection", told);
        let asked = self.context.forced.wants(&Id::new(Self::NAME, &meta.name));
        Ok(Some(if asked { seen.work("/run", "asked for") } else { seen }))
    }

    async fn apply(&self, meta: &Meta, want: &CollectionSpec, _: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        match (&want.dataset, &want.restore_from) {
            (Some(dataset), _) => self.import(meta, want, dataset).await?,
            (None, Some(from)) => {
                let server = want.connection(&self.context, meta)?.open(&self.context).await?;
                refill::run(&self.context, &id, &server, want, from).await?;
            }
            (None, None) => {}
        }
        self.context.forced.done(&id);
        Ok(())
    }
}
