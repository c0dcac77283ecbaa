//! Where the sun stands, and what that says about a reading: the one clock and the one lamp that need no neighbour.
//!
//! Position after J. W. Spencer, "Fourier series representation of the position of the sun", Search 2 (1971):
//! declination within 0.05°, equation of time within half a minute.

use std::f64::consts::TAU;

use super::judge::Flags;
use super::reading::Reading;
use super::thresholds::{DARK_DEGREES, DARK_W_M2, Flag, Test, Variable};

const DAY: i64 = 86_400;
/// Irradiance outside the atmosphere, W/m² (Kopp and Lean 2011).
const SOLAR_CONSTANT: f64 = 1_361.0;

/// Angle of the year in radians: one turn from 1 January to the next, leap days ignored.
fn year_angle(instant: i64) -> f64 {
    // A mean year of 365.2425 days, counted from 1970: a day off at most, that is 0.4° of declination in spring.
    let days = instant as f64 / DAY as f64;
    TAU * (days / 365.2425).fract()
}

/// Equation of time in seconds: true solar time minus mean solar time.
fn equation_of_time(instant: i64) -> f64 {
    let (s, c) = year_angle(instant).sin_cos();
    let (s2, c2) = (2.0 * year_angle(instant)).sin_cos();
    (TAU / 2.0).recip() * (DAY as f64 / 2.0) * (0.000_075 + 0.001_868 * c - 0.032_077 * s - 0.014_615 * c2 - 0.040_849 * s2)
}

/// Declination in radians.
fn declination(instant: i64) -> f64 {
    let (s, c) = year_angle(instant).sin_cos();
    let (s2, c2) = (2.0 * year_angle(instant)).sin_cos();
    let (s3, c3) = (3.0 * year_angle(instant)).sin_cos();
    0.006_918 - 0.399_912 * c + 0.070_257 * s - 0.006_758 * c2 + 0.000_907 * s2 - 0.002_697 * c3 + 0.001_48 * s3
}

/// Seconds of mean solar time at a longitude, since the epoch: its days begin at solar midnight.
pub(super) fn solar_time(instant: i64, longitude: f64) -> i64 {
    instant + (longitude * 240.0) as i64
}

/// Sunrise and sunset of a solar day (see [`solar_time`]): the upper rim on the horizon, refraction included (height −0.833°).
/// `None` where the sun does not rise or does not set on that day.
pub(super) fn rise_and_set(day: i64, latitude: f64, longitude: f64) -> Option<(i64, i64)> {
    let mean = day * DAY + DAY / 2 - (longitude * 240.0) as i64;
    let noon = mean - equation_of_time(mean) as i64;
    let (latitude, declination) = (latitude.to_radians(), declination(noon));
    let turn = ((-0.833_f64).to_radians().sin() - latitude.sin() * declination.sin()) / (latitude.cos() * declination.cos());
    let half = (turn.abs() < 1.0).then(|| (turn.acos() / TAU * DAY as f64) as i64)?;
    Some((noon - half, noon + half))
}

/// Sine of the sun's height above the horizon, without refraction.
pub(super) fn sine_of_height(instant: i64, latitude: f64, longitude: f64) -> f64 {
    let turn = (instant.rem_euclid(DAY) as f64 + equation_of_time(instant) + longitude * 240.0) / DAY as f64 - 0.5;
    let (latitude, declination) = (latitude.to_radians(), declination(instant));
    latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * (turn * TAU).cos()
}

/// Most sunlight that can fall, W/m²: the "physically possible" limit of the BSRN tests (Long and Dutton 2002).
fn possible(sine: f64) -> f64 {
    SOLAR_CONSTANT * 1.5 * sine.max(0.0).powf(1.2) + 100.0
}

/// Holds the light against the sun: none in the dark, never more than can fall.
pub(super) fn judge(reading: &Reading, place: Option<(f64, f64)>, flags: &mut Flags) {
    let (Some(light), Some((latitude, longitude))) = (reading.get(Variable::Solar), place) else { return };
    let sine = sine_of_height(reading.instant, latitude, longitude);
    let dark = sine < DARK_DEGREES.to_radians().sin() && light > DARK_W_M2;
    flags.set(Variable::Solar, Test::Consistency, if dark || light > possible(sine) { Flag::Suspect } else { Flag::Good });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp()
    }

    /// Against the almanac: equation of time and declination at their extremes and at an equinox.
    #[test]
    fn the_sun_stands_where_the_almanac_says() {
        for (day, minutes) in [("2024-02-11", -14.2), ("2024-05-14", 3.7), ("2024-07-26", -6.5), ("2024-11-03", 16.4)] {
            let found = equation_of_time(at(&format!("{day}T12:00:00Z"))) / 60.0;
            assert!((found - minutes).abs() < 0.5, "{day}: {found} min");
        }
        for (day, degrees) in [("2024-06-20", 23.44), ("2024-12-21", -23.44), ("2025-03-20", 0.0)] {
            let found = declination(at(&format!("{day}T12:00:00Z"))).to_degrees();
            assert!((found - degrees).abs() < 0.5, "{day}: {found}°");
        }
    }

    /// Lille, in UTC, by another way: the formulae of J. Meeus, "Astronomical Algorithms", chapter 25.
    #[test]
    fn the_sun_rises_and_sets_when_it_should() {
        for (day, rise, set) in [("2024-10-05", "05:55", "17:16"), ("2024-06-21", "03:35", "20:04")] {
            let number = at(&format!("{day}T00:00:00Z")) / DAY;
            let (found_rise, found_set) = rise_and_set(number, 50.63, 3.07).unwrap();
            for (found, expected) in [(found_rise, rise), (found_set, set)] {
                let off = found - at(&format!("{day}T{expected}:00Z"));
                assert!(off.abs() <= 120, "{day} {expected}: {off} s");
            }
        }
        assert_eq!(rise_and_set(at("2024-06-21T00:00:00Z") / DAY, 70.0, 20.0), None, "midnight sun");
        let (lower, higher) =
            (sine_of_height(at("2024-10-05T12:30:00Z"), 50.66, 3.07), sine_of_height(at("2024-10-05T11:36:00Z"), 50.66, 3.07));
        assert!(lower < higher && (higher.asin().to_degrees() - 34.4).abs() < 0.6);
    }

    #[test]
    fn light_in_the_dark_is_suspect() {
        let flag = |text: &str, light: f64| {
            let mut reading = Reading::new(at(text));
            reading.set(Variable::Solar, light);
            let mut flags = super::super::judge::judge(&reading, None);
            judge(&reading, Some((50.66, 3.07)), &mut flags);
            flags.get(Variable::Solar, Test::Consistency)
        };
        assert_eq!(flag("2024-10-05T12:00:00Z", 500.0), Flag::Good);
        assert_eq!(flag("2024-10-05T22:00:00Z", 3.0), Flag::Good);
        assert_eq!(flag("2024-10-05T22:00:00Z", 30.0), Flag::Suspect);
        assert_eq!(flag("2024-10-05T12:00:00Z", 1_300.0), Flag::Suspect);
    }
}
