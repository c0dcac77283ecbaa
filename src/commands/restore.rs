//! `restore`: a backup brought back, into another database unless told otherwise.

use clap::Args;
use meteoctl_engine::document::Document;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::{Id, Outputs, references, resolve};
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
    /// Database to restore into; the one the backup is of when left out
    #[arg(long, value_name = "DATABASE")]
    into: Option<String>,
    /// Only this collection of the backup
    #[arg(long, value_name = "COLLECTION")]
    collection: Option<String>,
    /// Replace collections that hold documents
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

/// Restores a backup. Only the server and the archive are looked for: the dataset, its sources and the collection may be gone.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let collection = collection(&checked.documents, arguments.document.as_deref())?.clone();
    let backup = checked.documents.iter().find(|document| backs_up(document, &collection.id)).cloned();
    let app = desk.open(checked, Wishes::default()).await;
    // The operator's own URI needs nothing of the stack.
    let server = match desk.config.mongodb_uri {
        Some(_) => Vec::new(),
        None => needs(&collection, &["server", "credentials"]),
    };
    let place = match arguments.backup.as_str() {
        "latest" => backup.iter().flat_map(|backup| needs(backup, &["bucket", "encryption"])).collect(),
        name if name.ends_with(".age") => backup.iter().flat_map(|backup| needs(backup, &["encryption"])).collect(),
        _ => Vec::new(),
    };
    let asked = [server, place].concat();
    let quiet = Settings { listener: meteoctl_engine::event::silent(), ..app.settings.clone() };
    let needed = with_needs(app.documents.clone(), &asked);
    let seen = run_documents("plan", &needed, &app.registry, Mode::Plan, &quiet).await;
    asked.iter().try_for_each(|id| stands(&seen, id))?;
    let request = RestoreRequest {
        backup: arguments.backup.clone(),
        into: arguments.into.clone(),
        collection: arguments.collection.clone(),
        replace: arguments.replace,
        dry_run: arguments.dry_run,
        folder: collection.meta.folder.clone(),
    };
    let (target, source) = (told(&seen, collection), backup.map(|backup| told(&seen, backup)));
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

/// The documents that some fields of a document refer to.
fn needs(document: &Document, fields: &[&str]) -> Vec<Id> {
    let found = fields.iter().filter_map(|field| document.spec.get(field)).flat_map(references);
    found.filter_map(|(_, target)| target.parse().ok()).collect()
}

/// The spec of a document, with what its references told.
fn told(seen: &Report, document: Document) -> Outputs {
    let mut spec = document.spec;
    resolve(&mut spec, &|id: &Id| seen.lines.iter().find(|line| line.id == *id).map(|line| line.outputs.clone()));
    spec.as_object().cloned().unwrap_or_default()
}

fn collection<'a>(documents: &'a [Document], name: Option<&str>) -> Outcome<&'a Document> {
    let mut there = documents.iter().filter(|document| document.id.kind == "Collection");
    let found = match name {
        Some(name) => there.find(|document| document.id.name == name),
        None => there.next(),
    };
    match (found, name.is_none() && there.next().is_some()) {
        (Some(document), false) => Ok(document),
        (_, true) => {
            Err(usage("choose the server to restore into", "there are several Collection documents", "say which one: --document NAME"))
        }
        (None, _) => Err(usage("find the Collection to restore into", "no document declares it", "give its file with -f")),
    }
}

fn backs_up(document: &Document, collection: &Id) -> bool {
    document.id.kind == "Backup" && references(&document.spec).iter().any(|(_, target)| *target == collection.to_string())
}

/// Fails, with the reason, where something needed could not be looked at or is not there.
fn stands(seen: &Report, id: &Id) -> Outcome<()> {
    match seen.lines.iter().find(|line| line.id == *id).map(|line| &line.fate) {
        Some(Fate::Failed { trouble }) => {
            let failure = Failure::rejected(trouble.doing.clone()).because(trouble.causes.join(": "));
            Err(trouble.hint.iter().fold(failure, |failure, hint| failure.hint(hint.clone())))
        }
        Some(Fate::Blocked { by }) => Err(Failure::rejected(format!("look at {id}"))
            .because(format!("{by} cannot be looked at"))
            .hint("run `meteoctl plan` to see why")),
        Some(Fate::WouldCreate | Fate::Later { .. }) => {
            Err(Failure::rejected(format!("look at {id}")).because("it is not there").hint("run `meteoctl apply` first"))
        }
        _ => Ok(()),
    }
}

/// The answer for people: the archive, then a line per collection.
fn words(told: &Value) -> String {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let seconds = |field: &str| told.get(field).and_then(Value::as_f64).unwrap_or_default();
    let flag = |value: &Value, field: &str| value.get(field).and_then(Value::as_bool).unwrap_or_default();
    let vouched = if flag(told, "hasManifest") { "as its manifest says" } else { "without a manifest" };
    let mut lines = vec![format!("{}: read whole in {:.1} s, {vouched}", text(told, "archive"), seconds("checkSeconds"))];
    for one in told.get("collections").and_then(Value::as_array).into_iter().flatten() {
        let place = format!("{}.{}", text(one, "database"), text(one, "name"));
        // A digest is written COUNT:HEX.
        let count = text(one, "digest").split(':').next().unwrap_or_default().to_owned();
        let indexes = one.get("indexNames").and_then(Value::as_array).map_or(0, Vec::len);
        lines.push(match flag(one, "view") {
            true => format!("  {place}: a view"),
            false => format!("  {place}: {count} documents, {indexes} indexes besides the one on _id"),
        });
    }
    let documents = told.get("documents").and_then(Value::as_u64).unwrap_or_default();
    lines.push(match flag(told, "dryRun") {
        true => format!("Would restore {documents} documents; nothing was written."),
        false => format!("Restored {documents} documents in {:.1} s, compared with the archive.", seconds("restoreSeconds")),
    });
    lines.join("\n") + "\n"
}
