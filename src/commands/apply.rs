//! `apply`: shows the plan, asks, makes it so, and proves it.

use clap::Args;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::report::Report;
use meteoctl_engine::run::{Settings, converge, run as run_documents};
use meteoctl_engine::step::Mode;

use super::{DONE, Desk, ERROR, usage};
use crate::app::{App, Wishes};
use crate::view::human;

/// What apply takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Recompute every digest in the database instead of trusting what is recorded
    #[arg(long)]
    deep: bool,
}

/// Applies the documents.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    if !arguments.yes && !desk.view.can_ask() {
        return Err(usage("apply", "nobody is there to confirm the plan", "look at `meteoctl plan`, then run apply with --yes"));
    }
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let app = desk.open(checked, Wishes { deep: arguments.deep, ..Wishes::default() }).await;
    let planned = plan(&app).await;
    desk.view.end_of_story();
    if !planned.has_changes() && !planned.has_failures() {
        // The plan just made is the fresh look that proves it.
        return Ok(finish(desk, &Report { verb: "apply".to_owned(), converged: Some(true), ..planned }));
    }
    desk.view.story(&human::plan(&planned, desk.view.verbose()));
    if !arguments.yes && !desk.view.ask("Apply this plan?") {
        desk.view.story("Nothing was changed.\n");
        return Ok(DONE);
    }
    let report = converge(&app.documents, &app.registry, &app.settings).await;
    desk.view.end_of_story();
    Ok(finish(desk, &report))
}

/// A plan without its story: what it found is shown at once, as a whole.
async fn plan(app: &App) -> Report {
    let quiet = Settings { listener: meteoctl_engine::event::silent(), ..app.settings.clone() };
    run_documents("plan", &app.documents, &app.registry, Mode::Plan, &quiet).await
}

/// Shows the result of changes; the exit code.
pub fn finish(desk: &Desk<'_>, report: &Report) -> u8 {
    desk.view.result(report, || human::result(report, desk.view.verbose()));
    match report.failure_code() {
        0 if report.converged == Some(false) => ERROR,
        code => code,
    }
}
