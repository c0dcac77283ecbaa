//! References between documents: `{ref: Kind/name}`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};

/// What a kind tells the documents that refer to it: `arn`, `id`, `endpoint`, …
pub type Outputs = Map<String, Value>;

/// `Kind/name`: the identity of a document within a run. The name may itself hold slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// The word after `kind:`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
}

impl Id {
    /// An id from its two halves.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Id { kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Id::new(kind, name)),
            _ => Err(format!("`{text}` is not a reference: write Kind/name, for example Bucket/p8-meteo")),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A field that names another document, or gives the value itself.
///
/// In YAML: `{ref: Role/p8-task-execution}`, with `key` where the referred thing has parts
/// (`{ref: Secret/p8/mongodb, key: password}`), or a plain string for a thing meteoctl does not manage.
/// Before a kind sees it, the engine adds the `outputs` of the referred document.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(schema_with = "link_schema")]
pub enum Link {
    /// The value itself.
    Literal(String),
    /// Another document.
    Ref {
        /// The document.
        target: Id,
        /// Which part of it.
        key: Option<String>,
        /// What it told, once known.
        outputs: Option<Outputs>,
    },
}

fn link_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "Another document as {ref: Kind/name}, or the value itself",
        "anyOf": [
            {"type": "string"},
            {"type": "object", "required": ["ref"], "additionalProperties": false,
             "properties": {"ref": {"type": "string", "pattern": "^[A-Za-z]+/.+"}, "key": {"type": "string"}}}
        ]
    })
}

impl Link {
    /// A value given outright; what `canonical` turns resolved references into.
    pub fn literal(value: impl Into<String>) -> Self {
        Link::Literal(value.into())
    }

    /// The referred document, if it is a reference.
    pub fn target(&self) -> Option<&Id> {
        match self {
            Link::Literal(_) => None,
            Link::Ref { target, .. } => Some(target),
        }
    }

    /// The part asked for, if any.
    pub fn key(&self) -> Option<&str> {
        match self {
            Link::Literal(_) => None,
            Link::Ref { key, .. } => key.as_deref(),
        }
    }

    /// The literal value, or the output of that name as text.
    ///
    /// Fails with class `Pending` while the referred document has not told it yet.
    pub fn output(&self, name: &str) -> Outcome<String> {
        match self {
            Link::Literal(value) => Ok(value.clone()),
            Link::Ref { target, outputs, .. } => match outputs.as_ref().and_then(|outputs| outputs.get(name)) {
                Some(Value::String(text)) => Ok(text.clone()),
                Some(Value::Null) | None => Err(Failure::pending(target)),
                Some(other) => Ok(other.to_string()),
            },
        }
    }

    /// The output of that name as JSON (a literal is a JSON string).
    pub fn value(&self, name: &str) -> Outcome<Value> {
        match self {
            Link::Literal(value) => Ok(Value::String(value.clone())),
            Link::Ref { target, outputs, .. } => match outputs.as_ref().and_then(|outputs| outputs.get(name)) {
                Some(Value::Null) | None => Err(Failure::pending(target)),
                Some(value) => Ok(value.clone()),
            },
        }
    }

    /// Turns the reference into the literal output, when it is known; leaves it as it is otherwise.
    pub fn settle(&mut self, name: &str) {
        if let Ok(value) = self.output(name) {
            *self = Link::Literal(value);
        }
    }
}

impl Serialize for Link {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            Link::Literal(value) => serializer.serialize_str(value),
            Link::Ref { target, key, outputs } => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("ref", target)?;
                if let Some(key) = key {
                    map.serialize_entry("key", key)?;
                }
                if let Some(outputs) = outputs {
                    map.serialize_entry("outputs", outputs)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Link::Literal(text)),
            Value::Object(map) => link_of_map(map).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("expected {{ref: Kind/name}} or a string, found {other}"))),
        }
    }
}

fn link_of_map(mut map: Map<String, Value>) -> Result<Link, String> {
    let target = match map.remove("ref") {
        Some(Value::String(text)) => text.parse()?,
        _ => return Err("expected {ref: Kind/name}: `ref` is missing".to_owned()),
    };
    let key = match map.remove("key") {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(key),
        Some(other) => return Err(format!("`key` must be a string, found {other}")),
    };
    let outputs = match map.remove("outputs") {
        Some(Value::Object(outputs)) => Some(outputs),
        _ => None,
    };
    match map.keys().next() {
        Some(extra) => Err(format!("unknown field `{extra}` in a reference, expected `ref` and `key`")),
        None => Ok(Link::Ref { target, key, outputs }),
    }
}

/// All references within a spec: JSON pointer of the referring object and the target as written.
pub fn references(spec: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(spec, &mut String::new(), &mut found);
    found
}

fn collect(value: &Value, pointer: &mut String, found: &mut Vec<(String, String)>) {
    let length = pointer.len();
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get("ref") {
                found.push((pointer.clone(), target.clone()));
                return;
            }
            for (key, inner) in map {
                pointer.push('/');
                pointer.push_str(&escape(key));
                collect(inner, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                collect(inner, pointer, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

/// A key as a JSON pointer segment (RFC 6901).
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Puts the outputs of the referred documents into every reference of a spec.
pub fn resolve(spec: &mut Value, outputs: &impl Fn(&Id) -> Option<Outputs>) {
    match spec {
        Value::Object(map) => {
            let target = match map.get("ref") {
                Some(Value::String(text)) => text.parse::<Id>().ok(),
                _ => None,
            };
            match target {
                Some(target) => {
                    // What was known before stays known: a removal looks at everything first.
                    match (outputs(&target), map.get_mut("outputs").and_then(Value::as_object_mut)) {
                        (Some(found), Some(known)) => known.extend(found),
                        (Some(found), None) => drop(map.insert("outputs".to_owned(), Value::Object(found))),
                        (None, _) => {}
                    }
                }
                None => map.values_mut().for_each(|inner| resolve(inner, outputs)),
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| resolve(inner, outputs)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_may_hold_slashes() {
        let id: Id = "LogGroup//ecs/mongodb".parse().expect("an id");
        assert_eq!((id.kind.as_str(), id.name.as_str()), ("LogGroup", "/ecs/mongodb"));
        assert_eq!(id.to_string(), "LogGroup//ecs/mongodb");
        assert!("Bucket".parse::<Id>().is_err());
    }

    #[test]
    fn references_are_found_and_resolved() {
        let mut spec = json!({"a": {"ref": "Role/r"}, "list": [{"ref": "Secret/s", "key": "password"}, "plain"]});
        assert_eq!(references(&spec), [("/a".to_owned(), "Role/r".to_owned()), ("/list/0".to_owned(), "Secret/s".to_owned())]);
        let known = |id: &Id| (id.kind == "Role").then(|| Outputs::from_iter([("arn".to_owned(), json!("arn:r"))]));
        resolve(&mut spec, &known);
        let role: Link = serde_json::from_value(spec["a"].clone()).expect("a link");
        assert_eq!(role.output("arn").expect("known"), "arn:r");
        let secret: Link = serde_json::from_value(spec["list"][0].clone()).expect("a link");
        assert_eq!(secret.key(), Some("password"));
        assert_eq!(secret.output("arn").expect_err("not known").class, crate::failure::Class::Pending);
    }
}
