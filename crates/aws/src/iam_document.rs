//! IAM policy documents as parsed JSON: one spelling for what people write and what AWS gives back.
//!
//! Statements are written in AWS's own grammar (`Effect`, `Action`, `Resource`, …); a value within them may be a
//! reference (`Resource: {ref: Secret/p8/mongodb}`), which stands for the output named by its `key`, `arn` without one.

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::Fault;
use meteoctl_engine::reference::Link;
use serde_json::{Map, Value, json};

/// The policy language version of 2012-10-17, the only current one.
pub const VERSION: &str = "2012-10-17";

/// Elements whose value is one string or a list of them, where order means nothing.
const SETS: [&str; 4] = ["Action", "NotAction", "Resource", "NotResource"];

/// Elements of a statement in the order AWS documents them.
const ELEMENTS: [&str; 9] = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// A document around statements.
pub fn document(statements: &[Value]) -> Value {
    json!({"Version": VERSION, "Statement": statements})
}

/// The statements of a document as AWS returns it (JSON text, in IAM's answers URL-encoded).
///
/// # Errors
/// Rejected when it is not JSON.
pub fn statements(doing: &str, text: &str) -> Outcome<Vec<Value>> {
    let plain = if text.trim_start().starts_with('{') { text.to_owned() } else { percent_decoded(text) };
    let parsed: Value = serde_json::from_str(&plain).map_err(|error| Failure::rejected(doing).because(error))?;
    Ok(of_document(&parsed))
}

/// The statements of a parsed document; a single one may stand without its list.
pub fn of_document(document: &Value) -> Vec<Value> {
    match document.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(statement @ Value::Object(_)) => vec![statement.clone()],
        _ => Vec::new(),
    }
}

/// Statements with every reference replaced by what it stands for.
///
/// # Errors
/// `Pending` while a referred document has not told its output.
pub fn resolved(statements: &[Value]) -> Outcome<Vec<Value>> {
    statements.iter().map(resolve).collect()
}

fn resolve(value: &Value) -> Outcome<Value> {
    match value {
        Value::Object(map) => match link(map) {
            Some(link) => Ok(Value::String(link.output(link.key().unwrap_or("arn"))?)),
            None => map.iter().map(|(key, inner)| Ok((key.clone(), resolve(inner)?))).collect::<Outcome<Map<_, _>>>().map(Value::Object),
        },
        Value::Array(items) => items.iter().map(resolve).collect::<Outcome<Vec<_>>>().map(Value::Array),
        other => Ok(other.clone()),
    }
}

fn link(map: &Map<String, Value>) -> Option<Link> {
    map.contains_key("ref").then(|| serde_json::from_value(Value::Object(map.clone())).ok())?
}

/// One spelling: known references are literals, sets are sorted lists, accounts are bare ids, statements are sorted.
pub fn canonical(statements: &mut [Value]) {
    for statement in statements.iter_mut() {
        *statement = canonical_statement(statement);
    }
    statements.sort_by_cached_key(Value::to_string);
}

fn canonical_statement(statement: &Value) -> Value {
    let Value::Object(map) = settled(statement) else { return statement.clone() };
    let mut tidy = Map::new();
    for name in ELEMENTS {
        let Some(value) = map.get(name).filter(|value| !value.is_null() && *value != &json!("")) else { continue };
        let value = match name {
            _ if SETS.contains(&name) => set(value, str::to_owned),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => condition(value),
            _ => value.clone(),
        };
        tidy.insert(name.to_owned(), value);
    }
    // What we do not know stays, so that it can differ.
    tidy.extend(map.into_iter().filter(|(name, _)| !ELEMENTS.contains(&name.as_str())));
    Value::Object(tidy)
}

/// Known references as literals; unknown ones stay.
fn settled(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("ref") => resolve(value).unwrap_or_else(|_| value.clone()),
        Value::Object(map) => Value::Object(map.iter().map(|(key, inner)| (key.clone(), settled(inner))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(settled).collect()),
        other => other.clone(),
    }
}

fn set(value: &Value, spell: impl Fn(&str) -> String) -> Value {
    let word = |item: &Value| match item {
        Value::String(text) => Value::String(spell(text)),
        Value::Bool(flag) => Value::String(flag.to_string()),
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    };
    let mut items: Vec<Value> = match value {
        Value::Array(items) => items.iter().map(word).collect(),
        single => vec![word(single)],
    };
    items.sort_by_cached_key(Value::to_string);
    items.dedup();
    Value::Array(items)
}

/// `"*"` is `{"AWS": "*"}`, and AWS spells an account id as the ARN of its root user.
fn principal(value: &Value) -> Value {
    match value {
        Value::String(_) => json!({"AWS": set(value, account_id)}),
        Value::Object(map) => {
            let mut sorted: Vec<(&String, &Value)> = map.iter().collect();
            sorted.sort_by_key(|(key, _)| key.as_str());
            Value::Object(sorted.into_iter().map(|(key, inner)| (key.clone(), set(inner, account_id))).collect())
        }
        other => other.clone(),
    }
}

fn account_id(principal: &str) -> String {
    match (principal.strip_prefix("arn:"), principal.strip_suffix(":root")) {
        (Some(_), Some(_)) => crate::arn::account(principal).unwrap_or(principal).to_owned(),
        _ => principal.to_owned(),
    }
}

fn condition(value: &Value) -> Value {
    let sorted = |map: &Map<String, Value>, spell: &dyn Fn(&Value) -> Value| {
        let mut entries: Vec<(String, Value)> = map.iter().map(|(key, inner)| (key.clone(), spell(inner))).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Value::Object(entries.into_iter().collect())
    };
    match value {
        Value::Object(map) => sorted(map, &|operator| match operator {
            Value::Object(keys) => sorted(keys, &|values| set(values, str::to_owned)),
            other => other.clone(),
        }),
        other => other.clone(),
    }
}

/// Faults of statements as written, at `path`.
pub fn check(path: &str, statements: &[Value]) -> Vec<Fault> {
    statements.iter().enumerate().flat_map(|(index, statement)| check_statement(&format!("{path}/{index}"), statement)).collect()
}

fn check_statement(path: &str, statement: &Value) -> Vec<Fault> {
    let Value::Object(map) = statement else { return vec![Fault::wrong(path, "a statement must be a mapping")] };
    let mut faults: Vec<Fault> = map
        .keys()
        .filter(|key| !ELEMENTS.contains(&key.as_str()))
        .map(|key| {
            Fault::wrong(format!("{path}/{}", meteoctl_engine::reference::escape(key)), format!("a statement has no element `{key}`"))
                .hint(format!("elements are {}", ELEMENTS.join(", ")))
        })
        .collect();
    if !matches!(map.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        faults.push(Fault::wrong(path, "a statement needs `Effect: Allow` or `Effect: Deny`"));
    }
    if !map.contains_key("Action") && !map.contains_key("NotAction") {
        faults.push(Fault::wrong(path, "a statement needs `Action` (or `NotAction`)"));
    }
    faults
}

/// Whether a statement lets anybody in without a condition.
pub fn is_public(statement: &Value) -> bool {
    let open = |principal: &Value| match principal {
        Value::String(text) => text == "*",
        Value::Object(map) => map.values().any(|who| who == "*" || who.as_array().is_some_and(|list| list.contains(&json!("*")))),
        _ => false,
    };
    statement.get("Effect") == Some(&json!("Allow"))
        && statement.get("Principal").is_some_and(open)
        && statement.get("Condition").is_none_or(|condition| condition.as_object().is_none_or(Map::is_empty))
}

/// `%7B` → `{`; a `%` that starts no valid pair stays as it is. IAM encodes documents after RFC 3986 (no `+` for blanks).
fn percent_decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = (digit(tail.first()), digit(tail.get(1)));
        match (first, pair) {
            (b'%', (Some(high), Some(low))) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidy(statement: Value) -> Value {
        let mut list = vec![statement];
        canonical(&mut list);
        list.remove(0)
    }

    #[test]
    fn spellings_of_the_same_statement_are_equal() {
        let written = json!({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": ["s3:Put*", "s3:Get*"], "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": true}}});
        let returned = json!({"Sid": "", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:root"]},
            "Action": ["s3:Get*", "s3:Put*"], "Resource": ["*"], "Condition": {"Bool": {"aws:SecureTransport": ["true"]}}});
        assert_eq!(tidy(written), tidy(returned));
    }

    #[test]
    fn another_resource_is_another_statement() {
        let of = |resource: &str| tidy(json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": resource}));
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn references_become_the_output_they_name() {
        let statement = json!({"Effect": "Allow", "Action": "s3:GetObject",
            "Resource": {"ref": "Bucket/b", "key": "objectsArn", "outputs": {"arn": "arn:b", "objectsArn": "arn:b/*"}}});
        assert_eq!(tidy(statement)["Resource"], json!(["arn:b/*"]));
        let unknown = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"ref": "Bucket/b"}});
        assert_eq!(resolved(&[unknown]).expect_err("unknown").class, meteoctl_engine::failure::Class::Pending);
    }

    #[test]
    fn documents_of_iam_are_url_encoded() {
        let text = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%7D%7D";
        assert_eq!(statements("read", text).expect("statements"), [json!({"Effect": "Allow"})]);
        assert_eq!(percent_decoded("100% %zz %"), "100% %zz %");
    }

    #[test]
    fn a_statement_as_written_is_checked() {
        let faults =
            check("/policy/statements", &[json!({"Effect": "allow", "Actions": "s3:*"}), json!({"Effect": "Allow", "Action": "s3:*"})]);
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["/policy/statements/0/Actions", "/policy/statements/0", "/policy/statements/0"]);
    }

    #[test]
    fn public_is_anybody_without_a_condition() {
        assert!(is_public(&json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"})));
        assert!(is_public(&json!({"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "s3:GetObject", "Condition": {}})));
        assert!(!is_public(&json!({"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"})));
        assert!(!is_public(&json!({"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "v"}}})));
    }
}
