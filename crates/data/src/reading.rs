//! A reading between the raw row and the document: numbers in hundredths, one slot per field.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::decimal::{Decimal, TEXT, put_hundredths};
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

/// Text under way. All its bytes are initialised ahead, so that short pieces are copied in whole words and cut off after.
#[derive(Debug)]
pub struct Page {
    bytes: Vec<u8>,
    length: usize,
}

impl Page {
    /// An empty page with room for `capacity` bytes; it grows as needed.
    pub fn with_capacity(capacity: usize) -> Page {
        Page { bytes: vec![0; capacity], length: 0 }
    }

    /// Bytes written so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Appends bytes.
    pub fn push(&mut self, piece: &[u8]) {
        self.room(piece.len());
        self.bytes[self.length..self.length + piece.len()].copy_from_slice(piece);
        self.length += piece.len();
    }

    /// Hands out room for `N` bytes; `write` says how many of them count.
    #[inline]
    fn fill<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N]) -> usize) {
        self.room(N);
        if let Some(room) = self.bytes[self.length..].first_chunk_mut::<N>() {
            self.length += write(room).min(N);
        }
    }

    /// Makes room for so many bytes more.
    pub fn room(&mut self, bytes: usize) {
        if self.bytes.len() - self.length < bytes {
            self.bytes.resize((self.length + bytes) * 5 / 4, 0);
        }
    }

    /// What was written from `start` on.
    pub fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start..self.length).unwrap_or_default()
    }

    /// Forgets what was written from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Appends what `read` puts into room for `bytes` bytes; it says how many it put there.
    ///
    /// # Errors
    /// Whatever `read` fails of; nothing is appended then.
    pub fn append(&mut self, bytes: usize, read: impl FnOnce(&mut [u8]) -> std::io::Result<usize>) -> std::io::Result<usize> {
        self.room(bytes);
        let room = self.bytes.get_mut(self.length..self.length + bytes).unwrap_or_default();
        let count = read(room)?.min(bytes);
        self.length += count;
        Ok(count)
    }

    /// Begins anew on the same paper: what is initialised stays so.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// The first byte written.
    pub fn first_mut(&mut self) -> Option<&mut u8> {
        self.bytes.first_mut().filter(|_| self.length > 0)
    }
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        self.since(0)
    }
}

/// Writes instants one after the other; the day is worked out only when it changes.
#[derive(Debug, Default)]
pub struct Stamps {
    day: Option<i64>,
    text: [u8; 20],
}

impl Stamps {
    /// An instant, in seconds since the epoch, as [`timestamp`] writes it.
    #[inline]
    pub fn at(&mut self, seconds: i64) -> &[u8; 20] {
        let day = seconds.div_euclid(86_400);
        if self.day != Some(day) {
            self.day = Some(day);
            self.text = timestamp(day * 86_400);
        }
        let second = seconds.rem_euclid(86_400) as u32;
        for (at, value) in [(11, second / 3_600), (14, second / 60 % 60), (17, second % 60)] {
            self.text[at] = b'0' + (value / 10) as u8;
            self.text[at + 1] = b'0' + (value % 10) as u8;
        }
        &self.text
    }
}

/// Writes an instant as `YYYY-MM-DDTHH:MM:SSZ` (years 0 to 9999).
pub fn timestamp(seconds: i64) -> [u8; 20] {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let mut text = *b"0000-00-00T00:00:00Z";
    let mut two = |at: usize, value: i64| {
        text[at] = b'0' + (value / 10 % 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    two(0, year / 100);
    two(2, year % 100);
    two(5, month);
    two(8, day);
    two(11, second / 3_600);
    two(14, second / 60 % 60);
    two(17, second % 60);
    text
}

/// Year, month and day of a day number since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(day_number: i64) -> (i64, i64, i64) {
    let shifted = day_number + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::MAX_HUNDREDTHS;

    proptest! {
        #[test]
        fn instants_read_as_chrono_writes_them(seconds in -62_167_219_200i64..253_402_300_799) {
            let expected = DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let written = timestamp(seconds);
            prop_assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
        }

        #[test]
        fn stamps_say_the_same_in_any_order(instants in prop::collection::vec(-62_167_219_200i64..253_402_300_799, 1..9), steps in prop::collection::vec(-90_000i64..90_000, 1..9)) {
            let mut stamps = Stamps::default();
            let near = instants[0].clamp(-62_000_000_000, 253_000_000_000);
            for instant in instants.into_iter().chain(steps.into_iter().map(|step| near + step)) {
                prop_assert_eq!(*stamps.at(instant), timestamp(instant));
            }
        }

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
