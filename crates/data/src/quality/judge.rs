//! The tests that look at one reading and at the one before it.

use super::reading::Reading;
use super::thresholds::{self, Flag, MAGNUS, MAGNUS_TOLERANCE, RAIN_MM_PER_MINUTE, ROUNDING, STEPS, Test, Variable};

/// Longest interval a step is judged over, seconds.
const LONGEST_STEP: i64 = 3_600;

/// Flags of one reading: per variable and test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Flags([[Flag; 6]; Variable::COUNT]);

impl Flags {
    pub fn get(&self, variable: Variable, test: Test) -> Flag {
        self.0[variable as usize][test as usize]
    }

    pub fn set(&mut self, variable: Variable, test: Test, flag: Flag) {
        self.0[variable as usize][test as usize] = flag;
    }

    /// The worst of a variable's tests.
    pub fn worst(&self, variable: Variable) -> Flag {
        self.0[variable as usize].iter().fold(Flag::NotEvaluated, |worst, flag| worst.worse(*flag))
    }
}

/// Judges a reading by itself and by the one before. Persistence stays open: it needs what follows.
pub(super) fn judge(now: &Reading, before: Option<&Reading>) -> Flags {
    let mut flags = Flags([[Flag::NotEvaluated; 6]; Variable::COUNT]);
    for variable in Variable::ALL {
        let Some(value) = now.get(variable) else {
            for test in Test::ALL {
                flags.set(variable, test, Flag::Missing);
            }
            continue;
        };
        flags.set(variable, Test::RangePhysical, within(value, thresholds::physical(variable), Flag::Fail));
        flags.set(variable, Test::RangeRegional, within(value, thresholds::regional(variable), Flag::Suspect));
        if let Some(before) = before {
            flags.set(variable, Test::Step, step(variable, now, before));
        }
    }
    rain(now, before, &mut flags);
    consistency(now, &mut flags);
    squall(now, before, &mut flags);
    flags
}

fn within(value: f64, range: Option<(f64, f64)>, outside: Flag) -> Flag {
    match range {
        None => Flag::NotEvaluated,
        Some((low, high)) if (low..=high).contains(&value) => Flag::Good,
        Some(_) => outside,
    }
}

fn step(variable: Variable, now: &Reading, before: &Reading) -> Flag {
    let seconds = now.instant - before.instant;
    let (Some(value), Some(earlier)) = (now.get(variable), before.get(variable)) else { return Flag::NotEvaluated };
    match limits(variable, seconds) {
        None => Flag::NotEvaluated,
        Some((suspect, fail)) => match (value - earlier).abs() {
            change if change > fail => Flag::Fail,
            change if change > suspect => Flag::Suspect,
            _ => Flag::Good,
        },
    }
}

/// Largest change over an interval, between the table's intervals by straight line. Gaps have none.
pub(super) fn limits(variable: Variable, seconds: i64) -> Option<(f64, f64)> {
    if !(1..=LONGEST_STEP).contains(&seconds) {
        return None;
    }
    let (_, table) = STEPS.iter().find(|(known, _)| *known == variable)?;
    let minutes = seconds as f64 / 60.0;
    let mut below = table.first()?;
    for row in table {
        if minutes <= row.0 {
            let share = if row.0 > below.0 { (minutes - below.0) / (row.0 - below.0) } else { 0.0 };
            return Some((below.1 + share * (row.1 - below.1), below.2 + share * (row.2 - below.2)));
        }
        below = row;
    }
    None
}

fn rain(now: &Reading, before: Option<&Reading>, flags: &mut Flags) {
    let Some(rain) = now.get(Variable::Rain) else { return };
    // Without a reading before, the amount fell within at most a day.
    let minutes = before.map_or(1_440.0, |before| ((now.instant - before.instant) as f64 / 60.0).max(1.0));
    let plausible = rain >= 0.0 && rain <= RAIN_MM_PER_MINUTE * minutes;
    flags.set(Variable::Rain, Test::RangePhysical, if plausible { Flag::Good } else { Flag::Fail });
    if let (Some(counter), Some(earlier)) = (now.counter, before.and_then(|before| before.counter)) {
        // A counter that fell must have been reset: it then holds only what fell since.
        let reset = counter < earlier;
        let believable = !reset || counter <= earlier / 2.0;
        flags.set(Variable::Rain, Test::Consistency, if believable { Flag::Good } else { Flag::Suspect });
    }
}

fn consistency(now: &Reading, flags: &mut Flags) {
    let get = |variable| now.get(variable);
    if let (Some(temperature), Some(dew_point)) = (get(Variable::Temperature), get(Variable::DewPoint)) {
        let mut flag = if dew_point > temperature + ROUNDING { Flag::Fail } else { Flag::Good };
        if let Some(expected) = get(Variable::Humidity).and_then(|humidity| dew_point_of(temperature, humidity)) {
            let off = (dew_point - expected).abs() > MAGNUS_TOLERANCE;
            flag = flag.worse(if off { Flag::Suspect } else { Flag::Good });
        }
        flags.set(Variable::DewPoint, Test::Consistency, flag);
    }
    if let (Some(wind), Some(gust)) = (get(Variable::Wind), get(Variable::Gust)) {
        // Which of the two is wrong cannot be told: both are suspect.
        let flag = if gust + ROUNDING / 3.6 < wind { Flag::Suspect } else { Flag::Good };
        flags.set(Variable::Gust, Test::Consistency, flag);
        flags.set(Variable::Wind, Test::Consistency, flag);
    }
    if let (Some(wind), Some(_)) = (get(Variable::Wind), get(Variable::Direction)) {
        flags.set(Variable::Direction, Test::Consistency, if wind == 0.0 { Flag::Suspect } else { Flag::Good });
    }
}

/// Dew point from temperature (°C) and relative humidity (%), Magnus form.
pub(super) fn dew_point_of(temperature: f64, humidity: f64) -> Option<f64> {
    if humidity <= 0.0 || humidity > 100.0 {
        return None;
    }
    let (a, b) = MAGNUS;
    let gamma = (humidity / 100.0).ln() + a * temperature / (b + temperature);
    Some(b * gamma / (a - gamma))
}

/// A gust front moves temperature by ten degrees in minutes while pressure jumps and humidity rises: suspect, not wrong.
fn squall(now: &Reading, before: Option<&Reading>, flags: &mut Flags) {
    let Some(before) = before else { return };
    let change = |variable| Some(now.get(variable)? - before.get(variable)?);
    let front = change(Variable::Temperature).is_some_and(|change| change < 0.0)
        && change(Variable::Pressure).is_some_and(|change| change >= 0.5)
        && change(Variable::Humidity).is_some_and(|change| change > 0.0);
    for variable in Variable::ALL {
        if front && flags.get(variable, Test::Step) == Flag::Fail {
            flags.set(variable, Test::Step, Flag::Suspect);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(instant: i64, values: &[(Variable, f64)]) -> Reading {
        let mut reading = Reading::new(instant);
        values.iter().for_each(|(variable, value)| reading.set(*variable, *value));
        reading
    }

    #[test]
    fn impossible_values_fail_and_unlikely_ones_are_suspect() {
        let flags = judge(&reading(0, &[(Variable::Temperature, 61.0), (Variable::Pressure, 920.0), (Variable::Humidity, 100.0)]), None);
        assert_eq!(flags.worst(Variable::Temperature), Flag::Fail);
        assert_eq!(flags.worst(Variable::Pressure), Flag::Suspect);
        assert_eq!(flags.worst(Variable::Humidity), Flag::Good);
        assert_eq!(flags.worst(Variable::Gust), Flag::Missing);
        assert_eq!(flags.get(Variable::Humidity, Test::Step), Flag::NotEvaluated);
    }

    #[test]
    fn steps_scale_with_the_interval_and_stop_at_gaps() {
        assert_eq!(limits(Variable::Temperature, 300), Some((3.0, 6.0)));
        assert_eq!(limits(Variable::Temperature, 60), Some((3.0, 6.0)));
        assert_eq!(limits(Variable::Temperature, 450), Some((3.5, 7.0)));
        assert_eq!(limits(Variable::Pressure, 3_600), Some((3.0, 10.0)));
        assert_eq!(limits(Variable::Pressure, 3_601), None);
        let flag = |change: f64, seconds: i64| {
            let (before, now) = (reading(0, &[(Variable::Temperature, 10.0)]), reading(seconds, &[(Variable::Temperature, 10.0 + change)]));
            judge(&now, Some(&before)).get(Variable::Temperature, Test::Step)
        };
        assert_eq!(
            [flag(2.9, 300), flag(-3.1, 300), flag(6.1, 300), flag(30.0, 7_200)],
            [Flag::Good, Flag::Suspect, Flag::Fail, Flag::NotEvaluated]
        );
    }

    #[test]
    fn variables_must_agree() {
        assert!((dew_point_of(20.0, 50.0).unwrap() - 9.26).abs() < 0.02);
        let flags = judge(&reading(0, &[(Variable::Temperature, 10.0), (Variable::DewPoint, 10.5), (Variable::Humidity, 100.0)]), None);
        assert_eq!(flags.get(Variable::DewPoint, Test::Consistency), Flag::Fail);
        let flags = judge(&reading(0, &[(Variable::Wind, 5.0), (Variable::Gust, 4.0), (Variable::Direction, 90.0)]), None);
        assert_eq!(flags.get(Variable::Gust, Test::Consistency), Flag::Suspect);
        assert_eq!(flags.get(Variable::Direction, Test::Consistency), Flag::Good);
        let calm = judge(&reading(0, &[(Variable::Wind, 0.0), (Variable::Direction, 90.0)]), None);
        assert_eq!(calm.get(Variable::Direction, Test::Consistency), Flag::Suspect);
    }

    #[test]
    fn a_squall_is_suspect_not_wrong() {
        let before = reading(0, &[(Variable::Temperature, 25.0), (Variable::Pressure, 1000.0), (Variable::Humidity, 50.0)]);
        let now = reading(300, &[(Variable::Temperature, 15.0), (Variable::Pressure, 1000.8), (Variable::Humidity, 70.0)]);
        assert_eq!(judge(&now, Some(&before)).get(Variable::Temperature, Test::Step), Flag::Suspect);
    }
}
