//! LatencyProbe: a named query answers fast enough, from an index. The proof lies in the database it was taken from.

use std::sync::Arc;

use meteoctl_data::digest::TimestampType;
use meteoctl_data::import::SIDE_COLLECTION;
use meteoctl_data::latency::{self, LatencySpec};
use meteoctl_data::mongo::Server;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{JobContext, database};
use crate::server::Connection;

/// Keeps a latency measured.
pub struct LatencyKind {
    pub(crate) context: Arc<JobContext>,
}

/// A latency probe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeSpec {
    /// The collection asked.
    pub collection: Link,
    /// The station asked for.
    pub station: String,
    /// First UTC day, `YYYY-MM-DD`.
    pub day: chrono::NaiveDate,
    /// Last UTC day; the same as `day` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<chrono::NaiveDate>,
    /// Runs measured, after three to warm up.
    #[serde(default = "twenty")]
    pub runs: u32,
    /// Largest 95th percentile that is fine, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_p95_millis: Option<f64>,
}

fn twenty() -> u32 {
    20
}

/// What is remembered of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evidence {
    /// Spec and dataset it was taken for.
    of: String,
    documents: u64,
    p50_millis: f64,
    p95_millis: f64,
    p99_millis: f64,
    index: Option<String>,
    measured_at: String,
}

impl ProbeSpec {
    fn latency(&self) -> Outcome<LatencySpec> {
        let (database, collection) = (self.collection.output("database")?, self.collection.output("collection")?);
        let timestamp_type: TimestampType = serde_json::from_value(self.collection.value("timestampType")?).unwrap_or_default();
        let day = self.day.to_string();
        let to_day = self.until.unwrap_or(self.day).to_string();
        Ok(LatencySpec {
            to_day,
            runs: self.runs.max(1),
            timestamp_type,
            ..LatencySpec::station_day(database, collection, &self.station, day)
        })
    }

    /// What a measurement is good for: this question on this dataset.
    fn stamp(&self) -> Outcome<String> {
        let dataset = self.collection.output("manifestDigest")?;
        Ok(format!("{} {} {} {} {dataset}", self.station, self.day, self.until.unwrap_or(self.day), self.runs))
    }
}

impl LatencyKind {
    async fn server(&self, want: &ProbeSpec) -> Outcome<Server> {
        let connection = want.collection.value("connection")?;
        let connection: Connection =
            serde_json::from_value(connection).map_err(|error| Failure::rejected("read where the collection lies").because(error))?;
        connection.open(&self.context).await
    }
}

fn key(meta: &Meta) -> String {
    format!("latency/{}", meta.name)
}

impl Kind for LatencyKind {
    const NAME: &'static str = "LatencyProbe";
    const ABOUT: &'static str = "Measures a named query on a collection and holds it to a target.";
    type Spec = ProbeSpec;

    fn check(&self, _: &Meta, spec: &ProbeSpec) -> Vec<Fault> {
        let mut faults: Vec<Fault> = expect_kind("/collection", &spec.collection, &["Collection"]).into_iter().collect();
        if spec.runs == 0 {
            faults.push(Fault::wrong("/runs", "nothing can be measured in 0 runs"));
        }
        if spec.until.is_some_and(|until| until < spec.day) {
            faults.push(Fault::wrong("/until", "ends before it begins"));
        }
        faults
    }

    async fn observe(&self, meta: &Meta, want: &ProbeSpec) -> Outcome<Option<Observed<ProbeSpec>>> {
        let stamp = want.stamp()?;
        let server = self.server(want).await?;
        let kept = meteoctl_data::mongo::evidence::read(&server, &want.collection.output("database")?, SIDE_COLLECTION, &key(meta))
            .await
            .map_err(database)?;
        let Some(kept) = kept.and_then(|text| serde_json::from_str::<Evidence>(&text).ok()) else { return Ok(None) };
        let index = kept.index.clone().unwrap_or_else(|| "no index".to_owned());
        let note = format!(
            "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms over {} documents by {index}, {}",
            kept.p50_millis, kept.p95_millis, kept.p99_millis, kept.documents, kept.measured_at
        );
        let mut seen = Observed::new(want.clone()).note(note);
        if kept.of != stamp {
            seen = seen.work("/measurement", "measure again: the question or the data changed");
        } else if kept.index.is_none() {
            seen = seen.work("/index", "the query is answered without an index");
        } else if want.max_p95_millis.is_some_and(|most| kept.p95_millis > most) {
            seen = seen.work("/maxP95Millis", format!("p95 is {:.1} ms", kept.p95_millis));
        }
        if self.context.forced.wants(&Id::new(Self::NAME, &meta.name)) {
            seen = seen.work("/run", "asked for");
        }
        Ok(Some(seen))
    }

    async fn apply(&self, meta: &Meta, want: &ProbeSpec, _: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let server = self.server(want).await?;
        let measured = latency::run(&server, &want.latency()?).await.map_err(database)?;
        let evidence = Evidence {
            of: want.stamp()?,
            documents: measured.documents,
            p50_millis: measured.p50_millis,
            p95_millis: measured.p95_millis,
            p99_millis: measured.p99_millis,
            index: measured.index.clone(),
            measured_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        };
        let text = serde_json::to_string(&evidence).map_err(|error| Failure::rejected("write the measurement").because(error))?;
        meteoctl_data::mongo::evidence::write(&server, &want.collection.output("database")?, SIDE_COLLECTION, &key(meta), &text)
            .await
            .map_err(database)?;
        self.context.forced.done(&id);
        judge(meta, want, &evidence)
    }
}

fn judge(meta: &Meta, want: &ProbeSpec, evidence: &Evidence) -> Outcome<()> {
    let asked = format!("hold LatencyProbe/{} to its target", meta.name);
    if evidence.index.is_none() {
        return Err(Failure::rejected(asked)
            .because(Failure::rejected("the query is answered without an index"))
            .hint("apply the Collection: its indexes are desired state"));
    }
    match want.max_p95_millis {
        Some(most) if evidence.p95_millis > most => Err(Failure::rejected(asked)
            .because(Failure::rejected(format!("p95 is {:.1} ms, more than {most} ms", evidence.p95_millis)))
            .hint("give the task more cpu, or move the target")),
        _ => Ok(()),
    }
}
