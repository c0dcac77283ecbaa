//! What is remembered of one station while its readings go by.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Offset, TimeZone, Utc, offset::LocalResult};
use chrono_tz::Tz;

use super::flat::Flat;
use super::hours::Hours;
use super::judge::{Flags, judge};
use super::reading::{Document, Reading};
use super::series::Series;
use super::sun;
use super::thresholds::{Flag, Test, Variable};

const DAY: i64 = 86_400;
/// Different intervals that are counted; a station has a handful.
const MOST_STEPS: usize = 1_000;
/// Gaps that are listed; all are counted.
const MOST_GAPS: usize = 1_000;

/// One station.
#[derive(Debug, Default)]
pub(super) struct Station {
    pub source: String,
    pub name: String,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub elevation: Option<f64>,
    pub zone: Option<Tz>,
    pub records: u64,
    pub duplicates: u64,
    pub out_of_order: u64,
    pub missing: [u64; Variable::COUNT],
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Interval in seconds → how often.
    pub steps: HashMap<i64, u64>,
    /// Intervals that were longer than the usual one when they came.
    pub gaps: Vec<(i64, i64)>,
    pub days: BTreeMap<i64, u64>,
    /// Variable → test → flag → how often.
    pub counts: [[[u64; 5]; 6]; Variable::COUNT],
    /// Variable → worst flag → how often.
    pub worst: [[u64; 5]; Variable::COUNT],
    pub series: Series,
    pub hours: Hours,
    before: Option<Reading>,
    flat: Flat,
}

impl Station {
    pub fn describe(&mut self, document: &Document<'_>, zone: Option<Tz>) {
        self.source = document.source.to_string();
        self.name = document.station.name.as_deref().unwrap_or_default().to_owned();
        self.latitude = document.station.latitude;
        self.longitude = document.station.longitude;
        self.elevation = document.station.elevation;
        self.zone = zone;
    }

    /// Takes the next reading; `done` receives readings that are fully judged.
    pub fn take(&mut self, reading: Reading, fresh: bool, now: DateTime<Utc>, done: &mut Vec<(Reading, Flags)>) {
        self.records += 1;
        self.duplicates += u64::from(!fresh);
        for variable in Variable::ALL {
            self.missing[variable as usize] += u64::from(reading.get(variable).is_none());
        }
        self.note_time(&reading);
        self.hours.add(&reading, self.longitude);
        let mut flags = judge(&reading, self.before.as_ref());
        sun::judge(&reading, self.place(), &mut flags);
        let time = self.time(reading.instant, now);
        for variable in Variable::ALL {
            if reading.get(variable).is_some() {
                flags.set(variable, Test::Time, time);
            }
        }
        self.before = Some(reading);
        let begun = done.len();
        self.flat.push(reading, flags, done);
        self.count(done.get(begun..).unwrap_or_default());
    }

    /// Latitude and longitude, degrees.
    pub fn place(&self) -> Option<(f64, f64)> {
        Some((self.latitude?, self.longitude?))
    }

    /// Judges what is still open.
    pub fn finish(&mut self, done: &mut Vec<(Reading, Flags)>) {
        let begun = done.len();
        self.flat.finish(done);
        self.count(done.get(begun..).unwrap_or_default());
    }

    /// The usual interval in seconds: the most frequent one.
    pub fn grid(&self) -> Option<i64> {
        self.steps.iter().max_by_key(|(step, count)| (**count, -**step)).map(|(step, _)| *step)
    }

    fn count(&mut self, done: &[(Reading, Flags)]) {
        for (reading, flags) in done {
            for variable in Variable::ALL {
                for test in Test::ALL {
                    self.counts[variable as usize][test as usize][flags.get(variable, test).slot()] += 1;
                }
                self.worst[variable as usize][flags.worst(variable).slot()] += 1;
            }
            self.series.add(reading, flags);
        }
    }

    fn note_time(&mut self, reading: &Reading) {
        *self.days.entry(reading.instant.div_euclid(DAY)).or_default() += 1;
        self.first = Some(self.first.map_or(reading.instant, |first| first.min(reading.instant)));
        if let Some(last) = self.last {
            let step = reading.instant - last;
            if step > 0 && (self.steps.len() < MOST_STEPS || self.steps.contains_key(&step)) {
                *self.steps.entry(step).or_default() += 1;
            }
            if step < 0 {
                self.out_of_order += 1;
            }
            if self.gaps.len() < MOST_GAPS && self.grid().is_some_and(|grid| step > grid + grid / 2) {
                self.gaps.push((last, reading.instant));
            }
        }
        self.last = Some(self.last.map_or(reading.instant, |last| last.max(reading.instant)));
    }

    fn time(&self, instant: i64, now: DateTime<Utc>) -> Flag {
        if instant > now.timestamp() {
            return Flag::Fail;
        }
        let Some(zone) = self.zone else { return Flag::NotEvaluated };
        let Some(utc) = DateTime::from_timestamp(instant, 0) else { return Flag::NotEvaluated };
        let local =
            utc.naive_utc() + chrono::Duration::seconds(i64::from(zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()));
        match zone.offset_from_local_datetime(&local) {
            LocalResult::Ambiguous(..) => Flag::Suspect,
            _ => Flag::Good,
        }
    }
}
