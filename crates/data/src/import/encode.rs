//! From a line of the dataset file to BSON, the careful way: for any JSON object.
//!
//! Whole numbers become the smallest of int32, int64 that holds them, others doubles. The stored document
//! must read back to the very text it came from, or the digest of file and database could never agree.

use bson::{Bson, Document, RawDocumentBuf};

use crate::digest::{Canonical, TimestampType};
use crate::document;
use crate::mongo::DatabaseError;

/// Why a line of the dataset file cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Not JSON, or not an object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// A field the identity needs is not there or not text.
    #[error("`{0}` is missing or not a text")]
    Identity(&'static str),
    /// The timestamp is not `YYYY-MM-DDTHH:MM:SSZ`.
    #[error("timestamp `{0}` is not of the form YYYY-MM-DDTHH:MM:SSZ")]
    Timestamp(String),
    /// The text is not the canonical one (white space, `1.0`, an exponent, a repeated key).
    #[error("not canonical: the database would give back {0}")]
    NotCanonical(String),
    /// BSON cannot hold it.
    #[error("cannot be stored as BSON: {0}")]
    Bson(String),
}

/// One document ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// BSON bytes, `_id` first.
    pub bytes: Vec<u8>,
    /// `station.station_id`.
    pub station: String,
    /// UTC day, `YYYY-MM-DD`.
    pub day: String,
}

/// Encodes one line (without its closing comma and newline).
pub fn encode(line: &[u8], timestamps: TimestampType) -> Result<Encoded, EncodeError> {
    let value: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(line).map_err(|error| EncodeError::Json(error.to_string()))?;
    let station = value.get("station").and_then(|station| station.get("station_id")).and_then(|id| id.as_str());
    let station = station.ok_or(EncodeError::Identity("station.station_id"))?.to_owned();
    let timestamp = value.get("timestamp").and_then(|at| at.as_str()).ok_or(EncodeError::Identity("timestamp"))?.to_owned();
    let millis = instant(&timestamp).ok_or_else(|| EncodeError::Timestamp(timestamp.clone()))?;
    let mut document = Document::new();
    document.insert("_id", document::id(&station, &timestamp));
    for (name, value) in value {
        let value = match timestamps {
            TimestampType::Date if name == "timestamp" => Bson::DateTime(bson::DateTime::from_millis(millis)),
            _ => to_bson(value),
        };
        document.insert(name, value);
    }
    let bytes = RawDocumentBuf::try_from(&document).map_err(|error| EncodeError::Bson(error.to_string()))?.into_bytes();
    let mut canonical = Canonical::default();
    let stored = canonical.read(&bytes, timestamps).map_err(|error| EncodeError::Bson(error.to_string()))?;
    if stored.text != line {
        return Err(EncodeError::NotCanonical(String::from_utf8_lossy(stored.text).into_owned()));
    }
    let day = timestamp.get(..10).unwrap_or_default().to_owned();
    Ok(Encoded { bytes, station, day })
}

fn to_bson(value: serde_json::Value) -> Bson {
    use serde_json::Value;
    match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(value),
        Value::String(value) => Bson::String(value),
        Value::Array(values) => Bson::Array(values.into_iter().map(to_bson).collect()),
        Value::Object(values) => Bson::Document(values.into_iter().map(|(name, value)| (name, to_bson(value))).collect()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
            None => Bson::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
    }
}

/// Milliseconds since 1970 of `YYYY-MM-DDTHH:MM:SSZ`; nothing else is accepted.
pub(crate) fn instant(text: &str) -> Option<i64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let number = |from: usize, to: usize| {
        bytes.get(from..to)?.iter().try_fold(0u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
    };
    let shape = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if !shape.iter().all(|(at, mark)| bytes.get(*at) == Some(mark)) {
        return None;
    }
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    Some(date.and_hms_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?)?.and_utc().timestamp_millis())
}

impl EncodeError {
    /// The same fault with its place in the file.
    pub(super) fn at(self, key: &str, line: u64) -> DatabaseError {
        DatabaseError::caused(format!("import line {line} of {key}"), self)
            .with_hint("the dataset file was changed or made by something else: run the transform again")
    }
}
