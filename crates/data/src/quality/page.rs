//! The report as one HTML page that needs nothing but itself: no network, no fonts, no libraries.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::junit::escape;
use super::report::QualityReport;
use super::series::Series;
use super::station::Station;
use super::thresholds::Variable;

/// Markup, style and drawing code with two places to fill in.
const TEMPLATE: &str = include_str!("page.html");
/// What the tests are worth: measured by `tests/quality_score.rs`, which fails when this is not what it measures.
const SCORE: &str = include_str!("score.txt");
/// Stations whose series are drawn; the figures hold all of them.
const MOST_STATIONS: usize = 64;

/// Writes the page.
pub(super) fn write(report: &QualityReport, stations: &BTreeMap<String, Station>) -> String {
    let series: BTreeMap<&String, Value> = stations.iter().take(MOST_STATIONS).map(|(id, station)| (id, series(&station.series))).collect();
    let data = json!({"report": report, "series": series});
    // Inside a script element only `<` could end it early.
    let data = data.to_string().replace('<', "\\u003c");
    let (before, behind) = TEMPLATE.split_once("{{data}}").unwrap_or((TEMPLATE, ""));
    // What came from outside goes in last: it is never searched for places to fill in.
    let before = before.replace("{{score}}", &escape(SCORE)).replace("{{title}}", &escape(&report.dataset));
    [before.as_str(), &data, behind].concat()
}

/// One station's series: bucket starts, and per variable mean (of rain the sum), low, high and worst flag, null where there is nothing.
fn series(series: &Series) -> Value {
    let starts: Vec<i64> = series.buckets.keys().map(|number| number * series.width).collect();
    let variable = |variable: Variable| -> Option<Value> {
        let buckets: Vec<_> = series.buckets.values().map(|bucket| bucket[variable as usize]).collect();
        if buckets.iter().all(|bucket| bucket.count == 0) {
            return None;
        }
        let two = |value: f64| (value * 100.0).round() / 100.0;
        let pick = |value: &dyn Fn(usize) -> Option<f64>| (0..buckets.len()).map(|at| value(at).map(two)).collect::<Vec<_>>();
        let filled = |at: usize| buckets.get(at).filter(|bucket| bucket.count > 0);
        Some(json!({
            "mean": pick(&|at| if variable == Variable::Rain { filled(at).map(|bucket| bucket.sum) } else { filled(at)?.mean() }),
            "low": pick(&|at| Some(filled(at)?.low)),
            "high": pick(&|at| Some(filled(at)?.high)),
            "flag": (0..buckets.len()).map(|at| filled(at).map_or(9, |bucket| bucket.worst as u8)).collect::<Vec<_>>(),
        }))
    };
    let variables: BTreeMap<&str, Value> = Variable::ALL.into_iter().filter_map(|v| Some((v.field(), variable(v)?))).collect();
    json!({"width": series.width, "starts": starts, "variables": variables})
}

#[cfg(test)]
mod tests {
    use super::TEMPLATE;

    #[test]
    fn the_page_needs_nothing_from_outside() {
        for outside in ["http://", "https://", "//cdn", "@import", "src=", "<link"] {
            let allowed = if outside == "http://" { TEMPLATE.matches("http://www.w3.org/2000/svg").count() } else { 0 };
            assert_eq!(TEMPLATE.matches(outside).count(), allowed, "{outside}");
        }
        assert!(TEMPLATE.contains("prefers-color-scheme: dark"));
        assert!(TEMPLATE.contains("width=device-width"));
    }
}
