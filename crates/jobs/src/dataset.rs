//! Dataset: raw objects → one file of canonical documents, its rejects and its manifest.

use std::sync::Arc;

use meteoctl_data::read::UnknownFields;
use meteoctl_data::transform::{self, Duplicates, MissingFill, SourceSpec, Standing, TransformSpec};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{JobContext, fault};

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
    /// What becomes of fields outside the contract.
    #[serde(default)]
    pub unknown_fields: UnknownFields,
    /// Whether a dataset without any document is fine.
    #[serde(default)]
    pub allow_empty: bool,
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

impl Kind for DatasetKind {
    const NAME: &'static str = "Dataset";
    const ABOUT: &'static str = "Transforms raw records into one file of canonical documents, with rejects, ledger and manifest.";
    const FOLLOWS: &'static [&'static str] = &["Source"];
    const LOOKS_ALONE: bool = true;
    type Spec = DatasetSpec;

    fn check(&self, _: &Meta, spec: &DatasetSpec) -> Vec<Fault> {
        let sources =
            spec.sources.iter().enumerate().filter_map(|(index, link)| expect_kind(&format!("/sources/{index}"), link, &["Source"]));
        let mut faults: Vec<Fault> = expect_kind("/bucket", &spec.bucket, &["Bucket"]).into_iter().chain(sources).collect();
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
        Outputs::from_iter(bucket.into_iter().chain([("output".to_owned(), spec.output.clone().into())]))
    }

    async fn observe(&self, meta: &Meta, want: &DatasetSpec) -> Outcome<Option<Observed<DatasetSpec>>> {
        let target = self.context.store(&want.bucket)?;
        let seen = Observed::new(want.clone()).output("bucket", want.bucket.output("name")?);
        let seen = match transform::look(target.as_ref(), &want.transform()?).await.map_err(fault)? {
            Standing::Absent => return Ok(None),
            Standing::Stale { why } => seen.work("/output", why),
            Standing::Current(manifest) => seen
                .note(format!(
                    "{} documents, {} rejects",
                    manifest.documents,
                    manifest.ledger.rejected_rows + manifest.ledger.rejected_values
                ))
                .output("documents", manifest.documents)
                .output("sha256", manifest.sha256.clone()),
        };
        let asked = self.context.forced.wants(&Id::new(Self::NAME, &meta.name));
        Ok(Some(if asked { seen.work("/run", "asked for") } else { seen }))
    }

    async fn apply(&self, meta: &Meta, want: &DatasetSpec, _: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let target = self.context.store(&want.bucket)?;
        let told = |progress: transform::Progress| {
            self.context.progress(&id, "transform", progress.bytes_done, Some(progress.bytes_total), "bytes")
        };
        let manifest = transform::run(&target, &want.transform()?, &told).await.map_err(fault)?;
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
        self.context.forced.done(&id);
        Ok(())
    }
}
