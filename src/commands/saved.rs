//! Saved plans: what was agreed to, so that `apply --plan` does that or nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Id;
use meteoctl_engine::report::{Fate, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::select::Selection;

/// Version of the file.
const FORMAT: u32 = 1;
/// Exit code of a plan that no longer holds.
const STALE: u8 = 6;

/// A plan as saved. Holds what the plan shows, never a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Saved {
    format: u32,
    /// The documents' files.
    pub files: Vec<PathBuf>,
    /// The part of them that was planned.
    pub selection: Selection,
    /// Whether digests were recomputed.
    pub deep: bool,
    stack: String,
    spec_digest: String,
    made_at: String,
    steps: BTreeMap<String, Value>,
}

impl Saved {
    /// What a report says is to be done.
    pub fn new(report: &Report, files: Vec<PathBuf>, selection: Selection, deep: bool) -> Self {
        Saved {
            format: FORMAT,
            files,
            selection,
            deep,
            stack: report.stack.clone(),
            spec_digest: report.receipt.spec_digest.clone(),
            made_at: report.receipt.finished_at.clone(),
            steps: steps(report),
        }
    }

    /// Writes the file whole or not at all.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let failed = |error: std::io::Error| Failure::rejected(format!("save the plan to {}", path.display())).because(error);
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        std::fs::write(&name, text + "\n").and_then(|()| std::fs::rename(&name, path)).map_err(failed)
    }

    /// Reads a file that [`Saved::write`] made.
    pub fn read(path: &Path) -> Outcome<Self> {
        let doing = || Failure::rejected(format!("read the saved plan {}", path.display()));
        let again = "make it again: meteoctl plan --out FILE";
        let text = std::fs::read_to_string(path).map_err(|error| doing().because(error).hint(again))?;
        let saved: Saved = serde_json::from_str(&text).map_err(|error| doing().because(error).hint(again))?;
        if saved.format == FORMAT { Ok(saved) } else { Err(doing().because(format!("its format is {}", saved.format)).hint(again)) }
    }

    /// Fails, naming what moved, when the plan made now is not the one that was saved.
    pub fn still_holds(&self, now: &Report) -> Outcome<()> {
        let mut moved = Vec::new();
        if now.receipt.spec_digest != self.spec_digest {
            moved.push("the documents were edited".to_owned());
        }
        let steps = steps(now);
        let ids: std::collections::BTreeSet<&String> = steps.keys().chain(self.steps.keys()).collect();
        moved.extend(ids.into_iter().filter(|id| steps.get(*id) != self.steps.get(*id)).cloned());
        if moved.is_empty() {
            return Ok(());
        }
        let failure =
            Failure::rejected(format!("apply the plan of {}", self.made_at)).because(format!("since then moved: {}", moved.join(", ")));
        Err(failure.hint("look at a new one: meteoctl plan --out FILE").exit(STALE))
    }
}

fn steps(report: &Report) -> BTreeMap<String, Value> {
    report.lines.iter().map(|line| (line.id.to_string(), essence(&line.id, &line.fate))).collect()
}

/// What must be the same later: the decision and its fields, without words that tell the time.
fn essence(id: &Id, fate: &Fate) -> Value {
    match fate {
        Fate::WouldUpdate { diff } if id.kind == "Secret" => json!({"update": diff.paths()}),
        // Where nothing is on the left it is work that is due, told in words that may count or name an hour.
        Fate::WouldUpdate { diff } => {
            let field = |field: &meteoctl_engine::diff::Field| match &field.have {
                Value::Null => json!([field.path]),
                have => json!([field.path, have, field.want]),
            };
            json!({"update": diff.fields.iter().map(field).collect::<Vec<_>>()})
        }
        Fate::InSync => json!("inSync"),
        Fate::WouldCreate => json!("create"),
        Fate::Later { after } => json!({"after": after}),
        Fate::Settling { .. } => json!("settling"),
        Fate::Failed { trouble } => json!({"failed": trouble.doing}),
        Fate::Blocked { by } => json!({"blockedBy": by}),
        other => json!(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fate: &str, digest: &str) -> Report {
        let text = format!(
            r#"{{"formatVersion":"1.0","verb":"plan","stack":"p8","lines":[{{"id":"Bucket/b","place":"a:1:1",{fate},"millis":1}}],"receipt":{{"specDigest":"{digest}","calls":{{"reads":{{}},"writes":{{}}}},"millis":0,"finishedAt":"2024-10-05T03:00:00Z","toolVersion":""}}}}"#
        );
        serde_json::from_str(&text).expect("a report")
    }

    #[test]
    fn a_plan_holds_until_something_moves() {
        let update = |have: &str| {
            report(&format!(r#""fate":"wouldUpdate","diff":[{{"path":"/versioning","want":"Enabled","have":"{have}"}}]"#), "d")
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.json");
        Saved::new(&update("Suspended"), vec!["x".into()], Selection::default(), false).write(&path).expect("written");
        let saved = Saved::read(&path).expect("read");
        assert!(saved.still_holds(&update("Suspended")).is_ok());
        let moved = |now: &Report| saved.still_holds(now).map_err(|failure| (failure.exit, failure.causes().join("")));
        assert_eq!(moved(&update("Off")), Err((Some(STALE), "since then moved: Bucket/b".to_owned())));
        assert_eq!(
            moved(&report(r#""fate":"inSync""#, "e")),
            Err((Some(STALE), "since then moved: the documents were edited, Bucket/b".to_owned()))
        );
    }

    #[test]
    fn a_file_that_is_no_plan_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.json");
        std::fs::write(&path, "{}").expect("written");
        assert!(Saved::read(&path).is_err());
    }
}
