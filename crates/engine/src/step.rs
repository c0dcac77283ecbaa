//! One document: look, decide, change, look again. Plan is the same without the change.

use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::ahead::Ahead;
use crate::diff::Diff;
use crate::event::Event;
use crate::failure::{Class, Failure};
use crate::kind::{AnyKind, Change, Meta, Sight, Standing};
use crate::reference::{Id, Outputs};
use crate::report::{Fate, Trouble};
use crate::run::Settings;

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Look only.
    Plan,
    /// Look and change until it is as wished.
    Apply,
    /// Look only: what a removal would remove.
    PlanDelete,
    /// Remove.
    Delete,
}

impl Mode {
    /// Whether things are changed.
    pub fn writes(self) -> bool {
        matches!(self, Mode::Apply | Mode::Delete)
    }

    /// Whether things are to be gone.
    pub fn removes(self) -> bool {
        matches!(self, Mode::PlanDelete | Mode::Delete)
    }
}

/// What a step comes to.
#[derive(Debug, Clone)]
pub struct Stepped {
    /// What became of the document.
    pub fate: Fate,
    /// What it tells others.
    pub outputs: Outputs,
    /// A line of evidence.
    pub note: Option<String>,
    /// Since when it is as it is.
    pub since: Option<DateTime<Utc>>,
    /// Fields ignored by the document.
    pub ignored: Vec<String>,
}

impl Stepped {
    /// A step that came to nothing but this.
    pub fn bare(fate: Fate) -> Self {
        Stepped { fate, outputs: Outputs::new(), note: None, since: None, ignored: Vec::new() }
    }

    fn failed(failure: &Failure) -> Self {
        Stepped::bare(Fate::Failed { trouble: Trouble::from(failure) })
    }
}

/// The decision after a look.
enum Decision {
    Done,
    Pause(String),
    Write(Change),
    Remove,
}

/// One document, its references resolved.
pub struct Subject<'a> {
    /// Its identity.
    pub id: &'a Id,
    /// Its metadata.
    pub meta: &'a Meta,
    /// Its spec with outputs in every reference.
    pub spec: &'a Value,
    /// Its kind.
    pub kind: &'a dyn AnyKind,
}

/// What a step remembers between two looks.
struct Memory {
    started: Instant,
    failures: u32,
    failing_since: Option<Instant>,
    looks: u32,
    written: Option<(Change, Instant)>,
    settling_since: Option<Instant>,
    /// What is to be told should time be over before the next look ends.
    last_words: Option<Failure>,
}

/// Takes one document as far as the mode allows. The first look uses what was fetched ahead.
pub async fn step(subject: &Subject<'_>, mode: Mode, settings: &Settings, mut ahead: Ahead) -> Stepped {
    let mut memory = Memory {
        started: Instant::now(),
        failures: 0,
        failing_since: None,
        looks: 0,
        written: None,
        settling_since: None,
        last_words: None,
    };
    loop {
        if mode.writes() && memory.written.is_none() && settings.stop.asked() {
            return Stepped::failed(&crate::stop::stopped());
        }
        let look = subject.kind.look_from(subject.meta, subject.spec, settings.today, std::mem::take(&mut ahead));
        let sight = match settings.within(look).await {
            None => return Stepped::failed(&memory.last_words.unwrap_or_else(|| too_late(subject))),
            Some(Ok(sight)) => sight,
            Some(Err(failure)) => match bear(subject, mode, settings, &mut memory, failure).await {
                Some(stepped) => return stepped,
                None => continue,
            },
        };
        memory.looks += 1;
        memory.last_words = None;
        match decide(&sight, mode) {
            Decision::Done => return done(sight, mode, memory.written),
            _ if mode.writes() && settings.stop.asked() => return Stepped::failed(&crate::stop::stopped()),
            Decision::Pause(why) if mode == Mode::Plan => return seen(sight, Fate::Settling { why }),
            Decision::Pause(why) => {
                if let Some(stepped) = pause(subject, settings, &mut memory, why, &sight).await {
                    return stepped;
                }
            }
            Decision::Write(change) if !mode.writes() => return seen(sight, would(change)),
            Decision::Remove if !mode.writes() => return seen(sight, Fate::WouldDelete),
            Decision::Write(change) => {
                if let Some(stepped) = write(subject, settings, &mut memory, change, &sight).await {
                    return stepped;
                }
            }
            Decision::Remove => {
                if let Some(stepped) = remove(subject, settings, &mut memory, &sight).await {
                    return stepped;
                }
            }
        }
    }
}

fn decide(sight: &Sight, mode: Mode) -> Decision {
    match (&sight.standing, mode.removes()) {
        (Standing::Absent, true) => Decision::Done,
        (_, true) => Decision::Remove,
        (Standing::InSync, false) => Decision::Done,
        (Standing::Settling(why), false) => Decision::Pause(why.clone()),
        (Standing::Absent, false) => Decision::Write(Change::Create),
        (Standing::Drifted(diff), false) => Decision::Write(Change::Update(diff.clone())),
    }
}

fn would(change: Change) -> Fate {
    match change {
        Change::Create => Fate::WouldCreate,
        Change::Update(diff) => match unknown(&diff) {
            Some(after) => Fate::Later { after },
            None => Fate::WouldUpdate { diff },
        },
    }
}

/// A wish that still holds a reference without outputs cannot be compared yet.
fn unknown(diff: &Diff) -> Option<String> {
    let waits = |value: &Value| crate::reference::references(value).into_iter().map(|(_, target)| target).next();
    let all: Option<Vec<String>> = diff.fields.iter().map(|field| waits(&field.want)).collect();
    all.and_then(|targets| targets.into_iter().next())
}

fn seen(sight: Sight, fate: Fate) -> Stepped {
    Stepped { fate, outputs: sight.outputs, note: sight.note, since: sight.since, ignored: sight.ignored }
}

fn done(sight: Sight, mode: Mode, written: Option<(Change, Instant)>) -> Stepped {
    let fate = match (written.map(|(change, _)| change), mode.removes()) {
        (Some(_), true) => Fate::Deleted,
        (None, true) => Fate::Gone,
        (Some(Change::Create), false) => Fate::Created,
        (Some(Change::Update(diff)), false) => Fate::Updated { diff },
        (None, false) => Fate::InSync,
    };
    seen(sight, fate)
}

/// Pauses for a thing on its way; a step that gives up when its grace is over.
async fn pause(subject: &Subject<'_>, settings: &Settings, memory: &mut Memory, why: String, sight: &Sight) -> Option<Stepped> {
    let since = *memory.settling_since.get_or_insert_with(Instant::now);
    let limit = settings.pace.grace(subject.kind.grace());
    let failure = Failure::rejected(format!("wait for {} to be ready", subject.id))
        .because(Failure::rejected(format!("after {} s it is still: {why}", since.elapsed().as_secs())))
        .hint("run apply again to go on waiting; `meteoctl logs` shows what the task says");
    if since.elapsed() >= limit || settings.out_of_time() {
        let mut stepped = Stepped::failed(&failure);
        stepped.outputs.clone_from(&sight.outputs);
        return Some(stepped);
    }
    memory.last_words = Some(failure);
    settings.tell(Event::Waiting { id: subject.id.clone(), why, elapsed: since.elapsed(), limit });
    settings.sleep(settings.pace.between_looks(memory.looks)).await;
    None
}

/// Carries out one change, unless a successful write has already been made: then only looks until the grace time ends.
async fn write(subject: &Subject<'_>, settings: &Settings, memory: &mut Memory, change: Change, sight: &Sight) -> Option<Stepped> {
    if let Some((_, at)) = &memory.written {
        let limit = settings.pace.grace(subject.kind.grace());
        if at.elapsed() >= limit || settings.out_of_time() {
            return Some(Stepped::failed(&never_shows(subject, &change)));
        }
        let why = "what was written does not show yet".to_owned();
        settings.tell(Event::Waiting { id: subject.id.clone(), why, elapsed: at.elapsed(), limit });
        settings.sleep(settings.pace.between_looks(memory.looks)).await;
        return None;
    }
    let (verb, fields) = match &change {
        Change::Create => ("create", Vec::new()),
        Change::Update(diff) => ("update", diff.paths().into_iter().map(str::to_owned).collect()),
    };
    settings.tell(Event::Changing { id: subject.id.clone(), verb, fields });
    let result = match settings.may_write().await {
        Ok(()) => subject.kind.apply(subject.meta, subject.spec, &change).await,
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => {
            memory.written = Some((change, Instant::now()));
            memory.failures = 0;
            memory.failing_since = None;
            memory.looks = 0;
            None
        }
        Err(failure) => bear(subject, Mode::Apply, settings, memory, failure).await.map(|mut stepped| {
            stepped.outputs.clone_from(&sight.outputs);
            stepped
        }),
    }
}

/// Removes the thing once, then looks until it is gone.
async fn remove(subject: &Subject<'_>, settings: &Settings, memory: &mut Memory, sight: &Sight) -> Option<Stepped> {
    if memory.written.is_some() {
        return pause(subject, settings, memory, "being removed".to_owned(), sight).await.map(|_| {
            let still = Failure::rejected("it is still there after its grace time");
            Stepped::failed(&Failure::rejected(format!("remove {}", subject.id)).because(still).hint("run destroy again"))
        });
    }
    settings.tell(Event::Changing { id: subject.id.clone(), verb: "delete", fields: Vec::new() });
    let result = match settings.may_write().await {
        Ok(()) => subject.kind.delete(subject.meta, subject.spec).await,
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => {
            memory.written = Some((Change::Create, Instant::now()));
            memory.looks = 0;
            None
        }
        Err(failure) => bear(subject, Mode::Delete, settings, memory, failure).await,
    }
}

fn too_late(subject: &Subject<'_>) -> Failure {
    Failure::rejected(format!("look at {}", subject.id))
        .because(Failure::rejected("no answer came before the time of this run was over"))
        .hint("give it more time, or find out why the service answers so late")
}

fn never_shows(subject: &Subject<'_>, change: &Change) -> Failure {
    let fields = match change {
        Change::Create => "the thing itself".to_owned(),
        Change::Update(diff) => diff.paths().join(", "),
    };
    Failure::rejected(format!("see the change of {}", subject.id))
        .because(Failure::rejected(format!("it was written, but it never shows: {fields}")))
        .hint("another tool may be changing it back, or the service does not keep this value; run plan to see the difference")
}

/// Bears a transient failure with a pause; gives the final word on any other.
async fn bear(subject: &Subject<'_>, mode: Mode, settings: &Settings, memory: &mut Memory, failure: Failure) -> Option<Stepped> {
    match failure.class {
        Class::Pending if mode == Mode::Plan => Some(Stepped::bare(Fate::Later { after: later(&failure) })),
        Class::Pending if mode.removes() => Some(Stepped::bare(Fate::Gone)),
        Class::Pending | Class::Rejected => Some(Stepped::failed(&failure)),
        Class::Transient => {
            memory.failures += 1;
            let since = *memory.failing_since.get_or_insert_with(Instant::now);
            let patience = match mode.writes() {
                true => settings.pace.patience.max(settings.pace.grace(subject.kind.grace())),
                false => settings.pace.patience_to_look,
            };
            if since.elapsed() >= patience || settings.out_of_time() {
                tracing::debug!(document = %subject.id, elapsed = ?memory.started.elapsed(), "patience is over");
                return Some(Stepped::failed(&failure));
            }
            let pause = settings.pace.after_failure(memory.failures, rand::random());
            settings.tell(Event::Retrying { id: subject.id.clone(), failure: in_short(&failure), pause });
            memory.last_words = Some(failure);
            settings.sleep(pause).await;
            None
        }
    }
}

fn later(failure: &Failure) -> String {
    failure.doing.strip_prefix("known after ").unwrap_or(&failure.doing).to_owned()
}

fn in_short(failure: &Failure) -> String {
    match failure.causes().first() {
        Some(cause) => format!("{}: {cause}", failure.doing),
        None => failure.doing.clone(),
    }
}
