//! `run`: one job now, by the same code as apply.

use clap::{Args, ValueEnum};
use meteoctl_engine::document::Document;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Id;
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Settings, converge, run as run_documents};
use meteoctl_engine::step::Mode;

use super::drift::DATA_KINDS;
use super::locked::{LockArguments, alone};
use super::select::with_needs;
use super::{Desk, apply, usage};
use crate::app::{Held, Wishes, drill_of};
use crate::view::human;

/// What run takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The job
    #[arg(value_enum)]
    job: Job,
    /// Names of its documents; all when left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// With `collect`: read the source and look at the bucket, tell what would be written, write nothing
    #[arg(long)]
    test: bool,
    /// With `transform`: take along the lines of rejects.jsonl whose `raw` you mended
    #[arg(long)]
    replay: bool,
    /// The lock
    #[command(flatten)]
    lock: LockArguments,
}

/// The jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// Bring vendor files into the bucket (Source)
    Collect,
    /// Make one clean file of the raw rows (Dataset)
    Transform,
    /// Judge the dataset (QualityReport)
    Quality,
    /// Import the dataset into MongoDB (Collection)
    Import,
    /// Measure the time of a query (LatencyProbe)
    Latency,
    /// Take a verified backup (Backup)
    Backup,
    /// Restore the newest backup under a name of its own, compare it, and take it away again (Backup)
    Drill,
}

impl Job {
    fn kind(self) -> &'static str {
        match self {
            Job::Collect => "Source",
            Job::Transform => "Dataset",
            Job::Quality => "QualityReport",
            Job::Import => "Collection",
            Job::Latency => "LatencyProbe",
            Job::Backup | Job::Drill => "Backup",
        }
    }
}

/// Runs the job, and the jobs before it where they are due. Infrastructure is looked at, never changed.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    fits(arguments)?;
    let mut checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let forced = asked(&checked.documents, arguments)?;
    checked.documents = with_needs(checked.documents, &forced);
    // A drill is asked of a backup, which is not made anew for it.
    let forced = match arguments.job {
        Job::Drill => forced.iter().map(|backup| drill_of(&backup.name)).collect(),
        _ => forced,
    };
    let app = desk.open(checked, Wishes { forced, replay: arguments.replay, ..Wishes::default() }).await;
    let quiet = Settings { listener: meteoctl_engine::event::silent(), ..app.settings.clone() };
    let planned = run_documents("plan", &app.documents, &app.registry, Mode::Plan, &quiet).await;
    stands(&planned)?;
    if arguments.test {
        desk.view.result(&planned, || human::plan(&planned, desk.view.verbose()));
        return Ok(planned.failure_code());
    }
    let work = async |settings: Settings, _: Option<&Held>| converge(&app.documents, &app.registry, &settings).await;
    let done = alone(desk, &app, "run", &arguments.lock, work).await;
    desk.view.end_of_story();
    let (mut report, calls) = done?;
    report.verb = "run".to_owned();
    report.receipt.lock = calls;
    Ok(apply::finish(desk, &report))
}

/// Each option belongs to one job.
fn fits(arguments: &Arguments) -> Outcome<()> {
    for (given, option, job) in [(arguments.test, "--test", Job::Collect), (arguments.replay, "--replay", Job::Transform)] {
        if given && arguments.job != job {
            return Err(usage(format!("run {}", word(arguments.job)), format!("{option} belongs to `run {}`", word(job)), "leave it out"));
        }
    }
    Ok(())
}

/// The job as it is written on the command line.
fn word(job: Job) -> String {
    job.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn asked(documents: &[Document], arguments: &Arguments) -> Outcome<Vec<Id>> {
    let kind = arguments.job.kind();
    let there: Vec<&Id> = documents.iter().map(|document| &document.id).filter(|id| id.kind == kind).collect();
    if there.is_empty() {
        return Err(usage(format!("find the {kind} documents"), "there are none", "give their files with -f"));
    }
    if arguments.names.is_empty() {
        return Ok(there.into_iter().cloned().collect());
    }
    let names = || there.iter().map(|id| id.name.as_str()).collect::<Vec<_>>().join(", ");
    let find = |name: &String| match there.iter().find(|id| id.name == *name) {
        Some(id) => Ok((*id).clone()),
        None => Err(usage(format!("find {kind}/{name}"), "no document declares it", format!("the {kind} documents are {}", names()))),
    };
    arguments.names.iter().map(find).collect()
}

/// Fails when infrastructure that the job needs is not as declared.
pub fn stands(planned: &Report) -> Outcome<()> {
    let infrastructure = planned.lines.iter().filter(|line| !DATA_KINDS.contains(&line.id.kind.as_str()));
    let missing: Vec<String> = infrastructure
        .filter_map(|line| match &line.fate {
            Fate::InSync => None,
            Fate::Failed { trouble } => {
                let cause = trouble.causes.first().map(|cause| format!(": {cause}")).unwrap_or_default();
                Some(format!("{}: cannot {}{cause}", line.id, trouble.doing))
            }
            Fate::WouldCreate | Fate::Later { .. } => Some(format!("{} is not there", line.id)),
            Fate::Settling { why } => Some(format!("{} is not ready: {why}", line.id)),
            Fate::Blocked { by } => Some(format!("{} waits for {by}", line.id)),
            _ => Some(format!("{} is not as declared", line.id)),
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::rejected("find what the job needs in place").because(missing.join("; ")).hint("run `meteoctl apply` first"))
}
