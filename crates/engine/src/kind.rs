//! A kind: one sort of thing that can be declared, looked at and kept true.
//!
//! Kinds report facts; the engine decides. [`Kind`] is what is implemented, [`AnyKind`] is the same with the
//! types erased once, so that nothing upstairs carries a type parameter.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ahead::Ahead;
use crate::diff::{self, Diff};
use crate::failure::{Failure, Outcome};
pub use crate::reference::Outputs;
use crate::reference::{Id, Link};

/// `metadata` of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Meta {
    /// The thing's own name: a bucket name, a role name, a log group.
    pub name: String,
    /// Words for people and switches for the engine (`adopt: "true"`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Documents that must be done first without being referred to in the spec, as `Kind/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub after: Vec<Id>,
    /// Rules of the house that this document may break until a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// Fields whose difference is accepted until a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Ignore>,
    /// Folder of the file the document came from; relative paths in the spec start there.
    #[serde(skip)]
    #[schemars(skip)]
    pub folder: std::path::PathBuf,
}

/// Leave to break one policy rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exception {
    /// The rule: `open-ingress`, `public-bucket`, `literal-secret`, `untagged-image`.
    pub rule: String,
    /// Why it is right here.
    pub reason: String,
    /// Last day on which it holds.
    #[schemars(with = "String")]
    pub expires: NaiveDate,
}

/// Leave for one field to differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ignore {
    /// JSON pointer of the field within the spec; everything below it is ignored too.
    pub field: String,
    /// Why it is right here.
    pub reason: String,
    /// Last day on which it holds.
    #[schemars(with = "String")]
    pub expires: NaiveDate,
}

impl Meta {
    /// Metadata that carries a name alone.
    pub fn named(name: impl Into<String>) -> Self {
        Meta { name: name.into(), ..Meta::default() }
    }

    /// Whether the document asks to take over a thing that exists without our tags.
    pub fn adopts(&self) -> bool {
        self.annotations.get("adopt").is_some_and(|value| value == "true")
    }
}

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
        Observed { spec, outputs: Outputs::new(), settling: None, note: None, work: Vec::new() }
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

/// What a look found, types erased.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Not there.
    Absent,
    /// There, but these fields differ.
    Drifted(Diff),
    /// On its way by itself.
    Settling(String),
    /// As wished.
    InSync,
}

/// A look: the standing, and what the thing tells others.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Where it stands.
    pub standing: Standing,
    /// What dependants may refer to.
    pub outputs: Outputs,
    /// A line of evidence.
    pub note: Option<String>,
    /// Fields that differ but are ignored by the document: shown, not acted on.
    pub ignored: Vec<String>,
}

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A kind with its types erased. Implemented once, for every [`Kind`].
pub trait AnyKind: Send + Sync {
    /// The word after `kind:`.
    fn name(&self) -> &'static str;
    /// One sentence for `explain`.
    fn about(&self) -> &'static str;
    /// See [`Kind::GRACE`].
    fn grace(&self) -> Duration;
    /// See [`Kind::HOLDS_DATA`].
    fn holds_data(&self) -> bool;
    /// See [`Kind::FOLLOWS`].
    fn follows(&self) -> &'static [&'static str];
    /// JSON Schema of the spec.
    fn schema(&self) -> Value;
    /// Decodes the spec; on failure the JSON pointer and the message.
    fn decode(&self, spec: &Value) -> Result<(), SpecError>;
    /// See [`Kind::check`]; call only with a spec that decodes.
    fn check(&self, meta: &Meta, spec: &Value) -> Vec<Fault>;
    /// See [`Kind::predicted`].
    fn predicted(&self, meta: &Meta, spec: &Value) -> Outputs;
    /// See [`Kind::guards`].
    fn guards(&self, spec: &Value) -> bool;
    /// See [`Kind::run_begins`].
    fn run_begins(&self, looks: bool);
    /// Fetches what a look can use before the documents referred to are known: see [`Kind::ahead`] and [`Kind::LOOKS_ALONE`].
    fn ahead<'a>(&'a self, meta: &'a Meta, spec: &'a Value) -> BoxFuture<'a, Outcome<Ahead>>;
    /// Looks, and says where the thing stands. `today` decides which ignore rules still hold.
    fn look_from<'a>(&'a self, meta: &'a Meta, spec: &'a Value, today: NaiveDate, ahead: Ahead) -> BoxFuture<'a, Outcome<Sight>>;
    /// Looks with nothing fetched ahead.
    fn look<'a>(&'a self, meta: &'a Meta, spec: &'a Value, today: NaiveDate) -> BoxFuture<'a, Outcome<Sight>> {
        self.look_from(meta, spec, today, Ahead::nothing())
    }
    /// Carries out one change.
    fn apply<'a>(&'a self, meta: &'a Meta, spec: &'a Value, change: &'a Change) -> BoxFuture<'a, Outcome<()>>;
    /// Removes the thing.
    fn delete<'a>(&'a self, meta: &'a Meta, spec: &'a Value) -> BoxFuture<'a, Outcome<()>>;
}

/// A spec that does not fit its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpecError {
    /// JSON pointer of the offending field within the spec.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl<K: Kind> AnyKind for K {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn about(&self) -> &'static str {
        K::ABOUT
    }

    fn grace(&self) -> Duration {
        K::GRACE
    }

    fn holds_data(&self) -> bool {
        K::HOLDS_DATA
    }

    fn follows(&self) -> &'static [&'static str] {
        K::FOLLOWS
    }

    fn schema(&self) -> Value {
        serde_json::to_value(schemars::schema_for!(K::Spec)).unwrap_or(Value::Null)
    }

    fn decode(&self, spec: &Value) -> Result<(), SpecError> {
        decode::<K>(spec).map(drop)
    }

    fn check(&self, meta: &Meta, spec: &Value) -> Vec<Fault> {
        decode::<K>(spec).map(|spec| Kind::check(self, meta, &spec)).unwrap_or_default()
    }

    fn predicted(&self, meta: &Meta, spec: &Value) -> Outputs {
        decode::<K>(spec).map(|spec| Kind::predicted(self, meta, &spec)).unwrap_or_default()
    }

    fn guards(&self, spec: &Value) -> bool {
        decode::<K>(spec).is_ok_and(|spec| Kind::guards(self, &spec))
    }

    fn run_begins(&self, looks: bool) {
        Kind::run_begins(self, looks);
    }

    fn ahead<'a>(&'a self, meta: &'a Meta, spec: &'a Value) -> BoxFuture<'a, Outcome<Ahead>> {
        Box::pin(async move {
            let want = typed::<K>(meta, spec)?;
            match K::LOOKS_ALONE {
                true => self.observe(meta, &want).await.map(Ahead::of),
                false => Kind::ahead(self, meta, &want).await,
            }
        })
    }

    fn look_from<'a>(&'a self, meta: &'a Meta, spec: &'a Value, today: NaiveDate, ahead: Ahead) -> BoxFuture<'a, Outcome<Sight>> {
        Box::pin(async move {
            let mut want = typed::<K>(meta, spec)?;
            let seen = match K::LOOKS_ALONE {
                true => match ahead.take::<Option<Observed<K::Spec>>>() {
                    Some(seen) => seen,
                    None => self.observe(meta, &want).await?,
                },
                false => self.observe_from(meta, &want, ahead).await?,
            };
            let Some(mut seen) = seen else {
                let outputs = Kind::predicted(self, meta, &want);
                return Ok(Sight { standing: Standing::Absent, outputs, note: None, ignored: Vec::new() });
            };
            self.canonical(&mut want);
            self.canonical(&mut seen.spec);
            let mut diff = self.diff(&want, &seen);
            diff.fields.extend(seen.work.into_iter().map(|work| diff::Field {
                path: work.path,
                want: Value::String(work.summary),
                have: Value::Null,
            }));
            let ignored = set_aside(meta, today, &mut diff);
            let standing = match (seen.settling, diff.is_empty()) {
                (Some(why), _) => Standing::Settling(why),
                (None, true) => Standing::InSync,
                (None, false) => Standing::Drifted(diff),
            };
            let mut outputs = Kind::predicted(self, meta, &want);
            outputs.extend(seen.outputs);
            Ok(Sight { standing, outputs, note: seen.note, ignored })
        })
    }

    fn apply<'a>(&'a self, meta: &'a Meta, spec: &'a Value, change: &'a Change) -> BoxFuture<'a, Outcome<()>> {
        Box::pin(async move {
            let want = typed::<K>(meta, spec)?;
            Kind::apply(self, meta, &want, change).await
        })
    }

    fn delete<'a>(&'a self, meta: &'a Meta, spec: &'a Value) -> BoxFuture<'a, Outcome<()>> {
        Box::pin(async move {
            let want = typed::<K>(meta, spec)?;
            Kind::delete(self, meta, &want).await
        })
    }
}

/// Takes the fields covered by ignore rules that still hold out of the diff; returns their paths.
fn set_aside(meta: &Meta, today: NaiveDate, diff: &mut Diff) -> Vec<String> {
    let ignored = |path: &str| meta.ignore.iter().any(|rule| rule.expires >= today && diff::covers(&rule.field, path));
    let (aside, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut diff.fields).into_iter().partition(|field| ignored(&field.path));
    diff.fields = kept;
    aside.into_iter().map(|field| field.path).collect()
}

fn decode<K: Kind>(spec: &Value) -> Result<K::Spec, SpecError> {
    serde_path_to_error::deserialize(spec).map_err(|error| SpecError { path: pointer(error.path()), message: error.inner().to_string() })
}

fn typed<K: Kind>(meta: &Meta, spec: &Value) -> Outcome<K::Spec> {
    decode::<K>(spec).map_err(|error| Failure::rejected(format!("read the spec of {}/{}", K::NAME, meta.name)).because(error))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => text.push_str(&format!("/{}", crate::reference::escape(key))),
            Segment::Enum { variant } => text.push_str(&format!("/{variant}")),
            Segment::Unknown => {}
        }
    }
    text
}

/// The document a link points to must be of one of these kinds; a [`Fault`] otherwise.
pub fn expect_kind(path: &str, link: &Link, kinds: &[&str]) -> Option<Fault> {
    let target = link.target()?;
    (!kinds.contains(&target.kind.as_str()))
        .then(|| Fault::wrong(path, format!("refers to {target}, but a {} is needed here", kinds.join(" or "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Door;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct DoorSpec {
        colour: Option<String>,
        hinges: Option<Vec<u8>>,
    }

    impl Kind for Door {
        const NAME: &'static str = "Door";
        const ABOUT: &'static str = "A door.";
        type Spec = DoorSpec;

        async fn observe(&self, _: &Meta, _: &DoorSpec) -> Outcome<Option<Observed<DoorSpec>>> {
            Ok(Some(Observed::new(DoorSpec { colour: Some("red".into()), hinges: Some(vec![2, 1]) }).work("/paint", "paint is due")))
        }

        async fn apply(&self, _: &Meta, _: &DoorSpec, _: &Change) -> Outcome<()> {
            Ok(())
        }

        fn canonical(&self, spec: &mut DoorSpec) {
            if let Some(hinges) = &mut spec.hinges {
                hinges.sort_unstable();
            }
        }
    }

    #[tokio::test]
    async fn a_look_compares_canonical_specs_and_adds_due_work() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day");
        let kind: &dyn AnyKind = &Door;
        let sight = kind.look(&Meta::named("front"), &json!({"colour": "blue", "hinges": [1, 2]}), day).await.expect("a look");
        let Standing::Drifted(diff) = sight.standing else { panic!("should differ: {:?}", sight.standing) };
        assert_eq!(diff.paths(), ["/colour", "/paint"]);
    }

    #[tokio::test]
    async fn an_ignore_rule_holds_until_its_day() {
        let expires = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day");
        let rule = |field: &str| Ignore { field: field.into(), reason: "known".into(), expires };
        let meta = Meta { ignore: vec![rule("/colour"), rule("/paint")], ..Meta::named("front") };
        let spec = json!({"colour": "blue"});
        let kind: &dyn AnyKind = &Door;
        let held = kind.look(&meta, &spec, expires).await.expect("a look");
        assert!(matches!(held.standing, Standing::InSync));
        assert_eq!(held.ignored, ["/colour", "/paint"]);
        let late = kind.look(&meta, &spec, expires.succ_opt().expect("a day")).await.expect("a look");
        assert!(matches!(late.standing, Standing::Drifted(_)));
    }

    #[test]
    fn a_fault_in_a_spec_is_placed() {
        let kind: &dyn AnyKind = &Door;
        let error = kind.decode(&json!({"colour": "red", "hinges": [1, "x"]})).expect_err("a fault");
        assert_eq!(error.path, "/hinges/1");
        assert!(error.message.contains("invalid type"), "{}", error.message);
        assert!(kind.decode(&json!({"color": "red"})).expect_err("a fault").message.contains("unknown field `color`"));
    }
}
