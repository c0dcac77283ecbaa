//! Small texts kept beside the data they speak of: what was measured, on which database.

use bson::doc;

use super::{DatabaseError, Server};

/// The text kept under a key, if there is one.
pub async fn read(server: &Server, database: &str, collection: &str, key: &str) -> Result<Option<String>, DatabaseError> {
    let found = server.aggregate(database, collection, vec![doc! {"$match": {"_id": key}}]).await?;
    Ok(found.first().and_then(|document| document.get_str("evidence").ok()).map(str::to_owned))
}

/// Keeps a text under a key, in place of an earlier one.
pub async fn write(server: &Server, database: &str, collection: &str, key: &str, text: &str) -> Result<(), DatabaseError> {
    let update = doc! {"q": {"_id": key}, "u": {"_id": key, "evidence": text}, "upsert": true};
    let command = doc! {"update": collection, "updates": [update]};
    server.repeatable(database, &command, &format!("keep {key} in {database}.{collection}")).await.map(drop)
}
