//! How long named queries take, and whether an index serves them.

use std::time::Instant;

use bson::{Bson, Document, doc};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::digest::TimestampType;
use crate::mongo::{DatabaseError, Query, Server};

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencySpec {
    /// Database name.
    pub database: String,
    /// Collection name.
    pub collection: String,
    /// Station asked for.
    pub station: String,
    /// First UTC day, `YYYY-MM-DD`.
    pub from_day: String,
    /// Last UTC day, the same as `from_day` for one day.
    pub to_day: String,
    /// How `timestamp` is stored.
    pub timestamp_type: TimestampType,
    /// Runs before the clock counts.
    pub warm_up: u32,
    /// Runs measured, at least 1.
    pub runs: u32,
}

impl LatencySpec {
    /// All readings of a station on one UTC day: 3 runs to warm up, 20 measured.
    pub fn station_day(
        database: impl Into<String>,
        collection: impl Into<String>,
        station: impl Into<String>,
        day: impl Into<String>,
    ) -> Self {
        let day = day.into();
        LatencySpec {
            database: database.into(),
            collection: collection.into(),
            station: station.into(),
            from_day: day.clone(),
            to_day: day,
            timestamp_type: TimestampType::String,
            warm_up: 3,
            runs: 20,
        }
    }

    fn filter(&self) -> Result<Document, DatabaseError> {
        let (from, to) = (format!("{}T00:00:00Z", self.from_day), format!("{}T23:59:59Z", self.to_day));
        let bound =
            |text: &str| match (self.timestamp_type, crate::import::instant(text)) {
                (_, None) => Err(DatabaseError::rejected("measure the latency", format!("`{text}` is no instant"))
                    .with_hint("days are written YYYY-MM-DD")),
                (TimestampType::String, Some(_)) => Ok(Bson::String(text.to_owned())),
                (TimestampType::Date, Some(millis)) => Ok(Bson::DateTime(bson::DateTime::from_millis(millis))),
            };
        Ok(doc! {"station.station_id": &self.station, "timestamp": {"$gte": bound(&from)?, "$lte": bound(&to)?}})
    }
}

/// What was measured. Durations in milliseconds, from sending the query to the last document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyOutcome {
    /// Documents the query returned.
    pub documents: u64,
    /// Runs measured.
    pub runs: u32,
    /// Median.
    pub p50_millis: f64,
    /// 95th percentile.
    pub p95_millis: f64,
    /// 99th percentile.
    pub p99_millis: f64,
    /// Fastest run.
    pub min_millis: f64,
    /// Slowest run.
    pub max_millis: f64,
    /// 95 % confidence interval of the median, from order statistics.
    pub p50_interval_millis: [f64; 2],
    /// 95 % confidence interval of the 95th percentile; its upper end is open (the slowest run) with fewer than 59 runs.
    pub p95_interval_millis: [f64; 2],
    /// Index the server used; `None` means that it read the whole collection.
    pub index: Option<String>,
    /// Stages of the winning plan from the inside out: `IXSCAN → FETCH`.
    pub plan: String,
    /// Digest of the plan, hex: another one means that the server answers differently than before.
    pub plan_digest: String,
    /// Index keys the server looked at in one run.
    pub keys_examined: u64,
    /// Documents the server looked at in one run.
    pub documents_examined: u64,
}

/// Runs the query, first to warm up, then measured, and asks the server how it answers it.
pub async fn run(server: &Server, spec: &LatencySpec) -> Result<LatencyOutcome, DatabaseError> {
    let filter = spec.filter()?;
    for _ in 0..spec.warm_up {
        once(server, spec, &filter).await?;
    }
    let mut documents = 0;
    let mut millis = Vec::new();
    for _ in 0..spec.runs.max(1) {
        let began = Instant::now();
        documents = once(server, spec, &filter).await?;
        millis.push(began.elapsed().as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    let explained = explain(server, spec, &filter, "executionStats").await?;
    let at = |quantile| percentile(&millis, quantile);
    Ok(LatencyOutcome {
        documents,
        runs: spec.runs.max(1),
        p50_millis: at(0.50),
        p95_millis: at(0.95),
        p99_millis: at(0.99),
        min_millis: millis.first().copied().unwrap_or_default(),
        max_millis: millis.last().copied().unwrap_or_default(),
        p50_interval_millis: interval(&millis, 0.50),
        p95_interval_millis: interval(&millis, 0.95),
        plan_digest: explained.digest(),
        index: explained.index,
        plan: explained.plan,
        keys_examined: explained.keys,
        documents_examined: explained.documents,
    })
}

async fn once(server: &Server, spec: &LatencySpec, filter: &Document) -> Result<u64, DatabaseError> {
    let mut scan = server.scan(&spec.database, &spec.collection, Query { filter: filter.clone(), ..Query::default() }).await?;
    let mut documents = 0;
    while let Some(batch) = scan.next().await {
        for document in batch?.slices()? {
            document?;
            documents += 1;
        }
    }
    Ok(documents)
}

/// How the server answers a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explained {
    /// Index it uses; `None` means that it reads the whole collection.
    pub index: Option<String>,
    /// Stages of the winning plan from the inside out: `IXSCAN → FETCH`.
    pub plan: String,
    /// Index keys it looked at; 0 unless the query was run.
    pub keys: u64,
    /// Documents it looked at; 0 unless the query was run.
    pub documents: u64,
}

impl Explained {
    /// Digest of plan and index, hex: another one means that the server answers differently than before.
    pub fn digest(&self) -> String {
        format!("{:016x}", xxh3_64(format!("{}|{:?}", self.plan, self.index).as_bytes()))
    }
}

/// Asks the server how it would answer the query, without running it.
pub async fn plan(server: &Server, spec: &LatencySpec) -> Result<Explained, DatabaseError> {
    explain(server, spec, &spec.filter()?, "queryPlanner").await
}

async fn explain(server: &Server, spec: &LatencySpec, filter: &Document, verbosity: &str) -> Result<Explained, DatabaseError> {
    let command = doc! {"explain": {"find": &spec.collection, "filter": filter.clone()}, "verbosity": verbosity};
    let reply = server.repeatable(&spec.database, &command, "explain the latency query").await?;
    let mut stages = Vec::new();
    let mut index = None;
    let planner = reply.get_document("queryPlanner").and_then(|planner| planner.get_document("winningPlan")).ok();
    // Servers with the slot-based engine put the classic plan under `queryPlan`.
    let mut stage = planner.map(|plan| plan.get_document("queryPlan").unwrap_or(plan));
    while let Some(current) = stage {
        stages.push(current.get_str("stage").unwrap_or("?").to_owned());
        index = index.or_else(|| current.get_str("indexName").ok().map(str::to_owned));
        stage = current.get_document("inputStage").ok();
    }
    stages.reverse();
    let stats = reply.get_document("executionStats").cloned().unwrap_or_default();
    let number = |name| crate::mongo::whole(stats.get(name));
    Ok(Explained { index, plan: stages.join(" → "), keys: number("totalKeysExamined"), documents: number("totalDocsExamined") })
}

/// Nearest-rank percentile of sorted values.
fn percentile(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).or(sorted.last()).copied().unwrap_or_default()
}

/// 95 % confidence interval of a quantile from order statistics: the ranks between which the quantile lies with
/// that probability, the number of values below it being binomial (Hahn & Meeker, Statistical Intervals, 5.2).
fn interval(sorted: &[f64], quantile: f64) -> [f64; 2] {
    let n = sorted.len();
    let mut below = (1.0 - quantile).powi(i32::try_from(n).unwrap_or(i32::MAX));
    let (mut cumulative, mut low, mut high) = (0.0, None, None);
    for k in 0..=n {
        cumulative += below;
        if cumulative > 0.025 && low.is_none() {
            low = Some(k.saturating_sub(1));
        }
        if cumulative >= 0.975 && high.is_none() {
            high = Some(k);
        }
        below *= (n - k) as f64 / (k + 1) as f64 * quantile / (1.0 - quantile);
    }
    let value = |rank: Option<usize>| rank.and_then(|rank| sorted.get(rank)).or(sorted.last()).copied().unwrap_or_default();
    [value(low), value(high)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_their_intervals() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([percentile(&values, 0.5), percentile(&values, 0.95), percentile(&values, 0.99)], [50.0, 95.0, 99.0]);
        // Tables of the binomial distribution, n = 100: P(X <= 39) = 0.0176, P(X <= 40) = 0.0284, P(X <= 59) = 0.9716, P(X <= 60) = 0.9824.
        assert_eq!(interval(&values, 0.5), [40.0, 61.0]);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert_eq!(interval(&[7.0], 0.95), [7.0, 7.0]);
    }
}
