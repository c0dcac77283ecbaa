//! Many documents: each starts when its needs are done and a slot is free.
//!
//! Independent branches go on when one fails; the dependants of a failure are blocked by name. The only file of
//! this crate that spawns tasks.

mod board;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use self::board::{Board, Ready};
use crate::ahead::Ahead;
use crate::document::Document;
use crate::event::{Event, Listener};
use crate::failure::Outcome;
use crate::graph::Graph;
use crate::kind::BoxFuture;
use crate::pace::Pace;
use crate::reference::{Id, Outputs, resolve};
use crate::registry::Registry;
use crate::report::{FORMAT_VERSION, Fate, Receipt, Report, millis};
use crate::step::{Mode, Stepped, Subject, step};
use crate::stop::Stop;
use crate::tally::{Calls, Tally};

/// Asked before every write: is this run still the one that may?
pub type Guard = Arc<dyn Fn() -> BoxFuture<'static, Outcome<()>> + Send + Sync>;

/// How a run is run.
#[derive(Clone)]
pub struct Settings {
    /// Most documents in hand at once.
    pub concurrency: usize,
    /// When to stop waiting for anything.
    pub deadline: Option<Instant>,
    /// How long to wait.
    pub pace: Pace,
    /// Today, for exceptions and ignore rules.
    pub today: NaiveDate,
    /// Asked before every write.
    pub guard: Option<Guard>,
    /// Hears what happens.
    pub listener: Listener,
    /// Counts calls, for the receipt.
    pub tally: Tally,
    /// Ends the run early: what is in hand is finished, nothing new is written.
    pub stop: Stop,
}

impl Settings {
    /// Quick and silent, for tests.
    pub fn quick() -> Self {
        Settings {
            concurrency: 8,
            deadline: None,
            pace: Pace::quick(),
            today: chrono::Utc::now().date_naive(),
            guard: None,
            listener: crate::event::silent(),
            tally: Tally::new(),
            stop: Stop::default(),
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.listener)(&event);
    }

    pub(crate) fn out_of_time(&self) -> bool {
        self.stop.asked() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    pub(crate) async fn sleep(&self, pause: Duration) {
        let left = self.deadline.map_or(pause, |deadline| deadline.saturating_duration_since(Instant::now()));
        // One that was asked to stop has no pauses left; the caller finds that its time is over.
        let _ = tokio::time::timeout(pause.min(left), self.stop.heard()).await;
    }

    /// Does something that may be given up at any moment: `None` when time is over before it is done. What was begun in time gets
    /// a little longer, because what it fails of says more than that it is late.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.deadline.and_then(|deadline| deadline.checked_add(self.pace.last_word)) {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work).await.ok(),
            None => Some(work.await),
        }
    }

    pub(crate) async fn may_write(&self) -> Outcome<()> {
        if self.stop.asked() {
            return Err(crate::stop::stopped());
        }
        match &self.guard {
            Some(guard) => guard().await,
            None => Ok(()),
        }
    }
}

/// Takes all documents as far as the mode allows. The documents must have passed `check`.
pub async fn run(verb: &str, documents: &[Document], registry: &Registry, mode: Mode, settings: &Settings) -> Report {
    let started = Instant::now();
    let forward = Graph::new(documents);
    let graph = if mode.removes() { forward.reversed() } else { forward.clone() };
    let mut board = Board::new(documents, registry, &graph, &forward, mode);
    let slots = Arc::new(Semaphore::new(settings.concurrency.max(1)));
    registry.iter().for_each(|kind| kind.run_begins(mode == Mode::Plan));
    let mut glimpses = Glimpses::new(mode, slots.clone());
    let mut tasks: JoinSet<(usize, Stepped, Duration)> = JoinSet::new();
    loop {
        glimpses.take(&board);
        for (index, work) in board.ready() {
            settings.tell(Event::Started { id: work.id.clone() });
            let (slots, settings, ahead) = (slots.clone(), settings.clone(), glimpses.of(index));
            tasks.spawn(async move {
                let ahead = settings.within(ahead).await.unwrap_or_default();
                let _slot = slots.acquire_owned().await;
                let begun = Instant::now();
                let (spec, ahead) = match &work.lost {
                    None => (work.spec, ahead),
                    Some(by) => match what_is_left(&work, &settings).await {
                        // What was fetched ahead was for the whole wish.
                        Some(left) => (left, Ahead::nothing()),
                        None => return (index, Stepped::bare(Fate::Blocked { by: by.clone() }), begun.elapsed()),
                    },
                };
                let subject = Subject { id: &work.id, meta: &work.meta, spec: &spec, kind: work.kind.as_ref() };
                let stepped = step(&subject, mode, &settings, ahead).await;
                (index, stepped, begun.elapsed())
            });
        }
        board.tell_blocked(settings);
        match tasks.join_next().await {
            None => break,
            Some(Ok((index, stepped, elapsed))) => board.finish(index, stepped, elapsed, settings),
            Some(Err(error)) => tracing::error!(%error, "a step ended abnormally"),
        }
    }
    let stack = documents.iter().find(|document| document.id.kind == crate::graph::STACK);
    Report {
        format_version: FORMAT_VERSION.to_owned(),
        verb: verb.to_owned(),
        stack: stack.map(|document| document.id.name.clone()).unwrap_or_default(),
        lines: board.lines(),
        converged: None,
        receipt: Receipt {
            spec_digest: spec_digest(documents),
            calls: settings.tally.calls(),
            lock: Calls::default(),
            millis: millis(started.elapsed()),
            finished_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    }
}

/// What a document still wishes although a need of it failed; `None`: it is blocked.
async fn what_is_left(work: &Ready, settings: &Settings) -> Option<serde_json::Value> {
    match settings.within(work.kind.without(&work.meta, &work.spec)).await? {
        Ok(left) => left,
        Err(failure) => {
            // The need's own failure is what is told.
            tracing::info!(document = %work.id, ?failure, "no way around what failed was found");
            None
        }
    }
}

/// Applies, then proves it: one fresh look at everything must find nothing to do.
pub async fn converge(documents: &[Document], registry: &Registry, settings: &Settings) -> Report {
    let started = Instant::now();
    let mut report = run("apply", documents, registry, Mode::Apply, settings).await;
    if report.has_failures() {
        report.converged = Some(false);
        return report;
    }
    let quiet = Settings { listener: crate::event::silent(), ..settings.clone() };
    let proof = run("plan", documents, registry, Mode::Plan, &quiet).await;
    report.converged = Some(!proof.has_changes() && !proof.has_failures());
    for (line, fresh) in report.lines.iter_mut().zip(proof.lines) {
        line.note = fresh.note.or(line.note.take());
        line.since = fresh.since.or(line.since);
        if fresh.fate != Fate::InSync {
            line.fate = fresh.fate;
        }
    }
    report.receipt = Receipt { millis: millis(started.elapsed()), ..proof.receipt };
    report
}

/// Outputs that follow from documents alone: this one, and those it refers to. The documents must have passed `check`.
pub fn predicted(documents: &[Document], registry: &Registry, id: &Id) -> Option<Outputs> {
    let document = documents.iter().find(|document| document.id == *id)?;
    let mut spec = document.spec.clone();
    resolve(&mut spec, &|needed: &Id| predicted(documents, registry, needed));
    Some(registry.get(&id.kind)?.predicted(&document.meta, &spec))
}

/// SHA-256 over every document's kind, metadata and spec, hex.
pub fn spec_digest(documents: &[Document]) -> String {
    let mut digest = Sha256::new();
    for document in documents {
        let text = serde_json::json!([document.id, document.meta, document.spec]).to_string();
        digest.update(text.as_bytes());
        digest.update(b"\n");
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a plan fetches before it is each document's turn: all at once, as soon as no guard is left to ask.
struct Glimpses {
    waits: bool,
    slots: Arc<Semaphore>,
    tasks: JoinSet<()>,
    facts: BTreeMap<usize, oneshot::Receiver<Ahead>>,
}

impl Glimpses {
    fn new(mode: Mode, slots: Arc<Semaphore>) -> Self {
        Glimpses { waits: mode == Mode::Plan, slots, tasks: JoinSet::new(), facts: BTreeMap::new() }
    }

    /// Starts all of them, once, when every guard has found what it asks for.
    fn take(&mut self, board: &Board<'_>) {
        if !self.waits || !board.guards_passed() {
            return;
        }
        self.waits = false;
        for (index, work) in board.not_started() {
            let (slots, (told, facts)) = (self.slots.clone(), oneshot::channel());
            self.facts.insert(index, facts);
            self.tasks.spawn(async move {
                let _slot = slots.acquire_owned().await;
                // Whatever goes wrong here goes wrong again, and is told, when it is the document's turn.
                if let Ok(found) = work.kind.ahead(&work.meta, &work.spec).await {
                    let _ = told.send(found);
                }
            });
        }
    }

    /// What was fetched for a document; nothing where nothing could be.
    fn of(&mut self, index: usize) -> impl Future<Output = Ahead> + Send + use<> {
        let facts = self.facts.remove(&index);
        async move {
            match facts {
                Some(facts) => facts.await.unwrap_or_default(),
                None => Ahead::nothing(),
            }
        }
    }
}
