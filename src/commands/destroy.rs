//! `destroy`: removes what the documents declare, in reverse order.

use clap::Args;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Id;
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Settings, run as run_documents};
use meteoctl_engine::step::Mode;

use super::{DONE, Desk, POLICY, apply, usage};
use crate::app::{App, Wishes};
use crate::view::human;

/// What destroy takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Name of a thing that holds data and may be removed; may be given several times
    #[arg(long, value_name = "NAME")]
    confirm: Vec<String>,
}

/// Removes everything. Nothing at all is removed while a thing that holds data is not confirmed.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    if !arguments.yes && !desk.view.can_ask() {
        return Err(usage("destroy", "nobody is there to confirm it", "run destroy with --yes"));
    }
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let app = desk.open(checked, Wishes::default()).await;
    let planned = look(&app, Mode::PlanDelete).await;
    if !planned.has_changes() && !planned.has_failures() {
        return Ok(apply::finish(desk, &Report { verb: "destroy".to_owned(), ..planned }));
    }
    desk.view.story(&human::plan(&planned, desk.view.verbose()));
    confirmed(&app, &planned, &arguments.confirm)?;
    backed_up(&app, &planned).await?;
    if !arguments.yes && !desk.view.ask("Remove all of this?") {
        desk.view.story("Nothing was removed.\n");
        return Ok(DONE);
    }
    let report = run_documents("destroy", &app.documents, &app.registry, Mode::Delete, &app.settings).await;
    desk.view.end_of_story();
    Ok(apply::finish(desk, &report))
}

async fn look(app: &App, mode: Mode) -> Report {
    let quiet = Settings { listener: meteoctl_engine::event::silent(), ..app.settings.clone() };
    run_documents("destroy", &app.documents, &app.registry, mode, &quiet).await
}

fn going(planned: &Report) -> impl Iterator<Item = &Id> {
    planned.lines.iter().filter(|line| line.fate == Fate::WouldDelete).map(|line| &line.id)
}

fn confirmed(app: &App, planned: &Report, names: &[String]) -> Outcome<()> {
    let holds_data = |id: &Id| app.registry.get(&id.kind).is_some_and(|kind| kind.holds_data());
    let open: Vec<&Id> = going(planned).filter(|id| holds_data(id) && !names.contains(&id.name)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let told = open.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let words = open.iter().map(|id| format!("--confirm {}", id.name)).collect::<Vec<_>>().join(" ");
    let hint = format!("if the data may go: {words}");
    Err(Failure::rejected("destroy").because(format!("these hold data and were not confirmed: {told}")).hint(hint).exit(POLICY))
}

/// Data in a database goes only while every Backup document stands as declared.
async fn backed_up(app: &App, planned: &Report) -> Outcome<()> {
    if !going(planned).any(|id| id.kind == "Collection") {
        return Ok(());
    }
    let seen = look(app, Mode::Plan).await;
    let backups = seen.lines.iter().filter(|line| line.id.kind == "Backup");
    let due: Vec<String> = backups.filter(|line| line.fate != Fate::InSync).map(|line| line.id.to_string()).collect();
    if due.is_empty() {
        return Ok(());
    }
    let failure = Failure::rejected("destroy").because(format!("there is no current verified backup: {}", due.join(", ")));
    Err(failure.hint("run `meteoctl run backup` first").exit(POLICY))
}
