//! What the lock object says, and what follows from it. Pure: the clock and this machine's processes come as arguments.
//!
//! The object is JSON: `{"format": 1, "fencing": n, "holder": {…} | null}`. It is never removed while its stack lives, so that
//! the fencing number never goes back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::process::Process;

/// Version of the object's layout.
pub const FORMAT: u32 = 1;

/// The lock object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Layout version.
    pub format: u32,
    /// Grows by one with every holder.
    pub fencing: u64,
    /// Who holds it; `None` = nobody.
    pub holder: Option<Holder>,
}

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Chosen anew by every run: tells a holder from all others.
    pub nonce: String,
    /// `user@host`.
    pub owner: String,
    /// What it is doing: `apply`, `destroy`, …
    pub verb: String,
    /// Its process, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// When it took the lock.
    pub since: DateTime<Utc>,
    /// When the lock is anybody's unless it was renewed before.
    pub expires: DateTime<Utc>,
}

/// What may be done with the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be taken with this fencing number.
    Free(u64),
    /// It is ours already: a request was answered to nobody and repeated.
    Mine,
    /// Somebody else works.
    Held(Box<Holder>),
}

/// Judges the object for the bearer of `nonce`.
///
/// `dead` says whether a process is known to have ended; where that cannot be known it says no, and the expiry decides.
pub fn judge(seen: Option<&Record>, nonce: &str, now: DateTime<Utc>, dead: impl Fn(&Process) -> bool) -> Verdict {
    let Some(record) = seen else { return Verdict::Free(1) };
    let next = Verdict::Free(record.fencing.saturating_add(1));
    match &record.holder {
        None => next,
        Some(holder) if holder.nonce == nonce => Verdict::Mine,
        Some(holder) if holder.expires <= now || holder.process.as_ref().is_some_and(dead) => next,
        Some(holder) => Verdict::Held(Box::new(holder.clone())),
    }
}

/// `root@build-7 (process 123), since 2026-01-05 14:06:15 UTC, for apply, until 14:07:15 UTC unless renewed`.
pub fn words(holder: &Holder) -> String {
    let process = holder.process.as_ref().map(|process| format!(" (process {})", process.pid)).unwrap_or_default();
    format!(
        "{}{process}, since {}, for {}, until {} unless renewed",
        holder.owner,
        holder.since.format("%Y-%m-%d %H:%M:%S UTC"),
        holder.verb,
        holder.expires.format("%H:%M:%S UTC")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).expect("a time")
    }

    fn record(nonce: &str, expires: i64) -> Record {
        let process = Process { boot: "b".into(), namespace: "n".into(), pid: 7, started: 1 };
        let holder = Holder {
            nonce: nonce.into(),
            owner: "ann@here".into(),
            verb: "apply".into(),
            process: Some(process),
            since: at(expires) - TimeDelta::seconds(60),
            expires: at(expires),
        };
        Record { format: FORMAT, fencing: 7, holder: Some(holder) }
    }

    #[test]
    fn who_holds_it_is_told_in_a_sentence() {
        let text = words(record("a", 60).holder.as_ref().expect("a holder"));
        insta::assert_snapshot!(text, @"ann@here (process 7), since 2023-11-14 22:13:20 UTC, for apply, until 22:14:20 UTC unless renewed");
    }

    #[test]
    fn a_released_lock_keeps_counting() {
        let released = Record { holder: None, ..record("a", 0) };
        assert_eq!(judge(Some(&released), "b", at(0), |_| false), Verdict::Free(8));
        assert_eq!(judge(None, "b", at(0), |_| false), Verdict::Free(1));
    }

    #[test]
    fn a_holder_known_to_be_dead_is_not_waited_for() {
        assert_eq!(judge(Some(&record("a", 60)), "b", at(0), |process| process.pid == 7), Verdict::Free(8));
    }

    proptest! {
        #[test]
        fn a_living_holder_is_left_alone_until_its_expiry(expires in -1000i64..1000, now in -1000i64..1000) {
            let verdict = judge(Some(&record("a", expires)), "b", at(now), |_| false);
            prop_assert_eq!(matches!(verdict, Verdict::Held(_)), now < expires);
            prop_assert_eq!(judge(Some(&record("a", expires)), "a", at(now), |_| true), Verdict::Mine);
        }

        #[test]
        fn what_is_written_is_read(nonce in "[a-z0-9]{1,20}", owner in ".{0,30}", fencing: u64, expires in 0i64..1_000_000) {
            let mut record = Record { fencing, ..record(&nonce, expires) };
            if let Some(holder) = &mut record.holder { holder.owner = owner; }
            let text = serde_json::to_string(&record).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Record>(&text).expect("a record"), record);
        }
    }
}
