//! Collection: the dataset in MongoDB, by station and day, with its indexes.

use std::sync::Arc;

use meteoctl_data::digest::TimestampType;
use meteoctl_data::import::{self, Foreign, ImportSpec, ImportState, IndexSpec};
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

use crate::context::{JobContext, database, fault};
use crate::server::{Connection, ServerRef};

/// Keeps a collection equal to a dataset.
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
    /// PEM file with the certificate authorities to trust; switches TLS on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<String>,
    /// Database name.
    pub database: String,
    /// Collection name.
    pub collection: String,
    /// The dataset it is kept equal to.
    pub dataset: Link,
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
    async fn sides(&self, want: &CollectionSpec) -> Outcome<Sides> {
        let output = want.dataset.output("output")?;
        let store: SharedStore = self.context.bucket(want.dataset.output("bucket")?);
        let manifest = match read_manifest(store.as_ref(), &output).await.map_err(fault)? {
            Some(manifest) => manifest,
            None => {
                return Err(want
                    .dataset
                    .target()
                    .map_or_else(|| Failure::rejected(format!("read the manifest of {output}")), Failure::pending));
            }
        };
        let server =
            Connection::of(&self.context, &want.server, want.credentials.as_ref(), want.tls_ca_file.clone())?.open(&self.context).await?;
        Ok(Sides { server, store, manifest })
    }
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
    type Spec = CollectionSpec;

    fn check(&self, _: &Meta, spec: &CollectionSpec) -> Vec<Fault> {
        let mut faults: Vec<Fault> = expect_kind("/dataset", &spec.dataset, &["Dataset"]).into_iter().collect();
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

    /// The manifest and the login need no task that runs: a plan has them when its endpoint is known.
    async fn ahead(&self, _: &Meta, want: &CollectionSpec) -> Outcome<Ahead> {
        let manifest = async {
            let store = self.context.bucket(want.dataset.output("bucket")?);
            read_manifest(store.as_ref(), &want.dataset.output("output")?).await.map_err(fault).map(drop)
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
        let connection = Connection::of(&self.context, &want.server, want.credentials.as_ref(), want.tls_ca_file.clone())?;
        let sides = self.sides(want).await?;
        let state = import::look(&sides.server, &want.import(), &sides.manifest, self.context.deep).await.map_err(database)?;
        if !state.exists && sides.manifest.documents > 0 {
            return Ok(None);
        }
        let mut seen = observed(want, &state).output("connection", serde_json::to_value(&connection).unwrap_or_default());
        let place = want.dataset.output("bucket").unwrap_or_default();
        seen = seen.output("bucket", place).output("manifestDigest", sides.manifest.sha256.clone());
        if self.context.forced.wants(&Id::new(Self::NAME, &meta.name)) {
            seen = seen.work("/run", "asked for");
        }
        Ok(Some(seen))
    }

    async fn apply(&self, meta: &Meta, want: &CollectionSpec, _: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let sides = self.sides(want).await?;
        let spec = want.import();
        // The state may have moved since the look; it is cheap to look again and never wrong.
        let state = import::look(&sides.server, &spec, &sides.manifest, self.context.deep).await.map_err(database)?;
        let told = |progress: import::Progress| match progress {
            import::Progress::Loading { read, total, .. } => self.context.progress(&id, "import", read, Some(total), "bytes"),
            import::Progress::Indexing => self.context.progress(&id, "build indexes", 0, None, "indexes"),
            import::Progress::Checking => self.context.progress(&id, "check", 0, None, "documents"),
        };
        let done = import::run(&sides.server, &spec, sides.store.as_ref(), &sides.manifest, &state, &told).await.map_err(database)?;
        let sources: Vec<String> = done.sources.iter().map(|(name, count)| format!("{name} {count}")).collect();
        self.context.notice(
            &id,
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
            ),
        );
        self.context.forced.done(&id);
        Ok(())
    }
}
