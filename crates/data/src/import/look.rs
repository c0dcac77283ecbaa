//! Comparing the dataset's manifest with the database. Never writes, except [`ensure_indexes`].

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};

use super::content::Content;
use super::{ImportSpec, ImportState, IndexSpec, StationDay, content, summary};
use crate::document::SetDigest;
use crate::manifest::DatasetManifest;
use crate::mongo::{CollectionKind, DatabaseError, Server};

/// What differs between dataset and database.
///
/// Fast by default: the record of the last verified import stands for the documents as long as it belongs
/// to this very collection (UUID) and the number of documents is the same. In any doubt, and with `deep`,
/// every document is read and digested.
pub async fn look(server: &Server, spec: &ImportSpec, manifest: &DatasetManifest, deep: bool) -> Result<ImportState, DatabaseError> {
    let Some(info) = server.collection(&spec.database, &spec.collection).await? else {
        let mut state = compare(manifest, &Content::default());
        state.deep = true;
        state.indexes_missing = spec.wished_indexes().iter().map(IndexSpec::name).collect();
        return Ok(state);
    };
    if info.kind != CollectionKind::Collection {
        let place = format!("{}.{} on {}", spec.database, spec.collection, server.name());
        return Err(DatabaseError::rejected(format!("import into {place}"), "it is a view or a time series collection")
            .with_hint("choose another collection name"));
    }
    let recorded = match &info.uuid {
        Some(uuid) => summary::recall(server, spec, uuid).await?,
        None => None,
    };
    let trusted = match &recorded {
        Some(content) => server.count(&spec.database, &spec.collection, doc! {}).await? == content.documents,
        None => false,
    };
    let (seen, from_documents) = match &recorded {
        Some(content) if trusted && !deep => (content.clone(), false),
        _ => (content::read(server, spec).await?, true),
    };
    let mut state = compare(manifest, &seen);
    state.exists = true;
    state.deep = from_documents;
    state.recorded = recorded.is_some_and(|content| trusted && content.days == seen.days);
    let (missing, extra) = index_difference(spec, &server.indexes(&spec.database, &spec.collection).await?);
    state.indexes_missing = missing.iter().map(IndexSpec::name).collect();
    state.indexes_extra = extra;
    Ok(state)
}

/// The figures of the last import, as long as its record speaks for this collection.
pub(super) async fn recorded(server: &Server, spec: &ImportSpec) -> Result<Option<Content>, DatabaseError> {
    match server.collection(&spec.database, &spec.collection).await?.and_then(|info| info.uuid) {
        Some(uuid) => summary::recall(server, spec, &uuid).await,
        None => Ok(None),
    }
}

/// Sorts every station-day of either side into agreeing, missing, differing or extra.
pub(super) fn compare(manifest: &DatasetManifest, seen: &Content) -> ImportState {
    let mut state = ImportState { documents: seen.documents, foreign: seen.foreign, ..ImportState::default() };
    let none = BTreeMap::new();
    for (station, wished) in &manifest.station_days {
        let there = seen.days.get(station).unwrap_or(&none);
        for (day, want) in wished {
            let have = there.get(day).copied().unwrap_or_default();
            let entry = || station_day(station, day, want.count, have.count);
            match have {
                have if have == *want => {
                    state.agreeing += 1;
                    state.unchanged += have.count;
                }
                SetDigest { count: 0, .. } => state.missing.push(entry()),
                _ => state.differing.push(entry()),
            }
        }
    }
    for (station, there) in &seen.days {
        let wished = manifest.station_days.get(station).unwrap_or(&none);
        let extra = there.iter().filter(|(day, _)| !wished.contains_key(*day));
        state.extra.extend(extra.map(|(day, have)| station_day(station, day, 0, have.count)));
    }
    state
}

fn station_day(station: &str, day: &str, expected: u64, found: u64) -> StationDay {
    StationDay { station: station.to_owned(), day: day.to_owned(), expected, found }
}

/// Wished indexes that are not there (or not unique where they should be), and names nobody wished.
fn index_difference(spec: &ImportSpec, found: &[Document]) -> (Vec<IndexSpec>, Vec<String>) {
    let wished = spec.wished_indexes();
    let matches =
        |index: &IndexSpec, document: &Document| same_keys(index, document) && document.get_bool("unique").unwrap_or(false) == index.unique;
    let missing = wished.iter().filter(|index| !found.iter().any(|document| matches(index, document))).cloned().collect();
    let extra = found.iter().filter(|document| document.get_str("name").ok() != Some("_id_"));
    let extra = extra.filter(|document| !wished.iter().any(|index| matches(index, document)));
    (missing, extra.filter_map(|document| document.get_str("name").ok().map(str::to_owned)).collect())
}

fn same_keys(index: &IndexSpec, document: &Document) -> bool {
    let Ok(keys) = document.get_document("key") else { return false };
    keys.len() == index.keys.len()
        && keys.iter().zip(&index.keys).all(|((field, value), (name, direction))| {
            let value = match value {
                Bson::Int32(n) => f64::from(*n),
                Bson::Int64(n) => *n as f64,
                Bson::Double(n) => *n,
                _ => return false,
            };
            field == name && value == f64::from(*direction)
        })
}

/// Names of the wished indexes that are not there or differ.
pub async fn missing_indexes(server: &Server, spec: &ImportSpec) -> Result<Vec<String>, DatabaseError> {
    let (missing, _) = index_difference(spec, &server.indexes(&spec.database, &spec.collection).await?);
    Ok(missing.iter().map(IndexSpec::name).collect())
}

/// Whether documents are loaded beside wished indexes. An empty collection takes its documents many times as fast without: there they
/// are dropped, and built after the load.
pub(super) async fn indexes_stay(server: &Server, spec: &ImportSpec, empty: bool) -> Result<bool, DatabaseError> {
    let wished = spec.wished_indexes();
    let found = server.indexes(&spec.database, &spec.collection).await?;
    let there = found.iter().filter(|document| wished.iter().any(|index| same_keys(index, document)));
    // As the server calls them.
    let names: Vec<&str> = there.filter_map(|document| document.get_str("name").ok()).collect();
    if !empty {
        return Ok(!names.is_empty());
    }
    for name in names {
        server.drop_index(&spec.database, &spec.collection, name).await?;
    }
    Ok(false)
}

/// Builds what is missing. Called after the load, when an empty collection takes its documents fastest.
pub async fn ensure_indexes(server: &Server, spec: &ImportSpec) -> Result<(), DatabaseError> {
    server.create(&spec.database, &spec.collection, &doc! {}).await?;
    let (missing, _) = index_difference(spec, &server.indexes(&spec.database, &spec.collection).await?);
    server.create_indexes(&spec.database, &spec.collection, missing.iter().map(IndexSpec::to_document).collect()).await
}
