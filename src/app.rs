//! Where engine, AWS, data and jobs come together: the only file that names them all.

mod lock;
mod policy;
mod removal;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chrono::{NaiveDate, Utc};
use meteoctl_aws::client::{Aws, StackIdentity};
pub use meteoctl_aws::logs::{FOLLOW_PAUSE, LogLine, LogQuery, LogReader};
use meteoctl_engine::check::check;
use meteoctl_engine::document::{Diagnostic, Document, load};
use meteoctl_engine::event::{Listener, silent};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::graph::STACK;
use meteoctl_engine::pace::Pace;
use meteoctl_engine::reference::{Id, Outputs};
use meteoctl_engine::registry::Registry;
use meteoctl_engine::run::Settings;
use meteoctl_engine::stop::Stop;
use meteoctl_engine::tally::Tally;
use meteoctl_jobs as jobs;
use serde_json::Value;

pub use jobs::drill_of;
pub use jobs::restore::Request as RestoreRequest;
pub use lock::{Ground, Held, Locks};
pub use policy::{Purpose, policy};
pub use removal::{Orphans, Removal};

use crate::cli::Global;
use crate::config::{self, Config};

/// Region of clients that are never used to call.
const ANY_REGION: &str = "us-east-1";

/// Documents without fault.
pub struct Checked {
    /// The documents.
    pub documents: Vec<Document>,
    /// The whole stack's lock, whatever part of the documents is meant.
    pub locks: Locks,
}

/// What a run is about, besides the documents.
#[derive(Default)]
pub struct Wishes {
    /// Recompute every digest in the database.
    pub deep: bool,
    /// Jobs to be run although nothing is due.
    pub forced: Vec<Id>,
    /// Take along the rejects that a person mended.
    pub replay: bool,
}

/// Everything a verb works with.
pub struct App {
    /// The documents.
    pub documents: Vec<Document>,
    /// Every kind there is.
    pub registry: Registry,
    /// How to run.
    pub settings: Settings,
    /// The stack's lock.
    pub locks: Locks,
    jobs: Arc<jobs::JobContext>,
}

/// Reads and checks the documents. No network, no credentials.
pub async fn read(paths: &[PathBuf]) -> Result<Checked, Vec<Diagnostic>> {
    let loaded = load(paths);
    let mut faults = loaded.diagnostics;
    let registry = offline_registry().await;
    // A document that could not be read is missing from the list; what follows from its absence would only mislead.
    if faults.is_empty() {
        faults.extend(check(&loaded.documents, &registry, today()));
    } else {
        faults.extend(check(&loaded.documents, &registry, today()).into_iter().filter(|fault| !follows_from_absence(fault)));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Checked { locks: Locks::of(&loaded.documents), documents: loaded.documents })
}

fn follows_from_absence(fault: &Diagnostic) -> bool {
    fault.place.is_none() || fault.message.starts_with("refers to ") && fault.message.ends_with("which no document declares")
}

/// Every kind, over clients that are never used to call.
pub async fn offline_registry() -> Registry {
    let identity = StackIdentity { region: Some(ANY_REGION.to_owned()), ..StackIdentity::default() };
    let aws = Arc::new(Aws::load(identity, Tally::new()).await);
    registry(&aws, &Arc::new(context(aws.clone(), silent(), &Config::default(), &[], Wishes::default())))
}

/// Prepares a run. Makes no call yet.
pub async fn open(checked: Checked, global: &Global, config: &Config, listener: Listener, wishes: Wishes) -> App {
    let Checked { documents, locks } = checked;
    let tally = Tally::new();
    let aws = Arc::new(Aws::load(identity(&documents), tally.clone()).await);
    let jobs = Arc::new(context(aws.clone(), listener.clone(), config, &documents, wishes));
    let settings = Settings {
        concurrency: usize::from(global.concurrency),
        deadline: Instant::now().checked_add(global.timeout),
        pace: Pace::default(),
        today: today(),
        guard: None,
        listener,
        tally,
        stop: Stop::default(),
    };
    App { registry: registry(&aws, &jobs), documents, settings, locks: locks.owned_by(&config.owner), jobs }
}

impl App {
    /// Brings a backup back; see `meteoctl_jobs::restore`.
    pub async fn restore(&self, collection: &Outputs, backup: Option<&Outputs>, request: &RestoreRequest) -> Outcome<Value> {
        jobs::restore::run(&self.jobs, collection, backup, request).await
    }

    /// Reads a log group.
    pub fn log(&self, query: LogQuery) -> LogReader<'_> {
        LogReader::new(&self.jobs.aws, query)
    }
}

/// The day that decides about exceptions.
fn today() -> NaiveDate {
    Utc::now().date_naive()
}

fn registry(aws: &Arc<Aws>, context: &Arc<jobs::JobContext>) -> Registry {
    Registry::new(meteoctl_aws::kinds::all_with_probe(aws, Some(jobs::probe(context))).into_iter().chain(jobs::all(context)))
}

fn context(aws: Arc<Aws>, listener: Listener, config: &Config, documents: &[Document], wishes: Wishes) -> jobs::JobContext {
    let mut named = BTreeSet::new();
    documents.iter().for_each(|document| variables_named(&document.spec, &mut named));
    let forced = jobs::Forced::default();
    wishes.forced.into_iter().for_each(|id| forced.ask(id));
    jobs::JobContext {
        aws,
        listener,
        mongodb_uri: config.mongodb_uri.clone(),
        variables: config::variables(named),
        authorities: authorities(documents),
        deep: wishes.deep,
        forced,
        recall: jobs::Recall::default(),
        replay: wishes.replay,
    }
}

/// Names of the environment variables that a spec refers to.
fn variables_named(spec: &Value, found: &mut BTreeSet<String>) {
    match spec {
        Value::Object(map) => {
            found.extend(map.get("uriFromEnv").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|inner| variables_named(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| variables_named(inner, found)),
        _ => {}
    }
}

/// The CA files of all Collections and restore drills, each once.
fn authorities(documents: &[Document]) -> Vec<String> {
    let named = documents.iter().flat_map(|document| {
        let files = ["/tlsCaFile", "/restoreDrill/tlsCaFile"].map(|path| document.spec.pointer(path).and_then(Value::as_str));
        files.into_iter().flatten().map(|file| document.meta.folder.join(file).to_string_lossy().into_owned())
    });
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

fn identity(documents: &[Document]) -> StackIdentity {
    let Some(stack) = documents.iter().find(|document| document.id.kind == STACK) else { return StackIdentity::default() };
    let tags = stack.spec.get("tags").and_then(Value::as_object).into_iter().flatten();
    StackIdentity {
        name: stack.id.name.clone(),
        region: stack.spec.get("region").and_then(Value::as_str).map(str::to_owned),
        tags: tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_wherever_they_are_named() {
        let mut found = BTreeSet::new();
        variables_named(&serde_json::json!({"server": {"uriFromEnv": "A"}, "more": [{"uriFromEnv": "B"}], "other": "C"}), &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["A", "B"]);
    }
}
