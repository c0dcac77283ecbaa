//! Stations: where a reading comes from, as it stands in every document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json;

/// Who delivers the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// InfoClimat's API: one record holds the hourly entries of several stations, in UTC and metric units.
    Infoclimat,
    /// Weather Underground's table of one station: local times, units behind the numbers.
    WeatherUnderground,
}

impl Format {
    /// The word in a document's `source`.
    pub fn source(self) -> &'static str {
        match self {
            Format::Infoclimat => "infoclimat",
            Format::WeatherUnderground => "weather_underground",
        }
    }
}

/// Keys that stand first in a document's `station`, in this order; whatever else the source gives follows in its own order.
const LEADING: [&str; 5] = ["station_id", "name", "latitude", "longitude", "elevation"];

/// A station's identity and the text every one of its documents begins with.
#[derive(Debug, PartialEq, Eq)]
pub struct Station {
    /// Station id.
    pub id: String,
    /// `{"source":"…","station":{…},"timestamp":"`.
    pub head: String,
    /// Which source it belongs to.
    pub format: Format,
}

impl Station {
    /// A station from its metadata. The id is taken from `id`; `id` and `station_id` among the metadata are not repeated.
    pub fn new(format: Format, id: &str, metadata: &Map<String, Value>) -> Station {
        let mut head = format!("{{\"source\":\"{}\",\"station\":{{\"station_id\":", format.source());
        json::write_string(id, &mut head);
        let mut field = |key: &str, value: &Value| {
            head.push(',');
            json::write_string(key, &mut head);
            head.push(':');
            json::write(value, &mut head);
        };
        for key in &LEADING[1..] {
            if let Some(value) = metadata.get(*key) {
                field(key, value);
            }
        }
        for (key, value) in metadata.iter().filter(|(key, _)| key.as_str() != "id" && !LEADING.contains(&key.as_str())) {
            field(key, value);
        }
        head.push_str("},\"timestamp\":\"");
        Station { id: id.to_owned(), head, format }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_lead_and_numbers_are_written_by_value() {
        let metadata: Map<String, Value> =
            serde_json::from_str(r#"{"id":"X","type":"static","elevation":23,"latitude":50.0,"name":"A \"b\""}"#).unwrap();
        let station = Station::new(Format::Infoclimat, "X", &metadata);
        assert_eq!(
            station.head,
            r#"{"source":"infoclimat","station":{"station_id":"X","name":"A \"b\"","latitude":50,"elevation":23,"type":"static"},"timestamp":""#
        );
    }
}
