//! The real files all the way: raw objects → dataset → database → backup → another database.

mod common;
mod support;

use std::collections::BTreeMap;

use bson::doc;
use chrono::Utc;
use common::{memory, real_data, run as transform, spec};
use meteoctl_data::backup::{self, BackupSpec};
use meteoctl_data::import::{ImportSpec, look, run};
use meteoctl_data::restore::{self, RestoreSpec};
use serde_json::json;
use support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn the_real_4950_documents_go_in_and_come_back() {
    let Some(data) = real_data() else { return };
    let store = memory();
    for prefix in ["InfoClimat_data", "France_data", "Belgique_data"] {
        for entry in std::fs::read_dir(data.join("raw/p8-data-path").join(prefix)).unwrap() {
            let entry = entry.unwrap();
            let key = format!("raw/{prefix}/{}", entry.file_name().to_string_lossy());
            store.put(&key, std::fs::read(entry.path()).unwrap().into(), BTreeMap::new()).await.unwrap();
        }
    }
    let weather = spec(json!({
        "sources": [
            {"name": "infoclimat", "raw": "raw/InfoClimat_data/", "format": "infoclimat"},
            {"name": "la-madeleine", "raw": "raw/France_data/", "format": "weather-underground", "startDate": "2024-10-01", "timezone": "Europe/Paris", "station": {"station_id": "ILAMAD25", "latitude": 50.659, "longitude": 3.07}},
            {"name": "ichtegem", "raw": "raw/Belgique_data/", "format": "weather-underground", "startDate": "2024-10-01", "timezone": "Europe/Brussels", "station": {"station_id": "IICHTE19", "latitude": 51.092, "longitude": 2.999}},
        ],
        "output": "p8-processed/weather_mongodb_ready.json"
    }));
    let manifest = transform(&store, &weather).await;
    let fixture = Fixture::new().await;
    let import = ImportSpec::new(&fixture.database, "weather_data");
    let state = look(&fixture.server, &import, &manifest, false).await.unwrap();
    let outcome = run(&fixture.server, &import, store.as_ref(), &manifest, &state, &|_| {}).await.unwrap();
    assert_eq!((outcome.documents_in_file, outcome.documents_in_database, outcome.inserted, outcome.duplicates), (4950, 4950, 4950, 0));
    assert_eq!((outcome.missing_temperature, outcome.missing_humidity, outcome.missing_pressure), (0, 0, 0));
    let sources = BTreeMap::from([("infoclimat".to_owned(), 1143), ("weather_underground".to_owned(), 3807)]);
    assert_eq!(outcome.sources, sources);
    assert!(look(&fixture.server, &import, &manifest, true).await.unwrap().in_sync());

    let backups = BackupSpec { collections: vec!["weather_data".into()], ..BackupSpec::new(&fixture.database, "p8-backups/mongodb/") };
    let made = backup::run(&fixture.server, &backups, store.as_ref(), Utc::now(), &|_| {}).await.unwrap().manifest;
    assert_eq!(made.documents, 4950);
    let into = format!("{}_restored", fixture.database);
    let back = RestoreSpec { into: Some(into.clone()), ..RestoreSpec::new(made.archive) };
    assert_eq!(restore::run(&fixture.server, &back, store.as_ref(), &|_| {}).await.unwrap().documents, 4950);
    // The restored collection is what the dataset asks for, document for document, indexes included.
    let restored = ImportSpec::new(&into, "weather_data");
    assert!(look(&fixture.server, &restored, &manifest, true).await.unwrap().in_sync());
    for database in [&fixture.database, &into] {
        fixture.server.command(database, &doc! {"dropDatabase": 1}, "tidy up").await.unwrap();
    }
}
