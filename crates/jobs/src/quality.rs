//! QualityReport: the dataset judged, and the gate in front of the import.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use meteoctl_data::quality::{self, Limits, QualityReport, QualitySpec as Wish, Standing, Verdict};
use meteoctl_data::store::SharedStore;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{JobContext, fault};

/// Exit code of a gate that does not pass.
const GATE: u8 = 5;

/// Keeps a dataset judged.
pub struct QualityKind {
    pub(crate) context: Arc<JobContext>,
}

/// A quality report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportSpec {
    /// The dataset judged.
    pub dataset: Link,
    /// Key of the report in the dataset's bucket. Beside it lie a page for people (`.html`), a file for CI (`.junit.xml`) and
    /// every suspect or failed value (`.flags.jsonl`).
    pub output: String,
    /// The gate: what stops the import.
    #[serde(default)]
    pub fail: Limits,
    /// IANA time zones by station id, for the hours that are lived twice. What the dataset's sources declare is known already.
    #[serde(default)]
    pub timezones: BTreeMap<String, String>,
}

impl ReportSpec {
    fn wish(&self) -> Outcome<Wish> {
        let declared = self.dataset.value("timezones").ok().and_then(|zones| serde_json::from_value(zones).ok());
        let mut timezones: BTreeMap<String, String> = declared.unwrap_or_default();
        timezones.extend(self.timezones.clone());
        Ok(Wish { dataset: self.dataset.output("output")?, output: self.output.clone(), fail: self.fail.clone(), timezones })
    }
}

fn told(report: &QualityReport) -> String {
    format!(
        "{} records, {} duplicates, without temperature {}, humidity {}, pressure {}; error rate {} %",
        report.total_records,
        report.duplicate_records,
        report.missing.temperature,
        report.missing.humidity,
        report.missing.pressure,
        report.error_rate_percent
    )
}

impl QualityKind {
    fn store(&self, want: &ReportSpec) -> Outcome<SharedStore> {
        Ok(self.context.bucket(want.dataset.output("bucket")?))
    }
}

impl Kind for QualityKind {
    const NAME: &'static str = "QualityReport";
    const ABOUT: &'static str = "Judges a dataset by meteorological tests and holds it to limits before it is imported.";
    const FOLLOWS: &'static [&'static str] = &["Dataset"];
    const LOOKS_ALONE: bool = true;
    type Spec = ReportSpec;

    fn check(&self, _: &Meta, spec: &ReportSpec) -> Vec<Fault> {
        let zone = spec.timezones.iter().find(|(_, zone)| zone.parse::<chrono_tz::Tz>().is_err());
        let zone = zone.map(|(station, zone)| Fault::wrong(format!("/timezones/{station}"), format!("`{zone}` is not an IANA time zone")));
        expect_kind("/dataset", &spec.dataset, &["Dataset"]).into_iter().chain(zone).collect()
    }

    async fn observe(&self, meta: &Meta, want: &ReportSpec) -> Outcome<Option<Observed<ReportSpec>>> {
        let store = self.store(want)?;
        let asked = self.context.forced.wants(&Id::new(Self::NAME, &meta.name));
        let wish = want.wish()?;
        let seen = Observed::new(want.clone()).output("page", wish.page_key()).output("junit", wish.junit_key());
        let seen = match quality::look(store.as_ref(), &wish).await.map_err(fault)? {
            Standing::Absent => return Ok(None),
            Standing::Stale { why } => seen.work("/output", why),
            Standing::Current(report) if report.gate.verdict == Verdict::Fail && !asked => {
                return Err(Failure::rejected(format!("pass the quality gate of QualityReport/{}", meta.name))
                    .because(Failure::rejected(report.gate.reasons.join("; ")))
                    .hint(format!("read {}; mend the source or, if it must be, move the limits under `fail`", wish.page_key()))
                    .exit(GATE));
            }
            Standing::Current(report) => seen.note(told(&report)).since(report.evaluated_at.parse().ok()),
        };
        Ok(Some(if asked { seen.work("/run", "asked for") } else { seen }))
    }

    async fn apply(&self, meta: &Meta, want: &ReportSpec, _: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let judged = |done, total| self.context.progress(&id, "judge", done, Some(total), "documents");
        let wish = want.wish()?;
        let report = quality::run(&self.store(want)?, &wish, Utc::now(), &judged).await.map_err(fault)?;
        self.context.notice(&id, format!("{}; see {}", told(&report), wish.page_key()));
        // What the dataset warned of already is not repeated here.
        if let Some(first) = report.findings.first() {
            let text = match report.findings.len() {
                1 => format!("warning: suspect from {} to {}: {}: {}", first.from, first.until, first.station, first.evidence),
                some => format!(
                    "warning: {some} stretches of time are suspect, the first at {} from {}: {}",
                    first.station, first.from, first.evidence
                ),
            };
            self.context.notice(&id, text);
        }
        self.context.forced.done(&id);
        Ok(())
    }
}
