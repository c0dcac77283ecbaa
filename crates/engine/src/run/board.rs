//! Where every document of a run stands: which are ready, which are blocked, what each came to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Settings, predicted};
use crate::diff::Diff;
use crate::document::Document;
use crate::event::Event;
use crate::graph::Graph;
use crate::kind::AnyKind;
use crate::reference::{Id, Outputs, resolve};
use crate::registry::Registry;
use crate::report::{Fate, Line, millis};
use crate::step::{Mode, Stepped};

/// A document ready to be stepped.
pub(super) struct Ready {
    pub id: Id,
    pub meta: crate::kind::Meta,
    pub spec: Value,
    pub kind: Arc<dyn AnyKind>,
    /// A need that failed and that the kind may outlive.
    pub lost: Option<Id>,
}

/// Where every document of a run stands.
pub(super) struct Board<'a> {
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
    pub fn new(documents: &'a [Document], registry: &'a Registry, graph: &'a Graph, forward: &'a Graph, mode: Mode) -> Self {
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

    /// Documents whose needs are all done. Those with a failed need that they cannot outlive are blocked on the way, which may
    /// block others.
    pub fn ready(&mut self) -> Vec<(usize, Ready)> {
        let mut ready = Vec::new();
        let mut moved = true;
        while moved {
            moved = false;
            for index in 0..self.documents.len() {
                if self.started.get(index).copied().unwrap_or(true) {
                    continue;
                }
                let fatal = self.failed_needs(index).find(|need| !self.outlived(index, need));
                if let Some(by) = fatal {
                    self.block(index, by);
                    moved = true;
                } else if self.graph.needs(index).all(|need| self.lines.get(need).is_some_and(Option::is_some)) {
                    ready.extend(self.start(index).map(|work| (index, work)));
                }
            }
        }
        ready
    }

    fn failed_needs(&self, index: usize) -> impl Iterator<Item = Id> {
        self.graph.needs(index).filter_map(|need| {
            let line = self.lines.get(need)?.as_ref()?;
            let failed = match line.fate {
                Fate::Failed { .. } | Fate::Blocked { .. } => true,
                Fate::Settling { .. } => self.mode.writes(),
                _ => false,
            };
            failed.then(|| line.id.clone())
        })
    }

    /// Whether a document may go on although this need failed. What is to be removed never does.
    fn outlived(&self, index: usize, need: &Id) -> bool {
        let kind = self.documents.get(index).and_then(|document| self.registry.get(&document.id.kind));
        !self.mode.removes() && kind.is_some_and(|kind| kind.outlives().contains(&need.kind.as_str()))
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
        // What failed has told nothing; what follows from its document alone is known all the same.
        let told = |id: &Id| self.outputs.get(id).filter(|outputs| !outputs.is_empty()).cloned();
        let known = |id: &Id| told(id).or_else(|| self.predicted(id));
        resolve(&mut spec, &known);
        let lost = self.failed_needs(index).next();
        Some(Ready { id: document.id.clone(), meta: document.meta.clone(), spec, kind, lost })
    }

    fn predicted(&self, id: &Id) -> Option<Outputs> {
        predicted(self.documents, self.registry, id)
    }

    /// Whether every document that guards the others is as wished.
    pub fn guards_passed(&self) -> bool {
        let guards = |document: &Document| self.registry.get(&document.id.kind).is_some_and(|kind| kind.guards(&document.spec));
        let passed = |line: &Option<Line>| line.as_ref().is_some_and(|line| line.fate == Fate::InSync);
        self.documents.iter().zip(&self.lines).all(|(document, line)| !guards(document) || passed(line))
    }

    pub fn not_started(&self) -> Vec<(usize, Ready)> {
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
            since: None,
            ignored: Vec::new(),
            outputs: Outputs::new(),
            millis: 0,
        };
        if let (Some(started), Some(slot)) = (self.started.get_mut(index), self.lines.get_mut(index)) {
            *started = true;
            *slot = Some(line);
        }
    }

    pub fn finish(&mut self, index: usize, stepped: Stepped, elapsed: Duration, settings: &Settings) {
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
            since: stepped.since,
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

    pub fn tell_blocked(&mut self, settings: &Settings) {
        for (line, told) in self.lines.iter().zip(self.told.iter_mut()) {
            if let Some(line) = line.as_ref().filter(|_| !*told) {
                settings.tell(Event::Finished { line: Box::new(line.clone()) });
                *told = true;
            }
        }
    }

    pub fn lines(self) -> Vec<Line> {
        self.lines.into_iter().flatten().collect()
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
