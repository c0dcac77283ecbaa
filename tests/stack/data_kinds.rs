//! Every kind of data work: what somebody spoils is named alone, and repaired alone.

use std::collections::BTreeSet;

use bson::doc;

use crate::database::COLLECTION;
use crate::world::World;

/// Fates of a document that is as wished, or whose need is going to change.
const AT_REST: [&str; 2] = ["inSync", "later"];

#[test]
fn what_data_work_made_is_looked_after() {
    let Some(world) = World::new("what_data_work_made_is_looked_after") else { return };
    let world = world.with_samples();
    world.apply();
    let (before, documents) = (world.inventory(), world.documents(&world.database()));
    let raw = world.keys("p8-data-path/France_data/");
    let [raw] = raw.as_slice() else { panic!("one raw object: {raw:?}") };

    world.delete_object(raw);
    repairs(&world, "Source/la-madeleine");
    // An object that somebody else delivered is data like any other, and is not ours to remove. What follows the dataset may change.
    let foreign = "p8-data-path/France_data/2020_01_01_1577836800000_0.jsonl";
    world.put_object(foreign, b"{}\n".to_vec());
    names(&world, "Dataset/weather");
    world.apply();
    world.delete_object(foreign);
    names(&world, "Dataset/weather");
    world.apply();
    world.put_object("p8-processed/weather_mongodb_ready.json", b"[]".to_vec());
    repairs(&world, "Dataset/weather");
    world.delete_object("p8-processed/weather_mongodb_ready.json");
    repairs(&world, "Dataset/weather");
    world.delete_object("p8-processed/quality_report.json");
    repairs(&world, "QualityReport/weather");
    world.drop_indexes();
    repairs(&world, "Collection/weather");
    world.add_document("07015@2024-10-05T00:30:00Z");
    repairs(&world, "Collection/weather");
    world.forget_latency("station-day");
    repairs(&world, "LatencyProbe/station-day");

    assert_eq!(world.documents(&world.database()), documents, "the database is what it was");
    assert_eq!(world.inventory(), before);
}

#[test]
fn a_backup_that_is_no_longer_whole_does_not_count() {
    let Some(world) = World::new("a_backup_that_is_no_longer_whole_does_not_count") else { return };
    let world = world.with_samples();
    world.apply();
    for spoil in [spoil_archive, spoil_manifest] {
        let archive = world.backups().pop().expect("a backup");
        spoil(&world, &archive);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        repairs(&world, "Backup/nightly");
        let newest = world.backups().pop().expect("a backup");
        assert!(newest > archive, "{newest} is newer than {archive}");
    }
}

/// Cuts the archive off.
fn spoil_archive(world: &World, archive: &str) {
    let mut bytes = world.object(archive);
    bytes.truncate(bytes.len() / 2);
    world.put_object(archive, bytes);
}

/// Takes the proof away.
fn spoil_manifest(world: &World, archive: &str) {
    world.delete_object(&format!("{archive}.manifest.json"));
}

/// Drift names this document alone, apply changes it alone, and then nothing is left to do.
#[track_caller]
fn repairs(world: &World, id: &str) {
    names(world, id);
    let repaired = world.apply();
    assert_eq!(repaired.without_fates(&AT_REST), BTreeSet::from([id.to_owned()]), "{:#}", repaired.0);
    world.run(&["drift", "--deep"]).expect(0);
}

/// Drift names this document alone.
#[track_caller]
fn names(world: &World, id: &str) {
    let drift = world.run(&["drift", "--deep", "--output", "json"]).expect(2).report();
    assert_eq!(drift.without_fates(&AT_REST), BTreeSet::from([id.to_owned()]), "{:#}", drift.0);
}

impl World {
    /// Drops every index but that of `_id`.
    fn drop_indexes(&self) {
        let drop = doc! {"dropIndexes": COLLECTION, "index": "*"};
        self.wait(self.server.command(&self.database(), &drop, "drop the indexes")).expect("drops");
    }

    /// Adds a document that no dataset holds.
    fn add_document(&self, id: &str) {
        let (station, timestamp) = id.split_once('@').expect("station@timestamp");
        let document = doc! {"_id": id, "source": "infoclimat", "station": {"station_id": station}, "timestamp": timestamp};
        let insert = doc! {"insert": COLLECTION, "documents": [document]};
        self.wait(self.server.command(&self.database(), &insert, "add a document")).expect("adds");
    }

    /// Forgets a measurement.
    fn forget_latency(&self, probe: &str) {
        let filter = doc! {"_id": format!("latency/{probe}")};
        let gone = self.wait(self.server.delete(&self.database(), "_meteoctl", filter)).expect("deletes");
        assert_eq!(gone, 1, "{probe} was measured");
    }
}
