//! Stations beside stations, on hourly means.
//!
//! With two to four stations each pair's difference is held against its own band; with five or more, each station
//! against the median of its neighbours. What cannot be compared is "not evaluated", never "good".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::finding::{Findings, StretchTest, median, runs, spread};
use super::hours::Hour;
use super::station::Station;
use super::thresholds::Variable;
use super::{clocks, scales};

const HOUR: i64 = 3_600;
/// Fewest common hours for a band.
const LEAST_COMMON: usize = 24;
/// Half the band in robust standard deviations.
const WIDTHS: f64 = 5.0;
/// Half the band at least: °C, hPa.
const FLOORS: [(Variable, f64); 2] = [(Variable::Temperature, 3.0), (Variable::Pressure, 2.0)];
/// Neighbours lie within this many kilometres and metres of height.
const RADIUS_KM: f64 = 75.0;
const HEIGHT_M: f64 = 300.0;
/// Stations, the judged one included, from which the buddy test runs.
const BUDDIES: usize = 5;
/// Neighbours a station is held against: the nearest ones.
const MOST_NEIGHBOURS: usize = 8;

/// The comparison of stations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// `pair`, `buddy` or `not evaluated`.
    pub method: String,
    /// Why it was not evaluated, or how the bands are made.
    pub note: String,
    /// One entry per pair (or station) and variable.
    pub comparisons: Vec<Comparison>,
}

/// One pair, or one station against its neighbours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The stations; in the buddy test the first one is judged.
    pub stations: Vec<String>,
    /// The variable.
    pub variable: String,
    /// Hours compared.
    pub hours: u64,
    /// Hours outside the band.
    pub suspect: u64,
    /// Median difference.
    pub median: f64,
    /// Half the band around it.
    pub band: f64,
}

/// A station's neighbours, the nearest first.
pub(super) struct Beside<'a>(Vec<(&'a str, &'a Station)>);

impl<'a> Beside<'a> {
    fn of(id: &str, stations: &'a BTreeMap<String, Station>) -> Beside<'a> {
        let Some(station) = stations.get(id) else { return Beside(Vec::new()) };
        let others = stations.iter().filter(|(other, neighbour)| *other != id && neighbour.records > 0);
        let mut near: Vec<(f64, &str, &Station)> =
            others.filter_map(|(other, neighbour)| Some((distance(station, neighbour)?, other.as_str(), neighbour))).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        Beside(near.into_iter().take(MOST_NEIGHBOURS).map(|(_, other, neighbour)| (other, neighbour)).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Station)> {
        self.0.iter().copied()
    }
}

/// Runs every test of stretches.
pub(super) fn compare(stations: &BTreeMap<String, Station>, findings: &mut Findings) -> Neighbours {
    let usable = stations.values().filter(|station| station.records > 0).count();
    let buddies = usable >= BUDDIES;
    let mut found = Neighbours {
        method: if usable < 2 {
            "not evaluated"
        } else if buddies {
            "buddy"
        } else {
            "pair"
        }
        .to_owned(),
        note: match usable {
            0 | 1 => "one station has no neighbours".to_owned(),
            _ => format!(
                "hourly means; band: median ± the larger of {WIDTHS} robust standard deviations and a floor (3 °C, 2 hPa); neighbours within {RADIUS_KM} km and {HEIGHT_M} m of height; at least {LEAST_COMMON} common hours"
            ),
        },
        comparisons: Vec::new(),
    };
    for (id, station) in stations {
        let beside = Beside::of(id, stations);
        clocks::sun(id, station, findings);
        clocks::lag(id, station, &beside, findings);
        scales::gust(id, station, findings);
        scales::wind(id, station, &beside, findings);
        findings.count(id, StretchTest::NeighbourBand, 0, 0);
        let groups: Vec<Vec<(&str, &Station)>> = match buddies {
            true if beside.0.len() + 1 >= BUDDIES => vec![beside.0],
            true => Vec::new(),
            // Each pair once.
            false => beside.iter().filter(|(other, _)| *other > id.as_str()).map(|pair| vec![pair]).collect(),
        };
        for group in groups {
            for (variable, floor) in FLOORS {
                found.comparisons.extend(band((id, station), &group, variable, floor, findings));
            }
        }
    }
    found
}

/// Kilometres between two stations; `None` when they are no neighbours or their places are unknown.
fn distance(a: &Station, b: &Station) -> Option<f64> {
    let ((lat_a, lon_a), (lat_b, lon_b)) = (a.place()?, b.place()?);
    let height = (a.elevation.unwrap_or(0.0) - b.elevation.unwrap_or(0.0)).abs();
    // Equirectangular distance: exact enough at this radius.
    let east = (lon_a - lon_b).to_radians() * ((lat_a + lat_b) / 2.0).to_radians().cos();
    let north = (lat_a - lat_b).to_radians();
    Some(6_371.0 * east.hypot(north)).filter(|km| *km <= RADIUS_KM && height <= HEIGHT_M)
}

fn mean(variable: Variable, hour: &Hour) -> Option<f64> {
    if variable == Variable::Pressure { hour.pressure.of(1) } else { hour.temperature.of(1) }
}

fn band(
    (id, station): (&str, &Station),
    others: &[(&str, &Station)],
    variable: Variable,
    floor: f64,
    findings: &mut Findings,
) -> Option<Comparison> {
    let mut differences = Vec::new();
    for (number, hour) in station.hours.iter() {
        let mut around: Vec<f64> = others.iter().filter_map(|(_, other)| mean(variable, other.hours.get(number)?)).collect();
        if around.len() < others.len().min(BUDDIES - 1) {
            continue;
        }
        if let (Some(own), Some(around)) = (mean(variable, hour), median(&mut around)) {
            differences.push((number, own - around));
        }
    }
    let values: Vec<f64> = differences.iter().map(|(_, difference)| *difference).collect();
    let (middle, sigma) = spread(&values).filter(|_| values.len() >= LEAST_COMMON)?;
    let half = (WIDTHS * sigma).max(floor);
    let outside: Vec<i64> = differences.iter().filter(|(_, value)| (value - middle).abs() > half).map(|(number, _)| *number).collect();
    // Of a pair nobody knows which one is wrong: both are suspect.
    let judged: Vec<&str> = match others {
        [(other, _)] => vec![id, other],
        _ => vec![id],
    };
    let two = |value: f64| (value * 100.0).round() / 100.0;
    for one in &judged {
        findings.count(one, StretchTest::NeighbourBand, values.len() as u64, outside.len() as u64);
        for (first, last) in runs(outside.iter().copied()) {
            let beside = match others {
                [(other, _)] => if *one == *other { id } else { other }.to_owned(),
                several => format!("{} neighbours", several.len()),
            };
            let (word, unit) = if variable == Variable::Pressure { ("pressure", "hPa") } else { ("temperature", "°C") };
            let evidence = format!("{word} is more than {} {unit} off its usual difference to {beside}", two(half));
            findings.add(one, StretchTest::NeighbourBand, &[variable], (first * HOUR, (last + 1) * HOUR), evidence);
        }
    }
    Some(Comparison {
        stations: std::iter::once(id).chain(others.iter().map(|(other, _)| *other)).map(str::to_owned).collect(),
        variable: variable.field().to_owned(),
        hours: values.len() as u64,
        suspect: outside.len() as u64,
        median: two(middle),
        band: two(half),
    })
}
