//! `drift`: what is no longer as declared.

use clap::{Args, ValueEnum};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::report::Report;
use meteoctl_engine::run::run as run_documents;
use meteoctl_engine::step::Mode;

use super::{CHANGES, DONE, Desk};
use crate::app::Wishes;
use crate::view::human;

/// Kinds that are data work; all others are infrastructure.
pub const DATA_KINDS: [&str; 6] = ["Source", "Dataset", "QualityReport", "Collection", "LatencyProbe", "Backup"];

/// What drift takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Tell of one part only
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Recompute every digest in the database instead of trusting what is recorded
    #[arg(long)]
    deep: bool,
}

/// A part of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What lies in AWS
    Infra,
    /// Sources, datasets, collections, probes and backups
    Data,
}

/// Shows the drift. Everything is looked at even with `--only`: data is reached through infrastructure.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let app = desk.open(checked, Wishes { deep: arguments.deep, ..Wishes::default() }).await;
    let report = run_documents("drift", &app.documents, &app.registry, Mode::Plan, &app.settings).await;
    desk.view.end_of_story();
    let report = part(report, arguments.only);
    desk.view.drift(&report, || human::plan(&report, desk.view.verbose()));
    Ok(match report.failure_code() {
        0 if report.has_changes() => CHANGES,
        0 => DONE,
        code => code,
    })
}

fn part(mut report: Report, only: Option<Part>) -> Report {
    if let Some(only) = only {
        report.lines.retain(|line| DATA_KINDS.contains(&line.id.kind.as_str()) == (only == Part::Data));
    }
    report
}
