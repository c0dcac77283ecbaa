//! `destroy`: removes what the documents declare, in reverse order. What holds data goes only by name, and only with a backup.

use clap::Args;
use meteoctl_engine::document::Document;
use meteoctl_engine::event::silent;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Id;
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Settings, run as run_documents};
use meteoctl_engine::step::Mode;

use super::locked::{LockArguments, alone};
use super::select::Selection;
use super::{DONE, Desk, POLICY, apply, usage};
use crate::app::{App, Held, Removal, Wishes};
use crate::view::human;

/// What a database's data lies in: removed only while a backup of it is at hand.
const DATABASE: [&str; 3] = ["Collection", "FileSystem", "Service"];

/// What destroy takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Name of a thing that holds data and may be removed; may be given several times
    #[arg(long, value_name = "NAME")]
    confirm: Vec<String>,
    /// Name of a thing that may be removed although its data are then lost: a bucket with what is in it, a database without a current
    /// verified backup; may be given several times
    #[arg(long, value_name = "NAME")]
    accept_data_loss: Vec<String>,
    /// The documents that are meant
    #[command(flatten)]
    selection: Selection,
    /// The lock
    #[command(flatten)]
    lock: LockArguments,
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
    let meant = arguments.selection.of_removal(&checked.documents)?;
    let app = desk.open(checked, Wishes::default()).await;
    let quiet = Settings { listener: silent(), ..app.settings.clone() };
    // In the other direction a document is reached before what it refers to: everything is looked at once, forwards.
    let seen = run_documents("destroy", &app.documents, &app.registry, Mode::Plan, &quiet).await;
    same_account(&seen)?;
    let removal = app.removal(meant, &seen, &arguments.accept_data_loss);
    let planned = run_documents("destroy", &removal.documents, &removal.registry, Mode::PlanDelete, &quiet).await;
    desk.view.end_of_story();
    if !planned.has_changes() && !planned.has_failures() {
        return Ok(apply::finish(desk, &planned));
    }
    desk.view.story(&human::plan(&planned, desk.view.verbose()));
    let leave = Leave { verb: "destroy", confirm: &arguments.confirm, accept: &arguments.accept_data_loss };
    leave.for_all(&app, &removal, &planned, &app.documents, &seen).await?;
    if !arguments.yes && !desk.view.ask("Remove all of this?") {
        desk.view.story("Nothing was removed.\n");
        return Ok(DONE);
    }
    carry_out(desk, &app, &removal, "destroy", &arguments.lock).await
}

/// Removes under the lock; the exit code.
pub async fn carry_out(desk: &Desk<'_>, app: &App, removal: &Removal, verb: &str, lock: &LockArguments) -> Outcome<u8> {
    let work = async |settings: Settings, held: Option<&Held>| {
        if let Some(held) = held {
            // The first one stays; there is only one.
            let _ = removal.shared.lock.set(held.lock());
        }
        run_documents(verb, &removal.documents, &removal.registry, Mode::Delete, &settings).await
    };
    let done = alone(desk, app, verb, lock, work).await;
    desk.view.end_of_story();
    let (mut report, calls) = done?;
    report.receipt.lock = calls;
    Ok(apply::finish(desk, &report))
}

/// Fails when the guard of the Stack does.
pub fn same_account(seen: &Report) -> Outcome<()> {
    let stack = seen.lines.iter().find(|line| line.id.kind == meteoctl_engine::graph::STACK);
    let Some(Fate::Failed { trouble }) = stack.map(|line| &line.fate) else { return Ok(()) };
    let failure = Failure::rejected(trouble.doing.clone()).because(trouble.causes.join(": "));
    let failure = trouble.hint.iter().fold(failure, |failure, hint| failure.hint(hint.clone()));
    Err(trouble.exit.into_iter().fold(failure, Failure::exit))
}

/// What may go although it holds data.
pub struct Leave<'a> {
    /// The verb, for words.
    pub verb: &'static str,
    /// Names confirmed.
    pub confirm: &'a [String],
    /// Names whose data may be lost.
    pub accept: &'a [String],
}

impl Leave<'_> {
    /// Fails with exit code 3 unless everything that would go may go.
    ///
    /// # Errors
    /// Refusals, and whatever a look into a bucket says.
    pub async fn for_all(&self, app: &App, removal: &Removal, planned: &Report, all: &[Document], seen: &Report) -> Outcome<()> {
        let going: Vec<&Id> = planned.lines.iter().filter(|line| line.fate == Fate::WouldDelete).map(|line| &line.id).collect();
        self.confirmed(app, &going)?;
        self.backed_up(&going, all, seen)?;
        for bucket in going.iter().filter(|id| id.kind == "Bucket" && !self.accept.contains(&id.name)) {
            let held = removal.shared.holds(&bucket.name).await?;
            if held > 0 {
                let many = if held >= 1000 { "1000 or more".to_owned() } else { held.to_string() };
                let hint = format!("if all of it may go for ever: --accept-data-loss {}; to keep it: --exclude {bucket}", bucket.name);
                let cause = format!("{bucket} holds {many} objects and versions, backups among them where it keeps any");
                return Err(self.refused(cause, hint));
            }
        }
        Ok(())
    }

    fn refused(&self, cause: String, hint: String) -> Failure {
        Failure::rejected(self.verb).because(cause).hint(hint).exit(POLICY)
    }

    fn confirmed(&self, app: &App, going: &[&Id]) -> Outcome<()> {
        let holds_data = |id: &Id| app.registry.get(&id.kind).is_some_and(|kind| kind.holds_data());
        let named = |id: &Id| self.confirm.contains(&id.name) || self.accept.contains(&id.name);
        let open: Vec<&&Id> = going.iter().filter(|id| holds_data(id) && !named(id)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let told = open.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let words = open.iter().map(|id| format!("--confirm {}", id.name)).collect::<Vec<_>>().join(" ");
        Err(self.refused(format!("these hold data and were not confirmed: {told}"), format!("if the data may go: {words}")))
    }

    /// A database's data go only while every Backup document stands as declared, and there is one.
    fn backed_up(&self, going: &[&Id], all: &[Document], seen: &Report) -> Outcome<()> {
        let open: Vec<&&Id> = going.iter().filter(|id| DATABASE.contains(&id.kind.as_str()) && !self.accept.contains(&id.name)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let is_backup = |id: &Id| id.kind == "Backup";
        let fate = |id: &Id| seen.lines.iter().find(|line| line.id == *id).map(|line| &line.fate);
        let backups: Vec<&Id> = all.iter().map(|document| &document.id).filter(|id| is_backup(id)).collect();
        let due: Vec<String> = backups.iter().filter(|id| fate(id) != Some(&Fate::InSync)).map(ToString::to_string).collect();
        if due.is_empty() && !backups.is_empty() {
            return Ok(());
        }
        let words = open.iter().map(|id| format!("--accept-data-loss {}", id.name)).collect::<Vec<_>>().join(" ");
        let cause = match backups.is_empty() {
            true => "no Backup document keeps what the database holds".to_owned(),
            false => format!("there is no current verified backup: {}", due.join(", ")),
        };
        Err(self.refused(cause, format!("run `meteoctl run backup` first; or, if the data may be lost: {words}")))
    }
}
