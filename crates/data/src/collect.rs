//! Collect: a vendor's file in, raw JSONL in Airbyte's layout out.
//!
//! Everything about the object follows from the input: its name, its ids and its bytes. The same input therefore
//! gives the same object, and a second run finds it there.

mod excel;
mod infoclimat;
mod object;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use chrono::NaiveDate;
use futures_util::{StreamExt, TryStreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::station::Format;
use crate::store::{ObjectInfo, Store, StoreError};
use object::RawObject;

/// Metadata key by which collect knows its own objects; the value is the SHA-256 of the object.
const MARK: &str = "meteoctl-collect";
/// Objects that are asked for their mark at the same time.
const LOOKS_IN_FLIGHT: usize = 16;
/// Largest input file, in bytes. Vendors' files of a month have a few megabytes.
const INPUT_LIMIT: u64 = 512 << 20;

/// What is collected, from where, and where to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectSpec {
    /// Format of the vendor's file.
    pub format: Format,
    /// File, https URL or s3:// object; left out where Airbyte fills the prefix itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What becomes of objects of earlier collects.
    #[serde(default)]
    pub mode: Mode,
    /// Prefix of the raw objects.
    pub raw: String,
    /// Day of the first row, where rows carry a time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<NaiveDate>,
    /// IANA time zone of local times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The station of a Weather Underground table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<Map<String, Value>>,
}

/// What becomes of objects of earlier collects, in Airbyte's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They are removed, once the new one is there.
    #[default]
    Overwrite,
    /// They stay.
    Append,
}

/// The vendor's file.
#[derive(Debug, Clone)]
pub enum Input {
    /// Its content.
    Bytes(Bytes),
    /// A local file.
    File(PathBuf),
}

/// What a collect did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectOutcome {
    /// Key of the raw object.
    pub key: String,
    /// Records in it.
    pub records: u64,
    /// Whether it had to be written; otherwise it was there already.
    pub written: bool,
    /// Objects of earlier collects that were removed.
    pub removed: Vec<String>,
    /// Objects under the prefix that collect did not make and therefore left alone.
    pub foreign: Vec<String>,
}

/// What a collect would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectStanding {
    /// Key of the raw object.
    pub key: String,
    /// Records in it.
    pub records: u64,
    /// Whether exactly this object is there.
    pub present: bool,
    /// Objects of earlier collects that would be removed.
    pub outdated: Vec<String>,
    /// Objects under the prefix that collect did not make.
    pub foreign: Vec<String>,
}

impl CollectStanding {
    /// Whether there is nothing to do.
    pub fn in_sync(&self) -> bool {
        self.present && self.outdated.is_empty()
    }
}

/// Looks what a collect would do; writes nothing.
///
/// # Errors
/// A [`Fault`] when the input cannot be read or understood, or the store cannot be asked.
pub async fn look(spec: &CollectSpec, input: Input, store: &dyn Store) -> Result<CollectStanding, Fault> {
    let object = prepare(spec, input).await?;
    stand(spec, &object, store).await
}

/// Writes the raw object unless it is there, then, in `overwrite` mode, removes those of earlier collects.
///
/// # Errors
/// As [`look`]. A failure between the two steps leaves both objects; a repetition finishes the job.
pub async fn collect(spec: &CollectSpec, input: Input, store: &dyn Store) -> Result<CollectOutcome, Fault> {
    let object = prepare(spec, input).await?;
    let standing = stand(spec, &object, store).await?;
    if !standing.present {
        let metadata = BTreeMap::from([(MARK.to_owned(), object.sha256.clone())]);
        store.put(&standing.key, object.bytes.clone(), metadata).await?;
    }
    for key in &standing.outdated {
        store.delete(key).await?;
    }
    let CollectStanding { key, records, present, outdated, foreign } = standing;
    Ok(CollectOutcome { key, records, written: !present, removed: outdated, foreign })
}

/// Reads the input and makes the object in memory, without a store: also the test of a connection.
async fn prepare(spec: &CollectSpec, input: Input) -> Result<RawObject, Fault> {
    let bytes = match input {
        Input::Bytes(bytes) => bytes,
        Input::File(path) => read_file(path).await?,
    };
    let format = spec.format;
    let made = tokio::task::spawn_blocking(move || match format {
        Format::Infoclimat => infoclimat::object(&bytes),
        Format::WeatherUnderground => excel::object(bytes),
    });
    let object = made.await.map_err(|error| Fault::new("read the vendor's file").because(error))??;
    if object.records == 0 {
        return Err(Fault::new("read the vendor's file: it holds no record").hint("see whether the export is complete"));
    }
    Ok(object)
}

async fn read_file(path: PathBuf) -> Result<Bytes, Fault> {
    let doing = format!("read {}", path.display());
    let hint = "a relative path starts at the folder of the file that declares it";
    let size = tokio::fs::metadata(&path).await.map_err(|error| Fault::new(doing.clone()).because(error).hint(hint))?.len();
    if size > INPUT_LIMIT {
        return Err(Fault::new(format!("{doing}: {size} bytes are more than {INPUT_LIMIT}")).hint("split the file by month"));
    }
    let bytes = tokio::fs::read(&path).await.map_err(|error| Fault::new(doing).because(error))?;
    Ok(bytes.into())
}

async fn stand(spec: &CollectSpec, object: &RawObject, store: &dyn Store) -> Result<CollectStanding, Fault> {
    let prefix = folder(&spec.raw);
    let key = format!("{prefix}{}", object.name);
    let mut standing = CollectStanding { key, records: object.records, present: false, outdated: Vec::new(), foreign: Vec::new() };
    let found = list(store, &prefix).await?;
    // A list, not a chain of closures: a future that holds one across an await cannot be sent between threads.
    let (mut heads, mut keys) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
    for info in &found {
        // The ETag of an object written at once and encrypted by S3 itself is the MD5 of its bytes: no need to ask further.
        if info.key == standing.key && info.size == object.bytes.len() as u64 && info.etag == object.md5() {
            standing.present = true;
            continue;
        }
        heads.push(store.head(&info.key));
        keys.push(info.key.clone());
    }
    let mut heads = futures_util::stream::iter(heads).buffered(LOOKS_IN_FLIGHT);
    let mut keys = keys.into_iter();
    while let (Some(head), Some(key)) = (heads.try_next().await?, keys.next()) {
        match head.and_then(|info| info.metadata.get(MARK).cloned()) {
            Some(sha256) if key == standing.key => standing.present = sha256 == object.sha256,
            Some(_) if spec.mode == Mode::Overwrite => standing.outdated.push(key),
            Some(_) => {}
            None => standing.foreign.push(key),
        }
    }
    Ok(standing)
}

async fn list(store: &dyn Store, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
    match store.list(prefix).await {
        Err(error) if error.not_found => Ok(Vec::new()),
        listed => listed,
    }
}

/// The prefix with its closing slash.
fn folder(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}
