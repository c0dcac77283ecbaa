//! A real `mongod` for tests, and small datasets.
//!
//! `METEOCTL_TEST_MONGODB_URI` names a running server, `METEOCTL_TEST_MONGOD` a binary; without them the one
//! of `cargo xtask stack up` is used. Servers of our own run on free ports in temporary folders and end with the test.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use meteoctl_data::document::{SetDigest, StationDays};
use meteoctl_data::manifest::{DatasetManifest, Ledger, VERSION};
use meteoctl_data::mongo::{ConnectSpec, Server};
use meteoctl_data::store::{Memory, Store};

/// The binary to start servers with.
pub fn mongod_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("METEOCTL_TEST_MONGOD") {
        return path.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let library = root.join(".stack/venv/lib");
    let versions = std::fs::read_dir(&library).into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("site-packages/fiftyone/db/bin/mongod")).find(|path| path.exists());
    found.expect("no mongod: run `cargo xtask stack up` once, or set METEOCTL_TEST_MONGOD or METEOCTL_TEST_MONGODB_URI")
}

/// A server that ends when it is dropped.
pub struct Mongod {
    child: Child,
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Mongod {
    /// Starts a small server with further arguments and waits until its port answers.
    pub fn start(arguments: &[&str]) -> Mongod {
        Mongod::start_sized(Some("0.5"), arguments)
    }

    /// As [`start`](Mongod::start), with a cache of so many GB.
    pub fn start_sized(cache: Option<&str>, arguments: &[&str]) -> Mongod {
        for attempt in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = Command::new(mongod_binary())
                .args(["--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--nounixsocket"])
                .args(cache.iter().flat_map(|cache| ["--wiredTigerCacheSizeGB", cache]))
                .arg("--dbpath")
                .arg(folder.path())
                .arg("--logpath")
                .arg(folder.path().join("log"))
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut server = Mongod { child, folder, port };
            if server.answers() {
                return server;
            }
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            assert!(attempt < 4, "mongod does not start: {tail:#?}");
        }
        unreachable!("the last attempt returns or panics")
    }

    fn answers(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Ends the server at once, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/", self.port)
    }

    pub async fn connect(&self) -> Server {
        Server::connect(&ConnectSpec::new(self.uri())).await.unwrap()
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A standalone server and a database of our own on it.
pub struct Fixture {
    pub server: Server,
    pub database: String,
    _mongod: Option<Mongod>,
}

impl Fixture {
    pub async fn new() -> Fixture {
        let database = format!("test_{}", uuid::Uuid::new_v4().simple());
        if let Ok(uri) = std::env::var("METEOCTL_TEST_MONGODB_URI") {
            let server = Server::connect(&ConnectSpec::new(uri)).await.unwrap();
            return Fixture { server, database, _mongod: None };
        }
        let mongod = Mongod::start(&[]);
        Fixture { server: mongod.connect().await, database, _mongod: Some(mongod) }
    }
}

/// Canonical lines of `stations` stations with `days` days of `per_day` readings each.
pub fn lines(stations: usize, days: usize, per_day: usize) -> Vec<String> {
    let mut all = Vec::new();
    for station in 0..stations {
        for reading in 0..days * per_day {
            all.push(line(station, reading, per_day));
        }
    }
    all
}

/// One canonical line; real shape, values that exercise integers, decimals and nulls.
pub fn line(station: usize, reading: usize, per_day: usize) -> String {
    let step = 86_400 / per_day;
    let start = chrono::NaiveDate::from_ymd_opt(2024, 10, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
    let at = start + chrono::Duration::seconds((reading * step) as i64);
    let temperature = decimal((reading * 37 + station * 11) % 4000, 2);
    let humidity = 20 + reading % 80;
    let pressure = decimal(9800 + reading % 500, 1);
    let gust = if reading.is_multiple_of(7) { "null".to_owned() } else { decimal(reading % 900, 1) };
    let source = if station.is_multiple_of(3) { "infoclimat" } else { "weather_underground" };
    format!(
        r#"{{"source":"{source}","station":{{"station_id":"ST{station:03}","name":"Station « {station} »","latitude":50.659,"longitude":-3.07,"elevation":23}},"timestamp":"{}","measurements":{{"temperature_c":{temperature},"humidity_pct":{humidity},"pressure_hpa":{pressure},"wind_speed":0,"wind_gust":{gust},"precip_mm":null,"dew_point_c":-1.5,"uv_index":0}}}}"#,
        at.format("%Y-%m-%dT%H:%M:%SZ")
    )
}

/// `value` / 10^`digits` as canonical text.
fn decimal(value: usize, digits: u32) -> String {
    let unit = 10usize.pow(digits);
    let text = format!("{}.{:0width$}", value / unit, value % unit, width = digits as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes lines as a dataset file with its manifest's figures.
pub async fn dataset(store: &Memory, lines: &[String]) -> DatasetManifest {
    let key = "p8-processed/weather_mongodb_ready.json";
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    let mut station_days = StationDays::new();
    let mut sources = std::collections::BTreeMap::new();
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let station = value["station"]["station_id"].as_str().unwrap().to_owned();
        let day = value["timestamp"].as_str().unwrap()[..10].to_owned();
        let digest: &mut SetDigest = station_days.entry(station).or_default().entry(day).or_default();
        digest.add(line.as_bytes());
        *sources.entry(value["source"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let bytes = text.len() as u64;
    store.put(key, text.into(), Default::default()).await.unwrap();
    DatasetManifest {
        version: VERSION,
        inputs_digest: String::new(),
        inputs: Default::default(),
        output: key.into(),
        bytes,
        digest: String::new(),
        etag: String::new(),
        documents: lines.len() as u64,
        sources,
        ledger: Ledger::default(),
        unknown_fields: Default::default(),
        station_days,
    }
}
