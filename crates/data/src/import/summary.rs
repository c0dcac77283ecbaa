//! The record of the last verified import: what makes a look fast.
//!
//! In the side collection `_meteoctl` of the same database lies one head per collection and one document
//! per station with the digests of its days. The head names the collection's UUID, so a record never
//! speaks for a collection that was dropped and made anew, and the number of documents, so a look that
//! only counts notices what vanished. It is taken away before the first write of an import and put back,
//! journaled, after the check: an interrupted import leaves none.

use bson::{Bson, Document, doc};

use super::content::Content;
use super::{ImportSpec, SIDE_COLLECTION};
use crate::digest::TimestampType;
use crate::document::{SetDigest, StationDays};
use crate::mongo::{DatabaseError, Documents, Query, Server};

/// Layout version of the record.
const VERSION: i32 = 1;

/// Takes the record away.
pub(super) async fn forget(server: &Server, spec: &ImportSpec) -> Result<(), DatabaseError> {
    server.delete(&spec.database, SIDE_COLLECTION, doc! {"_id.collection": &spec.collection, "_id.station": ""}).await?;
    Ok(())
}

/// Writes the record: stations first, the head last.
pub(super) async fn remember(server: &Server, spec: &ImportSpec, content: &Content) -> Result<(), DatabaseError> {
    let Some(info) = server.collection(&spec.database, &spec.collection).await? else { return Ok(()) };
    let Some(uuid) = info.uuid else { return Ok(()) };
    forget(server, spec).await?;
    server.delete(&spec.database, SIDE_COLLECTION, doc! {"_id.collection": &spec.collection}).await?;
    for (station, days) in &content.days {
        let days: Document = days.iter().map(|(day, digest)| (day.clone(), Bson::String(digest.to_string()))).collect();
        put(server, spec, station, doc! {"days": days}).await?;
    }
    let documents = i64::try_from(content.documents).unwrap_or(i64::MAX);
    let sources = serde_json::to_string(&content.sources).unwrap_or_default();
    let head = doc! {
        "version": VERSION,
        "uuid": uuid,
        "documents": documents,
        "timestampType": word(spec.timestamp_type),
        // As text, because a source may have any name.
        "sources": sources,
        "missing": content.missing.map(|count| i64::try_from(count).unwrap_or(i64::MAX)).to_vec(),
    };
    put(server, spec, "", head).await?;
    // A write that asks for the journal takes everything before it along.
    let command = doc! {
        "update": SIDE_COLLECTION,
        "updates": [{"q": {"_id": key(spec, "")}, "u": {"$set": {"version": VERSION}}}],
        "writeConcern": {"w": "majority", "j": true},
    };
    server.repeatable(&spec.database, &command, "journal the import").await.map(drop)
}

/// The digests of the last import, if its record still speaks for this collection.
pub(super) async fn recall(server: &Server, spec: &ImportSpec, uuid: &str) -> Result<Option<Content>, DatabaseError> {
    let filter = doc! {"_id.collection": &spec.collection};
    let mut scan = server.scan(&spec.database, SIDE_COLLECTION, Query { filter, ..Query::default() }).await?;
    let (mut days, mut head) = (StationDays::new(), None);
    while let Some(batch) = scan.next().await {
        for bytes in batch?.slices()? {
            let record = bson::RawDocument::from_bytes(bytes?).and_then(Document::try_from);
            let record = record.map_err(|error| DatabaseError::caused("read the record of the last import", error))?;
            match record.get_document("_id").and_then(|id| id.get_str("station")) {
                Ok("") => head = read_head(&record, spec, uuid),
                Ok(station) => drop(days.insert(station.to_owned(), read_days(&record).unwrap_or_default())),
                Err(_) => {}
            }
        }
    }
    Ok(head.map(|head| Content { days, ..head }))
}

fn read_head(head: &Document, spec: &ImportSpec, uuid: &str) -> Option<Content> {
    let speaks = head.get_i32("version").ok() == Some(VERSION)
        && head.get_str("uuid").ok() == Some(uuid)
        && head.get_str("timestampType").ok() == Some(word(spec.timestamp_type));
    if !speaks {
        return None;
    }
    let documents = u64::try_from(head.get_i64("documents").ok()?).ok()?;
    let sources = serde_json::from_str(head.get_str("sources").ok()?).ok()?;
    let missing: Vec<u64> = head.get_array("missing").ok()?.iter().map(|count| crate::mongo::whole(Some(count))).collect();
    Some(Content { documents, sources, missing: missing.try_into().ok()?, ..Content::default() })
}

fn read_days(record: &Document) -> Option<std::collections::BTreeMap<String, SetDigest>> {
    let days = record.get_document("days").ok()?;
    days.iter().map(|(day, digest)| Some((day.clone(), digest.as_str()?.parse().ok()?))).collect()
}

fn key(spec: &ImportSpec, station: &str) -> Document {
    doc! {"collection": &spec.collection, "station": station}
}

async fn put(server: &Server, spec: &ImportSpec, station: &str, fields: Document) -> Result<(), DatabaseError> {
    let mut record = doc! {"_id": key(spec, station)};
    record.extend(fields);
    let raw = bson::RawDocumentBuf::try_from(&record).map_err(|error| DatabaseError::caused("record the import", error))?;
    let id = crate::digest::elements::find(raw.as_bytes(), b"_id").ok().flatten();
    let mut batch = Documents::default();
    batch.push_upsert(id.map(|id| id.whole).unwrap_or_default(), raw.as_bytes());
    server.upsert(&spec.database, SIDE_COLLECTION, &batch).await.map(drop)
}

fn word(timestamps: TimestampType) -> &'static str {
    match timestamps {
        TimestampType::String => "string",
        TimestampType::Date => "date",
    }
}
