//! The report: figures per dataset, source, station and variable, and everything needed to judge the judgement.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Findings, Stretches};
use super::gate::{self, Gate, Verdict};
use super::neighbours::{self, Neighbours};
use super::scan::Scanned;
use super::spec::{Limits, QualitySpec};
use super::station::Station;
use super::table::{self, Threshold};
use super::thresholds::{FLAGS, Test, Variable};
use crate::decimal::round_half_even;
use crate::manifest::{DatasetManifest, Ledger};
use crate::timestamp::timestamp;

/// Layout version of the report.
const VERSION: u32 = 2;
/// Share of a day's readings below which a day counts as incomplete, percent.
const COVERED_PERCENT: u64 = 80;
const DAY: i64 = 86_400;

/// The report, as it stands in `quality_report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the report's own")]
pub struct QualityReport {
    pub version: u32,
    /// Key of the dataset file.
    pub dataset: String,
    /// Digest of the dataset file that was judged.
    pub dataset_digest: String,
    /// Digest of the dataset's inputs.
    pub inputs_digest: String,
    /// Digest of the limits and tests.
    pub spec_digest: String,
    /// When it was judged.
    pub evaluated_at: String,
    /// The verdict of the gate.
    pub gate: Gate,
    /// The limits of the gate.
    pub limits: Limits,
    pub total_records: u64,
    #[serde(flatten)]
    pub missing: Missing,
    pub duplicate_records: u64,
    /// (Records without temperature + duplicates) over all records, percent, 2 decimals.
    pub error_rate_percent: f64,
    /// Values that fail a test over values that are there, percent, 2 decimals.
    pub failed_values_percent: f64,
    /// Lines of the dataset that are no document.
    pub unreadable_lines: u64,
    /// Age of the newest reading when it was judged, hours, 2 decimals.
    pub age_hours: Option<f64>,
    /// Rows on their way into the dataset.
    pub ledger: Ledger,
    /// Fields outside the contract that were kept.
    pub unknown_fields: BTreeMap<String, u64>,
    pub sources: BTreeMap<String, SourceReport>,
    pub stations: BTreeMap<String, StationReport>,
    /// Comparison of stations.
    pub neighbours: Neighbours,
    /// Stretches of time that are suspect as a whole.
    pub findings: Vec<Finding>,
    /// What a person should know although the gate may pass.
    pub warnings: Vec<String>,
    /// What the flags mean.
    pub flag_scale: BTreeMap<u8, String>,
    /// Thresholds and their sources.
    pub thresholds: Vec<Threshold>,
}

/// Records without a core value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Without temperature.
    #[serde(rename = "missing_temperature")]
    pub temperature: u64,
    /// Without humidity.
    #[serde(rename = "missing_humidity")]
    pub humidity: u64,
    /// Without pressure.
    #[serde(rename = "missing_pressure")]
    pub pressure: u64,
}

impl Missing {
    fn add(&mut self, other: Missing) {
        self.temperature += other.temperature;
        self.humidity += other.humidity;
        self.pressure += other.pressure;
    }
}

/// Figures of one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Documents.
    pub records: u64,
    /// Missing core values.
    #[serde(flatten)]
    pub missing: Missing,
    /// Documents whose station and instant were there already.
    pub duplicate_records: u64,
}

/// Figures of one station.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StationReport {
    /// Its source.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Documents.
    pub records: u64,
    /// Missing core values.
    #[serde(flatten)]
    pub missing: Missing,
    /// Documents whose instant was there already.
    pub duplicate_records: u64,
    /// Documents earlier than the one before.
    pub out_of_order: u64,
    /// First instant.
    pub first: Option<String>,
    /// Last instant.
    pub last: Option<String>,
    /// The usual interval, seconds.
    pub grid_seconds: Option<i64>,
    /// Coverage of its days.
    pub coverage: Coverage,
    /// Per variable: worst flags and flags per test.
    pub variables: BTreeMap<String, VariableReport>,
    /// Tests of stretches of time: how many were judged, how many are suspect.
    pub stretches: BTreeMap<String, Stretches>,
}

/// How much of the expected readings came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Readings over those expected between the first and the last, percent, 2 decimals.
    pub percent: Option<f64>,
    /// UTC days with readings.
    pub days: u64,
    /// Days between first and last below 80 % of the grid: day → readings.
    pub incomplete_days: BTreeMap<String, u64>,
    /// Intervals longer than one and a half times the usual one.
    pub gaps: Vec<Gap>,
}

/// A stretch without readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The reading before it.
    pub after: String,
    /// The reading that ended it.
    pub before: String,
    /// Readings that would have fitted in.
    pub missing: i64,
}

/// Flags of one variable of one station.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariableReport {
    /// The worst flag of every value → how often.
    pub flags: BTreeMap<u8, u64>,
    /// Test → flags.
    pub tests: BTreeMap<String, TestCounts>,
}

/// Flag → how often; flags that never came are left out.
pub type TestCounts = BTreeMap<u8, u64>;

/// Builds the report; gives the stations back for the page.
pub(super) fn build(
    spec: &QualitySpec,
    manifest: &DatasetManifest,
    scanned: Scanned,
    now: DateTime<Utc>,
) -> (QualityReport, BTreeMap<String, Station>) {
    let mut findings = Findings::default();
    let neighbours = neighbours::compare(&scanned.stations, &mut findings);
    let mut counts = findings.counts;
    let stations: BTreeMap<String, StationReport> =
        scanned.stations.iter().map(|(id, station)| (id.clone(), station_report(station, counts.remove(id).unwrap_or_default()))).collect();
    let mut sources: BTreeMap<String, SourceReport> = BTreeMap::new();
    let (mut missing, mut total, mut duplicates) = (Missing::default(), 0, 0);
    for station in stations.values() {
        let source = sources.entry(station.source.clone()).or_default();
        source.records += station.records;
        source.missing.add(station.missing);
        source.duplicate_records += station.duplicate_records;
        missing.add(station.missing);
        total += station.records;
        duplicates += station.duplicate_records;
    }
    let worst = |slot: usize| scanned.stations.values().flat_map(|station| station.worst.iter().map(move |flags| flags[slot])).sum::<u64>();
    let judged = worst(0) + worst(1) + worst(2) + worst(3);
    let newest = scanned.stations.values().filter_map(|station| station.last).max();
    let mut report = QualityReport {
        version: VERSION,
        dataset: spec.dataset.clone(),
        dataset_digest: manifest.digest.clone(),
        inputs_digest: manifest.inputs_digest.clone(),
        spec_digest: spec.digest(),
        evaluated_at: instant(now.timestamp()),
        gate: Gate { verdict: Verdict::Pass, reasons: Vec::new() },
        limits: spec.fail.clone(),
        total_records: total,
        missing,
        duplicate_records: duplicates,
        error_rate_percent: percent(missing.temperature + duplicates, total),
        failed_values_percent: percent(worst(3), judged),
        unreadable_lines: scanned.unreadable,
        age_hours: newest.map(|newest| hundredths(i128::from(now.timestamp() - newest) * 100, 3_600)),
        ledger: manifest.ledger,
        unknown_fields: manifest.unknown_fields.clone(),
        sources,
        stations,
        neighbours,
        findings: findings.list,
        warnings: Vec::new(),
        flag_scale: scale(),
        thresholds: table::table(),
    };
    report.gate = gate::judge(&spec.fail, &report);
    if report.unreadable_lines > 0 || report.total_records != manifest.documents {
        report.gate.verdict = Verdict::Fail;
        let reason = format!(
            "the file holds {} documents and {} other lines, its manifest says {}",
            total, report.unreadable_lines, manifest.documents
        );
        report.gate.reasons.push(reason);
    }
    report.warnings = warnings(&report);
    (report, scanned.stations)
}

/// `1 row`, `2 rows`.
fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// What should be looked at although it may be within the limits.
fn warnings(report: &QualityReport) -> Vec<String> {
    let ledger = &report.ledger;
    let rejects = (ledger.rejected_rows + ledger.rejected_values > 0).then(|| {
        let (rows, values) = (counted(ledger.rejected_rows, "row"), counted(ledger.rejected_values, "value"));
        format!("{rows} and {values} could not be read: see the rejects beside the dataset")
    });
    let unknown = report.unknown_fields.iter().map(|(name, count)| {
        format!("the source brings a field nobody knows, `{name}`, in {}; it is kept in `extra`", counted(*count, "row"))
    });
    let stretches = match report.findings.len() {
        0 => None,
        1 => Some("1 stretch of time is suspect as a whole: see the findings".to_owned()),
        some => Some(format!("{some} stretches of time are suspect as a whole: see the findings")),
    };
    rejects.into_iter().chain(unknown).chain(stretches).collect()
}

fn scale() -> BTreeMap<u8, String> {
    let words = ["good", "not evaluated", "suspect", "fail", "missing"];
    FLAGS.iter().zip(words).map(|(flag, word)| (*flag as u8, word.to_owned())).collect()
}

fn station_report(station: &Station, stretches: BTreeMap<String, Stretches>) -> StationReport {
    let counts =
        |flags: &[u64; 5]| FLAGS.iter().zip(flags).filter(|(_, count)| **count > 0).map(|(flag, count)| (*flag as u8, *count)).collect();
    let variable = |variable: Variable| {
        let tests = Test::ALL.iter().map(|test| (test.id().to_owned(), counts(&station.counts[variable as usize][*test as usize])));
        VariableReport { flags: counts(&station.worst[variable as usize]), tests: tests.collect() }
    };
    StationReport {
        source: station.source.clone(),
        name: station.name.clone(),
        records: station.records,
        missing: Missing {
            temperature: station.missing[Variable::Temperature as usize],
            humidity: station.missing[Variable::Humidity as usize],
            pressure: station.missing[Variable::Pressure as usize],
        },
        duplicate_records: station.duplicates,
        out_of_order: station.out_of_order,
        first: station.first.map(instant),
        last: station.last.map(instant),
        grid_seconds: station.grid(),
        coverage: coverage(station),
        variables: Variable::ALL.iter().map(|v| (v.field().to_owned(), variable(*v))).collect(),
        stretches,
    }
}

fn coverage(station: &Station) -> Coverage {
    let mut coverage = Coverage { percent: None, days: station.days.len() as u64, incomplete_days: BTreeMap::new(), gaps: Vec::new() };
    let (Some(grid), Some(first), Some(last)) = (station.grid(), station.first, station.last) else { return coverage };
    let distinct = station.records - station.duplicates;
    let expected = u64::try_from((last - first) / grid + 1).unwrap_or(u64::MAX);
    coverage.percent = Some(percent(distinct.min(expected), expected));
    for (day, count) in &station.days {
        let (from, until) = ((day * DAY).max(first), (day * DAY + DAY).min(last + grid));
        let expected = u64::try_from((until - from + grid - 1) / grid).unwrap_or(0);
        if count * 100 < expected * COVERED_PERCENT {
            coverage.incomplete_days.insert(instant(day * DAY).chars().take(10).collect(), *count);
        }
    }
    let real = station.gaps.iter().filter(|(after, before)| before - after > grid + grid / 2);
    coverage.gaps = real
        .map(|(after, before)| Gap { after: instant(*after), before: instant(*before), missing: (before - after - 1) / grid })
        .collect();
    coverage
}

pub(super) fn instant(seconds: i64) -> String {
    String::from_utf8_lossy(&timestamp(seconds)).into_owned()
}

/// Percent with 2 decimals, ties to even on the exact quotient.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { hundredths(i128::from(part) * 10_000, i128::from(whole)) }
}

fn hundredths(num: i128, den: i128) -> f64 {
    round_half_even(num, den) as f64 / 100.0
}
