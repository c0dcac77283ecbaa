//! Whether a station's clock is right: by the sun, and by the neighbours' day.
//!
//! Clocks go wrong by whole hours (a zone, a switch to summer time that was missed), for days and longer. Both tests
//! are made for that; a clock that is wrong for a few hours hides in the weather.

use super::finding::{Findings, StretchTest, best_stretch};
use super::neighbours::Beside;
use super::station::Station;
use super::sun;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// How far the middle of the light may lie from solar noon, seconds. On clear and on dull days alike it stays within ten minutes.
pub(super) const MIDDLE_TOLERANCE: i64 = 1_800;
/// How long a dull morning may hide the sun after it rose (and a dull evening before it sets), seconds.
pub(super) const DULL_TOLERANCE: i64 = 3_000;
/// How long before sunrise (and after sunset) it may be light, seconds.
pub(super) const BRIGHT_TOLERANCE: i64 = 900;
/// Hours of temperature that are compared at once, and how far apart such windows begin.
pub(super) const WINDOW: i64 = 48;
const STRIDE: i64 = 12;
/// Fewest common hours of a window.
const LEAST: usize = 40;
/// Largest shift that is looked for, hours.
pub(super) const FARTHEST: i64 = 3;
/// What must be left of the difference between two stations, of 1, for a shift to be believed.
pub(super) const LEFT: f64 = 0.65;
/// A neighbour's temperature must move this much within the window, °C: a flat day tells no time.
pub(super) const LEAST_RANGE: f64 = 5.0;
/// Neighbours that must be there, so that one can tell whose clock it is.
pub(super) const LEAST_NEIGHBOURS: usize = 2;

/// A dawn or dusk that was seen: when, how much later than it should be (seconds), and whether that is too much.
struct Edge {
    seen: i64,
    late: i64,
    wrong: bool,
}

/// Holds each day's first and last light against sunrise and sunset.
pub(super) fn sun(id: &str, station: &Station, findings: &mut Findings) {
    let edges: Vec<Edge> = station.place().map_or_else(Vec::new, |place| edges(station, place));
    findings.count(id, StretchTest::ClockSun, edges.len() as u64, edges.iter().filter(|edge| edge.wrong).count() as u64);
    let mut at = 0;
    while let Some(first) = edges.get(at) {
        let same = |edge: &&Edge| edge.wrong && (edge.late > 0) == (first.late > 0);
        let run: Vec<&Edge> = edges.iter().skip(at).take_while(same).collect();
        if let Some(last) = run.last() {
            // The clock went wrong somewhere between the last good edge and the first bad one.
            let before = at.checked_sub(1).and_then(|at| edges.get(at)).map_or(first.seen - DAY / 4, |good| (good.seen + first.seen) / 2);
            let behind = edges.get(at + run.len()).map_or(last.seen + DAY / 4, |good| (good.seen + last.seen) / 2);
            let minutes = run.iter().map(|edge| edge.late).sum::<i64>() / 60 / run.len() as i64;
            let evidence = format!(
                "{} of light and dark come {} min {} the sun's",
                if run.len() == 1 { "one change".to_owned() } else { format!("{} changes", run.len()) },
                minutes.abs(),
                if minutes > 0 { "after" } else { "before" }
            );
            let span = (before.max(first.seen - DAY / 4), behind.min(last.seen + DAY / 4));
            findings.add(id, StretchTest::ClockSun, &[], span, evidence);
        }
        at += run.len().max(1);
    }
}

/// Every dawn and dusk that was seen, in order.
fn edges(station: &Station, (latitude, longitude): (f64, f64)) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (day, dawn, dusk) in station.hours.dawns_and_dusks() {
        let Some((rise, set)) = sun::rise_and_set(day, latitude, longitude) else { continue };
        let (dawn, dusk) = (dawn.map(|seen| (seen, seen - rise)), dusk.map(|seen| (seen, seen - set)));
        // Clouds make both ends of the day dark, the clock moves both the same way.
        let middle = dawn.zip(dusk).map_or(0, |((_, first), (_, last))| (first + last) / 2);
        let wrong = |late: i64, most: i64, least: i64| {
            late > most || late < least || middle.abs() > MIDDLE_TOLERANCE && late.signum() == middle.signum()
        };
        edges.extend(dawn.map(|(seen, late)| Edge { seen, late, wrong: wrong(late, DULL_TOLERANCE, -BRIGHT_TOLERANCE) }));
        edges.extend(dusk.map(|(seen, late)| Edge { seen, late, wrong: wrong(late, BRIGHT_TOLERANCE, -DULL_TOLERANCE) }));
    }
    edges
}

/// Looks for the shift by which a station's temperature fits its neighbours'.
pub(super) fn lag(id: &str, station: &Station, beside: &Beside<'_>, findings: &mut Findings) {
    let (mut evaluated, mut suspect) = (0, 0);
    let mut open: Option<Late> = None;
    let mut late = Vec::new();
    for from in windows(station) {
        let shifts: Vec<i64> = beside.iter().filter_map(|(_, neighbour)| shift(station, neighbour, from)).collect();
        if shifts.len() < LEAST_NEIGHBOURS {
            continue;
        }
        evaluated += 1;
        let Some(hours) = agreed(&shifts) else { continue };
        suspect += 1;
        match &mut open {
            Some(open) if open.hours == hours && from <= open.until => open.until = from + WINDOW,
            _ => late.extend(open.replace(Late { hours, from, until: from + WINDOW })),
        }
    }
    findings.count(id, StretchTest::ClockLag, evaluated, suspect);
    for Late { hours, from, until } in late.into_iter().chain(open) {
        let (from, until) = narrowed(station, beside, hours, from, until);
        let evidence = format!(
            "temperature follows that of the neighbours {} h too {}: a clock {} by that much would do it",
            hours.abs(),
            if hours > 0 { "late" } else { "early" },
            if hours > 0 { "ahead" } else { "behind" }
        );
        findings.add(id, StretchTest::ClockLag, &[], (from * HOUR, until * HOUR), evidence);
    }
}

/// A stretch that is late (or, below 0, early) by so many hours; its ends are numbers of hours.
struct Late {
    hours: i64,
    from: i64,
    until: i64,
}

fn windows(station: &Station) -> impl Iterator<Item = i64> + use<> {
    let span = station.hours.span();
    let (first, last) = span.unwrap_or((0, -1));
    (first..=last - LEAST as i64 + 1).step_by(STRIDE as usize)
}

fn temperature(station: &Station, hour: i64) -> Option<f64> {
    station.hours.get(hour)?.temperature.of(1)
}

/// By how many hours the station lags behind the neighbour in a window: 0 unless a shift explains most of what differs.
/// `None` where it cannot be told.
fn shift(station: &Station, neighbour: &Station, from: i64) -> Option<i64> {
    let theirs: Vec<f64> = (from..from + WINDOW).filter_map(|hour| temperature(neighbour, hour)).collect();
    let (low, high) = theirs.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    if high - low < LEAST_RANGE {
        return None;
    }
    let unshifted = distance(station, neighbour, from, 0)?;
    let others = (1..=FARTHEST).flat_map(|lag| [lag, -lag]).filter_map(|lag| Some((distance(station, neighbour, from, lag)?, lag)));
    let (best, lag) = others.min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(if best <= LEFT * unshifted { lag } else { 0 })
}

/// Standard deviation of the station's temperature minus the neighbour's `lag` hours before: a constant difference does not count.
fn distance(station: &Station, neighbour: &Station, from: i64, lag: i64) -> Option<f64> {
    let differences: Vec<f64> =
        (from..from + WINDOW).filter_map(|hour| Some(temperature(station, hour)? - temperature(neighbour, hour - lag)?)).collect();
    if differences.len() < LEAST {
        return None;
    }
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    Some((differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// The shift that more than half of the neighbours see.
fn agreed(shifts: &[i64]) -> Option<i64> {
    let votes = |lag: i64| shifts.iter().filter(|shift| **shift == lag).count();
    shifts.iter().copied().find(|lag| *lag != 0 && votes(*lag) * 2 > shifts.len())
}

/// The part of a stretch to which the shift is confined: where shifting helps, hour by hour.
fn narrowed(station: &Station, beside: &Beside<'_>, lag: i64, from: i64, until: i64) -> (i64, i64) {
    let mut gains = vec![0.0; usize::try_from(until - from).unwrap_or(0)];
    for (_, neighbour) in beside.iter() {
        let difference = |hour: i64, lag: i64| Some(temperature(station, hour)? - temperature(neighbour, hour - lag)?);
        let mean = |lag: i64| {
            let all: Vec<f64> = (from..until).filter_map(|hour| difference(hour, lag)).collect();
            all.iter().sum::<f64>() / all.len().max(1) as f64
        };
        let (plain, shifted) = (mean(0), mean(lag));
        for (hour, gain) in (from..until).zip(gains.iter_mut()) {
            if let (Some(now), Some(then)) = (difference(hour, 0), difference(hour, lag)) {
                *gain += (now - plain).powi(2) - (then - shifted).powi(2);
            }
        }
    }
    // An hour must help at least a quarter as much as the others do: beyond the ends nothing but noise helps.
    let least = gains.iter().sum::<f64>() / gains.len().max(1) as f64 / 4.0;
    gains.iter_mut().for_each(|gain| *gain -= least);
    match best_stretch(&gains) {
        Some((first, behind)) => (from + first as i64, from + behind as i64),
        None => (from, until),
    }
}
