//! Stations beside stations, on hourly means (longer ones where a series had to be thinned).
//!
//! With two to four stations each pair's difference is held against its own band; with five or more, each station
//! against the median of its neighbours. What cannot be compared is "not evaluated", never "good".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::series::Series;
use super::station::Station;
use super::thresholds::Variable;

/// Shortest means that are compared, seconds.
const HOUR: i64 = 3_600;
/// Fewest common hours for a band.
const LEAST_COMMON: usize = 24;
/// Half the band in robust standard deviations.
const WIDTHS: f64 = 5.0;
/// Half the band at least: °C, hPa.
const FLOORS: [(Variable, f64); 2] = [(Variable::Temperature, 3.0), (Variable::Pressure, 2.0)];
/// A median absolute deviation of the normal distribution times this is its standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Neighbours lie within this many kilometres and metres of height.
const RADIUS_KM: f64 = 75.0;
const HEIGHT_M: f64 = 300.0;
/// Stations, the judged one included, from which the buddy test runs.
const BUDDIES: usize = 5;
/// Stations whose pairs are compared.
const MOST_STATIONS: usize = 64;

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

/// Compares all stations.
pub(super) fn compare(stations: &BTreeMap<String, Station>) -> Neighbours {
    let usable: Vec<(&String, &Station)> = stations.iter().filter(|(_, station)| station.records > 0).take(MOST_STATIONS).collect();
    let width = usable.iter().map(|(_, station)| station.series.width).max().unwrap_or(HOUR).max(HOUR);
    let hourly: Vec<Series> = usable.iter().map(|(_, station)| station.series.coarser(width)).collect();
    let mut found = Neighbours::default();
    if usable.len() < 2 {
        found.method = "not evaluated".to_owned();
        found.note = "one station has no neighbours".to_owned();
        return found;
    }
    let buddies = usable.len() >= BUDDIES;
    found.method = if buddies { "buddy" } else { "pair" }.to_owned();
    found.note = format!(
        "means of {width} s; band: median ± the larger of {WIDTHS} robust standard deviations and a floor (3 °C, 2 hPa); within {RADIUS_KM} km and {HEIGHT_M} m of height; at least {LEAST_COMMON} common means"
    );
    for (index, (id, station)) in usable.iter().enumerate() {
        let near = |other: usize| usable.get(other).is_some_and(|(_, neighbour)| other != index && near(station, neighbour));
        let others: Vec<usize> = (0..usable.len()).filter(|other| near(*other)).collect();
        let groups: Vec<Vec<usize>> = match buddies {
            true if others.len() + 1 >= BUDDIES => vec![others],
            true => Vec::new(),
            false => others.into_iter().filter(|other| *other > index).map(|other| vec![other]).collect(),
        };
        for group in groups {
            for (variable, floor) in FLOORS {
                let Some(own) = hourly.get(index) else { continue };
                let series: Vec<&Series> = group.iter().filter_map(|other| hourly.get(*other)).collect();
                let names = std::iter::once(*id).chain(group.iter().filter_map(|other| usable.get(*other).map(|(id, _)| *id)));
                found.comparisons.extend(band(own, &series, variable, floor, names.cloned().collect()));
            }
        }
    }
    found
}

fn near(a: &Station, b: &Station) -> bool {
    let (Some(lat_a), Some(lon_a), Some(lat_b), Some(lon_b)) = (a.latitude, a.longitude, b.latitude, b.longitude) else { return false };
    let height = (a.elevation.unwrap_or(0.0) - b.elevation.unwrap_or(0.0)).abs();
    // Equirectangular distance: exact enough at this radius.
    let east = (lon_a - lon_b).to_radians() * ((lat_a + lat_b) / 2.0).to_radians().cos();
    let north = (lat_a - lat_b).to_radians();
    6_371.0 * east.hypot(north) <= RADIUS_KM && height <= HEIGHT_M
}

fn band(own: &Series, others: &[&Series], variable: Variable, floor: f64, stations: Vec<String>) -> Option<Comparison> {
    let mean = |series: &Series, hour: &i64| series.buckets.get(hour).and_then(|bucket| bucket[variable as usize].mean());
    let mut differences = Vec::new();
    for hour in own.buckets.keys() {
        let mut around: Vec<f64> = others.iter().filter_map(|other| mean(other, hour)).collect();
        if around.len() < others.len().min(BUDDIES - 1) {
            continue;
        }
        if let (Some(own), Some(around)) = (mean(own, hour), median(&mut around)) {
            differences.push(own - around);
        }
    }
    if differences.len() < LEAST_COMMON {
        return None;
    }
    let middle = median(&mut differences.clone())?;
    let deviation = median(&mut differences.iter().map(|difference| (difference - middle).abs()).collect::<Vec<f64>>())?;
    let half = (WIDTHS * MAD_TO_SIGMA * deviation).max(floor);
    let suspect = differences.iter().filter(|difference| (**difference - middle).abs() > half).count();
    let two = |value: f64| (value * 100.0).round() / 100.0;
    Some(Comparison {
        stations,
        variable: variable.field().to_owned(),
        hours: differences.len() as u64,
        suspect: suspect as u64,
        median: two(middle),
        band: two(half),
    })
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some((upper + *values.get(middle.checked_sub(1)?)?) / 2.0) }
}
