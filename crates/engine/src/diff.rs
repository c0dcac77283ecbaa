//! The difference between a wish and what is there, field by field.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reference::escape;

/// One field that is not as wished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// JSON pointer within the spec. Members of a list that carry a `name` or `id` appear by it.
    pub path: String,
    /// What is wished; null = should not be there.
    pub want: Value,
    /// What is there; null = is not there.
    pub have: Value,
}

/// All fields that are not as wished, in the order of the wish.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Diff {
    /// The fields.
    pub fields: Vec<Field>,
}

impl Diff {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether the field at `pointer`, or anything below it, differs.
    pub fn touches(&self, pointer: &str) -> bool {
        self.fields.iter().any(|field| covers(pointer, &field.path))
    }

    /// Adds a field.
    pub fn push(&mut self, path: impl Into<String>, want: impl Into<Value>, have: impl Into<Value>) {
        self.fields.push(Field { path: path.into(), want: want.into(), have: have.into() });
    }

    /// The paths that differ, without repeats.
    pub fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.fields.iter().map(|field| field.path.as_str()).collect();
        paths.dedup();
        paths
    }
}

/// Whether `path` is `pointer` or lies below it.
pub fn covers(pointer: &str, path: &str) -> bool {
    path.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Compares two specs. Only what the wish declares is compared: null or absent means "not managed".
///
/// Both sides must have gone through the kind's `canonical` first.
pub fn fields<S: Serialize>(want: &S, seen: &S) -> Diff {
    let want = serde_json::to_value(want).unwrap_or(Value::Null);
    let seen = serde_json::to_value(seen).unwrap_or(Value::Null);
    values(&want, &seen)
}

/// Compares two specs given as JSON; see [`fields`].
pub fn values(want: &Value, seen: &Value) -> Diff {
    let mut diff = Diff::default();
    compare(&mut String::new(), want, seen, &mut diff);
    diff
}

fn compare(path: &mut String, want: &Value, seen: &Value, diff: &mut Diff) {
    match (want, seen) {
        (Value::Null, _) => {}
        (Value::Object(wanted), Value::Object(found)) if !wanted.contains_key("ref") => {
            for (key, inner) in wanted {
                below(path, key, |path| compare(path, inner, found.get(key).unwrap_or(&Value::Null), diff));
            }
        }
        // The same reference is the same wish, however much was known of its document when each side was read.
        (Value::Object(wanted), Value::Object(found)) if ["ref", "key"].iter().all(|part| wanted.get(*part) == found.get(*part)) => {}
        (Value::Array(wanted), Value::Array(found)) => compare_lists(path, wanted, found, diff),
        (want, seen) if same(want, seen) => {}
        (want, seen) => diff.push(path.clone(), without_nulls(want), without_nulls(seen)),
    }
}

/// Runs `f` with `key` added to `path`.
fn below(path: &mut String, key: &str, f: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&escape(key));
    f(path);
    path.truncate(length);
}

/// A list that means the same members in the same order is equal. Otherwise members are matched: those that are equal
/// drop out, those that share a `name` or `id` are compared field by field, the rest was added or removed. The same
/// members in another order differ as a whole: sets are sorted by `canonical` beforehand.
fn compare_lists(path: &mut String, wanted: &[Value], found: &[Value], diff: &mut Diff) {
    if wanted.len() == found.len() && wanted.iter().zip(found).all(|(a, b)| agrees(a, b)) {
        return;
    }
    let before = diff.fields.len();
    let mut left: Vec<&Value> = found.iter().collect();
    let mut unmatched = Vec::new();
    for want in wanted {
        match left.iter().position(|have| agrees(want, have)) {
            Some(index) => drop(left.remove(index)),
            None => unmatched.push(want),
        }
    }
    for want in unmatched {
        let partner = label(want).and_then(|name| left.iter().position(|have| label(have) == Some(name)));
        match (partner, label(want)) {
            (Some(index), Some(name)) => {
                let have = left.remove(index);
                below(path, name, |path| compare(path, want, have, diff));
            }
            (_, Some(name)) => below(path, name, |path| diff.push(path.clone(), without_nulls(want), Value::Null)),
            _ => diff.push(path.clone(), without_nulls(want), Value::Null),
        }
    }
    for have in left {
        match label(have) {
            Some(name) => below(path, name, |path| diff.push(path.clone(), Value::Null, without_nulls(have))),
            None => diff.push(path.clone(), Value::Null, without_nulls(have)),
        }
    }
    if diff.fields.len() == before {
        diff.push(path.clone(), Value::from(wanted.to_vec()), Value::from(found.to_vec()));
    }
}

fn agrees(want: &Value, seen: &Value) -> bool {
    let mut diff = Diff::default();
    compare(&mut String::new(), want, seen, &mut diff);
    diff.is_empty()
}

fn label(value: &Value) -> Option<&str> {
    ["name", "id"].iter().find_map(|key| value.get(key).and_then(Value::as_str))
}

/// Numbers are compared by value: 1 and 1.0 are the same wish.
fn same(want: &Value, seen: &Value) -> bool {
    match (want.as_f64(), seen.as_f64()) {
        (Some(a), Some(b)) if !(want.is_i64() && seen.is_i64() || want.is_u64() && seen.is_u64()) => a == b,
        _ => want == seen,
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, inner)| !inner.is_null() && *key != "outputs")
                .map(|(key, inner)| (key.clone(), without_nulls(inner)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn paths(want: Value, seen: Value) -> Vec<String> {
        values(&want, &seen).fields.into_iter().map(|field| field.path).collect()
    }

    #[test]
    fn what_is_not_declared_is_not_managed() {
        assert!(paths(json!({"a": null, "b": {"c": 1}}), json!({"a": 5, "b": {"c": 1, "d": 2}, "e": 3})).is_empty());
    }

    #[test]
    fn a_reference_is_the_same_whatever_is_known_of_its_document() {
        let known = json!({"ref": "Bucket/b", "outputs": {"name": "b"}});
        assert!(paths(json!({"to": known, "all": [known]}), json!({"to": {"ref": "Bucket/b"}, "all": [{"ref": "Bucket/b"}]})).is_empty());
        assert_eq!(paths(json!({"to": known}), json!({"to": {"ref": "Bucket/c", "outputs": {"name": "b"}}})), ["/to"]);
        assert_eq!(paths(json!({"to": {"ref": "Secret/s", "key": "a"}}), json!({"to": {"ref": "Secret/s", "key": "b"}})), ["/to"]);
    }

    #[test]
    fn each_field_is_named_alone() {
        let want = json!({"versioning": "Enabled", "tags": {"a": "1", "b/c": "2"}});
        let seen = json!({"versioning": "Suspended", "tags": {"a": "1", "b/c": "3"}});
        assert_eq!(paths(want, seen), ["/versioning", "/tags/b~1c"]);
    }

    #[test]
    fn members_of_a_list_go_by_name_or_id() {
        let want = json!({"rules": [{"id": "a", "days": 1}, {"id": "b", "days": 2}]});
        let seen = json!({"rules": [{"id": "b", "days": 3}, {"id": "z", "days": 9}]});
        assert_eq!(paths(want, seen), ["/rules/a", "/rules/b/days", "/rules/z"]);
    }

    #[test]
    fn nameless_members_are_added_or_removed() {
        let diff = values(&json!({"ports": [1, 2]}), &json!({"ports": [2, 3]}));
        assert_eq!(
            diff.fields,
            [
                Field { path: "/ports".into(), want: json!(1), have: Value::Null },
                Field { path: "/ports".into(), want: Value::Null, have: json!(3) },
            ]
        );
    }

    #[test]
    fn empty_is_a_wish() {
        assert_eq!(paths(json!({"ingress": []}), json!({"ingress": [{"port": 22}]})), ["/ingress"]);
    }

    #[test]
    fn another_order_is_a_difference_of_the_whole_list() {
        assert_eq!(paths(json!({"a": [1, 2]}), json!({"a": [2, 1]})), ["/a"]);
    }

    #[test]
    fn touches_goes_by_whole_segments() {
        let mut diff = Diff::default();
        diff.push("/lifecycle/backups/days", 1, 2);
        assert!(diff.touches("/lifecycle"));
        assert!(!diff.touches("/life"));
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-5i64..5).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_wish_fulfilled_has_no_difference(value in json_value()) {
            prop_assert!(values(&value, &value).is_empty());
        }

        #[test]
        fn a_difference_is_never_silent(want in json_value(), seen in json_value()) {
            // Whenever the wish without its unmanaged parts is not contained in what is there, some field is named.
            let diff = values(&want, &seen);
            if diff.is_empty() {
                prop_assert!(contained(&want, &seen), "{want} vs {seen}");
            }
        }
    }

    fn contained(want: &Value, seen: &Value) -> bool {
        match (want, seen) {
            (Value::Null, _) => true,
            (Value::Object(a), Value::Object(b)) => a.iter().all(|(key, inner)| contained(inner, b.get(key).unwrap_or(&Value::Null))),
            (Value::Object(a), Value::Null) => a.values().all(|inner| contained(inner, &Value::Null)),
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| contained(x, y)),
            (a, b) => a == b,
        }
    }
}
