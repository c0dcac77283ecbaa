//! LatencyProbe: named queries answer fast enough, from an index. The proof lies in the database it was taken from.

mod evidence;

use std::sync::Arc;

use chrono::NaiveDate;
use meteoctl_data::digest::TimestampType;
use meteoctl_data::import::SIDE_COLLECTION;
use meteoctl_data::latency::{self, LatencySpec};
use meteoctl_data::mongo::Server;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::evidence::{Evidence, Measured};
use crate::context::{JobContext, database};
use crate::server::Connection;

/// Keeps latencies measured.
pub struct LatencyKind {
    pub(crate) context: Arc<JobContext>,
}

/// A latency probe: one query (`station`, `day`), several (`queries`), or both.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeSpec {
    /// The collection asked.
    pub collection: Link,
    /// The station asked for, where the probe is one query of the probe's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub station: Option<String>,
    /// First UTC day, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    /// Last UTC day; the same as `day` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
    /// Queries with names of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QuerySpec>,
    /// Runs measured of each query, after three to warm up.
    #[serde(default = "twenty")]
    pub runs: u32,
    /// Largest 95th percentile that is fine, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_p95_millis: Option<f64>,
}

/// One named query: all readings of a station on some days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuerySpec {
    /// What it is called.
    pub name: String,
    /// The station asked for.
    pub station: String,
    /// First UTC day, `YYYY-MM-DD`.
    pub day: NaiveDate,
    /// Last UTC day; the same as `day` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
    /// Largest 95th percentile that is fine, in milliseconds; that of the probe where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_p95_millis: Option<f64>,
}

fn twenty() -> u32 {
    20
}

impl ProbeSpec {
    /// All queries, the probe's own first, each with its target.
    fn all(&self, meta: &Meta) -> Vec<QuerySpec> {
        let own = self.station.iter().zip(self.day).map(|(station, day)| QuerySpec {
            name: meta.name.clone(),
            station: station.clone(),
            day,
            until: self.until,
            max_p95_millis: None,
        });
        let target = |query: QuerySpec| QuerySpec { max_p95_millis: query.max_p95_millis.or(self.max_p95_millis), ..query };
        own.chain(self.queries.iter().cloned()).map(target).collect()
    }

    fn latency(&self, query: &QuerySpec) -> Outcome<LatencySpec> {
        let (database, collection) = (self.collection.output("database")?, self.collection.output("collection")?);
        let timestamp_type: TimestampType = serde_json::from_value(self.collection.value("timestampType")?).unwrap_or_default();
        Ok(LatencySpec {
            to_day: query.until.unwrap_or(query.day).to_string(),
            runs: self.runs.max(1),
            timestamp_type,
            ..LatencySpec::station_day(database, collection, &query.station, query.day.to_string())
        })
    }

    /// What a measurement is good for: this question on this dataset.
    fn stamp(&self, query: &QuerySpec) -> Outcome<String> {
        let dataset = self.collection.output("manifestDigest")?;
        Ok(format!("{} {} {} {} {dataset}", query.station, query.day, query.until.unwrap_or(query.day), self.runs))
    }
}

impl LatencyKind {
    async fn server(&self, want: &ProbeSpec) -> Outcome<Server> {
        Connection::told_by(&want.collection)?.open(&self.context).await
    }

    async fn kept(&self, server: &Server, meta: &Meta, want: &ProbeSpec) -> Outcome<Option<Evidence>> {
        let place = want.collection.output("database")?;
        let kept = meteoctl_data::mongo::evidence::read(server, &place, SIDE_COLLECTION, &key(meta)).await.map_err(database)?;
        // What an older version wrote is measured again.
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

fn key(meta: &Meta) -> String {
    format!("latency/{}", meta.name)
}

impl Kind for LatencyKind {
    const NAME: &'static str = "LatencyProbe";
    const ABOUT: &'static str = "Measures named queries on a collection and holds them to a target.";
    const FOLLOWS: &'static [&'static str] = &["Collection"];
    type Spec = ProbeSpec;

    fn check(&self, meta: &Meta, spec: &ProbeSpec) -> Vec<Fault> {
        let mut faults: Vec<Fault> = expect_kind("/collection", &spec.collection, &["Collection"]).into_iter().collect();
        if spec.runs == 0 {
            faults.push(Fault::wrong("/runs", "nothing can be measured in 0 runs"));
        }
        match (&spec.station, &spec.day) {
            (None, None) if spec.queries.is_empty() => faults.push(
                Fault::wrong("", "it asks nothing").hint("write `station` and `day`, or a list of `queries` with name, station and day"),
            ),
            (Some(_), None) => faults.push(Fault::wrong("/station", "`day` is missing")),
            (None, Some(_)) => faults.push(Fault::wrong("/day", "`station` is missing")),
            _ => {}
        }
        if spec.until.zip(spec.day).is_some_and(|(until, day)| until < day) {
            faults.push(Fault::wrong("/until", "ends before it begins"));
        }
        let all = spec.all(meta);
        for (index, query) in spec.queries.iter().enumerate() {
            if query.until.is_some_and(|until| until < query.day) {
                faults.push(Fault::wrong(format!("/queries/{index}/until"), "ends before it begins"));
            }
            if all.iter().filter(|other| other.name == query.name).count() > 1 {
                faults.push(Fault::wrong(format!("/queries/{index}/name"), format!("there are two queries of the name `{}`", query.name)));
            }
        }
        faults
    }

    async fn observe(&self, meta: &Meta, want: &ProbeSpec) -> Outcome<Option<Observed<ProbeSpec>>> {
        let server = self.server(want).await?;
        let Some(kept) = self.kept(&server, meta, want).await? else { return Ok(None) };
        let queries = want.all(meta);
        let mut seen = Observed::new(want.clone()).note(kept.words(&queries)).output("latency", kept.figures(&queries));
        for query in &queries {
            // How the server would answer now costs one quick question; what was measured may be of better days.
            let now = latency::plan(&server, &want.latency(query)?).await.map_err(database)?;
            if let Some((path, why)) = evidence::due(query, kept.of(query), &want.stamp(query)?, &now) {
                seen = seen.work(path, format!("{}: {why}", query.name));
            }
        }
        if self.context.forced.wants(&Id::new(Self::NAME, &meta.name)) {
            seen = seen.work("/run", "asked for");
        }
        Ok(Some(seen))
    }

    async fn apply(&self, meta: &Meta, want: &ProbeSpec, _: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let server = self.server(want).await?;
        let queries = want.all(meta);
        let mut evidence = Evidence::default();
        for (done, query) in queries.iter().enumerate() {
            self.context.progress(&id, "measure", done as u64, Some(queries.len() as u64), "queries");
            let outcome = latency::run(&server, &want.latency(query)?).await.map_err(database)?;
            evidence.queries.insert(query.name.clone(), Measured::new(want.stamp(query)?, &outcome));
        }
        let text = serde_json::to_string(&evidence).map_err(|error| Failure::rejected("write the measurement").because(error))?;
        meteoctl_data::mongo::evidence::write(&server, &want.collection.output("database")?, SIDE_COLLECTION, &key(meta), &text)
            .await
            .map_err(database)?;
        self.context.forced.done(&id);
        evidence::judge(&id, &queries, &evidence)
    }
}
