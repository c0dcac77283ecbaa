//! The database as a journey finds it, and as somebody leaves it who edits by hand.

use std::collections::BTreeMap;

use bson::{Document, doc};
use meteoctl_data::mongo::Query;

use crate::world::World;

/// Name of the collection in the reference stack.
pub const COLLECTION: &str = "weather_data";

impl World {
    /// Documents that match.
    pub fn count(&self, filter: Document) -> u64 {
        self.wait(self.server.count(&self.database(), COLLECTION, filter)).expect("counts")
    }

    /// Every document's bytes by its `_id`, from a database of this server.
    pub fn documents(&self, database: &str) -> BTreeMap<String, Vec<u8>> {
        self.wait(async {
            let mut found = BTreeMap::new();
            let mut scan = self.server.scan(database, COLLECTION, Query::default()).await.expect("begins to read");
            while let Some(batch) = scan.next().await {
                let batch = batch.expect("reads a batch");
                for bytes in batch.slices().expect("a batch holds documents") {
                    let bytes = bytes.expect("a document").to_vec();
                    let document = Document::from_reader(&mut bytes.as_slice()).expect("a document is BSON");
                    let id = document.get_str("_id").expect("an _id is a text").to_owned();
                    assert!(found.insert(id.clone(), bytes).is_none(), "{id} is there twice");
                }
            }
            found
        })
    }

    /// (station, timestamp) pairs that more than one document carries.
    pub fn doubled(&self) -> usize {
        let pipeline = vec![
            doc! {"$group": {"_id": {"station": "$station.station_id", "at": "$timestamp"}, "n": {"$sum": 1}}},
            doc! {"$match": {"n": {"$gt": 1}}},
        ];
        self.wait(self.server.aggregate(&self.database(), COLLECTION, pipeline)).expect("aggregates").len()
    }

    /// Names of everything in the database, by the order of the alphabet.
    pub fn collections(&self) -> Vec<String> {
        let found = self.wait(self.server.collections(&self.database())).expect("lists the collections");
        found.into_iter().map(|info| info.name).collect()
    }

    /// Changes the temperature of one document, as a person with a shell would.
    pub fn edit_document(&self, id: &str, temperature: f64) {
        let update = doc! {
            "update": COLLECTION,
            "updates": [{"q": {"_id": id}, "u": {"$set": {"measurements.temperature_c": temperature}}}],
        };
        let reply = self.wait(self.server.command(&self.database(), &update, "edit a document")).expect("edits");
        assert_eq!(reply.get_i32("nModified").ok(), Some(1), "{id}: {reply}");
    }

    /// Removes a station's documents; returns how many there were.
    pub fn delete_station(&self, station: &str) -> u64 {
        self.wait(self.server.delete(&self.database(), COLLECTION, doc! {"station.station_id": station})).expect("deletes")
    }
}
