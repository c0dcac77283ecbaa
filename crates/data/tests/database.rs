//! The dataset in a real database: first import, drift, repair, interruption, self-refill.

mod support;

use bson::{Bson, doc};
use meteoctl_data::digest::TimestampType;
use meteoctl_data::import::{Foreign, ImportOutcome, ImportSpec, ImportState, look, run};
use meteoctl_data::latency::{self, LatencySpec};
use meteoctl_data::manifest::DatasetManifest;
use meteoctl_data::store::Memory;
use support::{Fixture, dataset, line, lines};

struct World {
    fixture: Fixture,
    store: Memory,
    spec: ImportSpec,
}

impl World {
    async fn new() -> World {
        let fixture = Fixture::new().await;
        let spec = ImportSpec::new(fixture.database.clone(), "weather_data");
        World { fixture, store: Memory::new(), spec }
    }

    async fn look(&self, manifest: &DatasetManifest, deep: bool) -> ImportState {
        look(&self.fixture.server, &self.spec, manifest, deep).await.unwrap()
    }

    async fn import(&self, manifest: &DatasetManifest, deep: bool) -> ImportOutcome {
        let state = self.look(manifest, deep).await;
        run(&self.fixture.server, &self.spec, &self.store, manifest, &state, &|_| {}).await.unwrap()
    }

    async fn change(&self, command: bson::Document) {
        self.fixture.server.command(&self.spec.database, &command, "change behind our back").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn first_import_then_nothing_to_do() {
    let world = World::new().await;
    let lines = lines(3, 4, 48);
    let manifest = dataset(&world.store, &lines).await;
    let before = world.look(&manifest, false).await;
    assert!(!before.exists && before.missing.len() == 12 && !before.in_sync());
    let outcome = world.import(&manifest, false).await;
    let expected = lines.len() as u64;
    assert_eq!((outcome.documents_in_file, outcome.documents_in_database, outcome.inserted), (expected, expected, expected));
    assert_eq!((outcome.replaced, outcome.removed, outcome.unchanged, outcome.missing_temperature), (0, 0, 0, 0));
    assert_eq!(outcome.sources, manifest.sources);
    for deep in [false, true] {
        let after = world.look(&manifest, deep).await;
        assert!(after.in_sync() && after.recorded && after.deep == deep, "{after:?}");
        assert_eq!((after.agreeing, after.documents), (12, expected));
    }
    let again = world.import(&manifest, false).await;
    assert_eq!((again.inserted, again.replaced, again.removed, again.unchanged), (0, 0, 0, expected));
    assert_eq!((again.documents_in_database, &again.sources), (expected, &manifest.sources));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_drift_is_named_and_repaired_alone() {
    let world = World::new().await;
    let lines = lines(2, 3, 24);
    let manifest = dataset(&world.store, &lines).await;
    world.import(&manifest, false).await;
    let id = "ST000@2024-10-01T03:00:00Z";
    world.change(doc! {"update": "weather_data", "updates": [{"q": {"_id": id}, "u": {"$set": {"measurements.temperature_c": 99}}}]}).await;
    assert!(world.look(&manifest, false).await.in_sync(), "an edit is what only a deep look sees");
    let state = world.look(&manifest, true).await;
    assert_eq!(state.headline(), "1 station-day differs (ST000 2024-10-01)");
    let outcome = world.import(&manifest, true).await;
    assert_eq!((outcome.inserted, outcome.replaced, outcome.unchanged), (0, 1, 143));

    world.change(doc! {"delete": "weather_data", "deletes": [{"q": {"station.station_id": "ST001"}, "limit": 0}]}).await;
    let state = world.look(&manifest, false).await;
    assert!(state.deep, "a wrong count makes the look deep");
    assert_eq!((state.missing.len(), state.differing.len(), state.agreeing), (3, 0, 3));
    let outcome = world.import(&manifest, false).await;
    assert_eq!((outcome.inserted, outcome.replaced, outcome.unchanged), (72, 0, 72));

    world.change(doc! {"dropIndexes": "weather_data", "index": "station.station_id_1_timestamp_1"}).await;
    let state = world.look(&manifest, false).await;
    assert_eq!(state.indexes_missing, ["station.station_id_1_timestamp_1"]);
    world.import(&manifest, false).await;
    assert!(world.look(&manifest, true).await.in_sync());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_dataset_replaces_and_removes() {
    let world = World::new().await;
    world.import(&dataset(&world.store, &lines(2, 3, 24)).await, false).await;
    // Station 1 loses its last day, station 0 loses one reading of its first day and gets another value on its second.
    let mut next: Vec<String> = lines(1, 3, 24);
    next.remove(5);
    next[30] = next[30].replace("\"wind_speed\":0", "\"wind_speed\":12.5");
    next.extend((0..48).map(|reading| line(1, reading, 24)));
    let manifest = dataset(&world.store, &next).await;
    let state = world.look(&manifest, false).await;
    assert_eq!((state.differing.len(), state.extra.len(), state.missing.len(), state.removals()), (2, 1, 0, 25));
    let outcome = world.import(&manifest, false).await;
    assert_eq!((outcome.inserted, outcome.replaced, outcome.removed), (0, 1, 25));
    assert!(world.look(&manifest, true).await.in_sync());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_or_recreated_collection_is_seen_by_a_fast_look_and_refilled() {
    let world = World::new().await;
    let manifest = dataset(&world.store, &lines(2, 2, 24)).await;
    world.import(&manifest, false).await;
    world.change(doc! {"drop": "weather_data"}).await;
    assert_eq!(world.look(&manifest, false).await.missing.len(), 4);
    world.change(doc! {"create": "weather_data"}).await;
    let state = world.look(&manifest, false).await;
    assert_eq!((state.missing.len(), state.indexes_missing.len(), state.recorded), (4, 1, false));
    assert_eq!(world.import(&manifest, false).await.inserted, 96);
    assert!(world.look(&manifest, true).await.in_sync());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_collection_has_the_same_indexes_when_it_is_full_again() {
    let world = World::new().await;
    let manifest = dataset(&world.store, &lines(2, 2, 24)).await;
    world.import(&manifest, false).await;
    world.change(doc! {"createIndexes": "weather_data", "indexes": [{"key": {"source": 1}, "name": "somebody's"}]}).await;
    let names = async || {
        let found = world.fixture.server.indexes(&world.spec.database, "weather_data").await.unwrap();
        let mut names: Vec<String> = found.iter().map(|index| index.get_str("name").unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let before = names().await;
    world.change(doc! {"delete": "weather_data", "deletes": [{"q": {}, "limit": 0}]}).await;
    let state = world.look(&manifest, true).await;
    assert_eq!((state.documents, state.missing.len(), state.indexes_missing.len()), (0, 4, 0));
    // Stopped once the indexes are laid aside, it leaves a difference that the next run sees.
    let gone = DatasetManifest { output: "gone".into(), ..manifest.clone() };
    run(&world.fixture.server, &world.spec, &world.store, &gone, &state, &|_| {}).await.unwrap_err();
    assert_eq!(world.look(&manifest, true).await.indexes_missing.len(), 1);
    assert_eq!(world.import(&manifest, true).await.inserted, 96);
    assert_eq!(names().await, before);
    assert!(world.look(&manifest, true).await.in_sync());
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_documents_are_refused_or_removed() {
    let mut world = World::new().await;
    let lines = lines(1, 1, 24);
    let manifest = dataset(&world.store, &lines).await;
    let foreign: bson::Document =
        bson::Bson::try_from(serde_json::from_str::<serde_json::Value>(&lines[3]).unwrap()).unwrap().as_document().unwrap().clone();
    world.change(doc! {"insert": "weather_data", "documents": [foreign, {"_id": 7}]}).await;
    let state = world.look(&manifest, false).await;
    assert_eq!((state.foreign, state.documents), (2, 2));
    let refused = run(&world.fixture.server, &world.spec, &world.store, &manifest, &state, &|_| {}).await.unwrap_err();
    assert!(refused.story().contains("2 documents that no import made") && refused.hint.is_some(), "{}", refused.story());
    world.spec.foreign = Foreign::Remove;
    let outcome = world.import(&manifest, false).await;
    assert_eq!((outcome.inserted, outcome.removed, outcome.documents_in_database), (24, 2, 24));
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_change_their_type_and_back() {
    let mut world = World::new().await;
    let manifest = dataset(&world.store, &lines(1, 2, 24)).await;
    for kind in [TimestampType::String, TimestampType::Date, TimestampType::String] {
        world.spec.timestamp_type = kind;
        assert!(!world.look(&manifest, false).await.in_sync());
        world.import(&manifest, false).await;
        assert!(world.look(&manifest, true).await.in_sync());
        let found =
            world.fixture.server.aggregate(&world.spec.database, "weather_data", vec![doc! {"$sample": {"size": 1}}]).await.unwrap();
        let is_date = matches!(found[0].get("timestamp"), Some(Bson::DateTime(_)));
        assert_eq!(is_date, kind == TimestampType::Date);
        let probe =
            LatencySpec { timestamp_type: kind, ..LatencySpec::station_day(&world.spec.database, "weather_data", "ST000", "2024-10-02") };
        let measured = latency::run(&world.fixture.server, &probe).await.unwrap();
        assert_eq!((measured.documents, measured.index.as_deref()), (24, Some("station.station_id_1_timestamp_1")));
        assert_eq!((measured.plan.as_str(), measured.documents_examined), ("IXSCAN → FETCH", 24));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_its_manifest_s_is_refused_and_a_rerun_repairs() {
    let world = World::new().await;
    let good = lines(1, 2, 24);
    let mut bad = good.clone();
    bad[7] = bad[7].replace("\"humidity_pct\":27", "\"humidity_pct\":28");
    assert_ne!(good, bad);
    dataset(&world.store, &bad).await;
    let manifest = dataset(&Memory::new(), &good).await;
    let state = world.look(&manifest, false).await;
    let error = run(&world.fixture.server, &world.spec, &world.store, &manifest, &state, &|_| {}).await.unwrap_err();
    assert!(error.story().contains("not the one its manifest describes"), "{}", error.story());
    dataset(&world.store, &good).await;
    let outcome = world.import(&manifest, false).await;
    assert_eq!((outcome.replaced, outcome.documents_in_database), (1, 48));
    let mut worse = good.clone();
    worse[9] = worse[9].replace("\"wind_speed\":0", "\"wind_speed\":0.0");
    let manifest = dataset(&world.store, &worse).await;
    let state = world.look(&manifest, false).await;
    let error = run(&world.fixture.server, &world.spec, &world.store, &manifest, &state, &|_| {}).await.unwrap_err();
    assert!(error.story().contains("line 11 of p8-processed") && error.story().contains("not canonical"), "{}", error.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_may_be_killed_at_any_moment() {
    let world = World::new().await;
    let lines = lines(4, 6, 288);
    let mut manifest = dataset(&world.store, &lines).await;
    for round in 0..20_u64 {
        // Half of the rounds change the dataset, so that replacing and removing are interrupted too.
        if round % 2 == 1 {
            let kept: Vec<String> =
                lines.iter().enumerate().filter(|(n, _)| *n as u64 % 29 != round).map(|(_, line)| line.clone()).collect();
            manifest = dataset(&world.store, &kept).await;
        }
        let (server, spec, store, wished) = (world.fixture.server.clone(), world.spec.clone(), world.store.clone(), manifest.clone());
        let import = tokio::spawn(async move {
            let state = look(&server, &spec, &wished, false).await?;
            run(&server, &spec, &store, &wished, &state, &|_| {}).await
        });
        tokio::time::sleep(std::time::Duration::from_millis(7 * round)).await;
        import.abort();
        let _ = import.await;
    }
    world.import(&manifest, false).await;
    let after = world.look(&manifest, true).await;
    assert!(after.in_sync() && after.recorded, "{}", after.headline());
    assert_eq!(after.documents, manifest.documents);
}
