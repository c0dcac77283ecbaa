//! Ownership is two tags: the stack and the document a thing belongs to.

use std::collections::BTreeMap;

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Fault, Meta, Work};

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

/// Faults of tags as written: AWS's limits (50 tags of which ownership takes 2; 128 and 256 characters; `aws:` is theirs,
/// `meteoctl:` is ours).
pub fn check(tags: Option<&Tags>) -> Vec<Fault> {
    let Some(tags) = tags else { return Vec::new() };
    let mut faults: Vec<Fault> = tags
        .iter()
        .filter_map(|(key, value)| {
            let path = format!("/tags/{}", meteoctl_engine::reference::escape(key));
            match () {
                () if key.is_empty() || key.chars().count() > 128 => Some(Fault::wrong(path, "a tag's key has 1 to 128 characters")),
                () if value.chars().count() > 256 => Some(Fault::wrong(path, "a tag's value has at most 256 characters")),
                () if key.to_ascii_lowercase().starts_with("aws:") => Some(Fault::wrong(path, "keys that begin with `aws:` belong to AWS")),
                () if key.starts_with("meteoctl:") => Some(Fault::wrong(path, "keys that begin with `meteoctl:` mark what is ours")),
                () => None,
            }
        })
        .collect();
    if tags.len() > 48 {
        faults.push(Fault::wrong("/tags", format!("{} tags, but AWS takes 50 and ownership needs 2 of them", tags.len())));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_aws_would_refuse_are_named() {
        let tags = Tags::from([("aws:x".into(), "1".into()), ("meteoctl:stack".into(), "p".into()), ("fine".into(), "x".into())]);
        let paths: Vec<String> = check(Some(&tags)).into_iter().map(|fault| fault.path).collect();
        assert_eq!(paths, ["/tags/aws:x", "/tags/meteoctl:stack"]);
    }
}
