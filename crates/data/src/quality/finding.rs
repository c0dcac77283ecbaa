//! What is judged by stretches of time instead of single values: a clock, a unit, a station beside its neighbours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::instant;
use super::thresholds::{Flag, Variable};

/// Findings that are listed; all are counted.
const MOST: usize = 1_000;

/// Tests of stretches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StretchTest {
    /// First and last light against sunrise and sunset.
    ClockSun,
    /// The day's course of temperature against the neighbours', per 48 hours.
    ClockLag,
    /// Gust over mean wind against the station's own, per hour.
    UnitGust,
    /// Wind over the neighbours' wind against what it usually is, per 24 hours.
    UnitWind,
    /// Difference to the neighbours against its own band, per hour.
    NeighbourBand,
}

impl StretchTest {
    /// All of them.
    pub const ALL: [StretchTest; 5] =
        [StretchTest::ClockSun, StretchTest::ClockLag, StretchTest::UnitGust, StretchTest::UnitWind, StretchTest::NeighbourBand];

    /// Its id in reports.
    pub fn id(self) -> &'static str {
        match self {
            StretchTest::ClockSun => "clock.sun",
            StretchTest::ClockLag => "clock.lag",
            StretchTest::UnitGust => "unit.gust",
            StretchTest::UnitWind => "unit.wind",
            StretchTest::NeighbourBand => "neighbour.band",
        }
    }
}

/// A stretch that is suspect, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Station under suspicion.
    pub station: String,
    /// Test.
    pub test: String,
    /// Variables under suspicion; empty: all of them, because it is the clock.
    pub variables: Vec<String>,
    /// First instant of it.
    pub from: String,
    /// First instant behind it.
    pub until: String,
    /// Always 3: a stretch is worth a look, never wrong for certain.
    pub flag: u8,
    /// What was seen, in words.
    pub evidence: String,
}

/// How often a test of stretches could run on a station, and how often it raised suspicion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretches {
    /// Days, hours or windows judged; 0 means not evaluated, which is not good.
    pub evaluated: u64,
    /// Suspect ones among them.
    pub suspect: u64,
}

/// What the tests of stretches found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub list: Vec<Finding>,
    /// Station → test → counts.
    pub counts: BTreeMap<String, BTreeMap<String, Stretches>>,
}

impl Findings {
    /// Notes how many stretches were judged; every test appears, also where it could not run.
    pub fn count(&mut self, station: &str, test: StretchTest, evaluated: u64, suspect: u64) {
        let counts = self.counts.entry(station.to_owned()).or_default().entry(test.id().to_owned()).or_default();
        counts.evaluated += evaluated;
        counts.suspect += suspect;
    }

    /// Adds a stretch, both ends in seconds since the epoch.
    pub fn add(&mut self, station: &str, test: StretchTest, variables: &[Variable], (from, until): (i64, i64), evidence: String) {
        if self.list.len() < MOST {
            self.list.push(Finding {
                station: station.to_owned(),
                test: test.id().to_owned(),
                variables: variables.iter().map(|variable| variable.field().to_owned()).collect(),
                from: instant(from),
                until: instant(until),
                flag: Flag::Suspect as u8,
                evidence,
            });
        }
    }
}

/// Runs of numbers that follow one another: `[3, 4, 7]` → `[(3, 4), (7, 7)]`.
pub(super) fn runs(numbers: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

/// The stretch whose gains add up to most, as positions `[from, until)`; `None` where nothing gains.
pub(super) fn best_stretch(gains: &[f64]) -> Option<(usize, usize)> {
    let (mut best, mut found) = (0.0, None);
    let (mut sum, mut from) = (0.0, 0);
    for (at, gain) in gains.iter().enumerate() {
        if sum <= 0.0 {
            (sum, from) = (0.0, at);
        }
        sum += gain;
        if sum > best {
            (best, found) = (sum, Some((from, at + 1)));
        }
    }
    found
}

/// Middle value and robust standard deviation (1.4826 times the median absolute deviation); `None` of nothing.
pub(super) fn spread(values: &[f64]) -> Option<(f64, f64)> {
    let middle = median(&mut values.to_vec())?;
    let deviation = median(&mut values.iter().map(|value| (value - middle).abs()).collect::<Vec<f64>>())?;
    Some((middle, 1.4826 * deviation))
}

/// Middle and robust standard deviation of the shortest half of the values (P. J. Rousseeuw and A. M. Leroy, "A robust scale
/// estimator based on the shortest half", 1988): a third of them may be wrong on one side without moving either.
pub(super) fn densest(values: &[f64]) -> Option<(f64, f64)> {
    // The shortest half of a normal distribution reaches 0.6745 standard deviations to either side.
    const REACH: f64 = 0.6745;
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2 + 1;
    let halves = values.windows(half).filter_map(|half| Some((*half.first()?, *half.last()?)));
    let (low, high) = halves.min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))?;
    Some(((low + high) / 2.0, (high - low) / 2.0 / REACH))
}

/// The median; sorts.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some((upper + *values.get(middle.checked_sub(1)?)?) / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_found() {
        assert_eq!(runs([3, 4, 7, 9, 10, 11]), [(3, 4), (7, 7), (9, 11)]);
        assert_eq!(best_stretch(&[-1.0, 2.0, -0.5, 3.0, -4.0, 1.0]), Some((1, 4)));
        assert_eq!(best_stretch(&[-1.0, -2.0]), None);
        assert_eq!(spread(&[1.0, 2.0, 3.0, 100.0]), Some((2.5, 1.4826)));
    }

    #[test]
    fn a_third_may_be_wrong() {
        let clean = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6];
        let (middle, sigma) = densest(&clean).unwrap();
        let spoiled: Vec<f64> = clean.into_iter().chain([9.0, 9.0, 9.0]).collect();
        let (still, after) = densest(&spoiled).unwrap();
        assert!((1.1..=1.5).contains(&middle) && (1.1..=1.5).contains(&still), "{middle} {still}");
        assert!(after < 2.0 * sigma, "{after} {sigma}");
        assert_eq!(densest(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_other_stretch_gains_more(gains in proptest::collection::vec(-5i32..5, 0..20)) {
            let gains: Vec<f64> = gains.into_iter().map(f64::from).collect();
            let sum = |from: usize, until: usize| gains[from..until].iter().sum::<f64>();
            let most = (0..gains.len()).flat_map(|from| (from + 1..=gains.len()).map(move |until| (from, until))).map(|(from, until)| sum(from, until)).fold(0.0, f64::max);
            proptest::prop_assert_eq!(best_stretch(&gains).map_or(0.0, |(from, until)| sum(from, until)), most);
        }
    }
}
