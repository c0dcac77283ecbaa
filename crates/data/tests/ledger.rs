//! Nothing vanishes: whatever lines come in, each is a document, a reject with its raw text, or counted as empty.

mod common;

use common::{documents, memory, one_station, put, rejects, run, text};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A line, what becomes of its row, and how many of its values are rejected.
#[derive(Debug, Clone)]
struct Line {
    text: String,
    fate: Fate,
    /// What the reject of the row, or the rejects of its values, must hold.
    raw: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Document,
    Rejected,
    Null,
    Blank,
}

fn wrapped(row: &Value) -> String {
    json!({"_airbyte_raw_id": "x", "_airbyte_extracted_at": 1, "_airbyte_meta": {"sync_id": 1, "changes": []}, "_airbyte_generation_id": 0, "_airbyte_data": row})
        .to_string()
}

fn whole(text: String) -> Line {
    Line { raw: vec![text.trim().to_owned()], text, fate: Fate::Rejected }
}

/// Lines of every sort. The time comes later: each document needs its own minute.
fn line() -> impl Strategy<Value = Line> {
    let document = |row: Value, raw: &[&str]| Line {
        text: wrapped(&row),
        fate: Fate::Document,
        raw: raw.iter().map(|raw| (*raw).to_owned()).collect(),
    };
    prop_oneof![
        4 => (-400i32..1200, any::<bool>()).prop_map(move |(tenths, unit)| {
            let temperature = format!("{}.{}{}", tenths / 10, (tenths % 10).abs(), if unit { "\u{a0}°F" } else { "" });
            document(json!({"Time": "@", "Temperature": temperature, "UV": 0}), &[])
        }),
        2 => prop::sample::select(vec!["warm", "12 hPa", "1.2.3", "12,5 °F"]).prop_map(move |bad| document(json!({"Time": "@", "Temperature": bad, "Humidity": "80 %"}), &[bad])),
        1 => Just(document(json!({"Time": "@", "Temperature": "x °F", "Wind": "NNNE"}), &["x °F", "NNNE"])),
        1 => Just(document(json!({"Time": "@", "Pressure": {"value": 29.5}}), &[r#"{"value":29.5}"#])),
        1 => Just(document(json!({"Time": "@", "Humidity": "80 %", "PM2.5": 7}), &[])),
        1 => "[a-z{}]{1,12}".prop_map(whole),
        1 => prop::sample::select(vec!["[1,2]", "7", "{}", "{\"_airbyte_data\":null}", "{\"_airbyte_data\":7}", "{\"_airbyte_raw_id\":\"x\"}"])
            .prop_filter("an empty object is a row with nothing in it", |text| *text != "{}")
            .prop_map(|text| whole(text.to_owned())),
        1 => prop::sample::select(vec!["25:00", "noon", ""]).prop_map(|time| whole(wrapped(&json!({"Time": time, "Temperature": "50 °F"})))),
        1 => Just(Line { text: wrapped(&json!({"Time": null, "Temperature": " \u{a0}", "Wind": null})), fate: Fate::Null, raw: vec![] }),
        1 => prop::sample::select(vec!["", "  ", "\t"]).prop_map(|text| Line { text: text.to_owned(), fate: Fate::Blank, raw: vec![] }),
    ]
}

/// Every document its own minute, from midnight on.
fn timed(lines: &[Line]) -> String {
    let mut minute = 0;
    let mut text = String::new();
    for line in lines {
        text += &line.text.replace('@', &format!("{:02}:{:02}:00", minute / 60, minute % 60));
        text.push('\n');
        minute += u32::from(line.fate == Fate::Document);
    }
    text
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_line_is_accounted_for(lines in prop::collection::vec(line(), 1..60), cut in any::<prop::sample::Index>()) {
        let mut spec = one_station();
        spec.allow_empty = true;
        let (store, text_of_all) = (memory(), timed(&lines));
        let with = |fate: Fate| lines.iter().filter(|line| line.fate == fate).count() as u64;
        let manifest = block_on(async { put(&store, "raw/1.jsonl", text_of_all.clone()).await; run(&store, &spec).await });
        let ledger = manifest.ledger;
        prop_assert!(ledger.balances());
        prop_assert_eq!(ledger.rows_read, lines.len() as u64);
        prop_assert_eq!((ledger.documents, ledger.rejected_rows, ledger.null_rows, ledger.blank_lines),
            (with(Fate::Document), with(Fate::Rejected), with(Fate::Null), with(Fate::Blank)));

        // The rejects are complete, in order, each with its line and its raw text.
        let expected: Vec<(u64, String)> = (1..).zip(&lines).flat_map(|(number, line)| line.raw.iter().map(move |raw| (number, raw.clone()))).collect();
        let found = block_on(rejects(&store, &spec));
        let mut found: Vec<(u64, String)> = found.iter().map(|r| (r["line"].as_u64().unwrap(), r["raw"].as_str().unwrap().to_owned())).collect();
        // Rejects of one row come in the order of the columns.
        let mut sorted = expected;
        sorted.sort();
        found.sort();
        prop_assert_eq!(found, sorted);
        prop_assert_eq!(block_on(documents(&store, &spec)).len() as u64, ledger.documents);

        // The same lines in two files give the same bytes, and so does the same run again.
        let first = cut.index(lines.len());
        let (bytes, again) = (block_on(text(&store, &spec.output)), memory());
        let behind: usize = text_of_all.split_inclusive('\n').take(first).map(str::len).sum();
        let halves = block_on(async {
            put(&again, "raw/9.jsonl", text_of_all[..behind].to_owned()).await;
            put(&again, "raw/10.jsonl", text_of_all[behind..].to_owned()).await;
            run(&again, &spec).await
        });
        prop_assert_eq!(&block_on(text(&again, &spec.output)), &bytes);
        prop_assert_eq!(halves.digest, manifest.digest);
        prop_assert_eq!(block_on(run(&store, &spec)).ledger, ledger);
        prop_assert_eq!(block_on(text(&store, &spec.output)), bytes);
    }

    /// Whatever was damaged, mending the rejects and replaying gives the dataset that the sound rows would have given.
    #[test]
    fn mending_every_reject_gives_the_sound_dataset(rows in prop::collection::vec((-400i32..1200, 0u8..8), 1..40)) {
        let sound = |minute: usize, tenths: i32| {
            let temperature = format!("{}.{}\u{a0}°F", tenths / 10, (tenths % 10).abs());
            (wrapped(&json!({"Time": format!("00:{minute:02}:00"), "Temperature": temperature, "Wind": "WSW"})), temperature)
        };
        let (mut whole, mut damaged, mut cures) = (String::new(), String::new(), Vec::new());
        for (minute, (tenths, damage)) in rows.iter().enumerate() {
            let (line, temperature) = sound(minute, *tenths);
            let (broken, cure) = match damage {
                // A value, the wind word, the line as JSON, its time, its payload.
                0 => (line.replace(&temperature, "5O °F"), vec![temperature.clone()]),
                1 => (line.replace("WSW", "up").replace(&temperature, "fog"), vec![temperature.clone(), "WSW".to_owned()]),
                2 => (format!("{{{line}"), vec![line.clone()]),
                3 => (line.replace(&format!("00:{minute:02}:00"), "noon"), vec![line.clone()]),
                4 => (line.replace("_airbyte_data", "_airbyte_dada"), vec![line.clone()]),
                _ => (line.clone(), Vec::new()),
            };
            // An envelope without payload whose rest is a row without time is a reject as a whole, too.
            cures.extend(cure);
            whole += &(line + "\n");
            damaged += &(broken + "\n");
        }
        let (left, right) = (memory(), memory());
        let mut spec = one_station();
        spec.allow_empty = true;
        block_on(async {
            put(&left, "raw/1.jsonl", whole).await;
            run(&left, &spec).await;
            put(&right, "raw/1.jsonl", damaged).await;
            run(&right, &spec).await;
        });
        let mut mended = String::new();
        let found = block_on(rejects(&right, &spec));
        prop_assert_eq!(found.len(), cures.len());
        for (mut reject, cure) in found.into_iter().zip(cures) {
            reject["raw"] = Value::from(cure);
            mended += &(reject.to_string() + "\n");
        }
        let manifest = block_on(async {
            put(&right, &spec.rejects_key(), mended).await;
            meteoctl_data::transform::replay(&right, &spec, &|_| ()).await.unwrap()
        });
        prop_assert_eq!((manifest.ledger.rejected_rows, manifest.ledger.rejected_values), (0, 0));
        prop_assert_eq!(block_on(text(&right, &spec.output)), block_on(text(&left, &spec.output)));
    }
}
