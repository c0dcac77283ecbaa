//! One document, as far as the tests look at it.

use std::borrow::Cow;

use chrono::DateTime;
use serde::Deserialize;

use super::thresholds::Variable;

/// km/h in one m/s.
const KMH_PER_MS: f64 = 3.6;

#[derive(Debug, Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    #[serde(borrow)]
    pub station: Station<'a>,
    #[serde(borrow)]
    pub timestamp: Cow<'a, str>,
    pub measurements: Measurements,
}

#[derive(Debug, Deserialize)]
pub(super) struct Station<'a> {
    #[serde(borrow)]
    pub station_id: Cow<'a, str>,
    #[serde(default, borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(default)]
    pub latitude: Option<f64>,
    #[serde(default)]
    pub longitude: Option<f64>,
    #[serde(default)]
    pub elevation: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Measurements {
    temperature_c: Option<f64>,
    humidity_pct: Option<f64>,
    pressure_hpa: Option<f64>,
    wind_speed: Option<f64>,
    wind_gust: Option<f64>,
    precip_mm: Option<f64>,
    #[serde(default)]
    dew_point_c: Option<f64>,
    #[serde(default)]
    wind_direction_deg: Option<f64>,
    #[serde(default)]
    precip_accum_mm: Option<f64>,
    #[serde(default)]
    solar_w_m2: Option<f64>,
}

/// Values in the tests' units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// Seconds since the epoch.
    pub instant: i64,
    values: [Option<f64>; Variable::COUNT],
    /// The day's rain counter, mm.
    pub counter: Option<f64>,
}

impl Reading {
    /// `None` when the timestamp is none.
    pub fn of(document: &Document<'_>) -> Option<Reading> {
        let instant = DateTime::parse_from_rfc3339(&document.timestamp).ok()?.timestamp();
        let m = &document.measurements;
        let values = [
            m.temperature_c,
            m.dew_point_c,
            m.humidity_pct,
            m.pressure_hpa,
            m.wind_speed.map(|speed| speed / KMH_PER_MS),
            m.wind_gust.map(|speed| speed / KMH_PER_MS),
            m.wind_direction_deg,
            m.precip_mm,
            m.solar_w_m2,
        ];
        Some(Reading { instant, values, counter: m.precip_accum_mm })
    }

    #[cfg(test)]
    pub fn new(instant: i64) -> Reading {
        Reading { instant, values: [None; Variable::COUNT], counter: None }
    }

    pub fn get(&self, variable: Variable) -> Option<f64> {
        self.values[variable as usize]
    }

    #[cfg(test)]
    pub fn set(&mut self, variable: Variable, value: f64) {
        self.values[variable as usize] = Some(value);
    }
}
