//! Whether a dataset is what its inputs and options would give: told from one listing per prefix and the manifest.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::order::natural;
use super::spec::TransformSpec;
use crate::fault::Fault;
use crate::manifest::{self, DatasetManifest};
use crate::store::{ObjectInfo, Store, read_all};

/// Metadata key on the dataset file that ties it to its inputs.
pub(crate) const INPUTS_KEY: &str = "meteoctl-inputs";
/// Largest manifest that is read, in bytes: room for a few million station-days.
const MANIFEST_LIMIT: usize = 512 << 20;

/// Where a dataset stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// There is no dataset, or no manifest that vouches for it.
    Absent,
    /// There is one, but a transform would make another.
    Stale {
        /// What differs, in one line.
        why: String,
    },
    /// The dataset is what a transform would make.
    Current(Box<DatasetManifest>),
}

/// The raw objects of every source, in reading order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Per source, its objects.
    pub objects: Vec<Vec<ObjectInfo>>,
    /// The corrections of a replay, where there are any.
    pub corrections: Option<ObjectInfo>,
}

impl Listing {
    pub fn require_objects(&self, spec: &TransformSpec) -> Result<(), Fault> {
        match spec.sources.iter().zip(&self.objects).find(|(_, objects)| objects.is_empty()) {
            Some((source, _)) if !spec.allow_empty => {
                Err(Fault::new(format!("read source {}: no raw objects under {}", source.name, source.raw))
                    .hint("collect the source first, or let Airbyte fill the prefix"))
            }
            _ => Ok(()),
        }
    }

    /// Key → etag of everything that goes in.
    pub fn etags(&self) -> BTreeMap<String, String> {
        self.objects.iter().flatten().chain(&self.corrections).map(|object| (object.key.clone(), object.etag.clone())).collect()
    }

    /// Bytes of all raw objects.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().flatten().map(|object| object.size).sum()
    }
}

/// A prefix names a folder: `raw` must not find what lies in `raw-old`.
fn folder(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}

/// Lists every source's prefix. Names that begin with `.` or `_` are not data.
pub(super) async fn list(store: &dyn Store, spec: &TransformSpec) -> Result<Listing, Fault> {
    let folders: Vec<String> = spec.sources.iter().map(|source| folder(&source.raw)).collect();
    let lists = futures_util::future::join_all(folders.iter().map(|folder| store.list(folder)));
    let corrections_key = spec.corrections_key();
    let (lists, corrections) = tokio::join!(lists, store.head(&corrections_key));
    let mut listing = Listing { corrections: corrections?, ..Listing::default() };
    for objects in lists {
        let mut objects = match objects {
            Ok(objects) => objects,
            Err(error) if error.not_found => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        objects.retain(|object| {
            let name = object.key.rsplit('/').next().unwrap_or_default();
            !name.is_empty() && !name.starts_with(['.', '_'])
        });
        objects.sort_by(|a, b| natural(&a.key, &b.key));
        listing.objects.push(objects);
    }
    Ok(listing)
}

/// SHA-256 over the transform's version, the options and every input's key, size and etag.
pub(super) fn inputs_digest(spec: &TransformSpec, listing: &Listing) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("meteoctl transform {}\n", super::VERSION));
    hash.update(serde_json::to_vec(spec).unwrap_or_default());
    for (source, objects) in listing.objects.iter().enumerate() {
        for object in objects {
            hash.update(format!("\n{source} {} {} {}", object.size, object.etag, object.key));
        }
    }
    if let Some(object) = &listing.corrections {
        hash.update(format!("\ncorrections {} {}", object.size, object.etag));
    }
    hex(&hash.finalize())
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Key of the manifest of a dataset file.
pub fn manifest_key(output: &str) -> String {
    format!("{output}.manifest.json")
}

/// Reads a dataset's manifest; `None` when there is none or it is of another layout.
pub async fn read_manifest(store: &dyn Store, output: &str) -> Result<Option<DatasetManifest>, Fault> {
    let key = manifest_key(output);
    match read_all(store, &key, MANIFEST_LIMIT).await {
        Ok(bytes) => Ok(serde_json::from_slice::<DatasetManifest>(&bytes).ok().filter(|found| found.version == manifest::VERSION)),
        Err(error) if error.not_found => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn write_manifest(store: &dyn Store, spec: &TransformSpec, manifest: &DatasetManifest) -> Result<(), Fault> {
    let text = serde_json::to_vec(manifest).map_err(|error| Fault::new("write the dataset's manifest").because(error))?;
    store.put(&manifest_key(&spec.output), text.into(), BTreeMap::new()).await?;
    Ok(())
}

/// Looks whether the dataset is current; reads no raw data.
///
/// # Errors
/// A [`Fault`] when the store cannot be asked or the spec is wrong. Missing raw objects are no error here.
pub async fn look(store: &dyn Store, spec: &TransformSpec) -> Result<Standing, Fault> {
    spec.plan()?;
    let Some(manifest) = read_manifest(store, &spec.output).await? else { return Ok(Standing::Absent) };
    let Some(file) = listed(store, &spec.output).await? else { return Ok(Standing::Absent) };
    let stale = |why: String| Ok(Standing::Stale { why });
    if file.size != manifest.bytes {
        return stale(format!("{} has {} bytes, its manifest says {}", spec.output, file.size, manifest.bytes));
    }
    // A file with another ETag may still be ours, moved to another storage class for one: then its metadata says so.
    let ours = file.etag == manifest.etag
        || store.head(&spec.output).await?.is_some_and(|file| file.metadata.get(INPUTS_KEY) == Some(&manifest.inputs_digest));
    if !ours {
        return stale(format!("{} is not the file its manifest describes", spec.output));
    }
    let listing = list(store, spec).await?;
    if inputs_digest(spec, &listing) != manifest.inputs_digest {
        return stale(difference(&manifest.inputs, &listing.etags()));
    }
    if !store.exists(&spec.rejects_key()).await? {
        return stale(format!("{} is gone", spec.rejects_key()));
    }
    Ok(Standing::Current(Box::new(manifest)))
}

/// One object as a listing tells it: without metadata, but at no cost where the bucket was listed before.
async fn listed(store: &dyn Store, key: &str) -> Result<Option<ObjectInfo>, Fault> {
    match store.list(key).await {
        Ok(objects) => Ok(objects.into_iter().find(|object| object.key == key)),
        Err(error) if error.not_found => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn difference(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> String {
    let new: Vec<&String> = now.keys().filter(|key| !then.contains_key(*key)).collect();
    let gone: Vec<&String> = then.keys().filter(|key| !now.contains_key(*key)).collect();
    let changed: Vec<&String> =
        now.iter().filter(|(key, etag)| then.get(*key).is_some_and(|old| old != *etag)).map(|(key, _)| key).collect();
    let part = |keys: Vec<&String>, word: &str| match keys.as_slice() {
        [] => None,
        [only] => Some(format!("{only} {word}")),
        [first, rest @ ..] => Some(format!("{first} and {} more {word}", rest.len())),
    };
    let parts: Vec<String> = [part(new, "new"), part(changed, "changed"), part(gone, "gone")].into_iter().flatten().collect();
    if parts.is_empty() { "options or rules changed".to_owned() } else { format!("inputs differ: {}", parts.join(", ")) }
}
