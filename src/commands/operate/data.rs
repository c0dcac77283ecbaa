//! Figures of the data that the documents keep: what is in the database, how fast it answers, how far back the last backup is.

use std::sync::atomic::AtomicU64;

use chrono::DateTime;
use meteoctl_engine::report::Line;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use serde_json::Value;

type Real = Gauge<f64, AtomicU64>;
type Labels<const N: usize> = [(&'static str, String); N];

/// Percentiles of a probe: the quantile and the field that holds it.
const QUANTILES: [(&str, &str); 3] = [("0.5", "p50Millis"), ("0.95", "p95Millis"), ("0.99", "p99Millis")];

/// What data documents tell of themselves, as of the last round. A figure that nobody knows is not there.
#[derive(Default)]
pub struct DataFigures {
    documents: Family<Labels<1>, Gauge>,
    latency: Family<Labels<3>, Real>,
    newest: Family<Labels<1>, Gauge>,
    restore: Family<Labels<1>, Real>,
}

impl DataFigures {
    /// Makes them part of what is served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("collection_documents", "Documents in a collection", self.documents.clone());
        let latency = "Measured latency of a query of a LatencyProbe, by quantile";
        registry.register_with_unit("query_latency", latency, Unit::Seconds, self.latency.clone());
        let newest = "When the newest verified backup was begun: what came later would be lost";
        registry.register_with_unit("backup_newest_timestamp", newest, Unit::Seconds, self.newest.clone());
        let restore = "How long a restore took in the last passed drill";
        registry.register_with_unit("backup_restore", restore, Unit::Seconds, self.restore.clone());
    }

    /// Takes the figures of a round in place of those of the last.
    pub fn tell(&self, lines: &[Line]) {
        self.documents.clear();
        self.latency.clear();
        self.newest.clear();
        self.restore.clear();
        for line in lines {
            let told = |name: &str| line.outputs.get(name);
            let document = || [("document", line.id.to_string())];
            match line.id.kind.as_str() {
                "Collection" => {
                    if let Some(count) = told("documents").and_then(Value::as_i64) {
                        self.documents.get_or_create(&document()).set(count);
                    }
                }
                "LatencyProbe" => self.tell_latency(line, told("latency")),
                "Backup" => {
                    let begun = told("newestAt").and_then(Value::as_str).and_then(|at| DateTime::parse_from_rfc3339(at).ok());
                    if let Some(begun) = begun {
                        self.newest.get_or_create(&document()).set(begun.timestamp());
                    }
                    if let Some(seconds) = told("restoreSeconds").and_then(Value::as_f64) {
                        self.restore.get_or_create(&document()).set(seconds);
                    }
                }
                _ => {}
            }
        }
    }

    fn tell_latency(&self, line: &Line, queries: Option<&Value>) {
        for (query, figures) in queries.and_then(Value::as_object).into_iter().flatten() {
            for (quantile, field) in QUANTILES {
                let Some(millis) = figures.get(field).and_then(Value::as_f64) else { continue };
                let labels = [("document", line.id.to_string()), ("query", query.clone()), ("quantile", quantile.to_owned())];
                self.latency.get_or_create(&labels).set(millis / 1e3);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use serde_json::json;

    use super::*;

    fn line(id: &str, outputs: &Value) -> Line {
        let line = json!({"id": id, "place": "", "fate": "inSync", "millis": 1, "outputs": outputs});
        serde_json::from_value(line).expect("a line")
    }

    fn served(figures: &DataFigures) -> String {
        let mut registry = Registry::with_prefix("meteoctl");
        figures.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).expect("writes to a string");
        text
    }

    #[test]
    fn what_data_documents_tell_is_served_and_what_is_unknown_is_not() {
        let figures = DataFigures::default();
        figures.tell(&[
            line("Collection/weather", &json!({"documents": 4950})),
            line("LatencyProbe/day", &json!({"latency": {"range": {"p50Millis": 1.5, "p95Millis": 20.0, "p99Millis": 31.25}}})),
            line("Backup/nightly", &json!({"newestAt": "2026-01-05T14:06:15+00:00", "restoreSeconds": 4.5})),
            line("Bucket/b", &json!({"documents": 7})),
        ]);
        let text = served(&figures);
        for told in [
            "meteoctl_collection_documents{document=\"Collection/weather\"} 4950",
            "meteoctl_query_latency_seconds{document=\"LatencyProbe/day\",query=\"range\",quantile=\"0.5\"} 0.0015",
            "meteoctl_query_latency_seconds{document=\"LatencyProbe/day\",query=\"range\",quantile=\"0.95\"} 0.02",
            "meteoctl_query_latency_seconds{document=\"LatencyProbe/day\",query=\"range\",quantile=\"0.99\"} 0.03125",
            "meteoctl_backup_newest_timestamp_seconds{document=\"Backup/nightly\"} 1767621975",
            "meteoctl_backup_restore_seconds{document=\"Backup/nightly\"} 4.5",
        ] {
            assert!(text.lines().any(|line| line == told), "`{told}` is missing:\n{text}");
        }
        assert!(!text.contains("Bucket"), "{text}");
        figures.tell(&[line("Backup/nightly", &json!({}))]);
        assert!(!served(&figures).contains("nightly"), "what is no longer known is no longer told");
    }
}
