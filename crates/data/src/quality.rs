//! Quality: what the dataset holds, how trustworthy each value is, and whether it may be imported.
//!
//! Values are never altered. Tests give flags on the QARTOD scale (1 good, 2 not evaluated, 3 suspect, 4 fail,
//! 9 missing); the thresholds and their sources are part of the report.

mod clocks;
mod finding;
mod flat;
mod gate;
mod hours;
mod judge;
mod junit;
mod neighbours;
mod page;
mod reading;
mod report;
mod scales;
mod scan;
mod series;
mod spec;
mod station;
mod sun;
mod table;
mod thresholds;

pub use finding::{Finding, StretchTest, Stretches};
pub use gate::{Gate, Verdict};
pub use report::{Coverage, Gap, Missing, QualityReport, StationReport, TestCounts, VariableReport};
pub use spec::{Limits, QualitySpec};
pub use table::Threshold;
pub use thresholds::{FLAGS, Flag, Test, Variable};

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::fault::Fault;
use crate::store::{SharedStore, Store, read_all};
use crate::transform::read_manifest;

/// Largest report that is read back, in bytes.
const REPORT_LIMIT: usize = 256 << 20;

/// Where a report stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// There is none.
    Absent,
    /// There is one, but of another dataset or of other limits.
    Stale {
        /// What differs, in one line.
        why: String,
    },
    /// It judges the dataset as it is. Its verdict may still be a failure.
    Current(Box<QualityReport>),
}

/// Looks whether the report judges the dataset as it is; reads no documents.
///
/// # Errors
/// A [`Fault`] when the store cannot be asked.
pub async fn look(store: &dyn Store, spec: &QualitySpec) -> Result<Standing, Fault> {
    let (text, manifest) = tokio::join!(read_all(store, &spec.output, REPORT_LIMIT), read_manifest(store, &spec.dataset));
    let text = match text {
        Ok(text) => text,
        Err(error) if error.not_found => return Ok(Standing::Absent),
        Err(error) => return Err(error.into()),
    };
    let stale = |why: &str| Ok(Standing::Stale { why: why.to_owned() });
    let Ok(report) = serde_json::from_slice::<QualityReport>(&text) else {
        return stale("the report is of another version");
    };
    let Some(manifest) = manifest? else {
        return stale("the dataset has no manifest");
    };
    if report.dataset_digest != manifest.digest || report.inputs_digest != manifest.inputs_digest {
        return stale("the dataset changed since it was judged");
    }
    if report.spec_digest != spec.digest() {
        return stale("the limits or tests changed");
    }
    let companions = spec.companions();
    let there = futures_util::future::join_all(companions.iter().map(|key| store.exists(key))).await;
    for (key, there) in companions.iter().zip(there) {
        if !there? {
            return stale(&format!("{key} is gone"));
        }
    }
    Ok(Standing::Current(Box::new(report)))
}

/// Judges the dataset and writes flags, page and JUnit file and, last, the report. `now` decides what lies ahead of the clock,
/// `progress` hears of documents read and documents in all.
///
/// # Errors
/// A [`Fault`] when the store fails, there is no dataset or it cannot be read. A gate that does not pass is no error: see
/// [`QualityReport::gate`].
pub async fn run(
    store: &SharedStore,
    spec: &QualitySpec,
    now: DateTime<Utc>,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<QualityReport, Fault> {
    let manifest = read_manifest(store.as_ref(), &spec.dataset).await?.ok_or_else(|| {
        Fault::new(format!("judge {}: it has no manifest", spec.dataset)).hint("run the transform first: it writes the manifest last")
    })?;
    let scanned = scan::scan(store, spec, now, &|read| progress(read, manifest.documents)).await?;
    let (report, stations) = report::build(spec, &manifest, scanned, now);
    let put = async |key: String, text: String| store.put(&key, text.into(), BTreeMap::new()).await.map(|_| ());
    tokio::try_join!(put(spec.junit_key(), junit::write(&report)), put(spec.page_key(), page::write(&report, &stations)))?;
    let text = serde_json::to_string_pretty(&report).map_err(|error| Fault::new("write the quality report").because(error))?;
    put(spec.output.clone(), text + "\n").await?;
    Ok(report)
}
