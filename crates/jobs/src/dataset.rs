//! Dataset: raw objects → one file of canonical documents, its rejects and its manifest.

use std::sync::Arc;

use meteoctl_data::manifest::DatasetManifest;
use meteoctl_data::read::UnknownFields;
use meteoctl_data::rejects;
use meteoctl_data::store::Store;
use meteoctl_data::transform::{self, Duplicates, MissingFill, SourceSpec, Standing, TransformSpec};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{self, JobContext, counted, fault};
use crate::source::raw_objects;

/// Keeps a dataset file equal to what its raw objects give.
pub struct DatasetKind {
    pub(crate) context: Arc<JobContext>,
}

/// A dataset.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatasetSpec {
    /// The sources, in the order of the documents.
    pub sources: Vec<Link>,
    /// Bucket of raw objects and dataset.
    pub bucket: Link,
    /// Key of the dataset file.
    pub output: String,
    /// Key of the rejects; `rejects.jsonl` beside the output where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// What a missing amount of rain or snow becomes.
    #[serde(default)]
    pub missing: MissingFill,
    /// What becomes of several readings of one station and instant: `last` (the default) or `keep`.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// What becomes of fields nobody knows: `keep` (the default) puts them into the documents' `extra` and warns, `reject` refuses their rows.
    #[serde(default)]
    pub unknown_fields: UnknownFields,
    /// Whether a dataset without any document is fine.
    #[serde(default)]
    pub allow_empty: bool,
    /// Set by [`Kind::without`] alone, never in a document: the dataset counts as it lies there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(skip)]
    pub as_it_stands: bool,
}

impl DatasetSpec {
    fn transform(&self) -> Outcome<TransformSpec> {
        let sources: Result<Vec<SourceSpec>, Failure> = self.sources.iter().map(source).collect();
        Ok(TransformSpec {
            sources: sources?,
            output: self.output.clone(),
            rejects: self.rejects.clone(),
            missing: self.missing,
            duplicates: self.duplicates,
            unknown_fields: self.unknown_fields,
            allow_empty: self.allow_empty,
        })
    }
}

fn source(link: &Link) -> Outcome<SourceSpec> {
    serde_json::from_value(link.value("source")?).map_err(|error| Failure::rejected("read what a source tells its dataset").because(error))
}

/// A dataset in one line.
fn note(manifest: &DatasetManifest) -> String {
    let rejects = manifest.ledger.rejected_rows + manifest.ledger.rejected_values;
    let unknown = match manifest.unknown_fields.len() {
        0 => String::new(),
        some => format!(", {some} unknown fields kept"),
    };
    format!("{} documents, {rejects} rejects{unknown}", manifest.documents)
}

/// A source's station and its time zone, where it declares both.
fn zone(source: &SourceSpec) -> Option<(String, Value)> {
    let station = source.station.as_ref()?.get("station_id")?.as_str()?;
    Some((station.to_owned(), source.timezone.clone()?.into()))
}

impl Kind for DatasetKind {
    const NAME: &'static str = "Dataset";
    const ABOUT: &'static str = "Transforms raw records into one file of canonical documents, with rejects, ledger and manifest.";
    const FOLLOWS: &'static [&'static str] = &["Source"];
    /// A vendor that is away, or raw data that is lost, must not keep an empty database from being filled.
    const OUTLIVES: &'static [&'static str] = &["Source"];
    const LOOKS_ALONE: bool = true;
    type Spec = DatasetSpec;

    fn check(&self, _: &Meta, spec: &DatasetSpec) -> Vec<Fault> {
        let sources =
            spec.sources.iter().enumerate().filter_map(|(index, link)| expect_kind(&format!("/sources/{index}"), link, &["Source"]));
        let mut faults: Vec<Fault> = expect_kind("/bucket", &spec.bucket, &["Bucket"]).into_iter().chain(sources).collect();
        if spec.as_it_stands {
            faults.push(Fault::wrong("/asItStands", "a document cannot ask for this").hint("remove the line"));
        }
        if spec.sources.is_empty() {
            faults.push(Fault::wrong("/sources", "a dataset needs at least one source"));
        }
        if let Some(index) = spec.sources.iter().position(|link| link.target().is_none()) {
            faults.push(Fault::wrong(format!("/sources/{index}"), "a source is referred to").hint("write {ref: Source/name}"));
        }
        faults
    }

    fn predicted(&self, _: &Meta, spec: &DatasetSpec) -> Outputs {
        let bucket = spec.bucket.output("name").ok().map(|name| ("bucket".to_owned(), name.into()));
        // What the sources say of their clocks, for whoever judges the dataset; unknown while they are not resolved.
        let sources = spec.sources.iter().filter_map(|link| source(link).ok());
        let zones: serde_json::Map<String, Value> = sources.filter_map(|source| zone(&source)).collect();
        let rest = [("output".to_owned(), spec.output.clone().into()), ("timezones".to_owned(), zones.into())];
        Outputs::from_iter(bucket.into_iter().chain(rest))
    }

    /// What the sources brought earlier is raw data all the same. Where a prefix is empty, a dataset made without it would have lost
    /// its documents: then the one that is there counts as it stands.
    async fn without(&self, meta: &Meta, want: &DatasetSpec) -> Outcome<Option<DatasetSpec>> {
        let target = self.context.store(&want.bucket)?;
        let spec = want.transform()?;
        let mut lost = Vec::new();
        for source in &spec.sources {
            if raw_objects(&target, &source.raw).await?.is_none_or(|objects| objects == 0) {
                lost.push(format!("Source/{}", source.name));
            }
        }
        if lost.is_empty() {
            return Ok(Some(want.clone()));
        }
        let id = Id::new(Self::NAME, &meta.name);
        if self.context.forced.wants(&id) || standing(target.as_ref(), &spec.output).await?.is_none() {
            return Ok(None);
        }
        self.context.notice(&id, format!("warning: taken as it stands, the raw data of {} is missing", lost.join(", ")));
        Ok(Some(DatasetSpec { as_it_stands: true, ..want.clone() }))
    }

    async fn observe(&self, meta: &Meta, want: &DatasetSpec) -> Outcome<Option<Observed<DatasetSpec>>> {
        let target = self.context.store(&want.bucket)?;
        if want.as_it_stands {
            // Absent would mean: to be made, of what is left.
            let Some(manifest) = standing(target.as_ref(), &want.output).await? else { return Err(of_what_is_left(want)) };
            let seen = Observed::new(want.clone()).note(format!("{}, taken as it stands", note(&manifest)));
            return Ok(Some(told(seen, want, &manifest)?));
        }
        let seen = Observed::new(want.clone());
        let seen = match transform::look(target.as_ref(), &want.transform()?).await.map_err(fault)? {
            Standing::Absent => return Ok(None),
            Standing::Stale { why } => seen.work("/output", why).output("bucket", want.bucket.output("name")?),
            Standing::Current(manifest) => told(seen.note(note(&manifest)), want, &manifest)?,
        };
        let asked = self.context.forced.wants(&Id::new(Self::NAME, &meta.name));
        Ok(Some(if asked { seen.work("/run", "asked for") } else { seen }))
    }

    async fn apply(&self, meta: &Meta, want: &DatasetSpec, _: &Change) -> Outcome<()> {
        if want.as_it_stands {
            return Err(of_what_is_left(want));
        }
        let id = Id::new(Self::NAME, &meta.name);
        let target = self.context.store(&want.bucket)?;
        let told = |progress: transform::Progress| {
            self.context.progress(&id, "transform", progress.bytes_done, Some(progress.bytes_total), "bytes")
        };
        let spec = want.transform()?;
        let manifest = if self.context.replay {
            transform::replay(&target, &spec, &told).await
        } else {
            unedited(target.as_ref(), &spec).await?;
            transform::run(&target, &spec, &told).await
        };
        let manifest = manifest.map_err(fault)?;
        let ledger = manifest.ledger;
        self.context.notice(
            &id,
            format!(
                "{} documents from {} rows: {} superseded, {} rejected, {} empty, {} blank",
                manifest.documents,
                ledger.rows_read,
                ledger.superseded(),
                ledger.rejected_rows,
                ledger.null_rows,
                ledger.blank_lines
            ),
        );
        warnings(&manifest, &spec).into_iter().for_each(|warning| self.context.notice(&id, warning));
        self.context.forced.done(&id);
        Ok(())
    }
}

/// The manifest of a dataset whose file lies there, whatever it was made of.
async fn standing(target: &dyn Store, output: &str) -> Outcome<Option<DatasetManifest>> {
    let Some(manifest) = transform::read_manifest(target, output).await.map_err(fault)? else { return Ok(None) };
    let file = target.head(output).await.map_err(context::store)?;
    Ok(file.is_some_and(|file| file.size == manifest.bytes).then_some(manifest))
}

/// A dataset without the documents of a source whose raw data is lost is never made.
fn of_what_is_left(want: &DatasetSpec) -> Failure {
    Failure::rejected(format!("make {} anew", want.output))
        .because("raw data of a source is missing, and its documents would be lost")
        .hint("see what keeps that source from being collected")
}

/// What a dataset tells those who refer to it.
fn told(seen: Observed<DatasetSpec>, want: &DatasetSpec, manifest: &DatasetManifest) -> Outcome<Observed<DatasetSpec>> {
    let seen = seen.output("bucket", want.bucket.output("name")?);
    Ok(seen.output("documents", manifest.documents).output("digest", manifest.digest.clone()))
}

/// Refuses to write over rejects that a person mended: only a replay takes them.
async fn unedited(target: &dyn Store, spec: &TransformSpec) -> Outcome<()> {
    let key = spec.rejects_key();
    if !rejects::edited(target, &key).await.map_err(fault)? {
        return Ok(());
    }
    Err(Failure::rejected(format!("make {} anew", spec.output))
        .because(Failure::rejected(format!("{key} was edited since it was written, and its mended lines would be lost")))
        .hint("take them along with `meteoctl run transform --replay`, or remove that file"))
}

/// What somebody should look at although the dataset was made.
fn warnings(manifest: &DatasetManifest, spec: &TransformSpec) -> Vec<String> {
    let (rows, values) = (manifest.ledger.rejected_rows, manifest.ledger.rejected_values);
    let rejected = (rows + values > 0).then(|| {
        format!(
            "warning: {} and {} could not be read; they are in {}: mend `raw` there and take them with `meteoctl run transform --replay`",
            counted(rows, "row"),
            counted(values, "value"),
            spec.rejects_key()
        )
    });
    let names: Vec<String> = manifest.unknown_fields.iter().map(|(name, count)| format!("`{name}` ({})", counted(*count, "row"))).collect();
    let unknown = (!names.is_empty()).then(|| {
        format!(
            "warning: the source brings fields nobody knows, kept in `extra`: {}; unknownFields: reject refuses such rows",
            names.join(", ")
        )
    });
    rejected.into_iter().chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_bring_their_time_zones() {
        let source = |station: serde_json::Value| -> SourceSpec {
            serde_json::from_value(serde_json::json!({"name": "a", "raw": "raw/", "timezone": "Europe/Paris", "station": station})).unwrap()
        };
        assert_eq!(zone(&source(serde_json::json!({"station_id": "A"}))), Some(("A".to_owned(), "Europe/Paris".into())));
        assert_eq!(zone(&source(serde_json::Value::Null)), None);
    }

    #[test]
    fn what_was_rejected_or_is_new_is_told_with_what_to_do() {
        let manifest: DatasetManifest = serde_json::from_value(serde_json::json!({
            "version": 1, "inputsDigest": "", "inputs": {}, "output": "out/data.json", "bytes": 0, "digest": "", "documents": 5, "sources": {},
            "ledger": {"rows_read": 7, "documents": 5, "superseded_identical": 0, "superseded_differing": 0, "rejected_rows": 2, "null_rows": 0, "blank_lines": 0, "rejected_values": 1},
            "unknownFields": {"PM2.5": 4, "Battery": 1}, "stationDays": {}
        }))
        .unwrap();
        let spec: TransformSpec = serde_json::from_value(serde_json::json!({"sources": [], "output": "out/data.json"})).unwrap();
        let told = warnings(&manifest, &spec);
        assert_eq!(
            told[0],
            "warning: 2 rows and 1 value could not be read; they are in out/rejects.jsonl: mend `raw` there and take them with `meteoctl run transform --replay`"
        );
        assert_eq!(
            told[1],
            "warning: the source brings fields nobody knows, kept in `extra`: `Battery` (1 row), `PM2.5` (4 rows); unknownFields: reject refuses such rows"
        );
        let clean = DatasetManifest { ledger: Default::default(), unknown_fields: Default::default(), ..manifest };
        assert!(warnings(&clean, &spec).is_empty());
    }
}
