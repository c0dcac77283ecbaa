//! Which permission every call needs, kind by kind, and the least policy that serves a set of documents.

use std::collections::{BTreeMap, BTreeSet};

use meteoctl_engine::kind::Meta;
use meteoctl_engine::reference::Id;
use serde_json::{Value, json};

use crate::arn;

/// When a permission is needed. Each phase includes the ones a run of it goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Looking: `plan`, `drift`, `status`, and the looks of every other verb.
    Plan,
    /// Making and changing: `apply`.
    Apply,
    /// Removing: `destroy`, `prune`.
    Delete,
    /// Data work: `run`, `restore`, backups.
    Job,
}

/// One permission that one operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// The operation as the SDK and the call tally name it: `s3:PutBucketLifecycleConfiguration`.
    pub operation: &'static str,
    /// The IAM action it needs: `s3:PutLifecycleConfiguration`.
    pub action: &'static str,
    /// When.
    pub phase: Phase,
    /// ARN pattern of the resource with `{partition}`, `{region}`, `{account}`, `{name}`, or `{/pointer}`: what the spec
    /// names there (the name of a referred document, or an ARN given outright), `{/pointer|default}` where the spec may leave
    /// it out, `{/pointer^}` its folder, `{s3/pointer}` bucket and key of an `s3://` address (nothing otherwise). Through a
    /// reference `{/pointer/outputs/name}` stands for what the other document tells. `*` where the action knows no resource.
    pub resource: &'static str,
    /// JSON pointer of the field that makes the call necessary; empty = always.
    pub when: &'static str,
}

impl Action {
    /// Needed to look.
    pub const fn plan(operation: &'static str, resource: &'static str) -> Self {
        Action { operation, action: operation, phase: Phase::Plan, resource, when: "" }
    }

    /// Needed to make or change.
    pub const fn apply(operation: &'static str, resource: &'static str) -> Self {
        Action { operation, action: operation, phase: Phase::Apply, resource, when: "" }
    }

    /// Needed to remove.
    pub const fn delete(operation: &'static str, resource: &'static str) -> Self {
        Action { operation, action: operation, phase: Phase::Delete, resource, when: "" }
    }

    /// Needed for data work.
    pub const fn job(operation: &'static str, resource: &'static str) -> Self {
        Action { operation, action: operation, phase: Phase::Job, resource, when: "" }
    }

    /// IAM names the permission otherwise than the operation.
    #[must_use]
    pub const fn needs(self, action: &'static str) -> Self {
        Action { action, ..self }
    }

    /// Needed only where the spec declares this field.
    #[must_use]
    pub const fn when(self, pointer: &'static str) -> Self {
        Action { when: pointer, ..self }
    }
}

/// Where the documents live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// 12 digits, or `*` where it is not known.
    pub account: String,
    /// Region of the stack.
    pub region: String,
}

/// Permissions gathered from documents; becomes a policy document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Resource → actions.
    grants: BTreeMap<String, BTreeSet<&'static str>>,
}

impl Policy {
    /// Adds what one document needs in these phases.
    pub fn add(&mut self, actions: &[Action], phases: &[Phase], meta: &Meta, spec: &Value, place: &Place) {
        for action in actions.iter().filter(|action| phases.contains(&action.phase)) {
            let declared = action.when.is_empty() || spec.pointer(action.when).is_some_and(|value| !value.is_null());
            if !declared {
                continue;
            }
            for resource in resources(action.resource, meta, spec, place) {
                self.grants.entry(resource).or_default().insert(action.action);
            }
        }
    }

    /// The policy document: one statement for each set of actions, resources and actions sorted.
    pub fn document(&self) -> Value {
        let mut by_actions: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
        for (resource, actions) in &self.grants {
            by_actions.entry(actions.iter().copied().collect()).or_default().push(resource);
        }
        let statements: Vec<Value> = by_actions
            .into_iter()
            .map(|(actions, resources)| json!({"Effect": "Allow", "Action": actions, "Resource": resources}))
            .collect();
        crate::iam_document::document(&statements)
    }
}

/// What one document needs, as statements of a policy.
pub fn statements(actions: &[Action], phases: &[Phase], meta: &Meta, spec: &Value, place: &Place) -> Vec<Value> {
    let mut policy = Policy::default();
    policy.add(actions, phases, meta, spec, place);
    crate::iam_document::of_document(&policy.document())
}

/// The ARNs a pattern stands for; none when it names a field that the spec leaves out.
fn resources(pattern: &str, meta: &Meta, spec: &Value, place: &Place) -> Vec<String> {
    let plain = pattern
        .replace("{partition}", arn::partition(&place.region))
        .replace("{region}", &place.region)
        .replace("{account}", &place.account)
        .replace("{name}", &meta.name);
    filled(&plain, spec)
}

/// A pattern with every `{/pointer}` filled in from the spec.
fn filled(pattern: &str, spec: &Value) -> Vec<String> {
    let found = ["{/", "{s3/"].into_iter().filter_map(|open| Some((pattern.find(open)?, open))).min();
    let Some((at, open)) = found else { return vec![pattern.to_owned()] };
    let (head, rest) = (pattern.get(..at).unwrap_or_default(), pattern.get(at + open.len()..).unwrap_or_default());
    let Some((inner, tail)) = rest.split_once('}') else { return vec![pattern.to_owned()] };
    let mut names = Vec::new();
    for name in values(inner, spec) {
        match open {
            "{s3/" => names.extend(name.strip_prefix("s3://").map(str::to_owned)),
            _ => names.push(name),
        }
    }
    let tails = filled(tail, spec);
    let whole = |name: &String, tail: &String| match name.starts_with("arn:") {
        true => name.clone(),
        false => format!("{head}{name}{tail}"),
    };
    names.iter().flat_map(|name| tails.iter().map(move |tail| whole(name, tail))).collect()
}

/// What the spec names at `pointer`, `pointer|default` or `pointer^`, the latter up to its last slash.
fn values(inner: &str, spec: &Value) -> Vec<String> {
    let (pointer, default) = inner.split_once('|').map_or((inner, None), |(pointer, default)| (pointer, Some(default)));
    let (pointer, folder) = pointer.strip_suffix('^').map_or((pointer, false), |pointer| (pointer, true));
    let found: Vec<String> = match spec.pointer(&format!("/{pointer}")) {
        Some(Value::Array(items)) => items.iter().filter_map(named).collect(),
        None | Some(Value::Null) => default.map(str::to_owned).into_iter().collect(),
        Some(single) => named(single).into_iter().collect(),
    };
    match folder {
        true => found.iter().map(|key| key.rfind('/').and_then(|end| key.get(..=end)).unwrap_or_default().to_owned()).collect(),
        false => found,
    }
}

/// The name behind a field: of the referred document, or the text itself.
fn named(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(map) => map.get("ref")?.as_str()?.parse::<Id>().ok().map(|id| id.name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "arn:{partition}:s3:::{name}";
    const ACTIONS: &[Action] = &[
        Action::plan("s3:GetBucketVersioning", BUCKET).when("/versioning"),
        Action::plan("s3:GetBucketTagging", BUCKET),
        Action::apply("s3:CreateBucket", BUCKET),
        Action::apply("iam:PassRole", "arn:{partition}:iam::{account}:role/{/role}").when("/role"),
    ];

    fn place() -> Place {
        Place { account: "123456789012".into(), region: "eu-west-3".into() }
    }

    #[test]
    fn only_what_is_declared_is_granted() {
        let found = statements(ACTIONS, &[Phase::Plan], &Meta::named("b"), &json!({}), &place());
        assert_eq!(found, [json!({"Effect": "Allow", "Action": ["s3:GetBucketTagging"], "Resource": ["arn:aws:s3:::b"]})]);
    }

    #[test]
    fn a_role_is_passed_by_name_or_by_arn() {
        let resource = |role: Value| {
            statements(&ACTIONS[3..], &[Phase::Apply], &Meta::named("b"), &json!({"role": role}), &place())[0]["Resource"][0].clone()
        };
        assert_eq!(resource(json!({"ref": "Role/r"})), json!("arn:aws:iam::123456789012:role/r"));
        assert_eq!(resource(json!("arn:aws:iam::1:role/other")), json!("arn:aws:iam::1:role/other"));
    }

    #[test]
    fn a_field_left_out_has_its_default() {
        let role = [Action::plan("iam:GetRole", "arn:{partition}:iam::{account}:role{/path|/}{name}")];
        let resource = |spec: Value| statements(&role, &[Phase::Plan], &Meta::named("r"), &spec, &place())[0]["Resource"][0].clone();
        assert_eq!(resource(json!({})), json!("arn:aws:iam::123456789012:role/r"));
        assert_eq!(resource(json!({"path": "/p8/"})), json!("arn:aws:iam::123456789012:role/p8/r"));
    }

    #[test]
    fn documents_that_need_the_same_share_a_statement() {
        let mut policy = Policy::default();
        for name in ["b", "a"] {
            policy.add(ACTIONS, &[Phase::Plan], &Meta::named(name), &json!({"versioning": "Enabled"}), &place());
        }
        assert_eq!(
            policy.document()["Statement"],
            json!([{"Effect": "Allow", "Action": ["s3:GetBucketTagging", "s3:GetBucketVersioning"],
                    "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::b"]}])
        );
    }
}
