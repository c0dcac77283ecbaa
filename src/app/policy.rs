//! Which permissions the documents need.

use std::collections::BTreeSet;

use meteoctl_aws::kinds::actions;
use meteoctl_aws::policy::{Phase, Place, Policy};
use meteoctl_engine::document::Document;
use meteoctl_engine::graph::STACK;
use meteoctl_engine::kind::Meta;
use meteoctl_engine::reference::{Id, resolve};
use meteoctl_engine::run::predicted;
use meteoctl_jobs::{self as jobs, lock, removal};
use serde_json::{Value, json};

use super::Locks;

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Looking.
    Plan,
    /// Making and changing, jobs included.
    Apply,
    /// Data work alone.
    Jobs,
    /// Removing.
    Destroy,
}

/// A policy, and what it does not cover.
pub struct Permissions {
    /// The IAM policy document.
    pub document: Value,
    /// Kinds whose calls are not known.
    pub unknown: Vec<String>,
}

/// The least policy that serves these documents.
pub async fn policy(documents: &[Document], purpose: Purpose, account: Option<&str>) -> Permissions {
    let phases: &[Phase] = match purpose {
        Purpose::Plan => &[Phase::Plan],
        Purpose::Apply => &[Phase::Plan, Phase::Apply, Phase::Job],
        Purpose::Jobs => &[Phase::Plan, Phase::Job],
        Purpose::Destroy => &[Phase::Plan, Phase::Delete],
    };
    let place = place(documents, account);
    let registry = super::offline_registry().await;
    let mut policy = Policy::default();
    let mut unknown = BTreeSet::new();
    for document in documents {
        let kind = document.id.kind.as_str();
        let Some(actions) = jobs::actions::actions(kind).or_else(|| Some(actions(kind)).filter(|actions| !actions.is_empty())) else {
            unknown.insert(kind.to_owned());
            continue;
        };
        let mut spec = document.spec.clone();
        resolve(&mut spec, &|id: &Id| predicted(documents, &registry, id));
        policy.add(actions, phases, &document.meta, &spec, &place);
    }
    if purpose == Purpose::Destroy {
        let place = &place;
        let buckets = documents.iter().filter(|document| document.id.kind == "Bucket");
        buckets.for_each(|bucket| policy.add(removal::ACTIONS, phases, &bucket.meta, &bucket.spec, place));
        policy.add(meteoctl_aws::owned::ACTIONS, phases, &Meta::default(), &Value::Null, place);
    }
    let locks = Locks::of(documents);
    if let (Some(bucket), true) = (locks.bucket(), purpose != Purpose::Plan) {
        // Every verb that writes takes the lock first.
        policy.add(lock::ACTIONS, &[Phase::Apply], &Meta::named(&bucket.name), &json!({"stack": locks.stack()}), &place);
    }
    Permissions { document: policy.document(), unknown: unknown.into_iter().collect() }
}

fn place(documents: &[Document], account: Option<&str>) -> Place {
    let stack = documents.iter().find(|document| document.id.kind == STACK);
    let said = |field: &str| stack.and_then(|stack| stack.spec.get(field)).and_then(Value::as_str);
    // `*` stands for any account or region in an ARN.
    Place { account: said("accountId").or(account).unwrap_or("*").to_owned(), region: said("region").unwrap_or("*").to_owned() }
}
