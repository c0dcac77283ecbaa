//! A reading between the raw row and the document: numbers in hundredths, one slot per field.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::decimal::{Decimal, TEXT, put_hundredths};
use crate::page::Page;
use crate::station::Station;

/// A field the source carries, but without a value.
pub const NULL: i64 = i64::MIN;
/// A field the source does not carry.
pub const ABSENT: i64 = i64::MIN + 1;

/// Canonical fields in the order of the document; the first six are always written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
#[allow(missing_docs, reason = "the names are the document's own, units included")]
pub enum Field {
    TemperatureC,
    HumidityPct,
    PressureHpa,
    WindSpeed,
    WindGust,
    PrecipMm,
    DewPointC,
    WindDirectionDeg,
    Precip1hMm,
    Precip3hMm,
    PrecipAccumMm,
    PrecipRateMmH,
    SnowCm,
    VisibilityM,
    CloudsOctas,
    WeatherCode,
    UvIndex,
    SolarWM2,
}

impl Field {
    /// Every field, in the order of the document.
    pub const ALL: [Field; 18] = [
        Field::TemperatureC,
        Field::HumidityPct,
        Field::PressureHpa,
        Field::WindSpeed,
        Field::WindGust,
        Field::PrecipMm,
        Field::DewPointC,
        Field::WindDirectionDeg,
        Field::Precip1hMm,
        Field::Precip3hMm,
        Field::PrecipAccumMm,
        Field::PrecipRateMmH,
        Field::SnowCm,
        Field::VisibilityM,
        Field::CloudsOctas,
        Field::WeatherCode,
        Field::UvIndex,
        Field::SolarWM2,
    ];
    /// How many fields every document carries.
    pub const CORE: usize = 6;

    /// The name in `measurements`.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].bare
    }
}

/// A field's name: bare, and as it stands before the value, padded to a length that is copied in three moves.
struct Name {
    bare: &'static str,
    key: [u8; NAME],
    length: usize,
}

const NAME: usize = 24;

const fn name(bare: &'static str, first: bool) -> Name {
    let (mut key, mut length) = ([b' '; NAME], 0);
    if !first {
        key[0] = b',';
        length = 1;
    }
    key[length] = b'"';
    length += 1;
    let mut at = 0;
    while at < bare.len() {
        key[length] = bare.as_bytes()[at];
        length += 1;
        at += 1;
    }
    key[length] = b'"';
    key[length + 1] = b':';
    Name { bare, key, length: length + 2 }
}

static NAMES: [Name; 18] = [
    name("temperature_c", true),
    name("humidity_pct", false),
    name("pressure_hpa", false),
    name("wind_speed", false),
    name("wind_gust", false),
    name("precip_mm", false),
    name("dew_point_c", false),
    name("wind_direction_deg", false),
    name("precip_1h_mm", false),
    name("precip_3h_mm", false),
    name("precip_accum_mm", false),
    name("precip_rate_mm_h", false),
    name("snow_cm", false),
    name("visibility_m", false),
    name("clouds_octas", false),
    name("weather_code", false),
    name("uv_index", false),
    name("solar_w_m2", false),
];

/// One value per field, in hundredths, or [`NULL`] or [`ABSENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values([i64; 18]);

impl Default for Values {
    fn default() -> Self {
        let mut values = [ABSENT; 18];
        values[..Field::CORE].fill(NULL);
        Values(values)
    }
}

impl Values {
    /// The slot of a field.
    pub fn get(&self, field: Field) -> i64 {
        self.0[field as usize]
    }

    /// Fills the slot of a field.
    pub fn set(&mut self, field: Field, hundredths: i64) {
        self.0[field as usize] = hundredths;
    }

    /// Turns a missing value into zero where the source carries the field.
    pub fn zero_if_null(&mut self, field: Field) {
        if self.get(field) == NULL {
            self.set(field, 0);
        }
    }
}

/// When a reading was taken, as far as its row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Seconds since 1970-01-01T00:00:00Z.
    Utc(i64),
    /// A time of the station's own clock, with its day where the row carries one.
    Local {
        /// The day, if the row says so.
        day: Option<NaiveDate>,
        /// Seconds since local midnight, 0..86400.
        second: u32,
    },
}

/// One row that became (or will become) a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Index into the block's stations.
    pub station: u32,
    /// Its instant.
    pub when: When,
    /// Its measurements.
    pub values: Values,
    /// The rain counter in mm, exactly, for the difference to the row before.
    pub counter: Option<Decimal>,
    /// Canonical JSON object of fields nobody knows, braces included.
    pub extra: Option<Box<str>>,
}

/// Between timestamp and first measurement.
const MEASUREMENTS: &[u8; 18] = b"\",\"measurements\":{";
/// The most that follows a station's head, extras left out: timestamp, measurements, brace.
const BODY: usize = 20 + MEASUREMENTS.len() + (NAMES.len() + 1) * (NAME + TEXT);

impl Reading {
    /// Appends the document's canonical text. `timestamp` is `YYYY-MM-DDTHH:MM:SSZ`.
    pub fn write(&self, station: &Arc<Station>, timestamp: &[u8; 20], page: &mut Page) {
        page.push(station.head.as_bytes());
        page.fill::<BODY>(|text| {
            text[..20].copy_from_slice(timestamp);
            text[20..20 + MEASUREMENTS.len()].copy_from_slice(MEASUREMENTS);
            let mut at = 20 + MEASUREMENTS.len();
            for (value, name) in self.values.0.iter().zip(&NAMES) {
                let Some(room) = text[at..].first_chunk_mut::<{ NAME + TEXT }>() else { break };
                if *value == ABSENT {
                    continue;
                }
                room[..NAME].copy_from_slice(&name.key);
                let Some(room) = room[name.length..].first_chunk_mut::<TEXT>() else { break };
                at += name.length;
                at += if *value == NULL {
                    room[..4].copy_from_slice(b"null");
                    4
                } else {
                    put_hundredths(*value, room)
                };
            }
            text[at] = b'}';
            at + 1
        });
        if let Some(extra) = &self.extra {
            page.push(b",\"extra\":");
            page.push(extra.as_bytes());
        }
        page.push(b"}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::MAX_HUNDREDTHS;
    use crate::timestamp::timestamp;

    proptest! {
        #[test]
        fn documents_hold_every_value_whatever_its_size(
            values in prop::collection::vec(prop_oneof![Just(NULL), Just(ABSENT), -1_000_000i64..1_000_000, -MAX_HUNDREDTHS + 1..MAX_HUNDREDTHS], 18),
            capacity in 0usize..3_000,
        ) {
            let station = Arc::new(Station::new(crate::station::Format::Infoclimat, "X", &serde_json::Map::new()));
            let mut slots = Values::default();
            for (field, value) in Field::ALL.into_iter().zip(&values) {
                let core = (field as usize) < Field::CORE;
                slots.set(field, if core && *value == ABSENT { NULL } else { *value });
            }
            let reading = Reading { station: 0, when: When::Utc(0), values: slots, counter: None, extra: None };
            let mut page = Page::with_capacity(capacity);
            reading.write(&station, &timestamp(0), &mut page);
            reading.write(&station, &timestamp(0), &mut page);
            let text = page.as_ref();
            let (first, second) = text.split_at(text.len() / 2);
            prop_assert_eq!(first, second);
            let document: serde_json::Value = serde_json::from_slice(first).unwrap();
            for field in Field::ALL {
                let expected = match slots.get(field) {
                    ABSENT => None,
                    NULL => Some("null".to_owned()),
                    hundredths => {
                        let sign = if hundredths < 0 { "-" } else { "" };
                        let text = format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100);
                        Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
                    }
                };
                let found = document["measurements"].get(field.name()).map(|value| value.to_string().trim_end_matches(".0").to_owned());
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn core_fields_are_always_written_and_extras_only_where_carried() {
        let station = Arc::new(Station::new(crate::station::Format::Infoclimat, "X", &serde_json::Map::new()));
        let mut values = Values::default();
        values.set(Field::TemperatureC, 630);
        values.set(Field::SnowCm, NULL);
        let reading = Reading { station: 0, when: When::Utc(0), values, counter: None, extra: Some("{\"a\":1}".into()) };
        let mut page = Page::with_capacity(0);
        reading.write(&station, &timestamp(0), &mut page);
        insta::assert_snapshot!(std::str::from_utf8(page.as_ref()).unwrap(), @r#"{"source":"infoclimat","station":{"station_id":"X"},"timestamp":"1970-01-01T00:00:00Z","measurements":{"temperature_c":6.3,"humidity_pct":null,"pressure_hpa":null,"wind_speed":null,"wind_gust":null,"precip_mm":null,"snow_cm":null},"extra":{"a":1}}"#);
    }
}
