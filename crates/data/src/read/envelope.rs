//! JSON objects as lists of raw fields, and Airbyte's envelope around a payload.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::rejects::Reason;

/// The fields of one JSON object, in order, values as raw text. Of a repeated key the last one counts.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Parses an object; `None` when `text` is no JSON or no object.
    pub fn parse(text: &'a str) -> Option<Fields<'a>> {
        serde_json::from_str(text).ok()
    }

    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Key(key), value)) = map.next_entry()? {
                    fields.push((key, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor).map(Fields)
    }
}

/// A key that is borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(key))
            }

            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(key.to_owned()))
            }
        }
        deserializer.deserialize_str(KeyVisitor).map(Key)
    }
}

/// What stands in a raw value.
#[derive(Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// null, or nothing left after trimming.
    Missing,
    /// Trimmed text.
    Text(Cow<'a, str>),
    /// A JSON number, as written.
    Number(&'a str),
    /// A boolean, list or object.
    Other,
}

impl<'a> Cell<'a> {
    pub fn of(value: &'a RawValue) -> Cell<'a> {
        let raw = value.get();
        match raw.as_bytes().first() {
            Some(b'n') => Cell::Missing,
            Some(b'"') => match string(raw) {
                Some(text) if text.trim().is_empty() => Cell::Missing,
                Some(Cow::Borrowed(text)) => Cell::Text(Cow::Borrowed(text.trim())),
                Some(Cow::Owned(text)) => Cell::Text(Cow::Owned(text.trim().to_owned())),
                None => Cell::Other,
            },
            Some(b'-' | b'0'..=b'9') => Cell::Number(raw),
            _ => Cell::Other,
        }
    }
}

/// The content of a JSON string; `None` for other values.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The object behind a value: the value itself, or what its string holds (some connectors nest JSON as text).
pub(super) fn object_text(value: &RawValue) -> Cow<'_, str> {
    string(value.get()).unwrap_or(Cow::Borrowed(value.get()))
}

/// Raw text shown in a reject: a string's content, anything else as written.
pub(super) fn shown(value: &RawValue) -> Cow<'_, str> {
    string(value.get()).unwrap_or(Cow::Borrowed(value.get()))
}

/// The payload of a record: under `_airbyte_data` in both generations of the envelope, or the record itself.
pub(super) fn payload<'a>(record: &Fields<'a>) -> Result<Option<Cow<'a, str>>, Reason> {
    match record.get("_airbyte_data") {
        Some(value) if value.get() == "null" => Err(Reason::MissingData),
        Some(value) => Ok(Some(object_text(value))),
        None if record.0.is_empty() || record.0.iter().any(|(key, _)| key.starts_with("_airbyte_")) => Err(Reason::MissingData),
        None => Ok(None),
    }
}

/// Excel sheet and row that collect noted in the envelope.
pub(super) fn sheet_and_row(record: &Fields<'_>) -> Option<(String, u64)> {
    let meta = Fields::parse(record.get("_airbyte_meta")?.get())?;
    Some((string(meta.get("sheet")?.get())?.into_owned(), meta.get("row")?.get().parse().ok()?))
}
