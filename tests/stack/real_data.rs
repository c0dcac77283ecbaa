//! The real files: 4,950 documents by either route, a backup, and the same documents back from it.

use bson::doc;

use crate::world::{World, real_data};

const DOCUMENTS: u64 = 4950;

#[test]
fn vendor_files_become_4950_documents_and_come_back_from_the_backup() {
    let journey = "vendor_files_become_4950_documents_and_come_back_from_the_backup";
    let (Some(data), Some(world)) = (real_data(journey), World::new(journey)) else { return };
    let world = world.with_vendor_files(&data);
    world.apply();
    figures(&world);

    let backups = world.backups();
    let [backup] = backups.as_slice() else { panic!("one backup: {backups:?}") };
    let name = backup.rsplit('/').next().expect("a key has a last part");
    assert!(name.starts_with("mongodb_backup_") && name.len() == "mongodb_backup_2026-01-05_14-06-15.gz".len(), "{name}");
    let other = format!("{}_restored", world.database());
    world.run(&["restore", &format!("s3://{}/{backup}", world.named("p8-meteo")), "--into", &other]).expect(0);
    assert_eq!(world.documents(&other), world.documents(&world.database()), "document for document");
}

#[test]
fn records_that_airbyte_left_become_the_same_documents() {
    let journey = "records_that_airbyte_left_become_the_same_documents";
    let (Some(data), Some(by_files), Some(by_records)) = (real_data(journey), World::new(journey), World::new(journey)) else { return };
    let by_files = by_files.with_vendor_files(&data);
    by_files.apply();

    for source in ["infoclimat.json", "ichtegem.xlsx", "la_madeleine.xlsx"] {
        by_records.without_vendor_file(source);
    }
    // The bucket first, for Airbyte writes before meteoctl reads.
    by_records.make_bucket();
    for folder in ["InfoClimat_data", "Belgique_data", "France_data"] {
        for file in std::fs::read_dir(data.join("raw/p8-data-path").join(folder)).expect("raw records are there").flatten() {
            let key = format!("p8-data-path/{folder}/{}", file.file_name().to_string_lossy());
            by_records.put_object(&key, std::fs::read(file.path()).expect("reads raw records"));
        }
    }
    by_records.apply();
    figures(&by_records);
    let (one, two) = (by_files.documents(&by_files.database()), by_records.documents(&by_records.database()));
    assert_eq!(one, two, "both routes lead to the same documents");
}

fn figures(world: &World) {
    assert_eq!(world.count(doc! {}), DOCUMENTS);
    assert_eq!(world.count(doc! {"source": "infoclimat"}), 1143);
    assert_eq!(world.count(doc! {"source": "weather_underground"}), 3807);
    let stations = [("07015", 60), ("00052", 361), ("000R5", 361), ("STATIC0010", 361), ("IICHTE19", 1899), ("ILAMAD25", 1908)];
    for (station, documents) in stations {
        assert_eq!(world.count(doc! {"station.station_id": station}), documents, "{station}");
    }
    assert_eq!(world.doubled(), 0);
    for field in ["temperature_c", "humidity_pct", "pressure_hpa"] {
        assert_eq!(world.count(doc! {format!("measurements.{field}"): null}), 0, "{field}");
    }
    let file: Vec<serde_json::Value> =
        serde_json::from_slice(&world.object("p8-processed/weather_mongodb_ready.json")).expect("the dataset is a JSON array");
    assert_eq!(file.len() as u64, DOCUMENTS);
    let report: serde_json::Value = serde_json::from_slice(&world.object("p8-processed/quality_report.json")).expect("the report is JSON");
    assert_eq!(report["total_records"], DOCUMENTS);
    assert_eq!(report["error_rate_percent"], 0.0);
    for figure in ["missing_temperature", "missing_humidity", "missing_pressure", "duplicate_records"] {
        assert_eq!(report[figure], 0, "{figure}");
    }
}
