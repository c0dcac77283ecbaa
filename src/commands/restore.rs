//! `restore`: a backup brought back, into another database unless told otherwise.

use clap::Args;
use meteoctl_engine::document::Document;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::{Id, Outputs, references};
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Settings, run as run_documents};
use meteoctl_engine::step::Mode;
use serde_json::Value;

use super::locked::{LockArguments, alone};
use super::{DONE, Desk, select::with_needs, usage};
use crate::app::{Held, RestoreRequest, Wishes};

/// What restore takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The backup: s3://bucket/key, a file, or `latest`
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// Database to restore into
    #[arg(long, value_name = "DATABASE")]
    into: Option<String>,
    /// Collection to restore into
    #[arg(long, value_name = "COLLECTION")]
    collection: Option<String>,
    /// Replace what the collection holds
    #[arg(long)]
    replace: bool,
    /// Check the backup, write nothing
    #[arg(long)]
    dry_run: bool,
    /// The Collection document whose server is meant, where there are several
    #[arg(long, value_name = "NAME")]
    document: Option<String>,
    /// The lock
    #[command(flatten)]
    lock: LockArguments,
}

/// Restores a backup.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let mut checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let collection = collection(&checked.documents, arguments.document.as_deref())?;
    let backup = checked.documents.iter().find(|document| backs_up(document, &collection)).map(|document| document.id.clone());
    let asked: Vec<Id> = std::iter::once(collection.clone()).chain(backup.clone()).collect();
    checked.documents = with_needs(checked.documents, &asked);
    let app = desk.open(checked, Wishes::default()).await;
    let quiet = Settings { listener: meteoctl_engine::event::silent(), ..app.settings.clone() };
    let seen = run_documents("plan", &app.documents, &app.registry, Mode::Plan, &quiet).await;
    let target = outputs(&seen, &collection)?;
    let source = backup.as_ref().map(|id| outputs(&seen, id)).transpose();
    // A file needs no Backup document; what failed there matters only where it is asked for.
    let source = if arguments.backup == "latest" { source? } else { source.unwrap_or_default() };
    let request = RestoreRequest {
        backup: arguments.backup.clone(),
        into: arguments.into.clone(),
        collection: arguments.collection.clone(),
        replace: arguments.replace,
        dry_run: arguments.dry_run,
    };
    let work = async |settings: Settings, _: Option<&Held>| {
        // What is restored is one write, made after one look at the lock.
        if let Some(guard) = &settings.guard {
            guard().await?;
        }
        app.restore(&target, source.as_ref(), &request).await
    };
    let told = match request.dry_run {
        true => work(app.settings.clone(), None).await,
        false => alone(desk, &app, "restore", &arguments.lock, work).await.and_then(|(told, _)| told),
    };
    desk.view.end_of_story();
    let told = told?;
    desk.view.result(&told, || words(&told));
    Ok(DONE)
}

fn collection(documents: &[Document], name: Option<&str>) -> Outcome<Id> {
    let mut there = documents.iter().map(|document| &document.id).filter(|id| id.kind == "Collection");
    let found = match name {
        Some(name) => there.find(|id| id.name == name),
        None => there.next(),
    };
    match (found, name.is_none() && there.next().is_some()) {
        (Some(id), false) => Ok(id.clone()),
        (_, true) => {
            Err(usage("choose the server to restore into", "there are several Collection documents", "say which one: --document NAME"))
        }
        (None, _) => Err(usage("find the Collection to restore into", "no document declares it", "give its file with -f")),
    }
}

fn backs_up(document: &Document, collection: &Id) -> bool {
    document.id.kind == "Backup" && references(&document.spec).iter().any(|(_, target)| *target == collection.to_string())
}

fn outputs(seen: &Report, id: &Id) -> Outcome<Outputs> {
    let line = seen.lines.iter().find(|line| line.id == *id);
    match line.map(|line| (&line.fate, &line.outputs)) {
        Some((Fate::Failed { trouble }, _)) => {
            let failure = Failure::rejected(trouble.doing.clone()).because(trouble.causes.join(": "));
            Err(trouble.hint.iter().fold(failure, |failure, hint| failure.hint(hint.clone())))
        }
        Some((Fate::Blocked { by }, _)) => Err(Failure::rejected(format!("look at {id}"))
            .because(format!("{by} cannot be looked at"))
            .hint("run `meteoctl plan` to see why")),
        Some((Fate::Later { after }, outputs)) if outputs.is_empty() => {
            Err(Failure::rejected(format!("look at {id}")).because(format!("{after} is not there")).hint("run `meteoctl apply` first"))
        }
        Some((_, outputs)) => Ok(outputs.clone()),
        None => Err(Failure::rejected(format!("look at {id}")).because("nothing is known of it")),
    }
}

/// The answer as `name: value` lines.
fn words(told: &Value) -> String {
    let Value::Object(fields) = told else { return format!("{told}\n") };
    fields.iter().map(|(name, value)| format!("{name}: {}\n", value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
}
