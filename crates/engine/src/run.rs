//! Many documents: each starts when its needs are done and a slot is free.
//!
//! Independent branches go on when one fails; the dependants of a failure are blocked by name. The only file of
//! this crate that spawns tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::ahead::Ahead;
use crate::diff::Diff;
use crate::document::Document;
use crate::event::{Event, Listener};
use crate::failure::Outcome;
use crate::graph::Graph;
use crate::kind::{AnyKind, BoxFuture};
use crate::pace::Pace;
use crate::reference::{Id, Outputs, resolve};
use crate::registry::Registry;
use crate::report::{FORMAT_VERSION, Fate, Line, Receipt, Report, millis};
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
                let ahead = ahead.await;
                let _slot = slots.acquire_owned().await;
                let begun = Instant::now();
                let subject = Subject { id: &work.id, meta: &work.meta, spec: &work.spec, kind: work.kind.as_ref() };
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

/// What a look found that the change of a need may mend.
fn as_it_stands(diff: &Diff) -> String {
    let fields = diff.fields.iter().map(|field| match field.want.as_str() {
        Some(work) if field.have.is_null() => work.to_owned(),
        _ => format!("{} differs", field.path),
    });
    format!("as it stands: {}", fields.collect::<Vec<_>>().join("; "))
}

/// A document ready to be stepped.
struct Ready {
    id: Id,
    meta: crate::kind::Meta,
    spec: Value,
    kind: Arc<dyn AnyKind>,
}

/// Where every document of a run stands.
struct Board<'a> {
    documents: &'a [Document],
    registry: &'a Registry,
    graph: &'a Graph,
    forward: &'a Graph,
    mode: Mode,
    started: Vec<bool>,
    lines: Vec<Option<Line>>,
    outputs: BTreeMap<Id, Outputs>,
    told: Vec<bool>,
}

impl<'a> Board<'a> {
    fn new(documents: &'a [Document], registry: &'a Registry, graph: &'a Graph, forward: &'a Graph, mode: Mode) -> Self {
        let count = documents.len();
        Board {
            documents,
            registry,
            graph,
            forward,
            mode,
            started: vec![false; count],
            lines: vec![None; count],
            outputs: BTreeMap::new(),
            told: vec![false; count],
        }
    }

    /// Documents whose needs are all done. Those with a failed need are blocked on the way, which may block others.
    fn ready(&mut self) -> Vec<(usize, Ready)> {
        let mut ready = Vec::new();
        let mut moved = true;
        while moved {
            moved = false;
            for index in 0..self.documents.len() {
                if self.started.get(index).copied().unwrap_or(true) {
                    continue;
                }
                if let Some(by) = self.failed_need(index) {
                    self.block(index, by);
                    moved = true;
                } else if self.graph.needs(index).all(|need| self.lines.get(need).is_some_and(Option::is_some)) {
                    ready.extend(self.start(index).map(|work| (index, work)));
                }
            }
        }
        ready
    }

    fn failed_need(&self, index: usize) -> Option<Id> {
        self.graph.needs(index).find_map(|need| {
            let line = self.lines.get(need)?.as_ref()?;
            let failed = match line.fate {
                Fate::Failed { .. } | Fate::Blocked { .. } => true,
                Fate::Settling { .. } => self.mode.writes(),
                _ => false,
            };
            failed.then(|| line.id.clone())
        })
    }

    fn start(&mut self, index: usize) -> Option<Ready> {
        let ready = self.prepared(index)?;
        *self.started.get_mut(index)? = true;
        Some(ready)
    }

    /// A document with as many outputs in its references as are known by now.
    fn prepared(&self, index: usize) -> Option<Ready> {
        let document = self.documents.get(index)?;
        let kind = self.registry.get(&document.id.kind)?.clone();
        let mut spec = document.spec.clone();
        let known = |id: &Id| self.outputs.get(id).cloned().or_else(|| self.predicted(id));
        resolve(&mut spec, &known);
        Some(Ready { id: document.id.clone(), meta: document.meta.clone(), spec, kind })
    }

    fn predicted(&self, id: &Id) -> Option<Outputs> {
        predicted(self.documents, self.registry, id)
    }

    /// Whether every document that guards the others is as wished.
    fn guards_passed(&self) -> bool {
        let guards = |document: &Document| self.registry.get(&document.id.kind).is_some_and(|kind| kind.guards(&document.spec));
        let passed = |line: &Option<Line>| line.as_ref().is_some_and(|line| line.fate == Fate::InSync);
        self.documents.iter().zip(&self.lines).all(|(document, line)| !guards(document) || passed(line))
    }

    fn not_started(&self) -> Vec<(usize, Ready)> {
        let open = (0..self.documents.len()).filter(|index| !self.started.get(*index).copied().unwrap_or(true));
        open.filter_map(|index| Some((index, self.prepared(index)?))).collect()
    }

    fn block(&mut self, index: usize, by: Id) {
        let Some(document) = self.documents.get(index) else { return };
        let line = Line {
            id: document.id.clone(),
            place: document.place.to_string(),
            fate: Fate::Blocked { by },
            note: None,
            ignored: Vec::new(),
            outputs: Outputs::new(),
            millis: 0,
        };
        if let (Some(started), Some(slot)) = (self.started.get_mut(index), self.lines.get_mut(index)) {
            *started = true;
            *slot = Some(line);
        }
    }

    fn finish(&mut self, index: usize, stepped: Stepped, elapsed: Duration, settings: &Settings) {
        let Some(document) = self.documents.get(index) else { return };
        // What is in sync may be due after its need has changed, and what differs may be what the need's change mends.
        let follows = match (self.mode, &stepped.fate) {
            (Mode::Plan, Fate::InSync | Fate::WouldUpdate { .. }) => self.followed(index),
            _ => None,
        };
        let (fate, note) = match (follows, stepped.fate) {
            (Some(after), Fate::WouldUpdate { diff }) => (Fate::Later { after }, Some(as_it_stands(&diff))),
            (Some(after), _) => (Fate::Later { after }, stepped.note),
            (None, fate) => (fate, stepped.note),
        };
        self.outputs.insert(document.id.clone(), stepped.outputs.clone());
        let line = Line {
            id: document.id.clone(),
            place: document.place.to_string(),
            fate,
            note,
            ignored: stepped.ignored,
            outputs: stepped.outputs,
            millis: millis(elapsed),
        };
        if let Some(told) = self.told.get_mut(index) {
            *told = true;
        }
        settings.tell(Event::Finished { line: Box::new(line.clone()) });
        if let Some(slot) = self.lines.get_mut(index) {
            *slot = Some(line);
        }
    }

    /// A need that is going to change and whose change makes this document due again.
    fn followed(&self, index: usize) -> Option<String> {
        let follows = self.registry.get(&self.documents.get(index)?.id.kind)?.follows();
        self.forward.needs(index).find_map(|need| {
            let line = self.lines.get(need)?.as_ref()?;
            let changes = matches!(line.fate, Fate::WouldCreate | Fate::WouldUpdate { .. } | Fate::Later { .. });
            (changes && follows.contains(&line.id.kind.as_str())).then(|| line.id.to_string())
        })
    }

    fn tell_blocked(&mut self, settings: &Settings) {
        for (line, told) in self.lines.iter().zip(self.told.iter_mut()) {
            if let Some(line) = line.as_ref().filter(|_| !*told) {
                settings.tell(Event::Finished { line: Box::new(line.clone()) });
                *told = true;
            }
        }
    }

    fn lines(self) -> Vec<Line> {
        self.lines.into_iter().flatten().collect()
    }
}
