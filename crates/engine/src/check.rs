//! Everything that can be said of the documents without looking at any service.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::Value;

use crate::document::{Diagnostic, Document};
use crate::graph::{Graph, STACK};
use crate::kind::{AnyKind, Exception, Fault};
use crate::reference::{Id, references};
use crate::registry::{Registry, nearest};

/// Most faults told of one spec.
const MOST_FAULTS: usize = 20;

/// All faults of all documents.
pub fn check(documents: &[Document], registry: &Registry, today: NaiveDate) -> Vec<Diagnostic> {
    let mut faults = identities(documents);
    for document in documents {
        match registry.get(&document.id.kind) {
            Some(kind) => faults.extend(spec_faults(document, kind.as_ref(), today)),
            None => faults.push(unknown_kind(document, registry)),
        }
        faults.extend(dangling(document, documents));
        faults.extend(leaves(document));
    }
    if faults.is_empty() {
        faults.extend(cycle(documents));
    }
    faults
}

fn identities(documents: &[Document]) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let mut seen: BTreeMap<&Id, &Document> = BTreeMap::new();
    for document in documents {
        if let Some(first) = seen.insert(&document.id, document) {
            faults.push(
                Diagnostic::at(document.locate_in_whole("/metadata/name"), format!("{} is declared twice", document.id))
                    .hint(format!("the first is at {}", first.place)),
            );
        }
    }
    let mut stacks = documents.iter().filter(|document| document.id.kind == STACK);
    match (stacks.next(), stacks.next()) {
        (None, _) if !documents.is_empty() => {
            faults.push(
                Diagnostic::general("there is no Stack document")
                    .hint("add `kind: Stack` with a name: it says whose tags mark what is yours"),
            );
        }
        (Some(_), Some(second)) => faults.push(
            Diagnostic::at(second.place.clone(), "a run has one Stack only").hint("give the other stack's folder to a run of its own"),
        ),
        _ => {}
    }
    faults
}

/// Leave to differ or to break a rule needs a reason; a field is named by a pointer, or it would silently match nothing.
fn leaves(document: &Document) -> Vec<Diagnostic> {
    let reasons = |list: &str, reasons: Vec<&String>| -> Vec<Diagnostic> {
        let blank = reasons.into_iter().enumerate().filter(|(_, reason)| reason.trim().is_empty());
        let place = |index| document.locate_in_whole(&format!("/metadata/{list}/{index}/reason"));
        blank.map(|(index, _)| Diagnostic::at(place(index), "a reason is missing").hint("say why it is right here")).collect()
    };
    let meta = &document.meta;
    let mut faults = reasons("exceptions", meta.exceptions.iter().map(|exception| &exception.reason).collect());
    faults.extend(reasons("ignore", meta.ignore.iter().map(|rule| &rule.reason).collect()));
    let pointless = meta.ignore.iter().enumerate().filter(|(_, rule)| !rule.field.starts_with('/'));
    faults.extend(pointless.map(|(index, rule)| {
        let place = document.locate_in_whole(&format!("/metadata/ignore/{index}/field"));
        Diagnostic::at(place, format!("`{}` names no field", rule.field)).hint(format!("write it as plan shows it: /{}", rule.field))
    }));
    faults
}

fn unknown_kind(document: &Document, registry: &Registry) -> Diagnostic {
    let fault = Diagnostic::at(document.locate_in_whole("/kind"), format!("there is no kind `{}`", document.id.kind));
    match nearest(&document.id.kind, registry.names()) {
        Some(name) => fault.hint(format!("did you mean `{name}`?")),
        None => fault.hint(format!("the kinds are {}", registry.names().join(", "))),
    }
}

fn dangling(document: &Document, documents: &[Document]) -> Vec<Diagnostic> {
    let exists = |id: &Id| documents.iter().any(|other| other.id == *id);
    let mut faults = Vec::new();
    for (pointer, target) in references(&document.spec) {
        match target.parse::<Id>() {
            Err(message) => faults.push(Diagnostic::at(document.locate(&format!("{pointer}/ref")), message)),
            Ok(id) if !exists(&id) => faults.push(missing(document.locate(&format!("{pointer}/ref")), &id, documents)),
            Ok(_) => {}
        }
    }
    for (index, id) in document.meta.after.iter().enumerate().filter(|(_, id)| !exists(id)) {
        faults.push(missing(document.locate_in_whole(&format!("/metadata/after/{index}")), id, documents));
    }
    faults
}

fn missing(place: crate::document::Place, id: &Id, documents: &[Document]) -> Diagnostic {
    let fault = Diagnostic::at(place, format!("refers to {id}, which no document declares"));
    let names: Vec<String> = documents.iter().map(|document| document.id.to_string()).collect();
    match nearest(&id.to_string(), names.iter().map(String::as_str)) {
        Some(name) => fault.hint(format!("did you mean `{name}`?")),
        None => fault.hint("add the document, or give its file with -f"),
    }
}

fn cycle(documents: &[Document]) -> Option<Diagnostic> {
    let path = Graph::new(documents).cycle()?;
    let names: Vec<String> = path.iter().filter_map(|index| documents.get(*index)).map(|document| document.id.to_string()).collect();
    let first = path.first().and_then(|index| documents.get(*index))?;
    Some(
        Diagnostic::at(first.place.clone(), format!("documents need each other in a circle: {} → {}", names.join(" → "), names.first()?))
            .hint("take one of these references out"),
    )
}

fn spec_faults(document: &Document, kind: &dyn AnyKind, today: NaiveDate) -> Vec<Diagnostic> {
    let faults = decoding_faults(document, kind);
    if !faults.is_empty() {
        return faults;
    }
    kind.check(&document.meta, &document.spec).into_iter().filter_map(|fault| judged(document, fault, today)).collect()
}

/// Decodes the spec again and again, each time without the field that was at fault, so that all faults are told at once.
fn decoding_faults(document: &Document, kind: &dyn AnyKind) -> Vec<Diagnostic> {
    let mut spec = document.spec.clone();
    let mut faults = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    while let Err(error) = kind.decode(&spec) {
        if let Some(field) = between(&error.message, "missing field `") {
            // A field that was taken out above is not missing.
            if !taken.iter().any(|path| path.rsplit('/').next() == Some(field)) {
                faults.push(Diagnostic::at(document.locate(&error.path), error.message));
            }
            break;
        }
        let path = match between(&error.message, "unknown field `") {
            // The path of an unknown field ends at the field or at the mapping around it, by serde's choice.
            Some(field) if !error.path.ends_with(&format!("/{}", crate::reference::escape(field))) => {
                let key = crate::reference::escape(field);
                faults.push(fault_of_unknown(document, &error.path, field, &error.message));
                format!("{}/{key}", error.path)
            }
            Some(field) => {
                let parent = error.path.rsplit_once('/').map_or("", |(parent, _)| parent);
                faults.push(fault_of_unknown(document, parent, field, &error.message));
                error.path.clone()
            }
            None => {
                faults.push(Diagnostic::at(document.locate(&error.path), error.message.clone()));
                error.path.clone()
            }
        };
        if path.is_empty() || faults.len() >= MOST_FAULTS || !take(&mut spec, &path) {
            break;
        }
        taken.push(path);
    }
    faults
}

fn fault_of_unknown(document: &Document, parent: &str, field: &str, message: &str) -> Diagnostic {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let fault = Diagnostic::at(document.locate_key(parent, field), what);
    let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match nearest(field, names.iter().copied()) {
        Some(name) => fault.hint(format!("did you mean `{name}`?")),
        None if names.is_empty() => fault,
        None => fault.hint(format!("the fields are {}", names.join(", "))),
    }
}

fn between<'t>(message: &'t str, opening: &str) -> Option<&'t str> {
    message.split_once(opening).and_then(|(_, rest)| rest.split_once('`')).map(|(word, _)| word)
}

/// Takes the value at a pointer out of its mapping or list; false when there is none.
fn take(spec: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    match spec.pointer_mut(parent) {
        Some(Value::Object(map)) => map.shift_remove(&last.replace("~1", "/").replace("~0", "~")).is_some(),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// A fault as told, unless the document carries an exception for its rule that still holds.
fn judged(document: &Document, fault: Fault, today: NaiveDate) -> Option<Diagnostic> {
    let of_rule = |exception: &&Exception| fault.rule == Some(exception.rule.as_str());
    let exception = document.meta.exceptions.iter().filter(of_rule).max_by_key(|exception| exception.expires);
    let hint = match (exception, fault.rule) {
        (Some(exception), _) if exception.expires >= today => return None,
        (Some(exception), _) => Some(format!("the exception for `{}` expired on {}", exception.rule, exception.expires)),
        (None, Some(rule)) => Some(format!(
            "{}if it must be, add metadata.exceptions: [{{rule: {rule}, reason: …, expires: YYYY-MM-DD}}]",
            fault.hint.map(|hint| format!("{hint}; ")).unwrap_or_default()
        )),
        (None, None) => fault.hint,
    };
    Some(Diagnostic { message: fault.message, place: Some(document.locate(&fault.path)), hint, rule: fault.rule })
}
