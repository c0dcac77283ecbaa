//! `plan`: what apply would do, field by field.

use std::path::PathBuf;

use clap::Args;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::run::run as run_documents;
use meteoctl_engine::step::Mode;

use super::saved::Saved;
use super::select::Selection;
use super::{CHANGES, DONE, Desk};
use crate::app::Wishes;
use crate::view::human;

/// What plan takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Exit with 2 when there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    /// Recompute every digest in the database instead of trusting what is recorded
    #[arg(long)]
    deep: bool,
    /// Save the plan for `apply --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The documents that are meant
    #[command(flatten)]
    selection: Selection,
}

/// Shows the plan.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let mut checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    checked.documents = arguments.selection.of(checked.documents)?;
    let app = desk.open(checked, Wishes { deep: arguments.deep, ..Wishes::default() }).await;
    let report = run_documents("plan", &app.documents, &app.registry, Mode::Plan, &app.settings).await;
    desk.view.end_of_story();
    if let Some(path) = &arguments.out {
        Saved::new(&report, desk.global.paths(), arguments.selection.clone(), arguments.deep).write(path)?;
    }
    desk.view.result(&report, || human::plan(&report, desk.view.verbose()));
    Ok(match report.failure_code() {
        0 if arguments.detailed_exitcode && report.has_changes() => CHANGES,
        0 => DONE,
        code => code,
    })
}
