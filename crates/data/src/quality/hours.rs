//! Hourly means of what stretches of time are judged by, and when it was light.

use std::collections::BTreeMap;

use super::reading::Reading;
use super::sun;
use super::thresholds::{LIGHT_W_M2, Variable};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// A sunrise or sunset lies between a dark and a light reading that are at most this far apart, in seconds.
const SHARP: i64 = 1_800;

/// A mean in the making.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    sum: f32,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value as f32;
        self.count += 1;
    }

    /// The mean of at least `least` readings.
    pub fn of(&self, least: u32) -> Option<f64> {
        (self.count >= least.max(1)).then(|| f64::from(self.sum) / f64::from(self.count))
    }
}

/// One hour of one station.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hour {
    pub temperature: Mean,
    pub pressure: Mean,
    /// m/s.
    pub wind: Mean,
    /// Wind of the readings that have a gust too, m/s.
    pub wind_with_gust: Mean,
    /// Gust of the readings that have a wind too, m/s.
    pub gust: Mean,
}

/// First and last light of one solar day.
#[derive(Debug, Clone, Copy, Default)]
struct Light {
    first: i64,
    last: i64,
    /// Whether the reading right before the first was dark, and the one right after the last.
    rises: bool,
    sets: bool,
}

/// One station, hour by hour. Memory: some 50 bytes an hour.
#[derive(Debug, Clone, Default)]
pub(super) struct Hours {
    hours: BTreeMap<i64, Hour>,
    light: BTreeMap<i64, Light>,
    before: Option<(i64, bool)>,
}

impl Hours {
    pub fn add(&mut self, reading: &Reading, longitude: Option<f64>) {
        let hour = self.hours.entry(reading.instant.div_euclid(HOUR)).or_default();
        let (wind, gust) = (reading.get(Variable::Wind), reading.get(Variable::Gust));
        for (mean, value) in [
            (&mut hour.temperature, reading.get(Variable::Temperature)),
            (&mut hour.pressure, reading.get(Variable::Pressure)),
            (&mut hour.wind, wind),
            (&mut hour.wind_with_gust, wind.filter(|_| gust.is_some())),
            (&mut hour.gust, gust.filter(|_| wind.is_some())),
        ] {
            if let Some(value) = value {
                mean.add(value);
            }
        }
        if let (Some(light), Some(longitude)) = (reading.get(Variable::Solar), longitude) {
            self.light(reading.instant, light >= LIGHT_W_M2, longitude);
        }
    }

    fn light(&mut self, instant: i64, lit: bool, longitude: f64) {
        let before = self.before.replace((instant, lit)).filter(|(before, _)| (1..=SHARP).contains(&(instant - before)));
        let day = sun::solar_time(instant, longitude).div_euclid(DAY);
        if lit {
            let light = self.light.entry(day).or_insert(Light {
                first: instant,
                last: instant,
                rises: before.is_some_and(|(_, lit)| !lit),
                sets: false,
            });
            (light.last, light.sets) = (light.last.max(instant), false);
        } else if let (Some(light), Some((_, true))) = (self.light.get_mut(&day), before) {
            light.sets = true;
        }
    }

    /// Per solar day: the first light, if the dark before it was seen, and the last, if the dark behind it was.
    pub fn dawns_and_dusks(&self) -> impl Iterator<Item = (i64, Option<i64>, Option<i64>)> {
        self.light.iter().map(|(day, light)| (*day, light.rises.then_some(light.first), light.sets.then_some(light.last)))
    }

    pub fn get(&self, hour: i64) -> Option<&Hour> {
        self.hours.get(&hour)
    }

    /// Hours with readings, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Hour)> {
        self.hours.iter().map(|(number, hour)| (*number, hour))
    }

    /// First and last hour.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((*self.hours.first_key_value()?.0, *self.hours.last_key_value()?.0))
    }
}
