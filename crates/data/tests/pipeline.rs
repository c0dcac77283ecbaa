//! The pipeline end to end on the real files, by both routes.

mod common;

use common::{documents, folder, memory, real_data, rejects, run, spec, text};
use meteoctl_data::collect::{self, CollectSpec, Input, Mode};
use meteoctl_data::store::SharedStore;
use meteoctl_data::transform::{self, Standing, TransformSpec};
use serde_json::{Value, json};

fn ichtegem() -> Value {
    json!({"station_id": "IICHTE19", "name": "WeerstationBS", "latitude": 51.092, "longitude": 2.999, "elevation": 15, "city": "Ichtegem", "country": "BE", "hardware": "other", "software": "EasyWeatherV1.6.6"})
}

fn la_madeleine() -> Value {
    json!({"station_id": "ILAMAD25", "name": "La Madeleine", "latitude": 50.659, "longitude": 3.07, "elevation": 23, "city": "La Madeleine", "country": "FR", "hardware": "other", "software": "EasyWeatherPro_V5.1.6"})
}

fn weather() -> TransformSpec {
    spec(json!({
        "sources": [
            {"name": "infoclimat", "raw": "p8-data-path/InfoClimat_data/", "format": "infoclimat"},
            {"name": "la-madeleine", "raw": "p8-data-path/France_data/", "format": "weather-underground", "startDate": "2024-10-01", "timezone": "Europe/Paris", "station": la_madeleine()},
            {"name": "ichtegem", "raw": "p8-data-path/Belgique_data/", "format": "weather-underground", "startDate": "2024-10-01", "timezone": "Europe/Brussels", "station": ichtegem()},
        ],
        "output": "p8-processed/weather_mongodb_ready.json"
    }))
}

async fn airbyte_route(data: &std::path::Path) -> (tempfile::TempDir, SharedStore) {
    let copy = tempfile::tempdir().unwrap();
    for prefix in ["InfoClimat_data", "France_data", "Belgique_data"] {
        let target = copy.path().join("p8-data-path").join(prefix);
        std::fs::create_dir_all(&target).unwrap();
        for entry in std::fs::read_dir(data.join("raw/p8-data-path").join(prefix)).unwrap() {
            let entry = entry.unwrap();
            std::fs::write(target.join(entry.file_name()), std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
    let store = folder(copy.path());
    (copy, store)
}

fn collects(data: &std::path::Path) -> Vec<(CollectSpec, Input)> {
    let table = [
        ("infoclimat", "p8-data-path/InfoClimat_data/", "infoclimat_2024-10-05_2024-10-07.json"),
        ("weather-underground", "p8-data-path/France_data/", "weather_underground_la_madeleine_fr.xlsx"),
        ("weather-underground", "p8-data-path/Belgique_data/", "weather_underground_ichtegem_be.xlsx"),
    ];
    table
        .into_iter()
        .map(|(format, raw, file)| {
            let spec: CollectSpec = serde_json::from_value(json!({"format": format, "raw": raw})).unwrap();
            (spec, Input::File(data.join("sources").join(file)))
        })
        .collect()
}

#[tokio::test]
async fn the_real_raw_files_give_4950_documents() {
    let Some(data) = real_data() else { return };
    let (_copy, store) = airbyte_route(&data).await;
    let manifest = run(&store, &weather()).await;
    assert_eq!(manifest.documents, 4_950);
    assert_eq!(manifest.sources, [("infoclimat".to_owned(), 1_143), ("weather_underground".to_owned(), 3_807)].into());
    let stations: Vec<(&str, u64)> =
        manifest.station_days.iter().map(|(id, days)| (id.as_str(), days.values().map(|digest| digest.count).sum())).collect();
    assert_eq!(stations, [("00052", 361), ("000R5", 361), ("07015", 60), ("IICHTE19", 1_899), ("ILAMAD25", 1_908), ("STATIC0010", 361)]);
    assert!(manifest.ledger.balances());
    assert_eq!((manifest.ledger.null_rows, manifest.ledger.superseded(), manifest.ledger.rejected_values), (14, 0, 0));
    assert!(manifest.unknown_fields.is_empty());
    assert!(rejects(&store, &weather()).await.is_empty());

    let documents = documents(&store, &weather()).await;
    assert_eq!(documents.len(), 4_950);
    for field in ["temperature_c", "humidity_pct", "pressure_hpa"] {
        assert!(documents.iter().all(|document| document["measurements"][field].is_number()), "{field}");
    }
    let lille = documents.iter().find(|document| document["station"]["station_id"] == "07015").unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(lille), "source station timestamp measurements");
    assert_eq!(keys(&lille["station"]), "station_id name latitude longitude elevation type license");
    agrees_with_floats(&data, "France_data", "ILAMAD25", &documents);
    agrees_with_floats(&data, "Belgique_data", "IICHTE19", &documents);
}

/// An independent reading of the raw rows: values by floating point, to half a hundredth; times strictly forward.
fn agrees_with_floats(data: &std::path::Path, prefix: &str, station: &str, documents: &[Value]) {
    let file = std::fs::read_dir(data.join("raw/p8-data-path").join(prefix)).unwrap().next().unwrap().unwrap().path();
    let raw = std::fs::read_to_string(file).unwrap();
    let rows = raw.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["_airbyte_data"].clone());
    let rows: Vec<Value> = rows.filter(|row| !row["Time"].is_null()).collect();
    let documents: Vec<&Value> = documents.iter().filter(|document| document["station"]["station_id"] == station).collect();
    assert_eq!(rows.len(), documents.len());
    let number = |cell: &Value| cell.as_str().unwrap().split('\u{a0}').next().unwrap().parse::<f64>().unwrap();
    let mut before = String::new();
    for (row, document) in rows.iter().zip(documents) {
        let close = |field: &str, expected: f64| {
            let found = document["measurements"][field].as_f64().unwrap();
            assert!((found - expected).abs() <= 0.005_000_1, "{field}: {found} for {row}");
        };
        close("temperature_c", (number(&row["Temperature"]) - 32.0) * 5.0 / 9.0);
        close("pressure_hpa", number(&row["Pressure"]) * 33.863_886_666_7);
        close("wind_gust", number(&row["Gust"]) * 1.609_344);
        close("precip_accum_mm", number(&row["Precip. Accum."]) * 25.4);
        let timestamp = document["timestamp"].as_str().unwrap().to_owned();
        assert!(timestamp > before, "{timestamp} after {before}");
        // Paris and Brussels are two hours ahead of UTC in early October.
        let local: u32 = row["Time"].as_str().unwrap()[..2].parse().unwrap();
        let utc: u32 = timestamp[11..13].parse().unwrap();
        assert_eq!((utc + 2) % 24, local);
        before = timestamp;
    }
}

#[tokio::test]
async fn vendors_files_and_airbytes_files_give_the_same_bytes() {
    let Some(data) = real_data() else { return };
    let (_copy, airbyte) = airbyte_route(&data).await;
    let collected = memory();
    for (spec, input) in collects(&data) {
        let outcome = collect::collect(&spec, input.clone(), collected.as_ref()).await.unwrap();
        assert!(outcome.written);
        assert!(collect::look(&spec, input, collected.as_ref()).await.unwrap().in_sync());
    }
    let (left, right) = (run(&airbyte, &weather()).await, run(&collected, &weather()).await);
    assert_eq!(left.digest, right.digest);
    assert_eq!(left.station_days, right.station_days);
    assert_eq!(left.ledger, right.ledger);
    assert_eq!(text(&airbyte, &weather().output).await, text(&collected, &weather().output).await);
}

#[tokio::test]
async fn collect_gives_airbytes_payload_and_is_repeatable() {
    let Some(data) = real_data() else { return };
    let store = memory();
    let (spec, input) = collects(&data).remove(0);
    let first = collect::collect(&spec, input.clone(), store.as_ref()).await.unwrap();
    let again = collect::collect(&spec, input.clone(), store.as_ref()).await.unwrap();
    assert_eq!((first.written, again.written, first.key.as_str()), (true, false, again.key.as_str()));
    assert_eq!(store.list("").await.unwrap().len(), 1);
    // The payload is what Airbyte made of the same answer.
    let ours: Value = serde_json::from_str(&text(&store, &first.key).await).unwrap();
    let folder = data.join("raw/p8-data-path/InfoClimat_data");
    let theirs = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let theirs: Value = serde_json::from_slice(&std::fs::read(theirs).unwrap()).unwrap();
    assert_eq!(ours["_airbyte_data"].to_string(), theirs["_airbyte_data"].to_string());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ours), keys(&theirs));
}

#[tokio::test]
async fn overwrite_removes_only_what_collect_made() {
    let store = memory();
    let answer = |hour: u32| {
        json!({"status": "OK", "stations": [], "hourly": {"X": [{"dh_utc": format!("2024-10-05 {hour:02}:00:00"), "temperature": "1"}]}})
            .to_string()
    };
    let spec = |mode: &str| serde_json::from_value::<CollectSpec>(json!({"format": "infoclimat", "raw": "raw/", "mode": mode})).unwrap();
    common::put(&store, "raw/2020_01_01_1577836800000_0.jsonl", "{}").await;
    for hour in [1, 2] {
        collect::collect(&spec("append"), Input::Bytes(answer(hour).into()), store.as_ref()).await.unwrap();
    }
    assert_eq!(store.list("raw/").await.unwrap().len(), 3);
    let spec = spec("overwrite");
    assert_eq!(spec.mode, Mode::Overwrite);
    let outcome = collect::collect(&spec, Input::Bytes(answer(3).into()), store.as_ref()).await.unwrap();
    assert_eq!((outcome.removed.len(), outcome.foreign.len()), (2, 1));
    assert_eq!(store.list("raw/").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_prefix_without_its_slash_is_still_a_folder() {
    let store = memory();
    let answer = json!({"hourly": {"X": [{"dh_utc": "2024-10-05 01:00:00", "temperature": "1"}]}}).to_string();
    let spec = |raw: &str| serde_json::from_value::<CollectSpec>(json!({"format": "infoclimat", "raw": raw})).unwrap();
    let other = answer.replace("01:00", "02:00");
    let neighbour = collect::collect(&spec("raw-old/"), Input::Bytes(other.into()), store.as_ref()).await.unwrap();
    let outcome = collect::collect(&spec("raw"), Input::Bytes(answer.into()), store.as_ref()).await.unwrap();
    assert_eq!((outcome.removed.len(), outcome.key.starts_with("raw/")), (0, true));
    assert!(store.head(&neighbour.key).await.unwrap().is_some(), "another folder's object was removed");
}

#[tokio::test]
async fn a_dataset_is_current_until_something_changes() {
    let Some(data) = real_data() else { return };
    let (_copy, store) = airbyte_route(&data).await;
    let spec = weather();
    assert_eq!(transform::look(store.as_ref(), &spec).await.unwrap(), Standing::Absent);
    let manifest = run(&store, &spec).await;
    assert_eq!(transform::look(store.as_ref(), &spec).await.unwrap(), Standing::Current(Box::new(manifest)));
    let mut other = spec.clone();
    other.missing.precip_mm = transform::Fill::Zero;
    assert_eq!(transform::look(store.as_ref(), &other).await.unwrap(), Standing::Stale { why: "options or rules changed".to_owned() });
    common::put(&store, "p8-data-path/France_data/2026_01_01_1767225600000_0.jsonl", "{}").await;
    let why = match transform::look(store.as_ref(), &spec).await.unwrap() {
        Standing::Stale { why } => why,
        standing => panic!("{standing:?}"),
    };
    assert_eq!(why, "inputs differ: p8-data-path/France_data/2026_01_01_1767225600000_0.jsonl new");
}

#[tokio::test]
async fn the_real_dataset_passes_its_gate() {
    use meteoctl_data::quality::{self, QualitySpec, Verdict};
    let Some(data) = real_data() else { return };
    let (_copy, store) = airbyte_route(&data).await;
    run(&store, &weather()).await;
    let spec: QualitySpec = serde_json::from_value(json!({
        "dataset": weather().output, "output": "p8-processed/quality_report.json",
        "fail": {"errorRatePercent": 1.0, "missingTemperature": 0, "missingHumidity": 0, "missingPressure": 0, "duplicates": 0}
    }))
    .unwrap();
    let report = quality::run(&store, &spec, "2026-01-01T00:00:00Z".parse().unwrap(), &|_, _| ()).await.unwrap();
    assert_eq!(report.gate.verdict, Verdict::Pass, "{:?}", report.gate);
    let written: Value = serde_json::from_str(&text(&store, &spec.output).await).unwrap();
    let figure = |key: &str| written[key].as_f64().unwrap();
    assert_eq!(figure("total_records"), 4_950.0);
    for key in ["missing_temperature", "missing_humidity", "missing_pressure", "duplicate_records", "error_rate_percent"] {
        assert_eq!(figure(key), 0.0, "{key}");
    }
    assert_eq!(written["sources"]["infoclimat"]["records"], 1_143);
    assert_eq!(written["stations"]["IICHTE19"]["grid_seconds"], 300);
    assert_eq!(written["neighbours"]["method"], "buddy");
    if let Some(folder) = std::env::var_os("METEOCTL_KEEP_REPORT") {
        for (key, name) in [(spec.page_key(), "quality.html"), (spec.output.clone(), "quality.json")] {
            std::fs::write(std::path::Path::new(&folder).join(name), text(&store, &key).await).unwrap();
        }
    }
}
