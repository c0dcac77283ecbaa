//! Persistence: a variable that hardly moves for an hour.

use std::collections::VecDeque;

use super::judge::Flags;
use super::reading::Reading;
use super::thresholds::{FLAT_SAMPLES, FLAT_SECONDS, FOG_PERCENT, Flag, Test, Variable, least_change};

/// A gap this long, in seconds, ends a flat line: nobody knows what happened in it.
const GAP: i64 = 3 * 3_600;

/// Readings whose last judgement is still open. Holds at most an hour of readings, or six.
#[derive(Debug, Default)]
pub(super) struct Flat {
    open: VecDeque<(Reading, Flags)>,
    /// How many readings left `open` at its front.
    gone: usize,
    runs: [Run; Variable::COUNT],
}

/// The longest stretch up to now in which a variable stayed within its least change.
#[derive(Debug, Default, Clone, Copy)]
struct Run {
    /// Number of its first reading.
    first: usize,
    since: i64,
    last: i64,
    samples: usize,
    low: f64,
    high: f64,
}

impl Run {
    fn start(number: usize, instant: i64, value: f64) -> Run {
        Run { first: number, since: instant, last: instant, samples: 1, low: value, high: value }
    }

    fn is_flat(&self) -> bool {
        self.samples >= FLAT_SAMPLES && self.last - self.since >= FLAT_SECONDS
    }
}

impl Flat {
    /// Takes the next reading; gives back those that are fully judged.
    pub fn push(&mut self, reading: Reading, mut flags: Flags, done: &mut Vec<(Reading, Flags)>) {
        let number = self.gone + self.open.len();
        for variable in Variable::ALL {
            if least_change(variable).is_some() && reading.get(variable).is_some() {
                flags.set(variable, Test::Persistence, Flag::Good);
            }
        }
        self.open.push_back((reading, flags));
        for variable in Variable::ALL {
            if let (Some(least), Some(value)) = (least_change(variable), reading.get(variable)) {
                self.extend(variable, least, number, reading.instant, value);
            }
        }
        // A variable that fell silent must not hold the others back.
        for run in &mut self.runs {
            if reading.instant - run.last > GAP {
                run.samples = 0;
            }
        }
        self.release(number, done);
    }

    /// Gives back the rest.
    pub fn finish(&mut self, done: &mut Vec<(Reading, Flags)>) {
        self.gone += self.open.len();
        done.extend(self.open.drain(..));
    }

    fn extend(&mut self, variable: Variable, least: f64, number: usize, instant: i64, value: f64) {
        let run = self.runs[variable as usize];
        let excused = variable == Variable::Humidity && value >= FOG_PERCENT;
        let next = if run.samples == 0 || excused || instant <= run.last || instant - run.last > GAP {
            Run { samples: usize::from(!excused), ..Run::start(number, instant, value) }
        } else {
            let grown = Run { last: instant, samples: run.samples + 1, low: run.low.min(value), high: run.high.max(value), ..run };
            // Differences of decimals are not decimal: a hair below the limit is the limit.
            if grown.high - grown.low < least - 1e-9 { grown } else { self.suffix(variable, least, run.first) }
        };
        if next.is_flat() {
            for (_, flags) in self.open.iter_mut().skip(next.first.saturating_sub(self.gone)) {
                if flags.get(variable, Test::Persistence) == Flag::Good {
                    flags.set(variable, Test::Persistence, Flag::Suspect);
                }
            }
        }
        self.runs[variable as usize] = next;
    }

    /// The longest stretch that ends with the newest reading and does not reach before `limit`.
    fn suffix(&self, variable: Variable, least: f64, limit: usize) -> Run {
        let mut run = Run::default();
        let numbered = (self.gone..).zip(&self.open).skip(limit.saturating_sub(self.gone));
        let values: Vec<_> =
            numbered.filter_map(|(number, (reading, _))| Some((number, reading.instant, reading.get(variable)?))).collect();
        for (number, instant, value) in values.into_iter().rev() {
            if run.samples == 0 {
                run = Run::start(number, instant, value);
                continue;
            }
            let (low, high) = (run.low.min(value), run.high.max(value));
            if high - low >= least - 1e-9 {
                break;
            }
            run = Run { first: number, since: instant, samples: run.samples + 1, low, high, ..run };
        }
        run
    }

    /// Lets go of what no open run can reach any more.
    fn release(&mut self, newest: usize, done: &mut Vec<(Reading, Flags)>) {
        let needed = Variable::ALL.into_iter().filter_map(|variable| self.needed_from(variable, newest));
        let keep_from = needed.min().unwrap_or(newest + 1);
        while self.gone < keep_from
            && let Some(judged) = self.open.pop_front()
        {
            self.gone += 1;
            done.push(judged);
        }
    }

    /// First reading that a variable's run may still flag: all of an undecided run, the last hour of a flat one.
    fn needed_from(&self, variable: Variable, newest: usize) -> Option<usize> {
        let run = self.runs[variable as usize];
        if run.samples == 0 {
            return None;
        }
        if !run.is_flat() {
            return Some(run.first);
        }
        let mut samples = 0;
        for (number, (reading, _)) in (0..=newest).rev().zip(self.open.iter().rev()) {
            samples += usize::from(reading.get(variable).is_some());
            if samples >= FLAT_SAMPLES && run.last - reading.instant >= FLAT_SECONDS {
                return Some(number.max(run.first));
            }
        }
        Some(run.first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::judge;
    use super::*;

    fn flags(values: &[f64], every: i64) -> Vec<Flag> {
        let (mut flat, mut done) = (Flat::default(), Vec::new());
        for (index, value) in values.iter().enumerate() {
            let mut reading = Reading::new(index as i64 * every);
            reading.set(Variable::Temperature, *value);
            flat.push(reading, judge(&reading, None), &mut done);
        }
        flat.finish(&mut done);
        done.iter().map(|(_, flags)| flags.get(Variable::Temperature, Test::Persistence)).collect()
    }

    #[test]
    fn an_hour_without_change_is_suspect_from_its_first_reading() {
        let mut values = vec![12.0];
        values.extend([10.0; 13]);
        values.push(10.1);
        let found = flags(&values, 300);
        assert_eq!(found[0], Flag::Good);
        assert!(found[1..14].iter().all(|flag| *flag == Flag::Suspect), "{found:?}");
        assert_eq!(found[14], Flag::Good);
    }

    #[test]
    fn five_readings_or_fifty_minutes_are_too_few() {
        assert!(flags(&[10.0; 5], 3_600).iter().all(|flag| *flag == Flag::Good));
        assert!(flags(&[10.0; 12], 300).iter().all(|flag| *flag == Flag::Good));
        assert!(flags(&[10.0; 6], 3_600).iter().all(|flag| *flag == Flag::Suspect));
    }

    /// The definition itself: some window of an hour and six readings around the value moves less than the limit.
    fn reference(values: &[f64], every: i64) -> Vec<Flag> {
        let mut found = vec![Flag::Good; values.len()];
        for first in 0..values.len() {
            for last in first..values.len() {
                let window = &values[first..=last];
                let range = window.iter().fold(f64::MIN, |a, b| a.max(*b)) - window.iter().fold(f64::MAX, |a, b| a.min(*b));
                if range < 0.1 - 1e-9 && window.len() >= 6 && (last - first) as i64 * every >= 3_600 {
                    found[first..=last].fill(Flag::Suspect);
                }
            }
        }
        found
    }

    proptest::proptest! {
        #[test]
        fn it_finds_what_the_definition_says(steps in proptest::collection::vec(0i32..8, 1..80), every in proptest::sample::select(vec![300i64, 600, 900])) {
            let values: Vec<f64> = steps.iter().map(|step| f64::from(*step / 3) * 0.05).collect();
            proptest::prop_assert_eq!(flags(&values, every), reference(&values, every));
        }
    }
}
