//! How good the quality tests are: seeded faults in made weather, and what was found of them.
//!
//! One station and two neighbours, ten days in October, a reading every five minutes. The faults are in the first
//! station. A value counts as found when it has a suspect or fail flag or lies in a stretch that is suspect.
//! Hits: faulty values that were found. False alarms: values found that nobody touched, over all of those.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;

use chrono::DateTime;
use common::{memory, put, run, text};
use meteoctl_data::quality::{self, QualitySpec};
use meteoctl_data::transform::TransformSpec;
use serde_json::{Value, json};

/// Seeds of the worlds the table is made from. No threshold was chosen by looking at them; the method of `clock.sun` and the
/// ends of the stretches of `clock.lag` were mended after one look.
const WORLDS: [u64; 4] = [1_000, 2_000, 3_000, 4_000];
const START: i64 = 1_727_740_800;
const STEP: i64 = 300;
const HOUR: usize = 12;
const DAY: usize = 288;
const ROWS: usize = DAY * 10;
/// Latitude and longitude of the station and its neighbours.
const PLACES: [(&str, f64, f64); 3] = [("X", 50.66, 3.07), ("Y", 50.90, 2.80), ("Z", 50.45, 3.30)];

/// A row: what InfoClimat calls it and what the document calls it. Wind in m/s.
const FIELDS: [(&str, &str); 6] = [
    ("temperature", "temperature_c"),
    ("point_de_rosee", "dew_point_c"),
    ("humidite", "humidity_pct"),
    ("pression", "pressure_hpa"),
    ("vent_moyen", "wind_speed"),
    ("vent_rafales", "wind_gust"),
];
const TEMPERATURE: usize = 0;
const PRESSURE: usize = 3;
const WIND: usize = 4;
const GUST: usize = 5;
/// Values nobody could flag wrongly or rightly more than once: rows times fields.
const VALUES: usize = ROWS * FIELDS.len();

type Row = [f64; 6];

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

/// A seed spread over all bits: neighbouring seeds give unlike numbers (the finaliser of SplitMix64).
fn seeded(seed: u64) -> Random {
    let mixed = (seed ^ (seed >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Random((mixed ^ (mixed >> 31)) | 1)
}

/// The weather of the region: what all stations share. Temperature, dew point, pressure, wind.
fn region(seed: u64) -> Vec<[f64; 4]> {
    let mut random = seeded(seed);
    let (mut pressure, mut wind, mut moist, mut drift) = (1012.0, 4.0, 8.0, 0.0);
    (0..ROWS)
        .map(|row| {
            let hour = row as f64 / HOUR as f64;
            drift += random.noise(0.12) - 0.01 * drift;
            let temperature = 12.0 + 5.0 * ((hour - 9.0) / 24.0 * std::f64::consts::TAU).sin() + 2.0 * (hour / 90.0).sin() + drift;
            pressure += random.noise(0.12) + 0.02 * (1012.0 - pressure) / 10.0;
            wind = (wind + random.noise(0.5) + 0.03 * (4.0 - wind)).max(0.5);
            moist += random.noise(0.15) + 0.01 * (7.0 - moist);
            [temperature, moist, pressure, wind]
        })
        .collect()
}

/// What one station makes of it: its own weather around it (slow), and its sensors' noise (fast).
fn station(region: &[[f64; 4]], seed: u64) -> Vec<Row> {
    let mut random = seeded(seed);
    let (mut warm, mut open) = (0.0, 0.0);
    region
        .iter()
        .map(|[temperature, moist, pressure, wind]| {
            // About 0.6 °C and 30 % of wind from one hour to another, as between real stations 30 km apart.
            warm += random.noise(0.16) - 0.02 * warm;
            open += random.noise(0.09) - 0.03 * open;
            let temperature = temperature + warm + random.noise(0.3);
            let dew_point = f64::min(*moist, temperature - 0.3);
            let vapour = |t: f64| (17.625 * t / (243.04 + t)).exp();
            let wind = (wind * f64::exp(open) + random.noise(0.5)).max(0.3);
            let gust = wind * (1.4 + random.noise(0.2)) + 0.3;
            [temperature, dew_point, 100.0 * vapour(dew_point) / vapour(temperature), pressure + random.noise(0.05), wind, gust]
        })
        .collect()
}

/// Sunlight of every row under a passing cover of cloud, W/m²; a coarse sun of its own, not the one under test.
fn sunlight(longitude: f64, seed: u64) -> Vec<f64> {
    let mut random = seeded(seed);
    let mut clear: f64 = 0.6;
    (0..ROWS)
        .map(|row| {
            clear = (clear + random.noise(0.12)).clamp(0.15, 1.0);
            // Early October: the sun is on the meridian at 12:00 minus 4 min a degree minus 11.5 min, at -4.5° declination.
            let minutes = (row % DAY) as f64 * 5.0 - (720.0 - 4.0 * longitude - 11.5);
            let (latitude, declination) = (50.66_f64.to_radians(), (-4.5_f64).to_radians());
            let turn = (minutes / 4.0).to_radians().cos();
            let height = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * turn;
            (clear * 950.0 * height.max(0.0).powf(1.15)).max(0.0)
        })
        .collect()
}

/// Faulty (row, field).
type Faulty = HashSet<(usize, usize)>;

/// Stretches of rows, `length` long, `count` of them, far enough apart.
fn stretches(random: &mut Random, count: usize, length: usize) -> Vec<std::ops::Range<usize>> {
    let share = ROWS / count;
    (0..count)
        .map(|index| index * share + 20 + (random.next() * (share - length - 40) as f64) as usize)
        .map(|first| first..first + length)
        .collect()
}

fn change(rows: &mut [Row], stretches: &[std::ops::Range<usize>], field: usize, with: impl Fn(f64) -> f64) -> Faulty {
    let mut faulty = Faulty::new();
    for row in stretches.iter().cloned().flatten() {
        rows[row][field] = with(rows[row][field]);
        faulty.insert((row, field));
    }
    faulty
}

/// What the station's logger holds: rows, and sunlight where it has a sensor for it.
struct Log {
    rows: Vec<Row>,
    light: Vec<f64>,
}

fn stuck(log: &mut Log, random: &mut Random) -> Faulty {
    let mut faulty = Faulty::new();
    for stretch in stretches(random, 12, 2 * HOUR) {
        let value = log.rows[stretch.start][TEMPERATURE];
        faulty.extend(change(&mut log.rows, &[stretch], TEMPERATURE, |_| value));
    }
    faulty
}

/// The wind of these stretches as a reader of mph takes it for m/s; `both`: the gusts as well.
fn fast(log: &mut Log, stretches: &[std::ops::Range<usize>], both: bool) -> Faulty {
    let mut faulty = change(&mut log.rows, stretches, WIND, |value| value / 0.447_04);
    if both {
        faulty.extend(change(&mut log.rows, stretches, GUST, |value| value / 0.447_04));
    }
    faulty
}

/// The clock is wrong by an hour: rows carry what was measured an hour before (or, behind, after).
fn shifted(log: &mut Log, stretches: &[std::ops::Range<usize>], behind: bool) -> Faulty {
    let (rows, light) = (log.rows.clone(), log.light.clone());
    let mut faulty = Faulty::new();
    for row in stretches.iter().cloned().flatten() {
        let from = if behind { row + HOUR } else { row - HOUR };
        (log.rows[row], log.light[row]) = (rows[from], light[from]);
        faulty.extend((0..FIELDS.len()).map(|field| (row, field)));
    }
    faulty
}

/// A fault: its name, whether the station measures sunlight, and what it does.
type Fault = (&'static str, bool, fn(&mut Log, &mut Random) -> Faulty);

fn faults() -> Vec<Fault> {
    vec![
        ("none", true, |_, _| Faulty::new()),
        ("spike of 12 °C", false, |log, random| change(&mut log.rows, &stretches(random, 40, 1), TEMPERATURE, |value| value + 12.0)),
        ("spike of 5 hPa", false, |log, random| change(&mut log.rows, &stretches(random, 40, 1), PRESSURE, |value| value - 5.0)),
        ("temperature stuck, 2 h", false, stuck),
        ("°F read as °C, 1 h", false, |log, random| {
            change(&mut log.rows, &stretches(random, 12, HOUR), TEMPERATURE, |value| value * 1.8 + 32.0)
        }),
        ("inHg read as hPa, 1 h", false, |log, random| {
            change(&mut log.rows, &stretches(random, 12, HOUR), PRESSURE, |value| value / 33.863_886_666_7)
        }),
        ("mph read as m/s, mean, 1 h", false, |log, random| fast(log, &stretches(random, 12, HOUR), false)),
        ("mph read as m/s, both, 1 h", false, |log, random| fast(log, &stretches(random, 12, HOUR), true)),
        ("mph read as m/s, both, 1 day", false, |log, random| fast(log, &stretches(random, 3, DAY), true)),
        ("mph read as m/s, both, 3 days", false, |log, random| fast(log, &stretches(random, 1, 3 * DAY), true)),
        ("1 h ahead, 6 h", false, |log, random| shifted(log, &stretches(random, 8, 6 * HOUR), false)),
        ("1 h ahead, 6 h, with sunlight", true, |log, random| shifted(log, &stretches(random, 8, 6 * HOUR), false)),
        ("1 h ahead, 3 days", false, |log, random| shifted(log, &stretches(random, 2, 3 * DAY), false)),
        ("1 h ahead, 3 days, with sunlight", true, |log, random| shifted(log, &stretches(random, 2, 3 * DAY), false)),
        ("1 h behind, 3 days", false, |log, random| shifted(log, &stretches(random, 2, 3 * DAY), true)),
        ("1 h behind, 3 days, with sunlight", true, |log, random| shifted(log, &stretches(random, 2, 3 * DAY), true)),
    ]
}

/// Rows as InfoClimat's hourly entries.
fn entries(rows: &[Row]) -> Vec<Value> {
    let entry = |(row, values): (usize, &Row)| {
        let when = DateTime::from_timestamp(START + row as i64 * STEP, 0).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
        let mut entry = json!({"dh_utc": when});
        for (field, (name, _)) in FIELDS.iter().enumerate() {
            let value = if matches!(field, WIND | GUST) { values[field] * 3.6 } else { values[field] };
            entry[*name] = json!(format!("{value:.1}"));
        }
        entry
    };
    rows.iter().enumerate().map(entry).collect()
}

/// The station's rows as Weather Underground's table, which knows sunlight.
fn table(log: &Log) -> String {
    let line = |(row, values): (usize, &Row)| {
        let [temperature, dew_point, humidity, pressure, wind, gust] = values;
        let when = DateTime::from_timestamp(START + row as i64 * STEP, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        json!({"DateTime": when, "Temperature": format!("{temperature:.1} °C"), "Dew Point": format!("{dew_point:.1} °C"), "Humidity": format!("{humidity:.1} %"),
            "Pressure": format!("{pressure:.1} hPa"), "Speed": format!("{wind:.2} m/s"), "Gust": format!("{gust:.2} m/s"), "Solar": format!("{:.1} w/m²", log.light[row])})
        .to_string()
    };
    log.rows.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Puts station and neighbours into a store and tells the transform where they are.
async fn put_stations(store: &meteoctl_data::store::SharedStore, log: &Log, with_light: bool, neighbours: &[Vec<Row>]) -> TransformSpec {
    let mut hourly = serde_json::Map::new();
    let places: Vec<Value> = PLACES
        .iter()
        .map(|(id, latitude, longitude)| json!({"id": id, "latitude": latitude, "longitude": longitude, "elevation": 20}))
        .collect();
    for (rows, (id, ..)) in neighbours.iter().zip(&PLACES[1..]) {
        hourly.insert((*id).to_owned(), Value::from(entries(rows)));
    }
    let mut sources = vec![json!({"name": "i", "raw": "i/", "format": "infoclimat"})];
    if with_light {
        put(store, "w/1.jsonl", table(log)).await;
        let (id, latitude, longitude) = PLACES[0];
        sources.push(json!({"name": "w", "raw": "w/", "format": "weather-underground", "timezone": "UTC",
            "station": {"station_id": id, "latitude": latitude, "longitude": longitude, "elevation": 20}}));
    } else {
        hourly.insert(PLACES[0].0.to_owned(), Value::from(entries(&log.rows)));
    }
    put(store, "i/1.jsonl", json!({"stations": places, "hourly": hourly}).to_string()).await;
    common::spec(json!({"sources": sources, "output": "out/data.json"}))
}

/// Found (row, field) of the station → tests that found it.
async fn found(log: &Log, with_light: bool, neighbours: &[Vec<Row>]) -> BTreeMap<(usize, usize), BTreeSet<String>> {
    let store = memory();
    let spec = put_stations(&store, log, with_light, neighbours).await;
    run(&store, &spec).await;
    let spec: QualitySpec = serde_json::from_value(json!({"dataset": spec.output, "output": "out/q.json"})).unwrap();
    let report = quality::run(&store, &spec, "2025-01-01T00:00:00Z".parse().unwrap(), &|_, _| ()).await.unwrap();
    let row = |instant: &str| (instant.parse::<DateTime<chrono::Utc>>().unwrap().timestamp() - START).div_euclid(STEP);
    let mut found: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
    for line in text(&store, &spec.flags_key()).await.lines() {
        let flag: Value = serde_json::from_str(line).unwrap();
        if let (true, Some(field)) = (flag["station"] == "X", FIELDS.iter().position(|(_, name)| flag["variable"] == *name)) {
            let row = usize::try_from(row(flag["timestamp"].as_str().unwrap())).unwrap();
            found.entry((row, field)).or_default().extend(flag["tests"].as_object().unwrap().keys().cloned());
        }
    }
    for finding in report.findings.iter().filter(|finding| finding.station == "X") {
        let meant = |name: &str| finding.variables.is_empty() || finding.variables.iter().any(|variable| variable == name);
        let rows = row(&finding.from).max(0) as usize..(row(&finding.until).max(0) as usize).min(ROWS);
        for row in rows {
            for (field, _) in FIELDS.iter().enumerate().filter(|(_, (_, name))| meant(name)) {
                found.entry((row, field)).or_default().insert(finding.test.clone());
            }
        }
    }
    found
}

/// What came of one fault, over all worlds.
#[derive(Default)]
struct Score {
    faulty: usize,
    untouched: usize,
    hits: usize,
    alarms: usize,
    /// Test → hits and false alarms of its own.
    tests: BTreeMap<String, (usize, usize)>,
}

impl Score {
    async fn add(&mut self, world: u64, with_light: bool, inject: fn(&mut Log, &mut Random) -> Faulty) {
        let region = region(world);
        let neighbours = [station(&region, world + 2), station(&region, world + 3)];
        let mut log = Log { rows: station(&region, world + 1), light: sunlight(PLACES[0].2, world + 4) };
        let faulty = inject(&mut log, &mut seeded(world + 5));
        let found = found(&log, with_light, &neighbours).await;
        self.faulty += faulty.len();
        self.untouched += VALUES - faulty.len();
        for (place, tests) in found {
            let hit = faulty.contains(&place);
            *(if hit { &mut self.hits } else { &mut self.alarms }) += 1;
            for test in tests {
                let own = self.tests.entry(test).or_default();
                *(if hit { &mut own.0 } else { &mut own.1 }) += 1;
            }
        }
    }

    fn line(&self, table: &mut String, name: &str) {
        let share =
            |part: usize, whole: usize| if whole == 0 { "-".to_owned() } else { format!("{:.1}", part as f64 * 100.0 / whole as f64) };
        let (faulty, untouched) = (self.faulty, self.untouched);
        let _ = writeln!(table, "{name:<36}{faulty:>8}{:>9}{:>15}", share(self.hits, faulty), share(self.alarms, untouched));
        for (test, (hits, alarms)) in &self.tests {
            let _ = writeln!(table, "    {test:<40}{:>9}{:>15}", share(*hits, faulty), share(*alarms, untouched));
        }
    }
}

#[tokio::test]
async fn the_score_table() {
    let mut table = format!("{:<36}{:>8}{:>9}{:>15}\n", "fault, and the tests that spoke", "values", "hits %", "false alarms %");
    for (name, with_light, inject) in faults() {
        let mut score = Score::default();
        for world in WORLDS {
            score.add(world, with_light, inject).await;
        }
        score.line(&mut table, name);
    }
    // The page prints this file: it must be what was measured. `METEOCTL_WRITE_SCORE=1` writes it anew.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/quality/score.txt");
    if std::env::var_os("METEOCTL_WRITE_SCORE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}
