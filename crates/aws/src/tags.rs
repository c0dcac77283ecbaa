//! Ownership is two tags: the stack and the document a thing belongs to.

use std::collections::BTreeMap;

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Meta, Work};

use crate::client::StackIdentity;
use crate::error::Cause;

/// Tag that names the stack.
pub const STACK: &str = "meteoctl:stack";
/// Tag that names the document, `Kind/name`.
pub const DOCUMENT: &str = "meteoctl:document";

/// Tags as AWS knows them.
pub type Tags = BTreeMap<String, String>;

/// Every tag a thing of ours must carry: ownership, the stack's own, the document's own (which win).
pub fn wanted(stack: &StackIdentity, kind: &str, meta: &Meta, own: Option<&Tags>) -> Tags {
    let mut tags = stack.tags.clone();
    tags.extend(own.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    tags.insert(STACK.to_owned(), stack.name.clone());
    tags.insert(DOCUMENT.to_owned(), format!("{kind}/{}", meta.name));
    tags
}

/// Whether the thing carries this stack's tag.
pub fn ours(stack: &StackIdentity, seen: &Tags) -> bool {
    seen.get(STACK).is_some_and(|name| *name == stack.name)
}

/// Refuses a foreign thing unless the document adopts it; otherwise the tags that are missing or differ, as work.
///
/// Tags that we do not ask for are left alone: other tools put theirs there.
pub fn due(stack: &StackIdentity, kind: &str, meta: &Meta, own: Option<&Tags>, seen: &Tags) -> Outcome<Vec<Work>> {
    if !ours(stack, seen) && !meta.adopts() {
        return Err(foreign(kind, meta, seen));
    }
    Ok(wanted(stack, kind, meta, own)
        .into_iter()
        .filter(|(key, value)| seen.get(key) != Some(value))
        .map(|(key, value)| Work { path: format!("/tags/{}", meteoctl_engine::reference::escape(&key)), summary: value })
        .collect())
}

/// The failure that says "exists, not ours".
pub fn foreign(kind: &str, meta: &Meta, seen: &Tags) -> Failure {
    let whose = match seen.get(STACK) {
        Some(other) => format!("it exists and belongs to the stack `{other}`"),
        None => "it exists, but does not carry this stack's tags".to_owned(),
    };
    Failure::rejected(format!("take {kind}/{} for ours", meta.name)).because(Cause(whose)).hint(
        "choose another name, or take it over with `metadata.annotations.adopt: \"true\"`: plan then shows the whole difference first",
    )
}
