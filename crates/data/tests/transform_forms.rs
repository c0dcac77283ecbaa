//! The forms a dataset can take, and packed raw objects: every one holds the same documents.

mod common;

use std::io::Read;

use bytes::Bytes;
use common::{documents, memory, put, run, spec};
use flate2::read::GzDecoder;
use meteoctl_data::store::{SharedStore, read_all};
use meteoctl_data::transform::{self, TransformSpec};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use serde_json::{Value, json};

const DAYS: u32 = 300;
/// The hour that spring skips falls on the hour after it: its twelve rows are superseded.
const SKIPPED: u32 = 12;

fn asked(output: &str) -> TransformSpec {
    spec(json!({
        "sources": [
            {"name": "a", "raw": "a/", "format": "weather-underground", "startDate": "2024-01-01", "timezone": "Europe/Paris", "station": {"station_id": "A", "name": "Å \"quoted\"", "latitude": 50.5}},
            {"name": "i", "raw": "i/", "format": "infoclimat"},
        ],
        "output": output
    }))
}

fn lines() -> String {
    let mut lines = String::new();
    for row in 0..DAYS * 288 {
        let (hour, minute) = (row / 12 % 24, row % 12 * 5);
        let temperature = if row % 50 == 0 { Value::Null } else { json!(format!("{}.{} °F", row % 90, row % 10)) };
        let mut record = json!({"Time": format!("{hour:02}:{minute:02}:00"), "Temperature": temperature, "Humidity": "87 %", "Precip. Accum.": format!("0.{:02} in", row % 288 / 3)});
        if row % 1_000 == 7 {
            record["PM2.5"] = json!([1.5, "é"]);
        }
        lines += &json!({"_airbyte_raw_id": "x", "_airbyte_extracted_at": 1, "_airbyte_data": record}).to_string();
        lines.push('\n');
    }
    lines
}

async fn filled() -> SharedStore {
    let store = memory();
    put(&store, "a/1.jsonl", lines()).await;
    let hourly = json!({"S1": [{"id_station": "S1", "dh_utc": "2024-10-05 00:00:00", "temperature": "7.6", "neige_au_sol": ""}]});
    put(&store, "i/1.jsonl", json!({"_airbyte_data": {"stations": [{"id": "S1", "name": "One"}], "hourly": hourly}}).to_string()).await;
    store
}

async fn bytes(store: &SharedStore, key: &str) -> Bytes {
    read_all(store.as_ref(), key, 1 << 30).await.unwrap()
}

fn of_lines(text: &[u8]) -> Vec<Value> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[tokio::test]
async fn every_form_holds_the_same_documents() {
    let store = filled().await;
    let array = asked("out/weather.json");
    let manifest = run(&store, &array).await;
    let expected = documents(&store, &array).await;
    assert_eq!(expected.len() as u32, DAYS * 288 - SKIPPED + 1);
    assert_eq!(manifest.ledger.superseded(), u64::from(SKIPPED));
    for name in ["out/weather.jsonl", "out/weather.jsonl.gz", "out/weather.jsonl.zst", "out/weather.json.gz", "out/weather.json.zst"] {
        let made = run(&store, &asked(name)).await;
        assert_eq!((&made.station_days, made.ledger), (&manifest.station_days, manifest.ledger), "{name}");
        let stored = bytes(&store, name).await;
        assert_eq!(stored.len() as u64, made.bytes, "{name}");
        let mut text = Vec::new();
        match name.rsplit('.').next() {
            Some("gz") => drop(GzDecoder::new(stored.as_ref()).read_to_end(&mut text).unwrap()),
            Some("zst") => zstd::stream::copy_decode(stored.as_ref(), &mut text).unwrap(),
            _ => text = stored.to_vec(),
        }
        let found: Vec<Value> = if name.contains(".jsonl") { of_lines(&text) } else { serde_json::from_slice(&text).unwrap() };
        assert!(found == expected, "{name} holds other documents");
        let again = run(&store, &asked(name)).await;
        assert_eq!(again.digest, made.digest, "{name} differs from run to run");
    }
}

#[tokio::test]
async fn a_table_holds_the_same_values() {
    let store = filled().await;
    run(&store, &asked("out/weather.json")).await;
    let expected = documents(&store, &asked("out/weather.json")).await;
    let made = run(&store, &asked("out/weather.parquet")).await;
    assert_eq!(made.documents, expected.len() as u64);
    let reader = SerializedFileReader::new(bytes(&store, "out/weather.parquet").await).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let mut rows = 0;
    for (row, document) in reader.get_row_iter(None).unwrap().zip(&expected) {
        for (name, field) in row.unwrap().get_column_iter() {
            let (found, expected) = match (name.as_str(), field) {
                ("source", Field::Str(text)) => (json!(text), document["source"].clone()),
                ("station_id", Field::Str(text)) => (json!(text), document["station"]["station_id"].clone()),
                ("station", Field::Str(text)) => (serde_json::from_str(text).unwrap(), document["station"].clone()),
                ("timestamp", Field::TimestampMillis(millis)) => {
                    let instant = chrono::DateTime::from_timestamp_millis(*millis).unwrap();
                    (json!(instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()), document["timestamp"].clone())
                }
                ("extra", Field::Str(text)) => (serde_json::from_str(text).unwrap(), document["extra"].clone()),
                ("extra", Field::Null) => (Value::Null, document["extra"].clone()),
                (_, Field::Null) => (Value::Null, document["measurements"][name].clone()),
                (_, Field::Double(value)) => (json!(value), json!(document["measurements"][name].as_f64())),
                (_, other) => panic!("{name} holds {other:?}"),
            };
            assert_eq!(found, expected, "{name} of row {rows}");
        }
        rows += 1;
    }
    assert_eq!(rows, expected.len());
}

#[tokio::test]
async fn what_cannot_be_imported_or_judged_is_refused_with_the_way_out() {
    let store = filled().await;
    let parquet = asked("out/weather.parquet");
    run(&store, &parquet).await;
    store.put("raw/1.jsonl", bytes(&store, &parquet.output).await, Default::default()).await.unwrap();
    let mut raw = asked("out/again.json");
    raw.sources.truncate(1);
    raw.sources[0].raw = "raw/".to_owned();
    let fault = transform::run(&store, &raw, &|_| ()).await.unwrap_err();
    insta::assert_snapshot!(format!("{fault}\n{}", fault.hint.clone().unwrap_or_default()), @r"
    read raw/1.jsonl: it is a Parquet file
    a table is for analysis only; let the dataset's name end in .json or .jsonl and transform again
    ");
    let packed = transform::run(&store, &asked("out/weather.parquet.zst"), &|_| ()).await.unwrap_err();
    insta::assert_snapshot!(packed.to_string(), @"make the dataset out/weather.parquet.zst: a Parquet file is never packed");
}

#[tokio::test]
async fn raw_objects_may_be_packed_with_zstandard() {
    let (plain, packed) = (filled().await, filled().await);
    run(&plain, &asked("out/weather.json")).await;
    let text = lines();
    let (first, second) = text.as_bytes().split_at(text.len() / 3);
    let frames = [zstd::encode_all(first, 3).unwrap(), zstd::encode_all(second, 19).unwrap()].concat();
    put(&packed, "a/1.jsonl", frames.clone()).await;
    run(&packed, &asked("out/weather.json")).await;
    assert!(bytes(&plain, "out/weather.json").await == bytes(&packed, "out/weather.json").await);
    put(&packed, "a/1.jsonl", frames[..frames.len() - 9].to_vec()).await;
    let fault = transform::run(&packed, &asked("out/weather.json"), &|_| ()).await.unwrap_err();
    insta::assert_snapshot!(fault.to_string(), @"unpack a/1.jsonl");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the lines are and wherever they are cut into frames, packing changes nothing, an end too early is told.
    #[test]
    fn packing_changes_nothing(text in "([a-z{}\", ]{0,40}\n){0,30}[a-z]{0,9}", cut in any::<prop::sample::Index>(), short in 1usize..12) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (left, right) = text.split_at(cut.index(text.len() + 1));
        let frames = [zstd::encode_all(left.as_bytes(), 1).unwrap(), zstd::encode_all(right.as_bytes(), 1).unwrap()].concat();
        let mut wanted = asked("out/weather.json");
        wanted.allow_empty = true;
        wanted.sources.truncate(1);
        let ledger = |bytes: Vec<u8>| runtime.block_on(async {
            let store = memory();
            put(&store, "a/1.jsonl", bytes).await;
            transform::run(&store, &wanted, &|_| ()).await.map(|manifest| manifest.ledger)
        });
        prop_assert_eq!(ledger(frames.clone()).unwrap(), ledger(text.clone().into_bytes()).unwrap());
        prop_assert!(ledger(frames[..frames.len() - short].to_vec()).is_err() || short >= zstd::encode_all(right.as_bytes(), 1).unwrap().len());
    }
}
