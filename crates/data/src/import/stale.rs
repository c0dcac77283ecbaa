//! Taking away what the dataset does not hold (any more).

use std::collections::HashSet;

use bson::{Bson, Document, doc};
use xxhash_rust::xxh3::xxh3_128;

use super::encode::{encode, instant};
use super::lines::Blocks;
use super::{ImportSpec, StationDay};
use crate::digest::{Canonical, TimestampType};
use crate::manifest::DatasetManifest;
use crate::mongo::{DatabaseError, Query, Server};
use crate::store::Store;

/// Documents removed in one command.
const AT_ONCE: usize = 1000;

/// The documents of one station-day.
fn day_filter(spec: &ImportSpec, day: &StationDay) -> Document {
    let (from, to) = (format!("{}T00:00:00Z", day.day), format!("{}U", day.day));
    // Both spellings are matched, so that a change of the timestamp's type finds the old documents.
    let text = doc! {"timestamp": {"$gte": &from, "$lt": to}};
    let mut spellings = vec![text];
    if let Some(start) = instant(&from) {
        let at = |millis| Bson::DateTime(bson::DateTime::from_millis(millis));
        spellings.push(doc! {"timestamp": {"$gte": at(start), "$lt": at(start + 86_400_000)}});
    }
    if spec.timestamp_type == TimestampType::Date {
        spellings.reverse();
    }
    doc! {"station.station_id": &day.station, "$or": spellings}
}

/// Removes whole station-days.
pub(super) async fn remove_days(server: &Server, spec: &ImportSpec, days: &[StationDay]) -> Result<u64, DatabaseError> {
    let mut removed = 0;
    for day in days {
        removed += server.delete(&spec.database, &spec.collection, day_filter(spec, day)).await?;
    }
    Ok(removed)
}

/// Removes documents no import made.
pub(super) async fn remove_foreign(server: &Server, spec: &ImportSpec) -> Result<u64, DatabaseError> {
    let mut removed = 0;
    let mut canonical = Canonical::default();
    let mut scan = server.scan(&spec.database, &spec.collection, Query::default()).await?;
    let mut ids = Vec::new();
    while let Some(batch) = scan.next().await {
        for bytes in batch?.slices()? {
            let bytes = bytes?;
            let stored = canonical.read(bytes, spec.timestamp_type).map_err(|error| DatabaseError::caused("read a document", error))?;
            if stored.place.is_none() {
                ids.push(id_of(bytes)?);
            }
        }
        if ids.len() >= AT_ONCE {
            removed += remove_ids(server, spec, &mut ids).await?;
        }
    }
    removed += remove_ids(server, spec, &mut ids).await?;
    Ok(removed)
}

/// Removes from these station-days, which were just written, what the dataset does not hold.
pub(super) async fn remove_surplus(
    server: &Server,
    spec: &ImportSpec,
    store: &dyn Store,
    manifest: &DatasetManifest,
    written: &[StationDay],
) -> Result<u64, DatabaseError> {
    let mut crowded = Vec::new();
    for day in written {
        if server.count(&spec.database, &spec.collection, day_filter(spec, day)).await? > day.expected {
            crowded.push(day);
        }
    }
    if crowded.is_empty() {
        return Ok(0);
    }
    let wanted = ids_in_file(spec, store, manifest, &crowded).await?;
    let mut removed = 0;
    for day in crowded {
        let query = Query { filter: day_filter(spec, day), projection: doc! {"_id": 1}, ..Query::default() };
        let mut scan = server.scan(&spec.database, &spec.collection, query).await?;
        let mut ids = Vec::new();
        while let Some(batch) = scan.next().await {
            for bytes in batch?.slices()? {
                let id = id_of(bytes?)?;
                let known = id.as_str().is_some_and(|id| wanted.contains(&xxh3_128(id.as_bytes())));
                if !known {
                    ids.push(id);
                }
            }
        }
        removed += remove_ids(server, spec, &mut ids).await?;
    }
    Ok(removed)
}

/// Hashes (16 bytes each) of the `_id`s the dataset has for these station-days.
async fn ids_in_file(
    spec: &ImportSpec,
    store: &dyn Store,
    manifest: &DatasetManifest,
    days: &[&StationDay],
) -> Result<HashSet<u128>, DatabaseError> {
    let wanted: HashSet<(&str, &str)> = days.iter().map(|day| (day.station.as_str(), day.day.as_str())).collect();
    let mut ids = HashSet::new();
    let mut blocks = Blocks::open(store, &manifest.output).await?;
    while let Some(block) = blocks.next().await? {
        for (number, line) in block.documents() {
            let encoded = encode(line, spec.timestamp_type).map_err(|error| error.at(&manifest.output, number))?;
            let place = (encoded.station.as_str(), encoded.day.as_str());
            if wanted.contains(&place)
                && let Some(id) = id_of(&encoded.bytes)?.as_str()
            {
                ids.insert(xxh3_128(id.as_bytes()));
            }
        }
    }
    Ok(ids)
}

async fn remove_ids(server: &Server, spec: &ImportSpec, ids: &mut Vec<Bson>) -> Result<u64, DatabaseError> {
    let mut removed = 0;
    for some in std::mem::take(ids).chunks(AT_ONCE) {
        removed += server.delete(&spec.database, &spec.collection, doc! {"_id": {"$in": some.to_vec()}}).await?;
    }
    Ok(removed)
}

fn id_of(document: &[u8]) -> Result<Bson, DatabaseError> {
    let fault = |error: bson::error::Error| DatabaseError::caused("read an _id", error);
    let id = bson::RawDocument::from_bytes(document).and_then(|document| document.get("_id").map(|id| id.map(Bson::try_from)));
    match id.map_err(fault)? {
        Some(id) => id.map_err(fault),
        None => Ok(Bson::Null),
    }
}
