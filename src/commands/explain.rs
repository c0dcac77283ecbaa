//! `explain`: what a kind is, and what its fields mean.

use std::fmt::Write as _;

use clap::Args;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::registry::{Registry, nearest};
use serde_json::{Map, Value, json};

use super::{DONE, Desk, usage};
use crate::app;

/// What explain takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A kind, or a field of it: Bucket, Bucket.lifecycle, Bucket.lifecycle.prefix; all kinds when left out
    #[arg(value_name = "KIND[.FIELD]")]
    path: Option<String>,
}

/// Explains a kind or a field.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let registry = app::offline_registry().await;
    let Some(path) = &arguments.path else {
        let kinds: Map<String, Value> = registry.iter().map(|kind| (kind.name().to_owned(), kind.about().into())).collect();
        desk.view.result(&kinds, || registry.iter().map(|kind| format!("{:<16} {}\n", kind.name(), kind.about())).collect());
        return Ok(DONE);
    };
    let mut words = path.split('.').filter(|word| *word != "spec");
    let name = words.next().unwrap_or_default();
    let kind = find(&registry, name)?;
    let whole = kind.schema();
    let mut at = &whole;
    let mut about = kind.about().to_owned();
    for word in words {
        let fields = fields(at, &whole);
        let Some(field) = fields.iter().find(|(name, _)| **name == word) else {
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            let hint = match nearest(word, names.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None if names.is_empty() => "it has no fields of its own".to_owned(),
                None => format!("the fields are {}", names.join(", ")),
            };
            return Err(usage(format!("explain {path}"), format!("there is no field `{word}`"), hint));
        };
        at = field.1;
        about = description(at, &whole);
    }
    desk.view.result(&json!({"path": path, "about": about, "type": type_of(at, &whole), "schema": at}), || text(path, &about, at, &whole));
    Ok(DONE)
}

fn find<'r>(registry: &'r Registry, name: &str) -> Outcome<&'r std::sync::Arc<dyn meteoctl_engine::kind::AnyKind>> {
    registry.iter().find(|kind| kind.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
        let hint = match nearest(name, registry.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the kinds are {}", registry.names().join(", ")),
        };
        usage(format!("explain {name}"), "there is no such kind", hint)
    })
}

fn text(path: &str, about: &str, at: &Value, whole: &Value) -> String {
    let mut text = format!("{path} <{}>\n\n{about}\n", type_of(at, whole));
    let fields = fields(at, whole);
    if !fields.is_empty() {
        text.push_str("\nFields:\n");
    }
    let required = required(at, whole);
    for (name, schema) in fields {
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        let _ =
            writeln!(text, "  {name} <{}{must}>\n      {}", type_of(schema, whole), description(schema, whole).replace('\n', "\n      "));
    }
    text
}

/// The schema that says something: references followed, "or null" and lists looked through.
fn inner<'s>(schema: &'s Value, whole: &'s Value) -> &'s Value {
    let mut at = schema;
    // The depth is bounded: a schema that refers to itself must not hold us here.
    for _ in 0..8 {
        let of = |key: &str| at.get(key).and_then(Value::as_array);
        let choice = of("anyOf").or(of("oneOf")).or(of("allOf")).and_then(|all| {
            let mut real = all.iter().filter(|one| one.get("type").and_then(Value::as_str) != Some("null"));
            real.next().filter(|_| real.next().is_none())
        });
        let target = at.get("$ref").and_then(Value::as_str).and_then(|target| whole.pointer(target.strip_prefix('#')?));
        match target.or(choice).or(at.get("items").filter(|items| items.is_object())) {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

fn fields<'s>(schema: &'s Value, whole: &'s Value) -> Vec<(&'s String, &'s Value)> {
    inner(schema, whole).get("properties").and_then(Value::as_object).into_iter().flatten().collect()
}

fn required<'s>(schema: &'s Value, whole: &'s Value) -> Vec<&'s str> {
    inner(schema, whole).get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn description(schema: &Value, whole: &Value) -> String {
    let own = schema.get("description").or_else(|| inner(schema, whole).get("description"));
    own.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn type_of(schema: &Value, whole: &Value) -> String {
    let at = inner(schema, whole);
    let list = schema.get("items").is_some() || schema.get("type").is_some_and(|kind| kind.to_string().contains("array"));
    let word = match (at.get("enum").and_then(Value::as_array), at.get("type")) {
        (Some(values), _) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | "),
        (None, Some(Value::String(word))) => word.clone(),
        (None, Some(Value::Array(words))) => {
            words.iter().filter_map(Value::as_str).filter(|word| *word != "null").collect::<Vec<_>>().join(" | ")
        }
        _ => choices(at, whole),
    };
    if list && word != "array" { format!("list of {word}") } else { word }
}

/// The words of several choices: constants, or their types.
fn choices(at: &Value, whole: &Value) -> String {
    let all = ["oneOf", "anyOf"].iter().find_map(|key| at.get(key).and_then(Value::as_array));
    let word = |one: &Value| match one.get("const").and_then(Value::as_str) {
        Some(constant) => constant.to_owned(),
        None => inner(one, whole).get("type").and_then(Value::as_str).unwrap_or("object").to_owned(),
    };
    let mut words: Vec<String> = all.into_iter().flatten().map(word).filter(|word| word != "null").collect();
    words.dedup();
    if words.is_empty() { "any".to_owned() } else { words.join(" | ") }
}
