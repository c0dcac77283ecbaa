//! `schema`: JSON Schema of all documents, for editors.

use meteoctl_engine::document::API_VERSION;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::Meta;
use meteoctl_engine::registry::Registry;
use serde_json::{Map, Value, json};

use super::{DONE, Desk};
use crate::app;

/// Shows the schema.
pub async fn run(desk: &Desk<'_>) -> Outcome<u8> {
    let schema = whole(&app::offline_registry().await);
    desk.view.result(&schema, || format!("{schema:#}\n"));
    Ok(DONE)
}

/// One schema for all kinds: which spec is asked for follows from `kind`.
fn whole(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    definitions.insert("metadata".to_owned(), moved(schemars::schema_for!(Meta).into(), "metadata"));
    let mut documents = Vec::new();
    for kind in registry.iter() {
        definitions.insert(kind.name().to_owned(), moved(kind.schema(), kind.name()));
        documents.push(json!({
            "if": {"properties": {"kind": {"const": kind.name()}}, "required": ["kind"]},
            "then": {"properties": {"spec": {"$ref": format!("#/$defs/{}", kind.name())}}},
        }));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Documents of {API_VERSION}"),
        "type": "object",
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"enum": registry.names()},
            "metadata": {"$ref": "#/$defs/metadata"},
            "spec": {"type": "object"},
        },
        "required": ["kind", "metadata"],
        "additionalProperties": false,
        "allOf": documents,
        "$defs": definitions,
    })
}

/// A schema that is to stand below `$defs`: its own references are moved along.
fn moved(mut schema: Value, name: &str) -> Value {
    if let Some(map) = schema.as_object_mut() {
        map.shift_remove("$schema");
    }
    redirect(&mut schema, &format!("#/$defs/{name}/$defs/"));
    schema
}

fn redirect(schema: &mut Value, to: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref")
                && let Some(rest) = target.strip_prefix("#/$defs/")
            {
                *target = format!("{to}{rest}");
            }
            map.values_mut().for_each(|inner| redirect(inner, to));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| redirect(inner, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_a_kind_move_with_it() {
        let schema = json!({"$schema": "x", "properties": {"a": {"$ref": "#/$defs/Rule"}}, "$defs": {"Rule": {"type": "string"}}});
        let whole = json!({"$defs": {"Bucket": moved(schema, "Bucket")}});
        assert_eq!(whole["$defs"]["Bucket"]["properties"]["a"]["$ref"], "#/$defs/Bucket/$defs/Rule");
        assert!(whole.pointer("/$defs/Bucket/$defs/Rule").is_some());
    }
}
