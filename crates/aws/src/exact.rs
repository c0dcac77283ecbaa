//! Lists that are kept exactly: what a member of the wish leaves out must not be there either.
//!
//! The common comparison takes an undeclared field for "not managed". Within a lifecycle rule or a trust policy that
//! would let a setting hide: there, leaving a field out means that it is not set.

use meteoctl_engine::diff::{self, Diff, Field};
use serde::Serialize;
use serde_json::Value;

/// Adds the fields below `path` that are there although the wish leaves them out, and that no other difference covers.
pub fn surplus<T: Serialize>(diff: &mut Diff, path: &str, want: &Option<T>, seen: &Option<T>) {
    let (Some(want), Some(seen)) = (want, seen) else { return };
    let json = |side: &T| serde_json::to_value(side).unwrap_or(Value::Null);
    let found = diff::values(&json(seen), &json(want));
    let extra: Vec<Field> = found
        .fields
        .into_iter()
        .filter(|field| field.have.is_null() && !field.want.is_null())
        .map(|field| Field { path: format!("{path}{}", field.path), want: Value::Null, have: field.want })
        .filter(|field| !diff.fields.iter().any(|known| diff::covers(&known.path, &field.path)))
        .collect();
    diff.fields.extend(extra);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(want: Value, seen: Value) -> Vec<String> {
        let mut diff = Diff { fields: diff::values(&json!({"rules": want}), &json!({"rules": seen})).fields };
        surplus(&mut diff, "/rules", &Some(want), &Some(seen));
        diff.fields.into_iter().map(|field| field.path).collect()
    }

    #[test]
    fn a_hidden_setting_is_named_once() {
        let want = json!([{"id": "a", "days": 1, "abort": null}]);
        assert_eq!(paths(want.clone(), json!([{"id": "a", "days": 1, "abort": 7}])), ["/rules/a/abort"]);
        assert_eq!(paths(want.clone(), json!([{"id": "a", "days": 2, "abort": 7}])), ["/rules/a/days", "/rules/a/abort"]);
        assert_eq!(paths(want.clone(), json!([{"id": "a", "days": 1}, {"id": "b", "days": 3}])), ["/rules/b"]);
        assert!(paths(want.clone(), want).is_empty());
    }
}
