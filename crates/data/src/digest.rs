//! The database side of the document digest: from stored BSON back to the canonical text.
//!
//! [`crate::document`] says what the text is. Whatever is stored otherwise than an import would store it
//! (a foreign type, a timestamp of the other type) gets a text no dataset file contains, so that it shows
//! as a difference.

pub mod elements;
mod text;

use elements::{Elements, Malformed, find};

pub use text::write_number;

/// BSON element types this module reads by itself.
pub(crate) mod kind {
    pub const DOUBLE: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const DOCUMENT: u8 = 0x03;
    pub const ARRAY: u8 = 0x04;
    pub const BOOLEAN: u8 = 0x08;
    pub const DATE: u8 = 0x09;
    pub const NULL: u8 = 0x0A;
    pub const INT32: u8 = 0x10;
    pub const INT64: u8 = 0x12;
}

/// How `timestamp` is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimestampType {
    /// As the ISO-8601 text of the dataset file.
    #[default]
    String,
    /// As a BSON date.
    Date,
}

/// Reads stored documents one after the other, keeping its buffers.
#[derive(Debug, Default)]
pub struct Canonical {
    text: Vec<u8>,
    instant: String,
}

/// A stored document, read.
#[derive(Debug)]
pub struct Stored<'a> {
    /// Canonical text.
    pub text: &'a [u8],
    /// `None` when the document was not made by an import: its `_id` is not `<station_id>@<timestamp>` of its own fields.
    pub place: Option<Place<'a>>,
    /// Value of `source`, empty when there is none.
    pub source: &'a str,
    /// Whether temperature, humidity and pressure are missing.
    pub missing: [bool; 3],
}

/// Which station-day a document belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// `station.station_id`.
    pub station: &'a str,
    /// UTC day, `YYYY-MM-DD`.
    pub day: &'a str,
}

/// The measurements counted as missing, in the order of [`Stored::missing`].
const COUNTED: [&[u8]; 3] = [b"temperature_c", b"humidity_pct", b"pressure_hpa"];

impl Canonical {
    /// The canonical text of one BSON document and where it belongs.
    ///
    /// # Errors
    /// Bytes that are not a BSON document.
    pub fn read<'a>(&'a mut self, document: &'a [u8], timestamps: TimestampType) -> Result<Stored<'a>, Malformed> {
        self.text.clear();
        self.instant.clear();
        let (mut id, mut timestamp, mut station, mut source, mut missing) = (None, None, None, "", [true; 3]);
        self.text.push(b'{');
        for element in Elements::of(document)? {
            let element = element?;
            match (element.name, element.kind) {
                (b"_id", kind::STRING) => {
                    id = Some(element.string()?);
                    continue;
                }
                (b"_id", _) => continue,
                (b"source", kind::STRING) => source = element.string()?,
                (b"station", kind::DOCUMENT) => {
                    station = find(element.value, b"station_id")?.filter(|found| found.kind == kind::STRING).map(|found| found.string());
                }
                (b"measurements", kind::DOCUMENT) => missing = missing_of(element.value)?,
                (b"timestamp", kind::DATE) => text::write_instant(&mut self.instant, element.integer()?),
                (b"timestamp", kind::STRING) => timestamp = Some(element.string()?),
                _ => {}
            }
            text::write_name(&mut self.text, element.name);
            match (element.name, element.kind, timestamps) {
                (b"timestamp", kind::DATE, TimestampType::Date) => text::write_string(&mut self.text, self.instant.as_bytes()),
                (b"timestamp", kind::STRING, TimestampType::Date) => {
                    self.text.extend_from_slice(b"{\"$string\":");
                    text::write_value(&mut self.text, &element)?;
                    self.text.push(b'}');
                }
                _ => text::write_value(&mut self.text, &element)?,
            }
            self.text.push(b',');
        }
        text::close(&mut self.text, b'}');
        let timestamp = timestamp.unwrap_or(&self.instant);
        let place = match (id, station.transpose()?) {
            (Some(id), Some(station)) if is_id(id, station, timestamp) => timestamp.get(..10).map(|day| Place { station, day }),
            _ => None,
        };
        Ok(Stored { text: &self.text, place, source, missing })
    }
}

fn is_id(id: &str, station: &str, timestamp: &str) -> bool {
    id.strip_prefix(station).and_then(|rest| rest.strip_prefix('@')) == Some(timestamp)
}

fn missing_of(measurements: &[u8]) -> Result<[bool; 3], Malformed> {
    let mut missing = [true; 3];
    for element in Elements::of(measurements)? {
        let element = element?;
        for (flag, name) in missing.iter_mut().zip(COUNTED) {
            if element.name == name {
                *flag = element.kind == kind::NULL;
            }
        }
        if missing == [false; 3] {
            break;
        }
    }
    Ok(missing)
}
