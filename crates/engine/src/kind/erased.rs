//! A kind with its types erased: implemented once, for every [`Kind`], over JSON values and boxed futures.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use super::{Change, Fault, Kind, Meta, Observed};
use crate::ahead::Ahead;
use crate::diff::{self, Diff};
use crate::failure::{Failure, Outcome};
use crate::reference::Outputs;

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
    /// Since when it is as it is.
    pub since: Option<DateTime<Utc>>,
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
    /// See [`Kind::OUTLIVES`].
    fn outlives(&self) -> &'static [&'static str];
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
    /// See [`Kind::without`].
    fn without<'a>(&'a self, meta: &'a Meta, spec: &'a Value) -> BoxFuture<'a, Outcome<Option<Value>>>;
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

    fn outlives(&self) -> &'static [&'static str] {
        K::OUTLIVES
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

    fn without<'a>(&'a self, meta: &'a Meta, spec: &'a Value) -> BoxFuture<'a, Outcome<Option<Value>>> {
        Box::pin(async move {
            let Some(left) = Kind::without(self, meta, &typed::<K>(meta, spec)?).await? else { return Ok(None) };
            let doing = || format!("write down what is left of {}/{}", K::NAME, meta.name);
            serde_json::to_value(left).map(Some).map_err(|error| Failure::rejected(doing()).because(error))
        })
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
                return Ok(Sight { standing: Standing::Absent, outputs, note: None, since: None, ignored: Vec::new() });
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
            Ok(Sight { standing, outputs, note: seen.note, since: seen.since, ignored })
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

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::kind::Ignore;

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
