//! `prune`: what carries the stack's tags but has no document any more.

use clap::Args;
use meteoctl_engine::event::silent;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Settings, run as run_documents};
use meteoctl_engine::step::Mode;

use super::destroy::{Leave, carry_out, same_account};
use super::locked::LockArguments;
use super::{DONE, Desk, POLICY};
use crate::app::{Orphans, Wishes};
use crate::view::human;

/// What prune takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Remove what is listed
    #[arg(short, long)]
    yes: bool,
    /// Most things that are removed at once: more of them look like the wrong folder
    #[arg(long, default_value_t = 5, value_name = "N")]
    max: usize,
    /// Name of a thing that holds data and may be removed; may be given several times
    #[arg(long, value_name = "NAME")]
    confirm: Vec<String>,
    /// Name of a thing that may be removed although its data are then lost; may be given several times
    #[arg(long, value_name = "NAME")]
    accept_data_loss: Vec<String>,
    /// The lock
    #[command(flatten)]
    lock: LockArguments,
}

/// Lists what has no document, and removes it with `--yes`.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let app = desk.open(checked, Wishes::default()).await;
    let quiet = Settings { listener: silent(), ..app.settings.clone() };
    let seen = run_documents("prune", &app.documents, &app.registry, Mode::Plan, &quiet).await;
    same_account(&seen)?;
    let orphans = app.orphans().await?;
    let removal = app.removal(orphans.documents.clone(), &seen, &arguments.accept_data_loss);
    let planned = run_documents("prune", &removal.documents, &removal.registry, Mode::PlanDelete, &quiet).await;
    desk.view.end_of_story();
    tell(desk, &orphans);
    let planned = Report { stack: seen.stack.clone(), ..planned };
    let going = planned.lines.iter().filter(|line| line.fate == Fate::WouldDelete).count();
    if !arguments.yes || (going == 0 && !planned.has_failures()) {
        desk.view.result(&planned, || words(&planned, &orphans, desk.view.verbose()));
        return Ok(if planned.has_failures() { planned.failure_code() } else { DONE });
    }
    desk.view.story(&human::plan(&planned, desk.view.verbose()));
    if going > arguments.max {
        let cause = format!("{going} things would go, at most {} may", arguments.max);
        let hint = format!("check that -f names all documents of the stack; if it does: --max {going}");
        return Err(Failure::rejected("prune").because(cause).hint(hint).exit(POLICY));
    }
    let leave = Leave { verb: "prune", confirm: &arguments.confirm, accept: &arguments.accept_data_loss };
    leave.for_all(&app, &removal, &planned, &app.documents, &seen).await?;
    carry_out(desk, &app, &removal, "prune", &arguments.lock).await
}

fn tell(desk: &Desk<'_>, orphans: &Orphans) {
    for thing in &orphans.unknown {
        desk.view.story(&format!("note: {} ({}) has no document; remove it by hand\n", thing.document, thing.arn));
    }
}

fn words(planned: &Report, orphans: &Orphans, verbose: bool) -> String {
    let gone = planned.lines.iter().all(|line| line.fate == Fate::Gone);
    if gone && orphans.unknown.is_empty() {
        return "Everything that carries the stack's tags has its document.\n".to_owned();
    }
    let arns = orphans.owned.iter().filter(|thing| {
        let line = planned.lines.iter().find(|line| line.id == thing.document);
        line.is_some_and(|line| line.fate == Fate::WouldDelete)
    });
    let arns: String = arns.map(|thing| format!("    {}  {}\n", thing.document, thing.arn)).collect();
    format!("{}{arns}Remove with: meteoctl prune --yes\n", human::plan(planned, verbose))
}
