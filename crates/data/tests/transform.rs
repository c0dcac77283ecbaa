//! The transform's rules, one by one, on made rows.

mod common;

use common::{documents, infoclimat, memory, one_station, put, rejects, run, spec, text};
use meteoctl_data::manifest::Ledger;
use meteoctl_data::transform::{self, Duplicates, Fill};
use serde_json::{Value, json};

fn row(time: &str, fields: Value) -> String {
    let mut row = json!({"Time": time});
    row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"_airbyte_raw_id": "x", "_airbyte_extracted_at": 1, "_airbyte_meta": {"sync_id": 1, "changes": []}, "_airbyte_generation_id": 0, "_airbyte_data": row}).to_string()
}

fn values(documents: &[Value], field: &str) -> Vec<Value> {
    documents.iter().map(|document| document["measurements"][field].clone()).collect()
}

fn timestamps(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["timestamp"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rain_is_the_difference_to_the_last_known_counter() {
    let store = memory();
    let accum = |time: &str, accum: Value| row(time, json!({"Temperature": "50 °F", "Precip. Accum.": accum}));
    let lines = [
        accum("00:04:00", json!("0.19 in")),
        accum("00:09:00", json!("0.20 in")),
        accum("00:14:00", Value::Null),
        accum("00:19:00", json!("0.23 in")),
        accum("00:24:00", json!("oops")),
        row("not a time", json!({"Precip. Accum.": "0.90 in"})),
        accum("00:29:00", json!("0.24 in")),
        accum("00:34:00", json!("0.01 in")),
    ];
    put(&store, "raw/1.jsonl", lines.join("\n")).await;
    let manifest = run(&store, &one_station()).await;
    let documents = documents(&store, &one_station()).await;
    let null = Value::Null;
    assert_eq!(
        values(&documents, "precip_mm"),
        [null.clone(), json!(0.25), null.clone(), json!(0.76), null.clone(), json!(0.25), json!(0.25)]
    );
    assert_eq!(values(&documents, "precip_accum_mm"), [json!(4.83), json!(5.08), null.clone(), json!(5.84), null, json!(6.1), json!(0.25)]);
    assert_eq!((manifest.ledger.rejected_rows, manifest.ledger.rejected_values), (1, 1));

    let mut zero = one_station();
    zero.missing.precip_mm = Fill::Zero;
    run(&store, &zero).await;
    let documents = common::documents(&store, &zero).await;
    assert_eq!(values(&documents, "precip_mm")[..3], [json!(0), json!(0.25), json!(0)]);
}

#[tokio::test]
async fn every_row_is_accounted_for_and_every_reject_has_its_place() {
    let store = memory();
    let meta = json!({"_airbyte_data": {"Time": "00:09:00", "Temperature": "x °F"}, "_airbyte_meta": {"sheet": "011024", "row": 4}});
    let lines = [
        row("00:04:00", json!({"Temperature": "50 hPa", "Humidity": true, "Wind": "up"})),
        "{broken".to_owned(),
        "[1,2]".to_owned(),
        json!({"_airbyte_raw_id": "x", "_airbyte_extracted_at": 1}).to_string(),
        json!({"_airbyte_data": null}).to_string(),
        json!({"_airbyte_data": 7}).to_string(),
        "  ".to_owned(),
        row("", json!({"Temperature": "50"})),
        row("25:00", json!({"Temperature": "50"})),
        json!({"_airbyte_data": {"Time": null, "Temperature": " \u{a0}", "Wind": null}}).to_string(),
        meta.to_string(),
        json!({"hourly": {}}).to_string(),
    ];
    put(&store, "raw/1.jsonl", lines.join("\r\n") + "\n\n").await;
    let manifest = run(&store, &one_station()).await;
    let expected =
        Ledger { rows_read: 13, documents: 2, rejected_rows: 8, null_rows: 1, blank_lines: 2, rejected_values: 4, ..Ledger::default() };
    assert_eq!(manifest.ledger, expected);
    let places: Vec<String> = rejects(&store, &one_station())
        .await
        .iter()
        .map(|r| {
            format!("{} {} {} {}", r["line"], r["field"], r["reason"], &r["raw"].as_str().unwrap().chars().take(22).collect::<String>())
        })
        .collect();
    insta::assert_snapshot!(places.join("\n"), @r#"
    1 "Temperature" "bad_unit" 50 hPa
    1 "Humidity" "bad_value" true
    1 "Wind" "bad_value" up
    2 null "invalid_json" {broken
    3 null "not_an_object" [1,2]
    4 null "missing_data" {"_airbyte_raw_id":"x"
    5 null "missing_data" {"_airbyte_data":null}
    6 null "not_an_object" {"_airbyte_data":7}
    8 "Time" "missing_time" {"_airbyte_raw_id":"x"
    9 "Time" "bad_time" {"_airbyte_raw_id":"x"
    11 "Temperature" "bad_value" x °F
    12 null "unknown_format" {"hourly":{}}
    "#);
    let last = rejects(&store, &one_station()).await.pop().unwrap();
    assert_eq!(last["file"], "raw/1.jsonl");
    let sheet = rejects(&store, &one_station()).await.into_iter().find(|reject| reject["line"] == 11).unwrap();
    assert_eq!((sheet["sheet"].as_str(), sheet["row"].as_u64()), (Some("011024"), Some(4)));
}

#[tokio::test]
async fn mended_rejects_are_taken_again_and_stay_mended() {
    let store = memory();
    let lines = [row("00:04:00", json!({"Temperature": "5O °F"})), "{broken".to_owned(), row("00:14:00", json!({"Temperature": "52 °F"}))];
    put(&store, "raw/1.jsonl", lines.join("\n")).await;
    let spec = one_station();
    assert_eq!(run(&store, &spec).await.ledger.rejected_rows, 1);
    let mended = text(&store, "out/rejects.jsonl").await.replace("5O °F", "50 °F");
    let mended = mended.replace("\"{broken\"", &serde_json::to_string(&row("00:09:00", json!({"Temperature": "51 °F"}))).unwrap());
    assert!(!meteoctl_data::rejects::edited(store.as_ref(), &spec.rejects_key()).await.unwrap());
    put(&store, "out/rejects.jsonl", mended).await;
    assert!(meteoctl_data::rejects::edited(store.as_ref(), &spec.rejects_key()).await.unwrap());
    let manifest = transform::replay(&store, &spec, &|_| ()).await.unwrap();
    assert!(!meteoctl_data::rejects::edited(store.as_ref(), &spec.rejects_key()).await.unwrap());
    assert_eq!((manifest.documents, manifest.ledger.rejected_rows, manifest.ledger.rejected_values), (3, 0, 0));
    assert_eq!(values(&documents(&store, &spec).await, "temperature_c"), [json!(10), json!(10.56), json!(11.11)]);
    // A later ordinary run keeps them, and a replay without edits changes nothing.
    assert_eq!(run(&store, &spec).await, manifest);
    assert_eq!(transform::replay(&store, &spec, &|_| ()).await.unwrap(), manifest);
}

#[tokio::test]
async fn mended_entries_of_infoclimat_find_their_place() {
    let store = memory();
    let entry = |hour: u32, temperature: &str| json!({"dh_utc": format!("2024-10-05 {hour:02}:00:00"), "temperature": temperature});
    let record = json!({"_airbyte_data": {"hourly": {"A": [entry(0, "1"), entry(1, "two")], "B": [entry(0, "3"), {"temperature": "4"}]}}});
    put(&store, "raw/1.jsonl", record.to_string()).await;
    assert_eq!(run(&store, &infoclimat()).await.documents, 3);
    let found = rejects(&store, &infoclimat()).await;
    let places: Vec<String> = found.iter().map(|r| format!("{}/{} {} {}", r["station"], r["index"], r["field"], r["reason"])).collect();
    assert_eq!(places, [r#""A"/1 "temperature" "bad_value""#, r#""B"/1 "dh_utc" "missing_time""#]);
    let mended = text(&store, "out/rejects.jsonl").await.replace("two", "2");
    let entry_in_json = |entry: Value| serde_json::to_string(&entry.to_string()).unwrap();
    let mended = mended.replace(&entry_in_json(json!({"temperature": "4"})), &entry_in_json(entry(1, "4")));
    put(&store, "out/rejects.jsonl", mended).await;
    transform::replay(&store, &infoclimat(), &|_| ()).await.unwrap();
    assert_eq!(values(&documents(&store, &infoclimat()).await, "temperature_c"), [json!(1), json!(2), json!(3), json!(4)]);
}

#[tokio::test]
async fn of_repeated_readings_the_last_one_stays_at_its_own_place() {
    let store = memory();
    let reading = |day: u32, temperature: &str| {
        json!({"hourly": {"X": [{"dh_utc": format!("2024-10-{day:02} 00:00:00"), "temperature": temperature}]}}).to_string()
    };
    put(&store, "raw/9.jsonl", [reading(1, "1"), reading(2, "2"), reading(3, "3")].join("\n")).await;
    put(&store, "raw/10.jsonl", [reading(1, "1"), reading(4, "4"), reading(2, "9")].join("\n")).await;
    let manifest = run(&store, &infoclimat()).await;
    assert_eq!(values(&documents(&store, &infoclimat()).await, "temperature_c"), [json!(3), json!(1), json!(4), json!(9)]);
    assert_eq!((manifest.ledger.superseded_identical, manifest.ledger.superseded_differing, manifest.documents), (1, 1, 4));
    assert!(manifest.ledger.balances());
    let counts: u64 = manifest.station_days["X"].values().map(|digest| digest.count).sum();
    assert_eq!(counts, 4);

    let mut keep = infoclimat();
    keep.duplicates = Duplicates::Keep;
    let manifest = run(&store, &keep).await;
    assert_eq!((manifest.documents, manifest.ledger.superseded()), (6, 0));
}

#[tokio::test]
async fn every_envelope_and_gzip_say_the_same() {
    let entry = json!({"dh_utc": "2024-10-05 00:00:00", "temperature": "7.6", "vent_moyen": "3.6"});
    let payload = |hourly: Value| json!({"stations": [{"id": "X", "name": "Here"}], "hourly": hourly});
    let plain = payload(json!({"X": [entry], "_params": ["temperature"]}));
    let texts = payload(json!({"X": [entry.to_string()], "_params": ["temperature"]}));
    let shapes = [
        json!({"_airbyte_raw_id": "a", "_airbyte_extracted_at": 1, "_airbyte_meta": {}, "_airbyte_generation_id": 1, "_airbyte_data": plain}),
        json!({"_airbyte_ab_id": "a", "_airbyte_emitted_at": 1, "_airbyte_data": plain}),
        json!({"_airbyte_ab_id": "a", "_airbyte_emitted_at": 1, "_airbyte_data": plain.to_string()}),
        plain.clone(),
        texts,
    ];
    let mut made = Vec::new();
    for (index, shape) in shapes.iter().enumerate() {
        let store = memory();
        let line = shape.to_string();
        if index % 2 == 0 {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut encoder, line.as_bytes()).unwrap();
            put(&store, "raw/1.jsonl.gz", encoder.finish().unwrap()).await;
        } else {
            put(&store, "raw/1.jsonl", line).await;
        }
        let auto = spec(json!({"sources": [{"name": "i", "raw": "raw/"}], "output": "out/data.json"}));
        run(&store, &auto).await;
        made.push(text(&store, "out/data.json").await);
    }
    assert!(made.iter().all(|text| *text == made[0]), "{made:#?}");
    assert!(made[0].contains("\"name\":\"Here\""));
}

#[tokio::test]
async fn unknown_fields_are_kept_or_refused_but_never_dropped() {
    let store = memory();
    put(&store, "raw/1.jsonl", row("00:04:00", json!({"Temperature": "50", "PM2.5": {"value": 12.0}, "Battery": null}))).await;
    let manifest = run(&store, &one_station()).await;
    assert_eq!(manifest.unknown_fields, [("PM2.5".to_owned(), 1)].into());
    assert_eq!(documents(&store, &one_station()).await[0]["extra"], json!({"PM2.5": {"value": 12}}));
    let mut strict = one_station();
    strict.unknown_fields = meteoctl_data::read::UnknownFields::Reject;
    strict.allow_empty = true;
    assert_eq!(run(&store, &strict).await.ledger.rejected_rows, 1);
    assert_eq!(rejects(&store, &strict).await[0]["reason"], "unknown_field");
    assert_eq!(text(&store, &strict.output).await, "[\n]\n");
}

#[tokio::test]
async fn rows_with_a_date_do_not_roll_over() {
    let store = memory();
    let dated = |date: &str, time: &str| row(time, json!({"Temperature": "50", "Date": date}));
    let lines =
        [dated("2024-10-03", "10:00:00"), dated("2024-10-03", "09:00:00"), dated("2024-10-01", "11:00"), row("10:59 AM", json!({"UV": 1}))];
    put(&store, "raw/1.jsonl", lines.join("\n")).await;
    run(&store, &one_station()).await;
    let documents = documents(&store, &one_station()).await;
    assert_eq!(timestamps(&documents), ["2024-10-03T08:00:00Z", "2024-10-03T07:00:00Z", "2024-10-01T09:00:00Z", "2024-10-02T08:59:00Z"]);
}

#[tokio::test]
async fn what_cannot_work_says_what_to_do_and_leaves_no_dataset() {
    let store = memory();
    let fault = transform::run(&store, &one_station(), &|_| ()).await.unwrap_err();
    assert_eq!(fault.to_string(), "read source a: no raw objects under raw/");
    put(&store, "raw/1.jsonl", "{oops").await;
    let fault = transform::run(&store, &one_station(), &|_| ()).await.unwrap_err();
    assert_eq!(fault.to_string(), "make the dataset out/data.json: not one document came out of 1 rows");
    assert_eq!(rejects(&store, &one_station()).await.len(), 1);
    assert!(store.head("out/data.json").await.unwrap().is_none());
    put(&store, "raw/1.jsonl", row("00:04", json!({"UV": 1}))).await;
    let mut undated = one_station();
    undated.sources[0].start_date = None;
    let fault = transform::run(&store, &undated, &|_| ()).await.unwrap_err();
    assert_eq!(fault.to_string(), "read source a: its rows carry a local time only and the source declares no start date");
    undated.sources[0].timezone = Some("Europe/Atlantis".to_owned());
    let fault = transform::run(&store, &undated, &|_| ()).await.unwrap_err();
    assert_eq!(fault.to_string(), "read source a: `Europe/Atlantis` is no time zone");
}

#[tokio::test]
async fn formats_hold_the_same_documents() {
    let store = memory();
    put(&store, "raw/1.jsonl", [row("00:04", json!({"UV": 1})), row("00:09", json!({"UV": 2}))].join("\n")).await;
    let mut spec = one_station();
    run(&store, &spec).await;
    let array = text(&store, "out/data.json").await;
    spec.output = "out/data.jsonl".to_owned();
    run(&store, &spec).await;
    let lines = text(&store, "out/data.jsonl").await;
    assert_eq!(array, format!("[\n{}\n]\n", lines.trim_end().replace('\n', ",\n")));
    for (name, expected) in [("out/data.jsonl.gz", &lines), ("out/data.json.gz", &array)] {
        spec.output = name.to_owned();
        run(&store, &spec).await;
        let packed = meteoctl_data::store::read_all(store.as_ref(), name, 1 << 20).await.unwrap();
        let mut unpacked = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).unwrap();
        assert_eq!(&unpacked, expected);
    }
}

/// Objects of several blocks, read by every way there is: where a line stands is counted through the whole object.
#[tokio::test]
async fn places_are_counted_through_large_objects_however_they_are_read() {
    let row = |hour: u32, minute: u32| format!("{{\"Time\":\"{hour:02}:{minute:02}:00\",\"Temperature\":\"50.{minute} °F\"}}\n");
    let mut large = String::new();
    let mut broken = Vec::new();
    for number in 1..=40_000u32 {
        if number % 9_000 == 0 {
            large.push_str("{\"Time\": no time}\n");
            broken.push(u64::from(number));
        } else {
            large.push_str(&row(number / 60 % 24, number % 60));
        }
    }
    let small = "no record\n".to_owned() + &row(12, 0);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, large.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    for (store, first) in [
        (memory(), large.clone().into_bytes()),
        (common::folder(folder.path().join("plain")), large.clone().into_bytes()),
        (common::folder(folder.path().join("packed")), packed),
    ] {
        put(&store, "raw/1.jsonl", first).await;
        put(&store, "raw/2.jsonl", small.clone()).await;
        let mut spec = one_station();
        spec.duplicates = meteoctl_data::transform::Duplicates::Keep;
        let manifest = run(&store, &spec).await;
        assert_eq!(manifest.ledger.rejected_rows, 5);
        let rejects = rejects(&store, &spec).await;
        let places: Vec<(&str, u64)> =
            rejects.iter().map(|reject| (reject["file"].as_str().unwrap(), reject["line"].as_u64().unwrap())).collect();
        let expected: Vec<(&str, u64)> = broken.iter().map(|line| ("raw/1.jsonl", *line)).chain([("raw/2.jsonl", 1)]).collect();
        assert_eq!(places, expected);

        // A mended line is found by its number, wherever it stands.
        let mended = text(&store, "out/rejects.jsonl").await.replace("{\\\"Time\\\": no time}", &row(1, 1).trim_end().replace('"', "\\\""));
        put(&store, "out/rejects.jsonl", mended).await;
        let manifest = transform::replay(&store, &spec, &|_| ()).await.unwrap();
        assert_eq!((manifest.ledger.rejected_rows, manifest.documents), (1, 40_001), "{:?}", manifest.ledger);
        made.push(manifest.digest);
    }
    assert_eq!((&made[1], &made[2]), (&made[0], &made[0]));
}
