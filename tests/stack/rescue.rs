//! The day it matters: drills that were held before, and ways back when nothing but the backup is left.

use bson::doc;

use crate::database::COLLECTION;
use crate::outcome::Report;
use crate::world::{SAMPLE_DOCUMENTS, World};

/// The dataset's file.
const DATASET: &str = "p8-processed/weather_mongodb_ready.json";

/// What makes the nightly backup a sealed one, with the Secret of its key.
const SEALED: &str = "  encryption:
    ageKey: {ref: Secret/p8/backup, key: password}
---
kind: Secret
metadata: {name: p8/backup}
spec: {generate: {passwordLength: 43}}
";

#[test]
fn a_restore_drill_is_desired_state() {
    let Some(world) = World::new("a_restore_drill_is_desired_state") else { return };
    let world = world.with_samples();
    let drill = "  restoreDrill:                   # the newest backup restored under a name of its own, compared, timed and removed again
    everyDays: 7 ";
    world.edit("60-backup.yaml", drill, "  # no drill yet");
    world.apply();
    world.run(&["status"]).expect(0).says(&["how long a restore takes is unknown (no drill)"]);
    assert!(figure(&world, "restoreSeconds").is_null() && figure(&world, "lossSeconds").as_i64() >= Some(0));

    world.edit("60-backup.yaml", "  # no drill yet", drill);
    let planned = plan(&world, 2);
    assert_eq!(planned.fields("Backup/nightly"), ["/restoreDrill"], "{:#}", planned.0);
    let backups = world.backups();
    world.apply();
    assert_eq!(world.backups(), backups, "a drill makes no backup");
    let evidence: serde_json::Value =
        serde_json::from_slice(&world.object(&format!("{}.drill.json", backups[0]))).expect("evidence is JSON");
    assert_eq!((&evidence["documents"], &evidence["fault"]), (&SAMPLE_DOCUMENTS.into(), &serde_json::Value::Null));
    assert!(figure(&world, "restoreSeconds").as_f64() > Some(0.0));
    world.run(&["status"]).expect(0).says(&["a restore takes", "(drill of 20"]);
    plan(&world, 0).changed_nothing();

    // Asked for by name, a drill is held although none is due, of the backup that is there.
    world.run(&["run", "drill"]).expect(0).says(&["drill: ", "all as they were"]);
    let again: serde_json::Value = serde_json::from_slice(&world.object(&format!("{}.drill.json", backups[0]))).expect("JSON");
    assert_ne!(again["startedAt"], evidence["startedAt"]);
    assert_eq!(world.backups(), backups, "a drill makes no backup");

    world.delete_object(&format!("{}.drill.json", backups[0]));
    assert_eq!(plan(&world, 2).fields("Backup/nightly"), ["/restoreDrill"]);
}

#[test]
fn a_sealed_backup_comes_back_when_dataset_sources_and_database_are_gone() {
    let Some(world) = World::new("a_sealed_backup_comes_back_when_dataset_sources_and_database_are_gone") else { return };
    let world = world.with_samples();
    world.append("60-backup.yaml", SEALED);
    world.apply();
    let archive = world.keys("p8-backups/").into_iter().find(|key| key.ends_with(".gz.age")).expect("a sealed archive");
    assert!(world.object(&archive).starts_with(b"age-encryption.org/v1\n"));
    assert!(figure(&world, "restoreSeconds").as_f64() > Some(0.0), "the drill opened it");
    let before = world.documents(&world.database());

    // Never over documents that are there.
    world.run(&["restore", "latest"]).expect(1).says(&["documents", "--replace"]);
    assert_eq!(world.documents(&world.database()), before);

    std::fs::remove_dir_all(world.sources()).expect("the sources vanish");
    for prefix in ["p8-data-path/", "p8-processed/"] {
        world.keys(prefix).iter().for_each(|key| world.delete_object(key));
    }
    world.drop_database();
    world.run(&["restore", "latest", "--dry-run"]).expect(0).says(&["nothing was written", &SAMPLE_DOCUMENTS.to_string()]);
    assert!(world.collections().is_empty());
    world.run(&["restore", "latest"]).expect(0).says(&["compared with the archive"]);
    assert_eq!(world.documents(&world.database()), before);

    // With the dataset gone for good, the document names the backups in its place.
    let restore_from = "  restoreFrom:
    bucket: {ref: Bucket/p8-meteo}
    prefix: p8-backups/mongodb/
    encryption: {ageKey: {ref: Secret/p8/backup, key: password}}
";
    world.without_dataset(restore_from);
    world.apply();
    let edited = before.keys().next().expect("a document");
    world.edit_document(edited, 40.0);
    plan(&world, 0).changed_nothing();
    assert_ne!(world.documents(&world.database()), before, "what it holds is left alone");
    world.drop_database();
    let planned = plan(&world, 2);
    assert_eq!(planned.fields("Collection/weather"), ["/restoreFrom"], "{:#}", planned.0);
    world.apply();
    assert_eq!(world.documents(&world.database()), before);
    let indexes = world.wait(world.server.indexes(&world.database(), COLLECTION)).expect("lists indexes");
    assert_eq!(indexes.len(), 2, "{indexes:?}");
}

#[test]
fn a_database_is_refilled_from_the_backup_once_its_dataset_cannot_be_made_again() {
    let Some(world) = World::new("a_database_is_refilled_from_the_backup_once_its_dataset_cannot_be_made_again") else { return };
    let world = world.with_samples();
    let restore_from = "  restoreFrom: {bucket: {ref: Bucket/p8-meteo}, prefix: p8-backups/mongodb/}\n";
    let requires = "  requires: [{ref: QualityReport/weather}]\n";
    world.edit("50-data.yaml", requires, &format!("{requires}{restore_from}"));
    // With a dataset that can be made, the backups are not asked: there are none yet.
    world.apply();
    let before = world.documents(&world.database());

    // A vanished vendor alone is no reason to turn to backups: what it brought earlier is there, and fills the database.
    let away = world.sources().with_file_name("away");
    std::fs::rename(world.sources(), &away).expect("the sources vanish");
    world.drop_database();
    let report = world.run(&["plan", "--output", "json"]).expect(1).report();
    assert_eq!(report.fate("Source/infoclimat"), "failed", "{:#}", report.0);
    assert_eq!(report.fate("Collection/weather"), "wouldCreate", "{:#}", report.0);
    let filled = world.run(&["apply", "--yes"]).expect(1);
    filled.says(&[&format!("inserted {SAMPLE_DOCUMENTS},"), "Source/infoclimat"]);
    assert_eq!(world.documents(&world.database()), before);
    // Nor is lost raw data, as long as the dataset is whole: no dataset is made without what was lost.
    let dataset = world.object(DATASET);
    world.keys("p8-data-path/").iter().for_each(|key| world.delete_object(key));
    world.drop_database();
    world
        .run(&["apply", "--yes"])
        .expect(1)
        .says(&[&format!("inserted {SAMPLE_DOCUMENTS},"), "taken as it stands, the raw data of Source/infoclimat, Source/"]);
    assert_eq!(world.documents(&world.database()), before);
    world.run(&["run", "transform"]).expect(1);
    assert_eq!(world.object(DATASET), dataset, "asked for by name, it is not made of what is left either");
    world.drop_database();

    for prefix in ["p8-data-path/", "p8-processed/"] {
        world.keys(prefix).iter().for_each(|key| world.delete_object(key));
    }
    world.run(&["plan"]).expect(1).says(&["put back", &format!("{SAMPLE_DOCUMENTS} documents")]);
    assert!(world.collections().is_empty(), "a plan writes nothing");
    world.run(&["apply", "--yes"]).expect(1).says(&["compared with the archive"]);
    assert_eq!(world.documents(&world.database()), before);

    // Never over documents, whatever they are; and the indexes are kept.
    let edited = before.keys().next().expect("a document");
    world.edit_document(edited, 40.0);
    let report = world.run(&["apply", "--yes", "--output", "json"]).expect(1).report();
    assert_eq!(report.fate("Collection/weather"), "inSync", "{:#}", report.0);
    assert_ne!(world.documents(&world.database()), before);

    // The sources are back: the dataset is made again and is the measure of the collection.
    std::fs::rename(&away, world.sources()).expect("the sources are back");
    world.run(&["apply", "--yes", "--deep"]).expect(0).says(&["inserted 0, replaced 1, removed 0"]);
    assert_eq!(world.documents(&world.database()), before);
}

#[test]
fn a_fresh_database_behind_the_same_documents_is_drift_and_is_refilled() {
    let Some(world) = World::new("a_fresh_database_behind_the_same_documents_is_drift_and_is_refilled") else { return };
    let world = world.with_samples();
    world.apply();
    let before = world.documents(&world.database());
    world.drop_database();
    let drift = world.run(&["drift", "--output", "json"]).expect(2).report();
    assert_eq!(drift.fate("Collection/weather"), "wouldCreate");
    let filled = world.apply();
    assert_eq!(filled.fate("Collection/weather"), "created");
    assert_eq!(world.documents(&world.database()), before);
    world.run(&["drift", "--deep"]).expect(0);
}

#[test]
fn station_days_that_differ_are_named_and_repaired_alone() {
    let Some(world) = World::new("station_days_that_differ_are_named_and_repaired_alone") else { return };
    let world = world.with_samples();
    world.apply();
    let before = world.documents(&world.database());
    let edited = before.keys().next().expect("a document").clone();
    world.edit_document(&edited, 40.0);
    let (station, day) = (edited.split('@').next().expect("a station"), &edited[edited.find('@').expect("an @") + 1..][..10]);
    world.run(&["drift", "--deep"]).expect(2).says(&[&format!("1 station-day differs ({station} {day})")]);
    let repaired = world.run(&["apply", "--yes", "--deep"]).expect(0);
    repaired.says(&["inserted 0, replaced 1, removed 0", &format!("unchanged {}", SAMPLE_DOCUMENTS - 1)]);
    assert_eq!(world.documents(&world.database()), before);
    let lost = world.delete_station(station);
    let planned = plan(&world, 2);
    assert_eq!(planned.fields("Collection/weather"), ["/stationDays"]);
    world.run(&["apply", "--yes"]).expect(0).says(&[&format!("inserted {lost}, replaced 0, removed 0")]);
    assert_eq!(world.documents(&world.database()), before);
}

#[test]
fn several_queries_are_measured_and_a_lost_index_is_told() {
    let Some(world) = World::new("several_queries_are_measured_and_a_lost_index_is_told") else { return };
    let world = world.with_samples();
    world.edit("50-data.yaml", "  station: IICHTE19\n  day: 2024-10-05                 # UTC\n", QUERIES);
    let applied = world.apply();
    let latency = &applied.line("LatencyProbe/station-day")["outputs"]["latency"];
    for query in ["day", "range"] {
        let [p50, p95, p99] = ["p50Millis", "p95Millis", "p99Millis"].map(|figure| latency[query][figure].as_f64().expect("a figure"));
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{latency:#}");
        assert_eq!(latency[query]["plan"], "IXSCAN → FETCH");
        assert_eq!(latency[query]["maxP95Millis"], 1000.0);
    }
    // The probe itself tells, also where the collection's own look is left out.
    let drop = doc! {"dropIndexes": COLLECTION, "index": "station.station_id_1_timestamp_1"};
    world.wait(world.server.command(&world.database(), &drop, "drop the index")).expect("drops");
    let planned = plan(&world, 2);
    assert_eq!(planned.fields("Collection/weather"), ["/indexes"]);
    let note = planned.line("LatencyProbe/station-day")["note"].as_str().expect("a note");
    assert!(note.contains("day: it is answered without an index (COLLSCAN)"), "{note}");
    world.apply();
}

const QUERIES: &str = "  queries:
    - {name: day, station: IICHTE19, day: 2024-10-05}
    - {name: range, station: ILAMAD25, day: 2024-10-05, until: 2024-10-06}
";

fn plan(world: &World, code: i32) -> Report {
    world.run(&["plan", "--detailed-exitcode", "--output", "json"]).expect(code).report()
}

/// What the backup tells machines.
fn figure(world: &World, name: &str) -> serde_json::Value {
    plan(world, 0).line("Backup/nightly")["outputs"][name].clone()
}

impl World {
    /// What a new task with empty storage leaves of the database.
    fn drop_database(&self) {
        let drop = doc! {"dropDatabase": 1};
        self.wait(self.server.command(&self.database(), &drop, "drop the database")).expect("drops");
    }
}

#[test]
fn raw_data_that_airbyte_alone_can_bring_may_be_lost_without_losing_the_database() {
    let Some(world) = World::new("raw_data_that_airbyte_alone_can_bring_may_be_lost_without_losing_the_database") else { return };
    let world = world.with_samples();
    world.apply();
    let before = world.documents(&world.database());
    world.without_vendor_file("infoclimat.json");
    world.apply().changed_nothing();

    world.keys("p8-data-path/InfoClimat_data/").iter().for_each(|key| world.delete_object(key));
    world.drop_database();
    let planned = world.run(&["plan", "--output", "json"]).expect(1).report();
    assert_eq!(planned.fate("Source/infoclimat"), "failed", "a plan promises nothing that apply cannot do: {:#}", planned.0);
    assert_eq!(planned.fate("Dataset/weather"), "inSync", "{:#}", planned.0);
    let filled = world.run(&["apply", "--yes"]).expect(1);
    filled.says(&["nothing lies there", "run the Airbyte sync", "taken as it stands, the raw data of Source/infoclimat is missing"]);
    assert_eq!(world.documents(&world.database()), before);
}
