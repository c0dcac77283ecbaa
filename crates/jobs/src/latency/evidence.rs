//! What was measured, what it is good for, and in what words it is told.

use std::collections::BTreeMap;

use meteoctl_data::latency::{Explained, LatencyOutcome};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Id;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::QuerySpec;

/// What is remembered of a probe: a measurement per query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Evidence {
    pub queries: BTreeMap<String, Measured>,
}

/// One measurement. Durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    /// Question and dataset it was taken for.
    pub of: String,
    pub documents: u64,
    pub runs: u32,
    pub p50_millis: f64,
    pub p95_millis: f64,
    pub p99_millis: f64,
    /// 95 % confidence intervals.
    pub p50_interval_millis: [f64; 2],
    pub p95_interval_millis: [f64; 2],
    pub index: Option<String>,
    pub plan: String,
    pub plan_digest: String,
    pub measured_at: String,
}

impl Measured {
    pub(super) fn new(of: String, outcome: &LatencyOutcome) -> Self {
        Measured {
            of,
            documents: outcome.documents,
            runs: outcome.runs,
            p50_millis: outcome.p50_millis,
            p95_millis: outcome.p95_millis,
            p99_millis: outcome.p99_millis,
            p50_interval_millis: outcome.p50_interval_millis,
            p95_interval_millis: outcome.p95_interval_millis,
            index: outcome.index.clone(),
            plan: outcome.plan.clone(),
            plan_digest: outcome.plan_digest.clone(),
            measured_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }
    }

    fn words(&self) -> String {
        let [low, high] = self.p95_interval_millis;
        let by = self.index.as_deref().map_or_else(|| "no index".to_owned(), |index| format!("index {index}"));
        format!(
            "p50 {:.1} ms, p95 {:.1} ms ({low:.1} to {high:.1}), p99 {:.1} ms over {} documents by {by}, {}",
            self.p50_millis, self.p95_millis, self.p99_millis, self.documents, self.measured_at
        )
    }
}

impl Evidence {
    /// The measurement of a query.
    pub(super) fn of(&self, query: &QuerySpec) -> Option<&Measured> {
        self.queries.get(&query.name)
    }

    /// A line for people; the queries are named where there are several.
    pub(super) fn words(&self, queries: &[QuerySpec]) -> String {
        let told = queries.iter().filter_map(|query| Some((query, self.of(query)?)));
        match queries.len() {
            1 => told.map(|(_, measured)| measured.words()).collect(),
            _ => told.map(|(query, measured)| format!("{}: {}", query.name, measured.words())).collect::<Vec<_>>().join("; "),
        }
    }

    /// The figures per query for machines, with the target they are held to.
    pub(super) fn figures(&self, queries: &[QuerySpec]) -> Value {
        let told = queries.iter().filter_map(|query| {
            let mut figures = serde_json::to_value(self.of(query)?).ok()?;
            let target = query.max_p95_millis.map(|most| ("maxP95Millis".to_owned(), json!(most)));
            figures.as_object_mut()?.extend(target);
            figures.as_object_mut()?.remove("of");
            Some((query.name.clone(), figures))
        });
        Value::Object(told.collect::<Map<String, Value>>())
    }
}

/// What about a query is due: the path that a plan names, and why.
pub(super) fn due(query: &QuerySpec, kept: Option<&Measured>, stamp: &str, now: &Explained) -> Option<(&'static str, String)> {
    let Some(kept) = kept else { return Some(("/measurement", "measure it for the first time".to_owned())) };
    let stages = |plan: &str, index: Option<&str>| index.map_or_else(|| plan.to_owned(), |index| format!("{plan} by {index}"));
    match &now.index {
        None => Some(("/index", format!("it is answered without an index ({})", now.plan))),
        _ if kept.of != stamp => Some(("/measurement", "measure again: the question or the data changed".to_owned())),
        index if kept.plan_digest != now.digest() => {
            let (before, after) = (stages(&kept.plan, kept.index.as_deref()), stages(&now.plan, index.as_deref()));
            Some(("/measurement", format!("measure again: it is answered by {after}, no longer by {before}")))
        }
        _ => {
            let most = query.max_p95_millis.filter(|most| kept.p95_millis > *most)?;
            Some(("/maxP95Millis", format!("p95 is {:.1} ms, more than {most} ms", kept.p95_millis)))
        }
    }
}

/// Fails where a query misses its target.
pub(super) fn judge(id: &Id, queries: &[QuerySpec], evidence: &Evidence) -> Outcome<()> {
    let asked = format!("hold {id} to its target");
    for (query, measured) in queries.iter().filter_map(|query| Some((query, evidence.of(query)?))) {
        if measured.index.is_none() {
            return Err(Failure::rejected(asked)
                .because(Failure::rejected(format!("{} is answered without an index", query.name)))
                .hint("apply the Collection: its indexes are desired state"));
        }
        if let Some(most) = query.max_p95_millis.filter(|most| measured.p95_millis > *most) {
            return Err(Failure::rejected(asked)
                .because(Failure::rejected(format!("{}: p95 is {:.1} ms, more than {most} ms", query.name, measured.p95_millis)))
                .hint("give the task more cpu, or move the target"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, max_p95_millis: Option<f64>) -> QuerySpec {
        let day = "2024-10-05".parse().expect("a day");
        QuerySpec { name: name.to_owned(), station: "S".to_owned(), day, until: None, max_p95_millis }
    }

    fn explained(plan: &str, index: Option<&str>) -> Explained {
        Explained { plan: plan.to_owned(), index: index.map(str::to_owned), ..Explained::default() }
    }

    fn measured(explained: &Explained) -> Measured {
        Measured {
            of: "now".to_owned(),
            documents: 288,
            runs: 20,
            p50_millis: 1.0,
            p95_millis: 2.0,
            p99_millis: 3.0,
            p50_interval_millis: [0.9, 1.1],
            p95_interval_millis: [1.5, 3.0],
            index: explained.index.clone(),
            plan: explained.plan.clone(),
            plan_digest: explained.digest(),
            measured_at: "2026-01-05T14:06:15Z".to_owned(),
        }
    }

    #[test]
    fn each_reason_to_measure_or_to_worry_is_told_apart() {
        let good = explained("IXSCAN → FETCH", Some("a_1"));
        let kept = measured(&good);
        let free = query("q", None);
        assert_eq!(due(&free, Some(&kept), "now", &good), None);
        assert_eq!(due(&free, None, "now", &good).map(|(path, _)| path), Some("/measurement"));
        assert_eq!(due(&free, Some(&kept), "later", &good).map(|(path, _)| path), Some("/measurement"));
        let (path, why) = due(&free, Some(&kept), "now", &explained("COLLSCAN", None)).expect("a lost index");
        assert_eq!((path, why.as_str()), ("/index", "it is answered without an index (COLLSCAN)"));
        let (path, why) = due(&free, Some(&kept), "now", &explained("IXSCAN → FETCH", Some("b_1"))).expect("another plan");
        let told = "measure again: it is answered by IXSCAN → FETCH by b_1, no longer by IXSCAN → FETCH by a_1";
        assert_eq!((path, why.as_str()), ("/measurement", told));
        let (path, why) = due(&query("q", Some(1.5)), Some(&kept), "now", &good).expect("too slow");
        assert_eq!((path, why.as_str()), ("/maxP95Millis", "p95 is 2.0 ms, more than 1.5 ms"));
        assert_eq!(due(&query("q", Some(2.0)), Some(&kept), "now", &good), None);
    }

    #[test]
    fn the_slow_query_and_the_one_without_an_index_are_named() {
        let id = Id::new("LatencyProbe", "p");
        let good = measured(&explained("IXSCAN → FETCH", Some("a_1")));
        let bad = measured(&explained("COLLSCAN", None));
        let evidence = |second: &Measured| Evidence { queries: [("a".to_owned(), good.clone()), ("b".to_owned(), second.clone())].into() };
        let causes = |limit, second: &Measured| {
            judge(&id, &[query("a", None), query("b", Some(limit))], &evidence(second)).map_err(|failure| failure.causes().join("; "))
        };
        assert_eq!(causes(2.0, &good), Ok(()));
        assert_eq!(causes(1.9, &good), Err("b: p95 is 2.0 ms, more than 1.9 ms".to_owned()));
        assert_eq!(causes(9.0, &bad), Err("b is answered without an index".to_owned()));
    }

    #[test]
    fn what_is_told_to_people_and_machines() {
        let queries = [query("a", Some(5.0)), query("b", None)];
        let good = measured(&explained("IXSCAN → FETCH", Some("a_1")));
        let evidence = Evidence { queries: [("a".to_owned(), good.clone()), ("gone".to_owned(), good)].into() };
        let words = "p50 1.0 ms, p95 2.0 ms (1.5 to 3.0), p99 3.0 ms over 288 documents by index a_1, 2026-01-05T14:06:15Z";
        assert_eq!(evidence.words(&queries[..1]), words);
        assert_eq!(evidence.words(&queries), format!("a: {words}"));
        let figures = evidence.figures(&queries);
        assert_eq!((figures["a"]["p95Millis"].as_f64(), figures["a"]["maxP95Millis"].as_f64()), (Some(2.0), Some(5.0)));
        assert!(figures["gone"].is_null() && figures["a"]["of"].is_null());
    }
}
