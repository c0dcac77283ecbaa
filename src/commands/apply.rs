//! `apply`: shows the plan, asks, makes it so, and proves it.

use std::path::PathBuf;

use clap::Args;
use meteoctl_engine::event::Listener;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::report::Report;
use meteoctl_engine::run::{Settings, run as run_documents};
use meteoctl_engine::step::Mode;

use super::locked::{self, LockArguments};
use super::saved::Saved;
use super::select::Selection;
use super::{DONE, Desk, ERROR, usage};
use crate::app::{App, Wishes};
use crate::view::human;

/// What apply takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Do not ask; a saved plan is not asked about again
    #[arg(short, long)]
    yes: bool,
    /// Recompute every digest in the database instead of trusting what is recorded
    #[arg(long)]
    deep: bool,
    /// Do what this saved plan says, or nothing; exit code 6 when the world moved since
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "exclude", "deep", "files"])]
    plan: Option<PathBuf>,
    /// The documents that are meant
    #[command(flatten)]
    selection: Selection,
    /// The lock
    #[command(flatten)]
    lock: LockArguments,
}

/// Applies the documents.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let agreed = arguments.yes || arguments.plan.is_some();
    if !agreed && !desk.view.can_ask() {
        return Err(usage("apply", "nobody is there to confirm the plan", "look at `meteoctl plan`, then run apply with --yes"));
    }
    let saved = arguments.plan.as_deref().map(Saved::read).transpose()?;
    let paths = saved.as_ref().map_or_else(|| desk.global.paths(), |saved| saved.files.clone());
    let mut checked = match desk.read_from(&paths).await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let selection = saved.as_ref().map_or(&arguments.selection, |saved| &saved.selection);
    checked.documents = selection.of(checked.documents)?;
    let deep = saved.as_ref().map_or(arguments.deep, |saved| saved.deep);
    let app = desk.open(checked, Wishes { deep, ..Wishes::default() }).await;
    let planned = plan(&app, desk.view.watcher()).await;
    desk.view.end_of_story();
    saved.as_ref().map_or(Ok(()), |saved| saved.still_holds(&planned))?;
    if !planned.has_changes() && !planned.has_failures() {
        // The plan just made is the fresh look that proves it.
        return Ok(finish(desk, &Report { verb: "apply".to_owned(), converged: Some(true), ..planned }));
    }
    desk.view.story(&human::plan(&planned, desk.view.verbose()));
    if !agreed && !desk.view.ask("Apply this plan?") {
        desk.view.story("Nothing was changed.\n");
        return Ok(DONE);
    }
    let report = locked::converge(desk, &app, planned, &arguments.lock, saved.as_ref()).await;
    desk.view.end_of_story();
    Ok(finish(desk, &report?))
}

/// A plan without a line per document: what it found is shown at once, as a whole.
pub async fn plan(app: &App, watcher: Listener) -> Report {
    let settings = Settings { listener: watcher, ..app.settings.clone() };
    run_documents("plan", &app.documents, &app.registry, Mode::Plan, &settings).await
}

/// Shows the result of changes; the exit code.
pub fn finish(desk: &Desk<'_>, report: &Report) -> u8 {
    desk.view.result(report, || human::result(report, desk.view.verbose()));
    match report.failure_code() {
        0 if report.converged == Some(false) => ERROR,
        code => code,
    }
}
