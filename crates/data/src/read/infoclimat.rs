//! One InfoClimat record: hourly entries of several stations.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::envelope::{Cell, Fields, object_text, shown, string};
use super::weather_underground::{cell, reason};
use super::{Block, Contract, Place, UnknownFields, extra};
use crate::clock;
use crate::reading::{Field, NULL, Reading, Values, When};
use crate::rejects::Reason;
use crate::station::{Format, Station};
use crate::units::{Habit, Quantity};

/// Fields with a number.
const COLUMNS: [(&str, Field, Quantity); 13] = [
    ("temperature", Field::TemperatureC, Quantity::Temperature),
    ("pression", Field::PressureHpa, Quantity::Pressure),
    ("humidite", Field::HumidityPct, Quantity::Percent),
    ("point_de_rosee", Field::DewPointC, Quantity::Temperature),
    ("visibilite", Field::VisibilityM, Quantity::Distance),
    ("vent_moyen", Field::WindSpeed, Quantity::Speed),
    ("vent_rafales", Field::WindGust, Quantity::Speed),
    ("vent_direction", Field::WindDirectionDeg, Quantity::Direction),
    ("pluie_3h", Field::Precip3hMm, Quantity::Rain),
    ("pluie_1h", Field::Precip1hMm, Quantity::Rain),
    ("neige_au_sol", Field::SnowCm, Quantity::Snow),
    ("nebulosite", Field::CloudsOctas, Quantity::Plain),
    ("temps_omm", Field::WeatherCode, Quantity::Plain),
];

pub(super) fn record(contract: &Contract, fields: &Fields<'_>, place: &Place<'_>, raw: &str, block: &mut Block) {
    let Some(hourly) = fields.get("hourly").filter(|hourly| hourly.get() != "null") else {
        return block.reject_row(place, Some("hourly"), Reason::MissingData, raw);
    };
    let hourly_text = object_text(hourly);
    let hourly = match Fields::parse(&hourly_text) {
        Some(hourly) => hourly,
        // PHP writes an empty table as a list.
        None if hourly_text.trim_start_matches('[').trim_start().starts_with(']') => Fields::default(),
        None => return block.reject_row(place, Some("hourly"), Reason::NotAnObject, raw),
    };
    let metadata = metadata(fields);
    for (id, entries) in hourly.0.iter().filter(|(id, _)| !id.starts_with('_')) {
        let text = object_text(entries);
        let Ok(Items(entries)) = serde_json::from_str(&text) else {
            let place = Place { entry: Some((id, 0)), ..*place };
            block.reject_row(&place, Some("hourly"), Reason::NotAnObject, &text);
            continue;
        };
        let known = metadata.iter().rev().find(|(known, _)| known == id.as_ref()).map(|(_, metadata)| metadata);
        let empty = Map::new();
        let station = Arc::new(Station::new(Format::Infoclimat, id, known.unwrap_or(&empty)));
        let station = (block.station(&station), id.as_ref());
        for (index, value) in (0..).zip(entries) {
            let place = Place { entry: Some((id, index)), ..*place };
            entry(contract, station, value, &place, block);
        }
    }
}

fn entry(contract: &Contract, (station, id): (u32, &str), value: &RawValue, place: &Place<'_>, block: &mut Block) {
    let text = object_text(value);
    let Some(fields) = Fields::parse(&text) else {
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        return block.reject_row(place, None, if valid { Reason::NotAnObject } else { Reason::InvalidJson }, &text);
    };
    if fields.0.iter().all(|(key, value)| key == "id_station" || Cell::of(value) == Cell::Missing) {
        block.rows_read += 1;
        block.null_rows += 1;
        return;
    }
    let seconds = match fields.get("dh_utc").map(Cell::of) {
        None | Some(Cell::Missing) => return block.reject_row(place, Some("dh_utc"), Reason::MissingTime, &text),
        Some(Cell::Text(when)) => clock::day_and_time(&when).map(|(day, second, offset)| clock::utc(day, second) - offset.unwrap_or(0)),
        Some(Cell::Number(_) | Cell::Other) => None,
    };
    let Some(seconds) = seconds else {
        return block.reject_row(place, Some("dh_utc"), Reason::BadTime, &text);
    };
    // An id that differs from the key it stands under is worth keeping.
    let own_id = |key: &str| key == "id_station" && fields.get(key).and_then(|own| string(own.get())).is_some_and(|own| own == id);
    let unknown = extra::gather(&fields, |key| key == "dh_utc" || own_id(key) || COLUMNS.iter().any(|(name, ..)| *name == key));
    if let (Some(first), UnknownFields::Reject) = (unknown.names.first(), contract.unknown_fields) {
        return block.reject_row(place, Some(first), Reason::UnknownField, &text);
    }
    let mut values = Values::default();
    for (name, field, quantity) in COLUMNS {
        let Some(value) = fields.get(name) else { continue };
        match cell(quantity, Habit::Metric, value) {
            Ok(read) => values.set(field, read.hundredths),
            Err(fault) => {
                values.set(field, NULL);
                block.rejects.push(place.reject(Some(name), reason(fault), &shown(value)));
            }
        }
    }
    if fields.get("pluie_1h").is_some() {
        values.set(Field::PrecipMm, values.get(Field::Precip1hMm));
    }
    for name in unknown.names {
        *block.unknown_fields.entry(name).or_default() += 1;
    }
    block.rows_read += 1;
    block.readings.push(Reading { station, when: When::Utc(seconds), values, counter: None, extra: unknown.text });
}

/// Station metadata by id; entries that are no objects or carry no id describe nobody.
fn metadata(fields: &Fields<'_>) -> Vec<(String, Map<String, Value>)> {
    let list: Cow<'_, str> = fields.get("stations").map(object_text).unwrap_or_default();
    let Ok(Items(stations)) = serde_json::from_str(&list) else { return Vec::new() };
    stations
        .iter()
        .filter_map(|station| {
            let metadata: Map<String, Value> = serde_json::from_str(&object_text(station)).ok()?;
            let id = match metadata.get("id")? {
                Value::String(id) => id.clone(),
                Value::Number(id) => id.to_string(),
                _ => return None,
            };
            Some((id, metadata))
        })
        .collect()
}

/// The items of a JSON list as raw text.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(ItemsVisitor).map(Items)
    }
}
