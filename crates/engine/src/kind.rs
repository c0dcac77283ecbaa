//! A kind: one sort of thing that can be declared, looked at and kept true.
//!
//! Kinds report facts; the engine decides. [`Kind`] is what is implemented, [`AnyKind`] is the same with the
//! types erased once, so that nothing upstairs carries a type parameter.

mod erased;
mod meta;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ahead::Ahead;
use crate::diff::{self, Diff};
use crate::failure::{Failure, Outcome};
use crate::reference::Link;
pub use crate::reference::Outputs;
pub use erased::{AnyKind, BoxFuture, Sight, SpecError, Standing};
pub use meta::{Exception, Ignore, Meta};

/// A fault that a kind finds in a spec without looking at any service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer of the field within the spec; empty = the spec as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The policy rule that is broken; `None` = simply wrong. A document may carry an exception for a rule.
    pub rule: Option<&'static str>,
}

impl Fault {
    /// Something that cannot be right.
    pub fn wrong(path: impl Into<String>, message: impl Into<String>) -> Self {
        Fault { path: path.into(), message: message.into(), hint: None, rule: None }
    }

    /// Something that could be done but is refused.
    pub fn refused(rule: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Fault { path: path.into(), message: message.into(), hint: None, rule: Some(rule) }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What is there, in the words of the wish.
#[derive(Debug, Clone)]
pub struct Observed<S> {
    /// The live state as a spec.
    pub spec: S,
    /// What dependants may refer to.
    pub outputs: Outputs,
    /// Why it is not ready yet, if it is still on its way (`PROVISIONING`).
    pub settling: Option<String>,
    /// A line of evidence for status and report: `RUNNING, 1 task`, `4950 documents`.
    pub note: Option<String>,
    /// Since when it is as it is, where somebody keeps that: a task's start, a revision's registration, the last backup.
    pub since: Option<DateTime<Utc>>,
    /// Further differences that are not fields of the spec: `station-days`, `backup due`. Named as they should read.
    pub work: Vec<Work>,
}

/// Work that is due although no field of the spec differs (data, backups).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Pointer-like name: `/stationDays`.
    pub path: String,
    /// The sentence for people: `3 station-days differ (07015 2024-10-05 …)`.
    pub summary: String,
}

impl<S> Observed<S> {
    /// A thing that is there and settled.
    pub fn new(spec: S) -> Self {
        Observed { spec, outputs: Outputs::new(), settling: None, note: None, since: None, work: Vec::new() }
    }

    /// Adds one output.
    #[must_use]
    pub fn output(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.outputs.insert(name.to_owned(), value.into());
        self
    }

    /// Adds all outputs.
    #[must_use]
    pub fn outputs(mut self, outputs: Outputs) -> Self {
        self.outputs.extend(outputs);
        self
    }

    /// Says that the thing is on its way.
    #[must_use]
    pub fn settling(mut self, why: Option<String>) -> Self {
        self.settling = why;
        self
    }

    /// Adds a line of evidence.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Says since when it is as it is.
    #[must_use]
    pub fn since(mut self, since: Option<DateTime<Utc>>) -> Self {
        self.since = since;
        self
    }

    /// Adds work that is due.
    #[must_use]
    pub fn work(mut self, path: impl Into<String>, summary: impl Into<String>) -> Self {
        self.work.push(Work { path: path.into(), summary: summary.into() });
        self
    }
}

/// One change, decided by the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The thing is not there.
    Create,
    /// The thing is there and differs. Work that is due appears as fields, too.
    Update(Diff),
}

impl Change {
    /// Whether this change concerns the field at `pointer` (a creation concerns all).
    pub fn touches(&self, pointer: &str) -> bool {
        match self {
            Change::Create => true,
            Change::Update(diff) => diff.touches(pointer),
        }
    }
}

/// One type of thing that can be declared, looked at and kept true.
pub trait Kind: Send + Sync + 'static {
    /// The word after `kind:`.
    const NAME: &'static str;
    /// One sentence for `explain`.
    const ABOUT: &'static str;
    /// How long after a write the thing may take to show as wished.
    const GRACE: Duration = Duration::from_secs(60);
    /// Whether the thing holds data that cannot be made again by `apply` alone.
    const HOLDS_DATA: bool = false;
    /// Kinds whose change may make this one due again: `plan` says so although the thing looks in sync now.
    const FOLLOWS: &'static [&'static str] = &[];
    /// Kinds whose failure need not block this one, where [`Kind::without`] finds another way.
    const OUTLIVES: &'static [&'static str] = &[];
    /// Whether `observe` needs of other documents no more than [`Kind::predicted`] tells. A plan then looks at once, and
    /// compares when everything it refers to is known; `canonical` and `diff` may use any output.
    const LOOKS_ALONE: bool = false;

    /// The wish. `None` in a field = not managed. Serialised in camelCase with unknown fields denied.
    type Spec: DeserializeOwned + Serialize + JsonSchema + Clone + Debug + Send + Sync;

    /// Faults that can be told from the document alone.
    fn check(&self, _meta: &Meta, _spec: &Self::Spec) -> Vec<Fault> {
        Vec::new()
    }

    /// Outputs that follow from the document alone (names, predictable ARNs), known before anything exists.
    fn predicted(&self, _meta: &Meta, _spec: &Self::Spec) -> Outputs {
        Outputs::new()
    }

    /// Whether nothing may be looked at before this document is as wished.
    fn guards(&self, _spec: &Self::Spec) -> bool {
        false
    }

    /// What is left of the wish when documents that it needs, all of kinds in [`Kind::OUTLIVES`], have failed. `None`: nothing, it is
    /// blocked. References to what failed hold [`Kind::predicted`] outputs.
    fn without(&self, _meta: &Meta, _want: &Self::Spec) -> impl Future<Output = Outcome<Option<Self::Spec>>> + Send {
        std::future::ready(Ok(None))
    }

    /// A run begins; `looks` when it is one that only looks. What an earlier run has seen counts no longer.
    fn run_begins(&self, _looks: bool) {}

    /// Looks, never touches. `Ok(None)` only on the service's explicit word that the thing is not there; any doubt is an `Err`.
    fn observe(&self, meta: &Meta, want: &Self::Spec) -> impl Future<Output = Outcome<Option<Observed<Self::Spec>>>> + Send;

    /// Fetches what [`Kind::observe_from`] can use and what needs of other documents no more than [`Kind::predicted`] tells:
    /// a plan does so for all documents at once. For kinds that cannot look alone; a failure only means that the look
    /// fetches everything itself.
    fn ahead(&self, _meta: &Meta, _want: &Self::Spec) -> impl Future<Output = Outcome<Ahead>> + Send {
        std::future::ready(Ok(Ahead::nothing()))
    }

    /// [`Kind::observe`], from facts fetched ahead where there are any.
    fn observe_from(
        &self,
        meta: &Meta,
        want: &Self::Spec,
        _ahead: Ahead,
    ) -> impl Future<Output = Outcome<Option<Observed<Self::Spec>>>> + Send {
        self.observe(meta, want)
    }

    /// Carries out one change. Safe to repeat; never waits for readiness.
    fn apply(&self, meta: &Meta, want: &Self::Spec, change: &Change) -> impl Future<Output = Outcome<()>> + Send;

    /// The one spelling both sides share: sorted sets, parsed policies, resolved references.
    fn canonical(&self, _spec: &mut Self::Spec) {}

    /// The difference; both sides are canonical.
    fn diff(&self, want: &Self::Spec, seen: &Observed<Self::Spec>) -> Diff {
        diff::fields(want, &seen.spec)
    }

    /// Removes the thing. Kinds that cannot be removed, or hold data, keep the default, which refuses.
    /// Returns `Ok` when the removal was accepted; the engine looks again until `observe` says `None`.
    fn delete(&self, meta: &Meta, _spec: &Self::Spec) -> impl Future<Output = Outcome<()>> + Send {
        let failure = Failure::rejected(format!("delete {}/{}", Self::NAME, meta.name))
            .hint("this kind is never removed by meteoctl; remove it by hand if you are sure");
        async move { Err(failure) }
    }
}

/// The document a link points to must be of one of these kinds; a [`Fault`] otherwise.
pub fn expect_kind(path: &str, link: &Link, kinds: &[&str]) -> Option<Fault> {
    let target = link.target()?;
    (!kinds.contains(&target.kind.as_str()))
        .then(|| Fault::wrong(path, format!("refers to {target}, but a {} is needed here", kinds.join(" or "))))
}
