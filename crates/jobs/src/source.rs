//! Source: a vendor's file or URL → raw JSONL in the bucket.

use std::sync::Arc;

use chrono::NaiveDate;
use meteoctl_data::collect::{self, CollectSpec, Input, Mode};
use meteoctl_data::station::Format;
use meteoctl_data::store::SharedStore;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::context::{JobContext, counted, fault, store};

/// Keeps a raw prefix filled.
pub struct SourceKind {
    pub(crate) context: Arc<JobContext>,
}

/// A source of readings.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSpec {
    /// Format of the vendor's file: `infoclimat` or `weather-underground`.
    pub format: Format,
    /// File (relative to the YAML file), https:// URL or s3://bucket/key; left out where Airbyte itself fills the prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `overwrite` (the default) or `append`.
    #[serde(default)]
    pub mode: Mode,
    /// Bucket of the raw objects.
    pub bucket: Link,
    /// Prefix of the raw objects.
    pub raw: String,
    /// Day of the first row, where rows carry a time only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<NaiveDate>,
    /// IANA time zone of local times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The station of a Weather Underground table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub station: Option<Map<String, Value>>,
}

impl SourceSpec {
    fn collect(&self) -> CollectSpec {
        CollectSpec {
            format: self.format,
            from: self.from.clone(),
            mode: self.mode,
            raw: self.raw.clone(),
            start_date: self.start_date,
            timezone: self.timezone.clone(),
            station: self.station.clone(),
        }
    }
}

impl SourceKind {
    async fn input(&self, meta: &Meta, from: &str) -> Outcome<Input> {
        let Some((scheme, rest)) = from.split_once("://") else { return Ok(Input::File(meta.folder.join(from))) };
        match (scheme, rest.split_once('/')) {
            ("s3", Some((bucket, key))) => {
                let other = crate::s3_store::S3Store::new(self.context.aws.clone(), bucket);
                meteoctl_data::store::read_all(&other, key, 512 << 20).await.map(Input::Bytes).map_err(store)
            }
            ("https" | "http", _) => meteoctl_aws::fetch::get(from, 512 << 20).await.map(Input::Bytes),
            _ => Err(Failure::rejected(format!("read {}", shown(from))).hint("`from` is a file, an https:// URL or s3://bucket/key")),
        }
    }
}

/// A file or URL as it may be shown: what stands behind the question mark of a URL is often a key.
fn shown(from: &str) -> &str {
    match from.split_once('?') {
        Some((address, _)) if from.contains("://") => address,
        _ => from,
    }
}

/// A failure that names the file or URL as the document does.
fn cannot_collect(from: &str, error: meteoctl_data::fault::Fault) -> Failure {
    let inner = fault(error);
    let (class, hint) = (inner.class, inner.hint.clone());
    Failure { class, hint, ..Failure::rejected(format!("collect {}", shown(from))).because(inner) }
}

/// How many objects lie under a prefix; `None` without a bucket. It names a folder: `raw` must not find what lies in `raw-old`.
pub(crate) async fn raw_objects(target: &SharedStore, raw: &str) -> Outcome<Option<usize>> {
    let folder = if raw.is_empty() || raw.ends_with('/') { raw.to_owned() } else { format!("{raw}/") };
    match target.list(&folder).await {
        Ok(objects) => Ok(Some(objects.len())),
        Err(error) if error.not_found => Ok(None),
        Err(error) => Err(store(error)),
    }
}

/// Only others can fill a prefix whose source has no `from`.
fn nothing_there(raw: &str) -> Failure {
    Failure::rejected(format!("find raw data under {raw}"))
        .because(Failure::rejected("the source has no `from`, so Airbyte fills this prefix; nothing lies there"))
        .hint("run the Airbyte sync, or give the source a `from`")
}

impl Kind for SourceKind {
    const NAME: &'static str = "Source";
    const ABOUT: &'static str = "Collects a vendor's file or URL into raw JSONL in Airbyte's layout, or accepts what Airbyte put there.";
    const LOOKS_ALONE: bool = true;
    type Spec = SourceSpec;

    fn run_begins(&self, looks: bool) {
        self.context.recall.begin(looks);
    }

    fn check(&self, _: &Meta, spec: &SourceSpec) -> Vec<Fault> {
        let mut faults: Vec<Fault> = expect_kind("/bucket", &spec.bucket, &["Bucket"]).into_iter().collect();
        if let Some(zone) = spec.timezone.as_deref().filter(|zone| zone.parse::<chrono_tz::Tz>().is_err()) {
            faults.push(Fault::wrong("/timezone", format!("`{zone}` is not an IANA time zone")).hint("for example Europe/Paris"));
        }
        if spec.format == Format::WeatherUnderground {
            if spec.station.as_ref().and_then(|station| station.get("station_id")).is_none() {
                faults.push(
                    Fault::wrong("/station", "a Weather Underground table does not name its station").hint("add station: {station_id: …}"),
                );
            }
            if spec.timezone.is_none() {
                faults.push(Fault::wrong("/timezone", "Weather Underground times are local").hint("add timezone: Europe/Paris"));
            }
        }
        faults
    }

    fn predicted(&self, meta: &Meta, spec: &SourceSpec) -> Outputs {
        let fields = json!({"name": meta.name, "raw": spec.raw, "format": spec.format, "startDate": spec.start_date, "timezone": spec.timezone, "station": spec.station});
        let source = fields
            .as_object()
            .map(|map| map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect());
        Outputs::from_iter([("source".to_owned(), Value::Object(source.unwrap_or_default()))])
    }

    async fn observe(&self, meta: &Meta, want: &SourceSpec) -> Outcome<Option<Observed<SourceSpec>>> {
        let target = self.context.store(&want.bucket)?;
        let bucket = want.bucket.output("name")?;
        let Some(from) = &want.from else {
            return match raw_objects(&target, &want.raw).await? {
                None => Ok(None),
                Some(0) => Err(nothing_there(&want.raw)),
                Some(objects) => Ok(Some(
                    Observed::new(want.clone())
                        .note(format!("{}, filled by others", counted(objects as u64, "raw object")))
                        .output("bucket", bucket),
                )),
            };
        };
        let input = self.input(meta, from).await?;
        let standing = collect::look(&want.collect(), input, target.as_ref()).await.map_err(|error| cannot_collect(from, error))?;
        let asked = self.context.forced.wants(&Id::new(Self::NAME, &meta.name));
        // Somebody who asks for this source wants to read what it would bring, not only that it is not there yet.
        if !standing.present && standing.outdated.is_empty() && !asked {
            return Ok(None);
        }
        let mut seen = Observed::new(want.clone())
            .note(format!("{} in {}", counted(standing.records, "record"), standing.key))
            .output("bucket", bucket);
        if !standing.present {
            seen = seen.work("/raw", format!("collect {} into {}", counted(standing.records, "record"), standing.key));
        }
        if !standing.outdated.is_empty() {
            seen = seen.work("/raw/outdated", format!("remove {} of earlier collects", counted(standing.outdated.len() as u64, "object")));
        }
        if asked && standing.in_sync() {
            seen = seen.work("/run", "asked for");
        }
        Ok(Some(seen))
    }

    async fn apply(&self, meta: &Meta, want: &SourceSpec, _: &Change) -> Outcome<()> {
        let Some(from) = &want.from else {
            return Err(nothing_there(&want.raw));
        };
        let target = self.context.store(&want.bucket)?;
        let input = self.input(meta, from).await?;
        collect::collect(&want.collect(), input, target.as_ref()).await.map_err(|error| cannot_collect(from, error))?;
        self.context.forced.done(&Id::new(Self::NAME, &meta.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_url_is_not_shown() {
        assert_eq!(shown("https://www.infoclimat.fr/opendata/?token=hush&format=json"), "https://www.infoclimat.fr/opendata/");
        assert_eq!(shown("sources/what?.json"), "sources/what?.json");
        let failure = cannot_collect("https://x/?token=hush", meteoctl_data::fault::Fault::new("read it"));
        assert!(!format!("{failure:?}").contains("hush"));
    }
}
