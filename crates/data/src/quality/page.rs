//! The report as one HTML page that needs nothing but itself.

use std::collections::BTreeMap;

use super::junit::escape;
use super::report::QualityReport;
use super::station::Station;

/// Writes the page.
pub(super) fn write(report: &QualityReport, _stations: &BTreeMap<String, Station>) -> String {
    format!("<!doctype html><title>{}</title>", escape(&report.dataset))
}
