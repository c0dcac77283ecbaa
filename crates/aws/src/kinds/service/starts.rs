//! What this process remembers about tasks it started: only until they run.
//!
//! Nothing depends on it for correctness (tasks are found again by `startedBy`); it tells a start that failed from a
//! task that ran and was stopped, and ends a row of equal failures.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Equal failures in a row that end the starting.
const ENOUGH: usize = 3;
/// How long nothing is started after that.
const REST: Duration = Duration::from_secs(900);

/// Starts by marker and revision.
#[derive(Debug, Default)]
pub struct Starts(Mutex<BTreeMap<String, Row>>);

#[derive(Debug, Default)]
struct Row {
    pending: Option<String>,
    reasons: Vec<String>,
    ended: Option<Instant>,
}

/// What to make of a stopped task.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not one that this process is waiting for.
    Old,
    /// The start failed; how often in a row for the same reason.
    Failed(usize),
}

impl Starts {
    /// A task was started.
    pub fn started(&self, key: &str, task: &str) {
        self.with(key, |row| row.pending = Some(task.to_owned()));
    }

    /// The task runs: all is forgotten.
    pub fn runs(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// A task was found stopped; `listed` of those that ECS still lists stopped for its reason in a row, itself included, whoever
    /// started them.
    pub fn stopped(&self, key: &str, task: &str, reason: &str, listed: usize, now: Instant) -> Verdict {
        self.with(key, |row| {
            if row.pending.as_deref() != Some(task) {
                return Verdict::Old;
            }
            row.pending = None;
            row.reasons.push(reason.to_owned());
            let equal = row.reasons.iter().rev().take_while(|earlier| *earlier == reason).count().max(listed);
            row.ended = (equal >= ENOUGH).then_some(now);
            Verdict::Failed(equal)
        })
    }

    /// The reason, when enough starts failed for it and the rest is not over.
    pub fn ended(&self, key: &str, now: Instant) -> Option<String> {
        self.with(key, |row| {
            let at = row.ended?;
            if now.saturating_duration_since(at) >= REST {
                *row = Row::default();
                return None;
            }
            row.reasons.last().cloned()
        })
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&mut Row) -> T) -> T {
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(starts: &Starts, task: &str, reason: &str, now: Instant) -> Verdict {
        starts.started("m", task);
        starts.stopped("m", task, reason, 1, now)
    }

    #[test]
    fn three_equal_failures_end_it_for_a_while() {
        let (starts, now) = (Starts::default(), Instant::now());
        assert_eq!(fail(&starts, "a", "pull", now), Verdict::Failed(1));
        assert_eq!(fail(&starts, "b", "memory", now), Verdict::Failed(1));
        assert_eq!(fail(&starts, "c", "memory", now), Verdict::Failed(2));
        assert_eq!(starts.ended("m", now), None);
        assert_eq!(fail(&starts, "d", "memory", now), Verdict::Failed(3));
        assert_eq!(starts.ended("m", now), Some("memory".to_owned()));
        assert_eq!(starts.ended("other", now), None);
        assert_eq!(starts.ended("m", now + REST), None);
        assert_eq!(fail(&starts, "e", "memory", now), Verdict::Failed(1));
    }

    #[test]
    fn failures_of_earlier_processes_count_too() {
        let (starts, now) = (Starts::default(), Instant::now());
        starts.started("m", "d");
        assert_eq!(starts.stopped("m", "d", "pull", 3, now), Verdict::Failed(3));
        assert_eq!(starts.ended("m", now), Some("pull".to_owned()));
    }

    #[test]
    fn a_task_that_ran_is_no_failed_start() {
        let (starts, now) = (Starts::default(), Instant::now());
        starts.started("m", "a");
        starts.runs("m");
        assert_eq!(starts.stopped("m", "a", "stopped by hand", 1, now), Verdict::Old);
        assert_eq!(starts.stopped("m", "unknown", "x", 1, now), Verdict::Old);
    }
}
