//! A reading between the raw row and the document: numbers in hundredths, one slot per field.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::decimal::{Decimal, write_hundredths};
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
        NAMES[self as usize].1
    }
}

/// Per field `,"name":` and the bare name.
const NAMES: [(&str, &str); 18] = [
    ("\"temperature_c\":", "temperature_c"),
    (",\"humidity_pct\":", "humidity_pct"),
    (",\"pressure_hpa\":", "pressure_hpa"),
    (",\"wind_speed\":", "wind_speed"),
    (",\"wind_gust\":", "wind_gust"),
    (",\"precip_mm\":", "precip_mm"),
    (",\"dew_point_c\":", "dew_point_c"),
    (",\"wind_direction_deg\":", "wind_direction_deg"),
    (",\"precip_1h_mm\":", "precip_1h_mm"),
    (",\"precip_3h_mm\":", "precip_3h_mm"),
    (",\"precip_accum_mm\":", "precip_accum_mm"),
    (",\"precip_rate_mm_h\":", "precip_rate_mm_h"),
    (",\"snow_cm\":", "snow_cm"),
    (",\"visibility_m\":", "visibility_m"),
    (",\"clouds_octas\":", "clouds_octas"),
    (",\"weather_code\":", "weather_code"),
    (",\"uv_index\":", "uv_index"),
    (",\"solar_w_m2\":", "solar_w_m2"),
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

impl Reading {
    /// Appends the document's canonical text. `timestamp` is `YYYY-MM-DDTHH:MM:SSZ`.
    pub fn write(&self, station: &Arc<Station>, timestamp: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(station.head.as_bytes());
        out.extend_from_slice(timestamp);
        out.extend_from_slice(b"\",\"measurements\":{");
        for (value, (name, _)) in self.values.0.iter().zip(NAMES.iter()) {
            match *value {
                ABSENT => {}
                NULL => {
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(b"null");
                }
                hundredths => {
                    out.extend_from_slice(name.as_bytes());
                    write_hundredths(hundredths, out);
                }
            }
        }
        out.push(b'}');
        if let Some(extra) = &self.extra {
            out.extend_from_slice(b",\"extra\":");
            out.extend_from_slice(extra.as_bytes());
        }
        out.push(b'}');
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

    proptest! {
        #[test]
        fn instants_read_as_chrono_writes_them(seconds in -62_167_219_200i64..253_402_300_799) {
            let expected = DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let written = timestamp(seconds);
            prop_assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
        }
    }

    #[test]
    fn core_fields_are_always_written_and_extras_only_where_carried() {
        let station = Arc::new(Station::new(crate::station::Format::Infoclimat, "X", &serde_json::Map::new()));
        let mut values = Values::default();
        values.set(Field::TemperatureC, 630);
        values.set(Field::SnowCm, NULL);
        let reading = Reading { station: 0, when: When::Utc(0), values, counter: None, extra: Some("{\"a\":1}".into()) };
        let mut out = Vec::new();
        reading.write(&station, &timestamp(0), &mut out);
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"{"source":"infoclimat","station":{"station_id":"X"},"timestamp":"1970-01-01T00:00:00Z","measurements":{"temperature_c":6.3,"humidity_pct":null,"pressure_hpa":null,"wind_speed":null,"wind_gust":null,"precip_mm":null,"snow_cm":null},"extra":{"a":1}}"#);
    }
}
