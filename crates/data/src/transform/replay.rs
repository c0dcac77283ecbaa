//! Replay: rejects that a person mended in `rejects.jsonl` become corrections, and everything is transformed again.
//!
//! Corrections are kept in `corrections.jsonl` beside the output and are one of the inputs, so that later runs apply
//! them as well and the ledger stays true.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::input::Progress;
use super::spec::TransformSpec;
use crate::fault::Fault;
use crate::manifest::DatasetManifest;
use crate::read::Corrections;
use crate::rejects::Reject;
use crate::store::{SharedStore, Store, read_all};

/// Largest file of corrections, in bytes: people write them.
const CORRECTIONS_LIMIT: usize = 64 << 20;
/// Largest file of rejects a replay reads, in bytes.
const REJECTS_LIMIT: usize = 512 << 20;

/// Takes the rejects again: those whose `raw` was edited become corrections; then runs the transform.
///
/// # Errors
/// As [`super::run`], and when the rejects cannot be read.
pub async fn replay(store: &SharedStore, spec: &TransformSpec, progress: &(dyn Fn(Progress) + Sync)) -> Result<DatasetManifest, Fault> {
    let rejects = read(store.as_ref(), &spec.rejects_key(), REJECTS_LIMIT).await?;
    let edited: Vec<Reject> =
        rejects.into_iter().filter(|reject| reject.check != format!("{:016x}", xxh3_64(reject.raw.as_bytes()))).collect();
    if !edited.is_empty() {
        let mut all = read(store.as_ref(), &spec.corrections_key(), CORRECTIONS_LIMIT).await?;
        // A later correction of the same place comes later and wins.
        all.extend(edited);
        let mut text = Vec::new();
        for correction in &all {
            serde_json::to_writer(&mut text, correction).map_err(|error| Fault::new("write corrections").because(error))?;
            text.push(b'\n');
        }
        store.put(&spec.corrections_key(), text.into(), BTreeMap::new()).await?;
    }
    super::run(store, spec, progress).await
}

/// The corrections of every file.
pub(super) async fn read_corrections(store: &dyn Store, spec: &TransformSpec) -> Result<HashMap<String, Arc<Corrections>>, Fault> {
    let mut files: HashMap<String, Corrections> = HashMap::new();
    for correction in read(store, &spec.corrections_key(), CORRECTIONS_LIMIT).await? {
        files.entry(correction.file.clone()).or_default().insert(correction);
    }
    Ok(files.into_iter().map(|(file, corrections)| (file, Arc::new(corrections))).collect())
}

async fn read(store: &dyn Store, key: &str, limit: usize) -> Result<Vec<Reject>, Fault> {
    let bytes = match read_all(store, key, limit).await {
        Ok(bytes) => bytes,
        Err(error) if error.not_found => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|error| {
                Fault::new(format!("read {key}, line {}", index + 1))
                    .because(error)
                    .hint("edit nothing but `raw`, and keep one JSON object a line")
            })
        })
        .collect()
}
