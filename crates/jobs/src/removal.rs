//! What removing means for each kind: decorators around the kinds, for `destroy` and `prune`.
//!
//! A thing that was never made ours is not removed, whatever its document says. What lies in a bucket (raw records, datasets,
//! reports, backups) goes with its bucket and not otherwise; a collection goes with its server, or is dropped where the server is
//! not ours to remove. A bucket is emptied only where that was accepted by name.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::NaiveDate;
use meteoctl_aws::policy::Action;
use meteoctl_engine::ahead::Ahead;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{AnyKind, BoxFuture, Change, Fault, Meta, Outputs, Sight, SpecError, Standing};
use meteoctl_engine::reference::Id;
use serde_json::Value;

use crate::collection::CollectionSpec;
use crate::context::{JobContext, database, store};
use crate::lock::Lock;
use crate::s3_store::S3Store;
use crate::server::ServerRef;

const BUCKET: &str = "arn:{partition}:s3:::{name}";
const OBJECTS: &str = "arn:{partition}:s3:::{name}/*";

/// What looking into a bucket and emptying it needs, besides what its kind needs.
pub const ACTIONS: &[Action] = &[
    Action::delete("s3:ListObjectVersions", BUCKET).needs("s3:ListBucketVersions"),
    Action::delete("s3:ListMultipartUploads", BUCKET).needs("s3:ListBucketMultipartUploads"),
    Action::delete("s3:DeleteObjects", OBJECTS).needs("s3:DeleteObject"),
    Action::delete("s3:DeleteObjects", OBJECTS).needs("s3:DeleteObjectVersion"),
    Action::delete("s3:AbortMultipartUpload", OBJECTS),
];

/// Kinds whose things lie in a bucket, or nowhere.
const IN_A_BUCKET: [&str; 5] = ["Backup", "Dataset", "LatencyProbe", "QualityReport", "Source"];

/// Where the locks of all stacks lie within a bucket.
const LOCKS: &str = ".meteoctl/";

/// One removal.
pub struct Removal {
    /// What the jobs share.
    pub context: Arc<JobContext>,
    /// Documents that are to go.
    pub going: BTreeSet<Id>,
    /// Names of buckets that are to be emptied.
    pub accepted: Vec<String>,
    /// The lock under which this happens, once taken; let go when its bucket goes.
    pub lock: OnceLock<Arc<Lock>>,
}

impl Removal {
    /// How many objects, versions and markers a bucket holds besides our locks; 1000 at most.
    ///
    /// # Errors
    /// Whatever S3 says.
    pub async fn holds(&self, bucket: &str) -> Outcome<usize> {
        S3Store::new(self.context.aws.clone(), bucket).holds(LOCKS).await.map_err(store)
    }
}

/// A kind as `destroy` and `prune` see it.
pub fn removing(kind: Arc<dyn AnyKind>, removal: &Arc<Removal>) -> Arc<dyn AnyKind> {
    Arc::new(Removing { inner: kind, removal: removal.clone() })
}

struct Removing {
    inner: Arc<dyn AnyKind>,
    removal: Arc<Removal>,
}

/// What becomes of a document's thing.
enum Way {
    /// It has nothing of its own, or it goes with another thing.
    Along(&'static str),
    /// It is removed by its kind.
    Itself,
    /// The collection is dropped.
    Drop(Box<CollectionSpec>),
}

impl Removing {
    fn way(&self, spec: &Value) -> Outcome<Way> {
        let kind = self.inner.name();
        if kind == "Stack" {
            return Ok(Way::Along("nothing exists beyond the documents"));
        }
        if IN_A_BUCKET.contains(&kind) {
            return Ok(Way::Along("goes with its bucket"));
        }
        if kind != "Collection" {
            return Ok(Way::Itself);
        }
        let spec: CollectionSpec =
            serde_json::from_value(spec.clone()).map_err(|error| Failure::rejected("read the spec of a Collection").because(error))?;
        let served = match &spec.server {
            ServerRef::Service(link) => link.target().is_some_and(|service| self.removal.going.contains(service)),
            ServerRef::FromEnv(_) => false,
        };
        // With a URI of the operator's own the data lie there, not in the task.
        if served && self.removal.context.mongodb_uri.is_none() {
            return Ok(Way::Along("goes with its server"));
        }
        Ok(Way::Drop(Box::new(spec)))
    }

    async fn look_itself(&self, meta: &Meta, spec: &Value, today: NaiveDate) -> Outcome<Sight> {
        let sight = self.inner.look(meta, spec, today).await?;
        match &sight.standing {
            Standing::Drifted(diff) if diff.touches("/tags/meteoctl:stack") => {
                Err(Failure::rejected(format!("remove {}/{}", self.inner.name(), meta.name))
                    .because(Failure::rejected("it exists, but was never taken over by this stack"))
                    .hint("leave it out: --exclude, or take it over with `meteoctl apply` first"))
            }
            _ => Ok(sight),
        }
    }

    async fn look_at_collection(&self, meta: &Meta, spec: &CollectionSpec) -> Outcome<Sight> {
        let server = spec.connection(&self.removal.context, meta)?.open(&self.removal.context).await?;
        let found = server.collection(&spec.database, &spec.collection).await.map_err(database)?;
        Ok(sight(if found.is_some() { Standing::InSync } else { Standing::Absent }, None))
    }

    async fn drop_collection(&self, meta: &Meta, spec: &CollectionSpec) -> Outcome<()> {
        let server = spec.connection(&self.removal.context, meta)?.open(&self.removal.context).await?;
        server.drop_collection(&spec.database, &spec.collection).await.map_err(database)
    }

    async fn delete_itself(&self, meta: &Meta, spec: &Value) -> Outcome<()> {
        if self.inner.name() == "Bucket" {
            let bucket = S3Store::new(self.removal.context.aws.clone(), meta.name.as_str());
            let accepted = self.removal.accepted.contains(&meta.name);
            // Without that word the locks alone go; S3 itself refuses to remove a bucket that holds anything else.
            if accepted || bucket.holds(LOCKS).await.map_err(store)? == 0 {
                if let Some(lock) = self.removal.lock.get() {
                    lock.let_go().await;
                }
                bucket.empty(if accepted { "" } else { LOCKS }).await.map_err(store)?;
            }
        }
        self.inner.delete(meta, spec).await
    }
}

fn sight(standing: Standing, note: Option<&str>) -> Sight {
    Sight { standing, outputs: Outputs::new(), note: note.map(str::to_owned), since: None, ignored: Vec::new() }
}

impl AnyKind for Removing {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn about(&self) -> &'static str {
        self.inner.about()
    }

    fn grace(&self) -> Duration {
        self.inner.grace()
    }

    fn holds_data(&self) -> bool {
        self.inner.holds_data()
    }

    fn follows(&self) -> &'static [&'static str] {
        self.inner.follows()
    }

    /// What is to go does not go another way.
    fn outlives(&self) -> &'static [&'static str] {
        &[]
    }

    fn without<'a>(&'a self, _: &'a Meta, _: &'a Value) -> BoxFuture<'a, Outcome<Option<Value>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn schema(&self) -> Value {
        self.inner.schema()
    }

    fn decode(&self, spec: &Value) -> Result<(), SpecError> {
        self.inner.decode(spec)
    }

    fn check(&self, meta: &Meta, spec: &Value) -> Vec<Fault> {
        self.inner.check(meta, spec)
    }

    fn predicted(&self, meta: &Meta, spec: &Value) -> Outputs {
        self.inner.predicted(meta, spec)
    }

    fn guards(&self, _: &Value) -> bool {
        false
    }

    fn run_begins(&self, looks: bool) {
        self.inner.run_begins(looks);
    }

    fn ahead<'a>(&'a self, _: &'a Meta, _: &'a Value) -> BoxFuture<'a, Outcome<Ahead>> {
        Box::pin(async { Ok(Ahead::nothing()) })
    }

    fn look_from<'a>(&'a self, meta: &'a Meta, spec: &'a Value, today: NaiveDate, _: Ahead) -> BoxFuture<'a, Outcome<Sight>> {
        Box::pin(async move {
            match self.way(spec)? {
                Way::Along(why) => Ok(sight(Standing::Absent, Some(why))),
                Way::Itself => self.look_itself(meta, spec, today).await,
                Way::Drop(collection) => self.look_at_collection(meta, &collection).await,
            }
        })
    }

    fn apply<'a>(&'a self, meta: &'a Meta, _: &'a Value, _: &'a Change) -> BoxFuture<'a, Outcome<()>> {
        let failure = Failure::rejected(format!("change {}/{} while things are being removed", self.inner.name(), meta.name));
        Box::pin(async move { Err(failure) })
    }

    fn delete<'a>(&'a self, meta: &'a Meta, spec: &'a Value) -> BoxFuture<'a, Outcome<()>> {
        Box::pin(async move {
            match self.way(spec)? {
                Way::Along(_) => Ok(()),
                Way::Itself => self.delete_itself(meta, spec).await,
                Way::Drop(collection) => self.drop_collection(meta, &collection).await,
            }
        })
    }
}
