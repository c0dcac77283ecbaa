//! `status`: where every document stands, and whether the project's promises are kept.

use meteoctl_engine::failure::Outcome;
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Settings, run as run_documents};
use meteoctl_engine::step::Mode;
use serde::Serialize;

use super::{DONE, Desk};
use crate::app::Wishes;
use crate::view::table;

/// What the project promised, and the kind whose documents show it.
const PROMISES: [(&str, &str); 6] = [
    ("database on ECS", "Service"),
    ("remote access", "Service"),
    ("import", "Collection"),
    ("latency", "LatencyProbe"),
    ("backup", "Backup"),
    ("logs", "LogGroup"),
];

/// The whole answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// What was seen.
    #[serde(flatten)]
    pub report: Report,
    /// The project's promises.
    pub acceptance: Vec<Promise>,
}

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// What was promised.
    pub promise: &'static str,
    /// Whether it is kept; `None` = unknown.
    pub kept: Option<bool>,
    /// What shows it.
    pub evidence: String,
}

/// Shows the status.
pub async fn run(desk: &Desk<'_>) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let app = desk.open(checked, Wishes::default()).await;
    let quiet = Settings { listener: meteoctl_engine::event::silent(), ..app.settings.clone() };
    let report = run_documents("status", &app.documents, &app.registry, Mode::Plan, &quiet).await;
    let code = report.failure_code();
    let status = Status { acceptance: acceptance(&report), report };
    desk.view.result(&status, || table::status(&status));
    Ok(if code == 0 { DONE } else { code })
}

fn acceptance(report: &Report) -> Vec<Promise> {
    PROMISES.iter().map(|(promise, kind)| judge(report, promise, kind)).collect()
}

/// Judges a promise by the documents of one kind: all of them must stand as declared.
fn judge(report: &Report, promise: &'static str, kind: &str) -> Promise {
    let lines: Vec<_> = report.lines.iter().filter(|line| line.id.kind == kind).collect();
    let words = lines.iter().map(|line| {
        let endpoint = line.outputs.get("endpoint").and_then(|endpoint| endpoint.as_str()).filter(|_| promise == "remote access");
        let seen = endpoint.or(line.note.as_deref()).map(str::to_owned);
        let missing = || if line.fate == Fate::InSync { "in sync".to_owned() } else { standing(&line.fate) };
        format!("{}: {}", line.id.name, seen.unwrap_or_else(missing))
    });
    let evidence = if lines.is_empty() { format!("no {kind} document") } else { words.collect::<Vec<_>>().join("; ") };
    let verdicts: Vec<Option<bool>> = lines.iter().map(|line| verdict(&line.fate)).collect();
    let kept = match () {
        () if verdicts.is_empty() || verdicts.iter().any(Option::is_none) => None,
        () => Some(verdicts.iter().all(|verdict| *verdict == Some(true))),
    };
    Promise { promise, kept, evidence }
}

fn verdict(fate: &Fate) -> Option<bool> {
    match fate {
        Fate::InSync => Some(true),
        Fate::WouldCreate | Fate::WouldUpdate { .. } | Fate::Settling { .. } => Some(false),
        // Seen as it should be, but something before it is about to change; or it could not be looked at.
        _ => None,
    }
}

/// The standing of a document in a few words.
pub fn standing(fate: &Fate) -> String {
    match fate {
        Fate::InSync => "in sync".to_owned(),
        Fate::WouldCreate => "not there".to_owned(),
        Fate::WouldUpdate { diff } => format!("differs: {}", diff.paths().join(", ")),
        Fate::Later { after } => format!("after {after}"),
        Fate::Settling { why } => format!("settling: {why}"),
        Fate::Failed { trouble } => format!("cannot {}", trouble.doing),
        Fate::Blocked { by } => format!("blocked by {by}"),
        Fate::WouldDelete => "to be removed".to_owned(),
        Fate::Created => "created".to_owned(),
        Fate::Updated { diff } => format!("changed: {}", diff.paths().join(", ")),
        Fate::Deleted | Fate::Gone => "removed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &str) -> Report {
        let text = format!(
            r#"{{"formatVersion":"1.0","verb":"status","stack":"p8","lines":[{lines}],"receipt":{{"specDigest":"","calls":{{"reads":{{}},"writes":{{}}}},"millis":0,"finishedAt":"","toolVersion":""}}}}"#
        );
        serde_json::from_str(&text).expect("a report")
    }

    #[test]
    fn a_promise_without_evidence_is_unknown() {
        let promise = judge(&seen(""), "backup", "Backup");
        assert_eq!((promise.kept, promise.evidence.as_str()), (None, "no Backup document"));
    }

    #[test]
    fn evidence_is_what_the_document_said() {
        let report = seen(
            r#"{"id":"Service/mongodb","place":"a:1:1","fate":"inSync","note":"RUNNING","outputs":{"endpoint":"1.2.3.4:27017"},"millis":1}"#,
        );
        assert_eq!(judge(&report, "database on ECS", "Service").evidence, "mongodb: RUNNING");
        assert_eq!(judge(&report, "remote access", "Service").evidence, "mongodb: 1.2.3.4:27017");
        let absent = seen(r#"{"id":"Backup/nightly","place":"a:1:1","fate":"wouldCreate","millis":1}"#);
        assert_eq!(
            judge(&absent, "backup", "Backup"),
            Promise { promise: "backup", kept: Some(false), evidence: "nightly: not there".to_owned() }
        );
    }
}
