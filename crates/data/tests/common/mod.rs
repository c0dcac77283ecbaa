//! What the pipeline's tests share.
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use meteoctl_data::manifest::DatasetManifest;
use meteoctl_data::store::{Folder, Memory, SharedStore, read_all};
use meteoctl_data::transform::{self, TransformSpec};
use serde_json::{Value, json};

/// The real files beside the workspace, or `None` (said aloud) where they are missing.
pub fn real_data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.join("raw").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: ../shared/data is not there");
    None
}

/// An empty store in memory.
pub fn memory() -> SharedStore {
    Arc::new(Memory::new())
}

/// A store over a folder.
pub fn folder(path: impl Into<PathBuf>) -> SharedStore {
    Arc::new(Folder::new(path))
}

/// Puts a text object.
pub async fn put(store: &SharedStore, key: &str, text: impl Into<Bytes>) {
    store.put(key, text.into(), BTreeMap::new()).await.unwrap();
}

/// Reads a text object.
pub async fn text(store: &SharedStore, key: &str) -> String {
    String::from_utf8(read_all(store.as_ref(), key, 1 << 30).await.unwrap().to_vec()).unwrap()
}

/// Runs a transform without watching it.
pub async fn run(store: &SharedStore, spec: &TransformSpec) -> DatasetManifest {
    transform::run(store, spec, &|_| ()).await.unwrap()
}

/// The documents of a dataset.
pub async fn documents(store: &SharedStore, spec: &TransformSpec) -> Vec<Value> {
    serde_json::from_str(&text(store, &spec.output).await).unwrap()
}

/// The rejects of a dataset.
pub async fn rejects(store: &SharedStore, spec: &TransformSpec) -> Vec<Value> {
    text(store, &spec.rejects_key()).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A spec from JSON.
pub fn spec(value: Value) -> TransformSpec {
    serde_json::from_value(value).unwrap()
}

/// One Weather Underground source under `raw/`, in Paris, from 2024-10-01.
pub fn one_station() -> TransformSpec {
    spec(json!({
        "sources": [{"name": "a", "raw": "raw/", "format": "weather-underground", "startDate": "2024-10-01", "timezone": "Europe/Paris", "station": {"station_id": "A"}}],
        "output": "out/data.json"
    }))
}

/// One InfoClimat source under `raw/`.
pub fn infoclimat() -> TransformSpec {
    spec(json!({"sources": [{"name": "i", "raw": "raw/", "format": "infoclimat"}], "output": "out/data.json"}))
}
