//! The gate: whether a dataset may go into the database.

use serde::{Deserialize, Serialize};

use super::report::QualityReport;
use super::spec::Limits;

/// Passed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within every limit.
    Pass,
    /// Beyond at least one.
    Fail,
}

/// The verdict and what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The verdict.
    pub verdict: Verdict,
    /// Every limit that was passed over, in words.
    pub reasons: Vec<String>,
}

/// Holds the figures against the limits.
pub(super) fn judge(limits: &Limits, report: &QualityReport) -> Gate {
    let failed = report.failed_values_percent;
    let counts = [
        ("records without temperature", report.missing.temperature, limits.missing_temperature),
        ("records without humidity", report.missing.humidity, limits.missing_humidity),
        ("records without pressure", report.missing.pressure, limits.missing_pressure),
        ("duplicate records", report.duplicate_records, limits.duplicates),
        ("rejected rows", report.ledger.rejected_rows, limits.rejected_rows),
    ];
    let mut reasons: Vec<String> = counts
        .into_iter()
        .filter_map(|(what, found, limit)| {
            limit.filter(|limit| found > *limit).map(|limit| format!("{found} {what}, at most {limit} allowed"))
        })
        .collect();
    let shares = [
        ("error rate", "%", Some(report.error_rate_percent), limits.error_rate_percent),
        ("share of failed values", "%", Some(failed), limits.failed_values_percent),
        ("age of the newest reading", "h", report.age_hours, limits.max_age_hours),
    ];
    for (what, unit, found, limit) in shares {
        if let (Some(found), Some(limit)) = (found, limit)
            && found > limit
        {
            reasons.push(format!("{what} {found} {unit}, at most {limit} {unit} allowed"));
        }
    }
    if let Some(least) = limits.min_records.filter(|least| report.total_records < *least) {
        reasons.push(format!("{} records, at least {least} wanted", report.total_records));
    }
    Gate { verdict: if reasons.is_empty() { Verdict::Pass } else { Verdict::Fail }, reasons }
}
