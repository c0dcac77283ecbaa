//! Whether wind is in the unit it says: by its gusts, and by the neighbours' wind.
//!
//! A wrong unit multiplies. What a station's wind is multiplied by shows in two ratios that hardly move otherwise:
//! gust over mean (when only one of the two is wrong) and station over neighbour (when both are).

use super::finding::{Findings, StretchTest, best_stretch, densest, runs, spread};
use super::hours::Hour;
use super::neighbours::Beside;
use super::station::Station;
use super::thresholds::Variable;

const HOUR: i64 = 3_600;
/// Wind below this, m/s, has no ratio worth the name: cups stand still.
pub(super) const LEAST_WIND: f64 = 1.0;
/// Fewest readings of an hour for its gust ratio.
pub(super) const LEAST_READINGS: u32 = 4;
/// Fewest hours that make a usual ratio.
const LEAST_HOURS: usize = 24;
/// Smallest factor that is suspect, and how many robust standard deviations it must be away.
pub(super) const GUST_FACTOR: f64 = 1.5;
pub(super) const WIND_FACTOR: f64 = 1.7;
pub(super) const WIDTHS: f64 = 5.0;
/// The same for windows of wind: less, because two neighbours must agree.
pub(super) const WIND_WIDTHS: f64 = 2.5;
/// Hours of wind that are compared with neighbours at once, how far apart such windows begin, and how many must be usable.
pub(super) const WINDOW: i64 = 24;
const STRIDE: i64 = 6;
const LEAST_COMMON: usize = 12;
/// Hours that two stations must share before their ratio counts as usual.
const LEAST_USUAL: usize = 48;

/// Factors by which wind is wrong when one unit is taken for another.
const MIX_UPS: [(f64, &str); 5] =
    [(1.609, "km/h and mph"), (1.852, "km/h and kn"), (1.944, "m/s and kn"), (2.237, "m/s and mph"), (3.6, "m/s and km/h")];

/// The mix-up that a factor (or its inverse) points at, within 12 %.
fn mix_up(factor: f64) -> String {
    let factor = factor.max(1.0 / factor);
    let near = MIX_UPS.iter().min_by(|a, b| (a.0 / factor).ln().abs().total_cmp(&(b.0 / factor).ln().abs()));
    match near.filter(|(known, _)| (known / factor).ln().abs() < 0.12) {
        Some((known, units)) => format!("; {units} mixed up make {known}"),
        None => String::new(),
    }
}

/// Holds each hour's ratio of gust to mean against the station's own.
pub(super) fn gust(id: &str, station: &Station, findings: &mut Findings) {
    let ratio = |hour: &Hour| {
        let (wind, gust) = (hour.wind_with_gust.of(LEAST_READINGS)?, hour.gust.of(LEAST_READINGS)?);
        (wind.max(gust) >= LEAST_WIND && wind.min(gust) > 0.1).then(|| (gust / wind).ln())
    };
    let ratios: Vec<(i64, f64)> = station.hours.iter().filter_map(|(number, hour)| Some((number, ratio(hour)?))).collect();
    let values: Vec<f64> = ratios.iter().map(|(_, ratio)| *ratio).collect();
    let Some((usual, sigma)) = spread(&values).filter(|_| values.len() >= LEAST_HOURS) else {
        return findings.count(id, StretchTest::UnitGust, 0, 0);
    };
    let band = (WIDTHS * sigma).max(GUST_FACTOR.ln());
    let wrong: Vec<(i64, f64)> = ratios.into_iter().filter(|(_, ratio)| (ratio - usual).abs() > band).collect();
    findings.count(id, StretchTest::UnitGust, values.len() as u64, wrong.len() as u64);
    for (first, last) in runs(wrong.iter().map(|(number, _)| *number)) {
        let inside: Vec<f64> = wrong.iter().filter(|(number, _)| (first..=last).contains(number)).map(|(_, ratio)| *ratio).collect();
        let found = inside.iter().sum::<f64>() / inside.len().max(1) as f64;
        let evidence = format!(
            "gust over mean wind is {:.2} instead of the usual {:.2}, a factor of {:.2}{}",
            found.exp(),
            usual.exp(),
            (found - usual).exp(),
            mix_up((found - usual).exp())
        );
        findings.add(id, StretchTest::UnitGust, &[Variable::Wind, Variable::Gust], (first * HOUR, (last + 1) * HOUR), evidence);
    }
}

/// A station's usual ratio to one neighbour, and every hour's distance from it.
struct Pair {
    off: Vec<Option<f64>>,
    band: f64,
}

impl Pair {
    fn of(station: &Station, neighbour: &Station, (first, last): (i64, i64)) -> Option<Pair> {
        let ratio = |hour: i64| {
            let (own, other) = (station.hours.get(hour)?.wind.of(1)?, neighbour.hours.get(hour)?.wind.of(1)?);
            (own >= LEAST_WIND && other >= LEAST_WIND).then(|| (own / other).ln())
        };
        let ratios: Vec<Option<f64>> = (first..=last).map(ratio).collect();
        if ratios.iter().flatten().count() < LEAST_USUAL {
            return None;
        }
        // What is usual is where the windows lie densest: a fault of days must not move it.
        let means: Vec<f64> = starts(ratios.len()).filter_map(|from| mean(&ratios, from)).collect();
        let (usual, sigma) = densest(&means)?;
        let band = (WIND_WIDTHS * sigma).max(WIND_FACTOR.ln());
        let off = ratios.into_iter().map(|ratio| Some(ratio? - usual)).collect();
        Some(Pair { off, band })
    }

    /// The window's distance, 0 within the band; `None` where too few hours are usable.
    fn verdict(&self, from: usize) -> Option<f64> {
        mean(&self.off, from).map(|off| if off.abs() > self.band { off } else { 0.0 })
    }
}

fn starts(hours: usize) -> impl Iterator<Item = usize> {
    (0..(hours + 1).saturating_sub(LEAST_COMMON)).step_by(STRIDE as usize)
}

fn mean(off: &[Option<f64>], from: usize) -> Option<f64> {
    let usable: Vec<f64> = off.iter().skip(from).take(WINDOW as usize).flatten().copied().collect();
    (usable.len() >= LEAST_COMMON).then(|| usable.iter().sum::<f64>() / usable.len() as f64)
}

/// Holds the ratio to the neighbours' wind against what it usually is. Only where more than half of at least two neighbours agree.
pub(super) fn wind(id: &str, station: &Station, beside: &Beside<'_>, findings: &mut Findings) {
    let Some(span) = station.hours.span() else { return findings.count(id, StretchTest::UnitWind, 0, 0) };
    let pairs: Vec<Pair> = beside.iter().filter_map(|(_, neighbour)| Pair::of(station, neighbour, span)).collect();
    let hours = usize::try_from(span.1 - span.0 + 1).unwrap_or(0);
    let (mut evaluated, mut suspect) = (0, 0);
    let mut stretches: Vec<(usize, usize, bool)> = Vec::new();
    for from in starts(hours) {
        let verdicts: Vec<f64> = pairs.iter().filter_map(|pair| pair.verdict(from)).collect();
        if verdicts.len() < super::clocks::LEAST_NEIGHBOURS {
            continue;
        }
        evaluated += 1;
        let (more, less) = (verdicts.iter().filter(|off| **off > 0.0).count(), verdicts.iter().filter(|off| **off < 0.0).count());
        if more.max(less) * 2 <= verdicts.len() {
            continue;
        }
        suspect += 1;
        let until = (from + WINDOW as usize).min(hours);
        match stretches.last_mut() {
            Some((_, end, up)) if *up == (more > less) && from <= *end => *end = until,
            _ => stretches.push((from, until, more > less)),
        }
    }
    findings.count(id, StretchTest::UnitWind, evaluated, suspect);
    for (from, until, up) in stretches {
        let (stretch, factor) = narrowed(&pairs, from, until, up);
        let at = |hour: usize| (span.0 + hour as i64) * HOUR;
        let evidence = format!("wind is {factor:.2} times what it usually is beside {} neighbours{}", pairs.len(), mix_up(factor));
        findings.add(id, StretchTest::UnitWind, &[Variable::Wind, Variable::Gust], (at(stretch.0), at(stretch.1)), evidence);
    }
}

/// The part of a stretch whose ratio is off by more than half the smallest suspect factor, and the factor there.
fn narrowed(pairs: &[Pair], from: usize, until: usize, up: bool) -> ((usize, usize), f64) {
    let typical =
        |hour: usize| spread(&pairs.iter().filter_map(|pair| *pair.off.get(hour)?).collect::<Vec<f64>>()).map(|(middle, _)| middle);
    let gain = |off: f64| if up { off - WIND_FACTOR.ln() / 2.0 } else { -off - WIND_FACTOR.ln() / 2.0 };
    let gains: Vec<f64> = (from..until).map(|hour| typical(hour).map_or(0.0, gain)).collect();
    let (first, behind) = best_stretch(&gains).unwrap_or((0, gains.len()));
    let inside: Vec<f64> = (from + first..from + behind).filter_map(typical).collect();
    let factor = spread(&inside).map_or(1.0, |(middle, _)| middle.exp());
    ((from + first, from + behind), factor)
}
