//! Fields outside the contract: kept, named and counted, never dropped silently.

use serde_json::Value;

use super::envelope::Fields;
use crate::json;

/// The unknown fields of one row.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Their names, in order.
    pub names: Vec<String>,
    /// One canonical JSON object of them; `None` when there are none.
    pub text: Option<Box<str>>,
}

/// Gathers what `known` does not know and what is not null.
pub(super) fn gather(fields: &Fields<'_>, known: impl Fn(&str) -> bool) -> Extra {
    let mut kept = serde_json::Map::new();
    for (key, value) in fields.0.iter().filter(|(key, value)| value.get() != "null" && !known(key)) {
        // The value was parsed once already; text that still cannot be read is kept as text.
        let value = serde_json::from_str(value.get()).unwrap_or_else(|_| Value::from(value.get()));
        kept.insert(key.clone().into_owned(), value);
    }
    if kept.is_empty() {
        return Extra::default();
    }
    let names = kept.keys().cloned().collect();
    let mut text = String::new();
    json::write(&Value::Object(kept), &mut text);
    Extra { names, text: Some(text.into()) }
}
