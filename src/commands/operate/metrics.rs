//! What an operator tells about itself: whether it lives, whether it is ready, and figures for Prometheus.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::report::{Fate, Report};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::data::DataFigures;
use crate::commands::LOCKED;

/// Bounds of the histogram of rounds, in seconds: a look takes a few, a first apply many minutes.
const BOUNDS: [f64; 9] = [0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing was to be done.
    InSync,
    /// Something was done, and a fresh look found nothing left.
    Repaired,
    /// Something failed.
    Failed,
    /// Somebody else was writing.
    Locked,
    /// The documents have faults.
    Faulty,
    /// It was asked to stop on the way.
    Stopped,
}

impl Ended {
    /// Reads it from what a round came to.
    pub fn of(outcome: &Outcome<Option<Report>>, stopped: bool) -> Self {
        match outcome {
            Ok(None) => Ended::Faulty,
            Ok(Some(report)) if report.converged == Some(true) && report.has_changes() => Ended::Repaired,
            Ok(Some(report)) if report.converged == Some(true) => Ended::InSync,
            Ok(Some(_)) | Err(_) if stopped => Ended::Stopped,
            Ok(Some(report)) if report.failure_code() == LOCKED => Ended::Locked,
            Err(Failure { exit: Some(LOCKED), .. }) => Ended::Locked,
            Ok(Some(_)) | Err(_) => Ended::Failed,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::InSync => "in sync",
            Ended::Repaired => "repaired",
            Ended::Failed => "failed",
            Ended::Locked => "locked by another run",
            Ended::Faulty => "faults in the documents",
            Ended::Stopped => "stopped",
        })
    }
}

/// The figures.
struct Figures {
    registry: Registry,
    documents: Family<Labels<1>, Gauge>,
    drifted: Family<Labels<1>, Gauge>,
    rounds: Family<Labels<1>, Counter>,
    seconds: Histogram,
    calls: Family<Labels<2>, Counter>,
    leader: Gauge,
    last: Gauge,
    converged: Gauge,
    data: DataFigures,
}

/// The health of an operator.
pub struct Health {
    figures: Mutex<Figures>,
    /// Longest time between two signs of life before it counts as stuck.
    longest: Duration,
    began: Instant,
    /// Milliseconds since `began` of the last sign of life.
    alive: AtomicU64,
    ready: AtomicBool,
    converged_at: AtomicI64,
}

impl Health {
    /// An operator that has just begun: alive, not ready.
    pub fn new(longest: Duration) -> Self {
        Health {
            figures: Mutex::new(Figures::new()),
            longest,
            began: Instant::now(),
            alive: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            converged_at: AtomicI64::new(0),
        }
    }

    /// It leads, or no longer does.
    pub fn lead(&self, leads: bool) {
        self.beat();
        self.figures().leader.set(i64::from(leads));
    }

    /// Another one leads (then this one is ready to take over), or it cannot be told who does.
    pub fn stand_by(&self, by_another: bool) {
        self.beat();
        self.ready.store(by_another, Ordering::Relaxed);
    }

    /// A round ended.
    pub fn record(&self, outcome: &Outcome<Option<Report>>, ended: Ended, elapsed: Duration) {
        self.beat();
        self.ready.store(matches!(ended, Ended::InSync | Ended::Repaired | Ended::Locked), Ordering::Relaxed);
        let now = Utc::now().timestamp();
        let figures = self.figures();
        figures.rounds.get_or_create(&[("outcome", ended.to_string())]).inc();
        figures.seconds.observe(elapsed.as_secs_f64());
        figures.last.set(now);
        if matches!(ended, Ended::InSync | Ended::Repaired) {
            self.converged_at.store(now, Ordering::Relaxed);
            figures.converged.set(now);
        }
        if let Ok(Some(report)) = outcome {
            figures.tell(report);
        }
    }

    /// Whether it is not stuck, and a sentence.
    pub fn alive(&self) -> (bool, String) {
        let silent = self.began.elapsed().saturating_sub(Duration::from_millis(self.alive.load(Ordering::Relaxed)));
        (silent <= self.longest, format!("last sign of life {} s ago\n", silent.as_secs()))
    }

    /// Whether the last round ended well or another operator leads, and a sentence.
    pub fn ready(&self) -> (bool, String) {
        let ready = self.ready.load(Ordering::Relaxed);
        (ready, if ready { "ready\n" } else { "not ready: no round has ended well yet, or the last one failed\n" }.to_owned())
    }

    /// The figures in OpenMetrics' text format.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.figures().registry);
        text
    }

    fn beat(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.alive.store(millis, Ordering::Relaxed);
    }

    fn figures(&self) -> std::sync::MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    fn new() -> Self {
        let figures = Figures {
            registry: Registry::with_prefix("meteoctl"),
            documents: Family::default(),
            drifted: Family::default(),
            rounds: Family::default(),
            seconds: Histogram::new(BOUNDS),
            calls: Family::default(),
            leader: Gauge::default(),
            last: Gauge::default(),
            converged: Gauge::default(),
            data: DataFigures::default(),
        };
        figures.registered()
    }

    fn registered(mut self) -> Self {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register("build", "Version of meteoctl", build);
        self.registry.register("documents", "Documents by what became of them in the last round", self.documents.clone());
        self.registry.register("document_drifted", "1 where a document is not as declared after the last round", self.drifted.clone());
        self.registry.register("rounds", "Rounds by how they ended", self.rounds.clone());
        self.registry.register_with_unit("round", "Duration of a round", Unit::Seconds, self.seconds.clone());
        self.registry.register("calls", "Calls to AWS by operation and whether they wrote", self.calls.clone());
        self.registry.register("leader", "1 while this operator leads", self.leader.clone());
        self.registry.register_with_unit("last_round_timestamp", "When the last round ended", Unit::Seconds, self.last.clone());
        self.registry.register_with_unit(
            "last_converged_timestamp",
            "When a fresh look last found nothing to do",
            Unit::Seconds,
            self.converged.clone(),
        );
        self.data.register(&mut self.registry);
        self
    }

    fn tell(&self, report: &Report) {
        self.documents.clear();
        self.drifted.clear();
        for line in &report.lines {
            self.documents.get_or_create(&[("fate", word(&line.fate).to_owned())]).inc();
            let fine = matches!(line.fate, Fate::InSync | Fate::Created | Fate::Updated { .. });
            self.drifted.get_or_create(&[("document", line.id.to_string())]).set(i64::from(!fine));
        }
        self.data.tell(&report.lines);
        for (side, calls) in [("read", &report.receipt.calls.reads), ("write", &report.receipt.calls.writes)] {
            for (operation, count) in calls {
                self.calls.get_or_create(&[("operation", operation.clone()), ("kind", side.to_owned())]).inc_by(*count);
            }
        }
    }
}

/// The fate in one word, as in the report's JSON.
fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::InSync => "inSync",
        Fate::WouldCreate => "wouldCreate",
        Fate::WouldUpdate { .. } => "wouldUpdate",
        Fate::Later { .. } => "later",
        Fate::WouldDelete => "wouldDelete",
        Fate::Created => "created",
        Fate::Updated { .. } => "updated",
        Fate::Deleted => "deleted",
        Fate::Gone => "gone",
        Fate::Settling { .. } => "settling",
        Fate::Failed { .. } => "failed",
        Fate::Blocked { .. } => "blocked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fate: &str, converged: bool) -> Report {
        let text = format!(
            r#"{{"formatVersion":"1.1","verb":"apply","stack":"p8","converged":{converged},"lines":[{{"id":"Bucket/b","place":"",{fate},"millis":1}}],"receipt":{{"specDigest":"","calls":{{"reads":{{"s3:GetObject":3}},"writes":{{}}}},"millis":0,"finishedAt":"","toolVersion":""}}}}"#
        );
        serde_json::from_str(&text).expect("a report")
    }

    const FAILED: &str = r#""fate":"failed","trouble":{"doing":"x","causes":[],"hint":null,"transient":false,"exit":4}"#;

    #[test]
    fn the_end_of_a_round_is_read_from_its_report() {
        let of = |report| Ended::of(&Ok(Some(report)), false);
        assert_eq!(of(report(r#""fate":"inSync""#, true)), Ended::InSync);
        assert_eq!(of(report(r#""fate":"created""#, true)), Ended::Repaired);
        assert_eq!(of(report(FAILED, false)), Ended::Locked);
        assert_eq!(Ended::of(&Ok(Some(report(FAILED, false))), true), Ended::Stopped);
        assert_eq!(Ended::of(&Err(Failure::rejected("x").exit(4)), false), Ended::Locked);
        assert_eq!(Ended::of(&Err(Failure::rejected("x")), false), Ended::Failed);
        assert_eq!(Ended::of(&Ok(None), false), Ended::Faulty);
    }

    #[test]
    fn ready_follows_the_last_round() {
        let health = Health::new(Duration::from_secs(60));
        assert_eq!((health.alive().0, health.ready().0), (true, false));
        health.record(&Ok(Some(report(r#""fate":"inSync""#, true))), Ended::InSync, Duration::from_secs(1));
        assert!(health.ready().0);
        health.record(&Ok(None), Ended::Faulty, Duration::from_secs(1));
        assert!(!health.ready().0);
        health.stand_by(true);
        assert!(health.ready().0);
        assert!(!Health::new(Duration::ZERO).alive().0, "nothing was heard for longer than allowed");
    }

    #[test]
    fn the_figures_are_those_of_the_last_round() {
        let health = Health::new(Duration::from_secs(60));
        health.lead(true);
        health.record(&Ok(Some(report(FAILED, false))), Ended::Failed, Duration::from_secs(2));
        health.record(&Ok(Some(report(r#""fate":"inSync""#, true))), Ended::InSync, Duration::from_secs(1));
        let text = health.metrics();
        for line in [
            "meteoctl_documents{fate=\"inSync\"} 1",
            "meteoctl_document_drifted{document=\"Bucket/b\"} 0",
            "meteoctl_rounds_total{outcome=\"failed\"} 1",
            "meteoctl_rounds_total{outcome=\"in sync\"} 1",
            "meteoctl_round_seconds_count 2",
            "meteoctl_calls_total{operation=\"s3:GetObject\",kind=\"read\"} 6",
            "meteoctl_leader 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "`{line}` is missing:\n{text}");
        }
        assert!(!text.contains("fate=\"failed\""), "{text}");
    }
}
