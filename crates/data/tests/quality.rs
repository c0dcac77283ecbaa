//! The quality report on small made data, and its gate.

mod common;

use chrono::{DateTime, Utc};
use common::{infoclimat, memory, put, run, text};
use meteoctl_data::quality::{self, QualityReport, QualitySpec, Standing, Verdict};
use meteoctl_data::store::SharedStore;
use serde_json::{Value, json};

fn now() -> DateTime<Utc> {
    "2024-10-09T00:00:00Z".parse().unwrap()
}

fn quality_spec(fail: Value) -> QualitySpec {
    serde_json::from_value(json!({"dataset": "out/data.json", "output": "out/quality_report.json", "fail": fail})).unwrap()
}

/// Two days of a station with one reading every ten minutes, made by `temperature`.
async fn dataset(temperature: impl Fn(i64) -> Value) -> SharedStore {
    let store = memory();
    let entries: Vec<Value> = (0..288)
        .map(|index| {
            let when = DateTime::<Utc>::from_timestamp(1_728_086_400 + index * 600, 0).unwrap();
            json!({"id_station": "X", "dh_utc": when.format("%Y-%m-%d %H:%M:%S").to_string(), "temperature": temperature(index), "humidite": format!("{}", 60 + index % 7), "pression": format!("{:.1}", 1010.0 + (index % 5) as f64 / 10.0)})
        })
        .collect();
    let record = json!({"status": "OK", "stations": [{"id": "X", "name": "Somewhere"}], "hourly": {"X": entries, "_params": ["a"]}});
    put(&store, "raw/1.jsonl", record.to_string() + "\n").await;
    run(&store, &infoclimat()).await;
    store
}

fn wave(index: i64) -> Value {
    json!(format!("{:.1}", 10.0 + 5.0 * (index as f64 / 5.0).sin()))
}

async fn report(store: &SharedStore, spec: &QualitySpec) -> QualityReport {
    quality::run(store, spec, now(), &|_, _| ()).await.unwrap()
}

#[tokio::test]
async fn clean_data_pass_and_the_report_says_so() {
    let store = dataset(wave).await;
    let spec = quality_spec(json!({"errorRatePercent": 1.0, "missingTemperature": 0, "duplicates": 0}));
    assert_eq!(quality::look(store.as_ref(), &spec).await.unwrap(), Standing::Absent);
    let report = report(&store, &spec).await;
    assert_eq!(report.gate.verdict, Verdict::Pass, "{:?}", report.gate);
    assert_eq!((report.total_records, report.missing.temperature, report.duplicate_records, report.error_rate_percent), (288, 0, 0, 0.0));
    let station = &report.stations["X"];
    assert_eq!((station.grid_seconds, station.coverage.percent, station.coverage.gaps.len()), (Some(600), Some(100.0), 0));
    assert_eq!(station.variables["temperature_c"].flags, [(1, 288)].into());
    assert_eq!(station.variables["wind_gust"].flags, [(9, 288)].into());
    assert_eq!(quality::look(store.as_ref(), &spec).await.unwrap(), Standing::Current(Box::new(report)));
    let written: Value = serde_json::from_str(&text(&store, "out/quality_report.json").await).unwrap();
    for key in [
        "total_records",
        "missing_temperature",
        "missing_humidity",
        "missing_pressure",
        "duplicate_records",
        "error_rate_percent",
        "ledger",
        "thresholds",
        "stations",
        "sources",
    ] {
        assert!(written.get(key).is_some(), "{key}");
    }
    let other = quality_spec(json!({"errorRatePercent": 2.0}));
    assert_eq!(quality::look(store.as_ref(), &other).await.unwrap(), Standing::Stale { why: "the limits or tests changed".to_owned() });
}

#[tokio::test]
async fn the_gate_names_every_limit_that_was_passed_over() {
    let store = dataset(|index| if index % 10 == 0 { Value::Null } else { wave(index) }).await;
    let report =
        report(&store, &quality_spec(json!({"errorRatePercent": 1.0, "missingTemperature": 0, "maxAgeHours": 24, "minRecords": 1000})))
            .await;
    assert_eq!(report.gate.verdict, Verdict::Fail);
    insta::assert_snapshot!(report.gate.reasons.join("\n"), @r"
    29 records without temperature, at most 0 allowed
    error rate 10.07 %, at most 1 % allowed
    age of the newest reading 48.17 h, at most 24 h allowed
    288 records, at least 1000 wanted
    ");
}

#[tokio::test]
async fn a_spike_and_a_stuck_run_are_flagged_and_listed() {
    let store = dataset(|index| match index {
        100 => json!("45.0"),
        200..215 => json!("9.9"),
        _ => wave(index),
    })
    .await;
    let report = report(&store, &quality_spec(json!({}))).await;
    let temperature = &report.stations["X"].variables["temperature_c"];
    assert_eq!(temperature.tests["step.max"].get(&4), Some(&2), "{temperature:?}");
    assert_eq!(temperature.tests["persist.flat"].get(&3), Some(&15), "{temperature:?}");
    let flags = text(&store, "out/quality_report.flags.jsonl").await;
    let spike: Value = serde_json::from_str(flags.lines().find(|line| line.contains("step.max")).unwrap()).unwrap();
    assert_eq!(
        spike,
        json!({"station": "X", "timestamp": "2024-10-05T16:40:00Z", "variable": "temperature_c", "flag": 4, "tests": {"step.max": 4}})
    );
    let junit = text(&store, "out/quality_report.junit.xml").await;
    assert!(junit.contains("classname=\"X.temperature_c\" name=\"step.max\""));
    assert!(junit.contains("failures=\"1\""));
}

#[tokio::test]
async fn a_gap_is_measured_against_the_stations_own_grid() {
    let store = memory();
    let line = |minute: i64| {
        json!({"hourly": {"X": [{"dh_utc": format!("2024-10-05 {:02}:{:02}:00", minute / 60, minute % 60), "temperature": "1"}]}})
            .to_string()
    };
    let lines: Vec<String> = (0..60).map(|index| if index < 30 { index * 5 } else { index * 5 + 60 }).map(line).collect();
    put(&store, "raw/1.jsonl", lines.join("\n")).await;
    run(&store, &infoclimat()).await;
    let report = report(&store, &quality_spec(json!({}))).await;
    let coverage = &report.stations["X"].coverage;
    assert_eq!(coverage.gaps.len(), 1);
    assert_eq!(
        (coverage.gaps[0].after.as_str(), coverage.gaps[0].before.as_str(), coverage.gaps[0].missing),
        ("2024-10-05T02:25:00Z", "2024-10-05T03:30:00Z", 12)
    );
    assert_eq!(coverage.percent, Some(83.33));
}

/// Five days in October of a station that measures sunlight; `behind` says by how many hours its clock is wrong on a day.
async fn sunny(behind: impl Fn(i64) -> i64) -> (SharedStore, QualitySpec) {
    let store = memory();
    let mut lines = String::new();
    for step in 0..5 * 144 {
        let instant = 1_728_086_400 + step * 600;
        // The true sun of Lille: up from 05:55 to 17:16 UTC.
        let true_minute = (step * 10 + behind(step / 144) * 60).rem_euclid(1_440);
        let light = if (355..1_036).contains(&true_minute) { 200.0 } else { 0.0 };
        let when = DateTime::<Utc>::from_timestamp(instant, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ");
        lines += &json!({"DateTime": when.to_string(), "Temperature": format!("{}.{} °C", 10 + step % 5, step % 10), "Solar": format!("{light} w/m²"), "PM2.5": 3}).to_string();
        lines.push('\n');
    }
    put(&store, "raw/1.jsonl", lines).await;
    let transform =
        common::spec(json!({"sources": [{"name": "w", "raw": "raw/", "format": "weather-underground", "timezone": "Europe/Paris",
        "station": {"station_id": "W", "latitude": 50.63, "longitude": 3.07}}], "output": "out/data.json"}));
    run(&store, &transform).await;
    (store, quality_spec(json!({})))
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_days_is_found_by_the_sun() {
    let (store, spec) = sunny(|_| 0).await;
    let right = report(&store, &spec).await;
    assert_eq!((right.findings.len(), right.stations["W"].stretches["clock.sun"].suspect), (0, 0), "{:?}", right.findings);
    assert_eq!(right.stations["W"].stretches["clock.sun"].evaluated, 10);

    // On the second, third and fourth day it shows an hour too little.
    let (store, spec) = sunny(|day| i64::from((1..4).contains(&day))).await;
    let wrong = report(&store, &spec).await;
    let told: Vec<String> =
        wrong.findings.iter().map(|found| format!("{} {} to {}: {}", found.test, found.from, found.until, found.evidence)).collect();
    insta::assert_snapshot!(told.join("\n"), @"clock.sun 2024-10-05T23:05:00Z to 2024-10-08T22:10:00Z: 6 changes of light and dark come 60 min before the sun's");
    insta::assert_snapshot!(wrong.warnings.join("\n"), @r"
    the source brings a field nobody knows, `PM2.5`, in 720 rows; it is kept in `extra`
    1 stretch of time is suspect as a whole: see the findings
    ");
    let junit = text(&store, &spec.junit_key()).await;
    assert!(junit.contains("<testcase classname=\"W\" name=\"clock.sun\">\n      <system-out>2024-10-05T"), "{junit}");
    // What could not be judged is skipped, not passed: a station alone has no neighbours.
    assert!(junit.contains("<testcase classname=\"W\" name=\"clock.lag\">\n      <skipped/>"), "{junit}");
}
