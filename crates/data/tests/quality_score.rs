//! How good the quality tests are: seeded faults in made weather, and what was found of them.
//!
//! Hit rate: faulty values with a suspect or fail flag. False alarms: flagged values among those nobody touched.

mod common;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use chrono::DateTime;
use common::{memory, put, run, text};
use meteoctl_data::quality::{self, QualitySpec};
use meteoctl_data::transform::TransformSpec;
use serde_json::{Value, json};

const START: i64 = 1_727_740_800;
const STEP: i64 = 300;
const ROWS: usize = 288 * 10;

/// temperature °C, dew point °C, humidity %, pressure hPa, wind m/s.
const FIELDS: [(&str, &str); 5] = [
    ("temperature", "temperature_c"),
    ("point_de_rosee", "dew_point_c"),
    ("humidite", "humidity_pct"),
    ("pression", "pressure_hpa"),
    ("vent_moyen", "wind_speed"),
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn noise(&mut self, size: f64) -> f64 {
        (self.next() + self.next() + self.next() - 1.5) * size
    }
}

/// Ten days of plausible weather with the noise of real sensors.
fn weather(seed: u64) -> Vec<[f64; 5]> {
    let mut random = Random(seed);
    let (mut pressure, mut wind, mut moist) = (1012.0, 4.0, 8.0);
    (0..ROWS)
        .map(|row| {
            let hour = row as f64 * 5.0 / 60.0;
            let temperature =
                12.0 + 5.0 * ((hour - 9.0) / 24.0 * std::f64::consts::TAU).sin() + 2.0 * (hour / 90.0).sin() + random.noise(0.3);
            pressure += random.noise(0.12) + 0.02 * (1012.0 - pressure) / 10.0;
            wind = (wind + random.noise(0.8) + 0.05 * (4.0 - wind)).max(0.3);
            moist += random.noise(0.15) + 0.01 * (7.0 - moist);
            let dew_point = f64::min(moist, temperature - 0.3);
            let vapour = |t: f64| (17.625 * t / (243.04 + t)).exp();
            [temperature, dew_point, 100.0 * vapour(dew_point) / vapour(temperature), pressure, wind]
        })
        .collect()
}

type Faulty = HashSet<(usize, usize)>;

/// Stretches of rows, `length` long, `count` of them, far enough apart.
fn stretches(random: &mut Random, count: usize, length: usize) -> Vec<std::ops::Range<usize>> {
    let share = ROWS / count;
    (0..count)
        .map(|index| index * share + 20 + (random.next() * (share - length - 40) as f64) as usize)
        .map(|first| first..first + length)
        .collect()
}

/// A fault: its name, and what it does to the rows.
type Fault = (&'static str, fn(&mut Vec<[f64; 5]>, &mut Random) -> Faulty);

fn change(rows: &mut [[f64; 5]], stretches: Vec<std::ops::Range<usize>>, field: usize, with: impl Fn(f64) -> f64) -> Faulty {
    let mut faulty = Faulty::new();
    for row in stretches.into_iter().flatten() {
        rows[row][field] = with(rows[row][field]);
        faulty.insert((row, field));
    }
    faulty
}

fn faults() -> Vec<Fault> {
    vec![
        ("spike of 12 °C", |rows, random| {
            let at = stretches(random, 40, 1);
            change(rows, at, 0, |value| value + 12.0)
        }),
        ("spike of 5 hPa", |rows, random| {
            let at = stretches(random, 40, 1);
            change(rows, at, 3, |value| value - 5.0)
        }),
        ("temperature stuck for 2 h", |rows, random| {
            let mut faulty = Faulty::new();
            for stretch in stretches(random, 12, 24) {
                let stuck = rows[stretch.start][0];
                for row in stretch {
                    rows[row][0] = stuck;
                    faulty.insert((row, 0));
                }
            }
            faulty
        }),
        ("°F read as °C for 1 h", |rows, random| {
            let at = stretches(random, 12, 12);
            change(rows, at, 0, |value| value * 1.8 + 32.0)
        }),
        ("inHg read as hPa for 1 h", |rows, random| {
            let at = stretches(random, 12, 12);
            change(rows, at, 3, |value| value / 33.863_886_666_7)
        }),
        ("mph read as m/s for 1 h", |rows, random| {
            let at = stretches(random, 12, 12);
            change(rows, at, 4, |value| value / 0.447_04)
        }),
        ("shifted by 1 h for 6 h", |rows, random| {
            let (before, mut faulty) = (rows.clone(), Faulty::new());
            for row in stretches(random, 8, 72).into_iter().flatten() {
                rows[row] = before[row - 12];
                faulty.extend((0..5).map(|field| (row, field)));
            }
            faulty
        }),
    ]
}

fn record(rows: &[[f64; 5]]) -> String {
    let entries: Vec<Value> = rows
        .iter()
        .enumerate()
        .map(|(row, values)| {
            let when = DateTime::from_timestamp(START + row as i64 * STEP, 0).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
            let mut entry = json!({"dh_utc": when});
            for (field, (name, _)) in FIELDS.iter().enumerate() {
                let value = if field == 4 { values[field] * 3.6 } else { values[field] };
                entry[*name] = json!(format!("{value:.1}"));
            }
            entry
        })
        .collect();
    json!({"hourly": {"X": entries}}).to_string()
}

/// Flagged (row, field) → tests that flagged it.
async fn flagged(rows: &[[f64; 5]]) -> BTreeMap<(usize, usize), Vec<String>> {
    let store = memory();
    put(&store, "raw/1.jsonl", record(rows)).await;
    let spec: TransformSpec = common::infoclimat();
    run(&store, &spec).await;
    let spec: QualitySpec = serde_json::from_value(json!({"dataset": spec.output, "output": "out/q.json"})).unwrap();
    quality::run(&store, &spec, "2025-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    let flags = text(&store, &spec.flags_key()).await;
    let mut found = BTreeMap::new();
    for line in flags.lines() {
        let flag: Value = serde_json::from_str(line).unwrap();
        let instant: DateTime<chrono::Utc> = flag["timestamp"].as_str().unwrap().parse().unwrap();
        let row = usize::try_from((instant.timestamp() - START) / STEP).unwrap();
        if let Some(field) = FIELDS.iter().position(|(_, name)| flag["variable"] == *name) {
            found.insert((row, field), flag["tests"].as_object().unwrap().keys().cloned().collect());
        }
    }
    found
}

#[tokio::test]
async fn the_score_table() {
    let mut table = format!("{:<28}{:>8}{:>10}{:>14}  found by\n", "fault", "values", "hits %", "false alarms %");
    let clean = flagged(&weather(7)).await;
    let _ = writeln!(table, "{:<28}{:>8}{:>10}{:>14.2}", "none", 0, "", clean.len() as f64 * 100.0 / (ROWS * 5) as f64);
    for (name, inject) in faults() {
        let mut rows = weather(7);
        let faulty = inject(&mut rows, &mut Random(42));
        let found = flagged(&rows).await;
        let hits = faulty.iter().filter(|place| found.contains_key(place)).count();
        let alarms = found.keys().filter(|place| !faulty.contains(place)).count();
        let tests: std::collections::BTreeSet<&str> =
            faulty.iter().filter_map(|place| found.get(place)).flatten().map(String::as_str).collect();
        let share = |part: usize, whole: usize| part as f64 * 100.0 / whole as f64;
        let _ = writeln!(
            table,
            "{name:<28}{:>8}{:>10.1}{:>14.2}  {}",
            faulty.len(),
            share(hits, faulty.len()),
            share(alarms, ROWS * 5 - faulty.len()),
            tests.into_iter().collect::<Vec<_>>().join(", ")
        );
    }
    insta::assert_snapshot!(table);
}
