//! Restore drills: which ones are wished, what they showed, and in what words that is told.

use chrono::{DateTime, Utc};
use meteoctl_data::backup::{BackupSpec as Wish, Listed};
use meteoctl_data::restore::drill::{self, DrillSpec as Drills, DrillState};
use meteoctl_data::store::Store;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Fault, Meta, Outputs, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::context::{JobContext, database};
use crate::server::{Connection, ServerRef};

/// Restore drills: the newest verified backup restored under a database name of its own, compared, timed, removed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrillSpec {
    /// A passed drill stays good for so many days, at least 1.
    pub every_days: u32,
    /// Where to restore: `{ref: Service/name}` or `{uriFromEnv: SCRATCH_URI}`; the collection's own server where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerRef>,
    /// Secret with `username` and `password` for a `server` that is a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Link>,
    /// PEM file with the certificate authorities to trust on that `server`, relative to this document's file; switches TLS on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<String>,
}

impl DrillSpec {
    /// Faults that can be told from the document.
    pub(super) fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.every_days == 0 {
            faults.push(Fault::wrong("/restoreDrill/everyDays", "a drill stays good for at least 1 day"));
        }
        if let Some(ServerRef::Service(link)) = &self.server {
            faults.extend(expect_kind("/restoreDrill/server", link, &["Service"]));
        }
        faults.extend(self.credentials.as_ref().and_then(|link| expect_kind("/restoreDrill/credentials", link, &["Secret"])));
        let given = [
            self.credentials.as_ref().map(|_| ("/restoreDrill/credentials", "credentials")),
            self.tls_ca_file.as_ref().map(|_| ("/restoreDrill/tlsCaFile", "authorities")),
        ];
        for (path, what) in given.into_iter().flatten().filter(|_| self.server.is_none()) {
            faults.push(
                Fault::wrong(path, format!("{what} without a server"))
                    .hint("name the server, or leave this out: the collection's own server is used, as the collection says"),
            );
        }
        faults
    }

    /// What leads to the server of its own; `None`: the collection's is used.
    pub(super) fn connection(&self, context: &JobContext, meta: &Meta) -> Outcome<Option<Connection>> {
        let Some(server) = &self.server else { return Ok(None) };
        Connection::of(context, meta, server, self.credentials.as_ref(), self.tls_ca_file.as_deref()).map(Some)
    }

    /// The drills of the backups of `wish`.
    pub(super) fn drills(&self, wish: &Wish) -> Drills {
        drills(wish, self.every_days)
    }
}

fn drills(wish: &Wish, every_days: u32) -> Drills {
    Drills { prefix: wish.prefix.clone(), database: wish.database.clone(), every_days, encryption: wish.encryption.clone() }
}

/// The mark of a drill that was asked for by name, in [`Forced`](crate::Forced).
pub fn asked_of(backup: &str) -> Id {
    Id::new("RestoreDrill", backup)
}

/// A drill was asked for where nothing says how and where it is held.
pub(super) fn not_wished(backup: &Id) -> Failure {
    Failure::rejected(format!("hold a restore drill of {backup}"))
        .because("the document wishes none")
        .hint("give it `restoreDrill: {everyDays: 7}`, with a `server` if it is not to be the collection's own")
}

/// What the drills of these backups showed. Evidence counts also where no drill is wished any more.
pub(super) async fn state(
    store: &dyn Store,
    listed: &[Listed],
    wish: &Wish,
    wished: Option<&DrillSpec>,
    now: DateTime<Utc>,
) -> Outcome<DrillState> {
    let drills = drills(wish, wished.map_or(u32::MAX, |drill| drill.every_days));
    drill::judge(store, listed, &drills, now).await.map_err(database)
}

/// How much would be lost if the database were gone now, and how long a restore takes; "unknown" without evidence.
pub(super) fn words(state: &DrillState) -> String {
    let lost = state.loss_seconds.map_or_else(|| "unknown".to_owned(), |seconds| span(seconds as f64));
    let restored = match (state.restore_seconds, state.passed_at) {
        (Some(seconds), Some(at)) => format!("a restore takes {} (drill of {})", span(seconds), at.format("%Y-%m-%d")),
        _ => "how long a restore takes is unknown (no drill)".to_owned(),
    };
    format!("lost at most: {lost}; {restored}")
}

/// The same for machines: a figure that is not known is not there.
pub(super) fn figures(state: &DrillState) -> Outputs {
    let mut figures = Outputs::new();
    figures.extend(state.loss_seconds.map(|seconds| ("lossSeconds".to_owned(), json!(seconds))));
    figures.extend(state.restore_seconds.map(|seconds| ("restoreSeconds".to_owned(), json!(seconds))));
    figures.extend(state.passed_at.map(|at| ("drilledAt".to_owned(), json!(at.to_rfc3339()))));
    figures
}

/// A duration as people say it: `4.1 s`, `12 min`, `3 h 12 min`, `5 d 3 h`.
pub(super) fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        0..60 => format!("{minutes} min"),
        60..2880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} d {} h", minutes / 1440, minutes % 1440 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(loss_seconds: Option<i64>, passed: Option<(f64, &str)>) -> DrillState {
        DrillState {
            due: None,
            last: None,
            loss_seconds,
            restore_seconds: passed.map(|(seconds, _)| seconds),
            passed_at: passed.map(|(_, at)| at.parse().expect("a time")),
        }
    }

    #[test]
    fn what_leads_to_a_server_needs_one() {
        let faults = |drill: serde_json::Value| {
            let spec: DrillSpec = serde_json::from_value(drill).expect("a drill");
            spec.check().into_iter().map(|fault| fault.path).collect::<Vec<_>>()
        };
        assert_eq!(faults(json!({"everyDays": 7, "tlsCaFile": "ca.pem"})), ["/restoreDrill/tlsCaFile"]);
        assert_eq!(faults(json!({"everyDays": 0, "server": {"uriFromEnv": "X"}, "tlsCaFile": "ca.pem"})), ["/restoreDrill/everyDays"]);
    }

    #[test]
    fn what_is_not_known_is_said_to_be_unknown() {
        assert_eq!(words(&state(Some(11_520), None)), "lost at most: 3 h 12 min; how long a restore takes is unknown (no drill)");
        let drilled = state(Some(30), Some((251.7, "2026-01-05T14:06:15Z")));
        assert_eq!(words(&drilled), "lost at most: 30.0 s; a restore takes 4 min (drill of 2026-01-05)");
        assert_eq!(figures(&state(None, None)), Outputs::new());
        assert_eq!(figures(&drilled)["restoreSeconds"], 251.7);
    }

    #[test]
    fn spans_are_said_in_two_units_at_most() {
        let said = [4.14, 59.0, 60.0, 3599.0, 3600.0, 172_799.0, 172_800.0, 454_000.0].map(span);
        assert_eq!(said, ["4.1 s", "59.0 s", "1 min", "1 h 0 min", "1 h 0 min", "2 d 0 h", "2 d 0 h", "5 d 6 h"]);
    }
}
