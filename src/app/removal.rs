//! Removing: which documents, by which decorated kinds, and what has no document any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use meteoctl_aws::owned::{self, Owned};
use meteoctl_engine::document::{Document, Loaded, read};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::{Id, resolve};
use meteoctl_engine::registry::Registry;
use meteoctl_engine::report::Report;
use meteoctl_jobs::removal::{self, removing};
use serde_json::json;

use super::App;

/// The order in which things without documents go: what uses others goes before them.
const ORDER: [&str; 12] = [
    "Alarm",
    "Schedule",
    "Service",
    "TaskDefinition",
    "Cluster",
    "FileSystem",
    "SecurityGroup",
    "Role",
    "Secret",
    "Repository",
    "LogGroup",
    "Bucket",
];

/// Documents that are to go, and the kinds that remove them.
pub struct Removal {
    /// The documents, with everything that was seen in their references.
    pub documents: Vec<Document>,
    /// The kinds.
    pub registry: Registry,
    /// What the kinds share.
    pub shared: Arc<removal::Removal>,
}

/// What carries our tags and has no document.
pub struct Orphans {
    /// As documents that can be removed.
    pub documents: Vec<Document>,
    /// Where each of them is.
    pub owned: Vec<Owned>,
    /// Things that this version cannot remove.
    pub unknown: Vec<Owned>,
}

impl App {
    /// Prepares the removal of these documents; references are filled with what was `seen`. Buckets named in `accepted` are emptied.
    pub fn removal(&self, mut documents: Vec<Document>, seen: &Report, accepted: &[String]) -> Removal {
        let outputs = |id: &Id| seen.lines.iter().find(|line| line.id == *id).map(|line| line.outputs.clone());
        documents.iter_mut().for_each(|document| resolve(&mut document.spec, &outputs));
        let shared = Arc::new(removal::Removal {
            context: self.jobs.clone(),
            going: documents.iter().map(|document| document.id.clone()).collect(),
            accepted: accepted.to_vec(),
            lock: OnceLock::new(),
        });
        let registry = Registry::new(self.registry.iter().map(|kind| removing(kind.clone(), &shared)));
        Removal { documents, registry, shared }
    }

    /// What carries the tags of this stack but has no document among ours.
    ///
    /// # Errors
    /// Whatever a call says.
    pub async fn orphans(&self) -> Outcome<Orphans> {
        let declared: BTreeSet<&Id> = self.documents.iter().map(|document| &document.id).collect();
        let mut orphans = Orphans { documents: Vec::new(), owned: Vec::new(), unknown: Vec::new() };
        let mut specs = Vec::new();
        for thing in owned::owned(&self.jobs.aws).await? {
            // A task's security group rules, a service's tasks: several things of one document.
            let twice = orphans.owned.iter().any(|known| known.document == thing.document);
            if twice || declared.contains(&thing.document) {
                continue;
            }
            match owned::spec(&self.jobs.aws, &thing).await? {
                Some(spec) => {
                    specs.push((thing.document.clone(), spec));
                    orphans.owned.push(thing);
                }
                None => orphans.unknown.push(thing),
            }
        }
        orphans.unknown.retain(|thing| orphans.owned.iter().all(|known| known.document != thing.document));
        specs.sort_by_key(|(id, _)| rank(id));
        for (index, (id, spec)) in specs.iter().enumerate() {
            let later = specs.iter().skip(index + 1).filter(|(other, _)| rank(other) > rank(id)).map(|(other, _)| other.to_string());
            orphans.documents.push(document(id, later.collect(), spec)?);
        }
        Ok(orphans)
    }
}

fn rank(id: &Id) -> usize {
    ORDER.iter().position(|kind| *kind == id.kind).unwrap_or(0)
}

/// A document that nobody wrote. A removal goes through its needs the other way round: what goes later is what it "needs".
fn document(id: &Id, needs: Vec<String>, spec: &serde_json::Value) -> Outcome<Document> {
    let metadata = json!({"name": id.name, "after": needs});
    // JSON is YAML.
    let text = json!({"apiVersion": "meteoctl/v1", "kind": id.kind, "metadata": metadata, "spec": spec}).to_string();
    let mut loaded = Loaded::default();
    read("(no document)", text, Path::new(""), &mut loaded);
    let fault = loaded.diagnostics.first().map(|fault| fault.message.clone()).unwrap_or_default();
    loaded.documents.pop().ok_or_else(|| Failure::rejected(format!("describe {id}")).because(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_declared_becomes_a_document_that_goes_in_order() {
        let id = Id::new("LogGroup", "/ecs/a \"b\"");
        let made = document(&id, vec!["Bucket/x".to_owned()], &json!({})).expect("a document");
        assert_eq!((made.id, made.meta.after), (id, vec![Id::new("Bucket", "x")]));
        assert!(rank(&Id::new("Service", "a")) < rank(&Id::new("Cluster", "a")));
    }
}
