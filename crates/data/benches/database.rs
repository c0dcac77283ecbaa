//! Import, deep check, backup and restore on a real server, file to database and back.
//!
//! `cargo bench -p meteoctl-data --bench database -- [DOCUMENTS]` (500,000 by default). Needs the same server
//! as the tests. Prints one line per measurement; `docs/benchmarks.md` tells how to read them.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bson::doc;
use chrono::Utc;
use meteoctl_data::backup::{self, BackupSpec};
use meteoctl_data::document::StationDays;
use meteoctl_data::import::{Encoder, ImportSpec, Progress, look, run};
use meteoctl_data::manifest::DatasetManifest;
use meteoctl_data::mongo::{Documents, Server};
use meteoctl_data::restore::{self, RestoreSpec};
use meteoctl_data::store::{Folder, Memory};
use support::{Mongod, dataset};

const KEY: &str = "p8-processed/weather_mongodb_ready.json";
const CONNECTIONS: usize = 3;

fn main() {
    let wanted = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(500_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(wanted));
}

async fn measure(wanted: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, bson_bytes) = generate(folder.path(), wanted).await;
    let store = Folder::new(folder.path());
    println!("{wanted} documents, {} MB of JSON, {} bytes of BSON each", manifest.bytes / 1_000_000, bson_bytes / wanted as u64);
    let mongod = Mongod::start_sized(None, &[]);
    let server = mongod.connect().await;
    let spec = ImportSpec { connections: CONNECTIONS, ..ImportSpec::new("bench", "weather_data") };
    import(&server, &spec, &store, &manifest).await;
    checks(&server, &spec, &store, &manifest).await;
    backup_and_restore(&server, &store, wanted).await;
    refill(&server, &spec, &store, &manifest).await;
    encode_alone(folder.path(), wanted);
    // As the import: on a server that has just begun.
    drop(mongod);
    let mongod = Mongod::start_sized(None, &[]);
    preencoded(&mongod.connect().await, folder.path(), wanted).await;
}

fn told(what: &str, documents: usize, took: Duration) {
    let rate = documents as f64 / took.as_secs_f64() / 1e3;
    println!("{what:<58} {:>8.3} s {rate:>9.0} k documents/s   peak memory {} MB", took.as_secs_f64(), peak_megabytes());
    // The next line tells its own peak, where the system can forget this one.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak resident memory of this process since it was last told, in MB; 0 where the system does not tell.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Numbers that compress as badly as measured ones (splitmix64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Writes a dataset of documents of real size: 8 stations, readings every five minutes.
async fn generate(folder: &Path, wanted: usize) -> (DatasetManifest, u64) {
    let per_station = wanted.div_ceil(8);
    std::fs::create_dir_all(folder.join("p8-processed")).unwrap();
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join(KEY)).unwrap());
    let (mut days, mut bytes, mut bson_bytes, mut encoder) = (StationDays::new(), 0, 0, Encoder::default());
    file.write_all(b"[\n").unwrap();
    for n in 0..wanted {
        let line = support::line(n / per_station, n % per_station, 288).replace(
            "\"elevation\":23",
            r#""elevation":23,"city":"La Madeleine","country":"FR","state":"Hauts-de-France","hardware":"other","software":"EasyWeatherPro_V5.1.6""#,
        );
        let mut noise = Noise(n as u64);
        let extras = format!(
            r#""wind_direction_deg":{},"precip_rate_mm_h":0,"precip_accum_mm":{},"uv_index":{},"solar_w_m2":{}"#,
            noise.below(16) as f64 * 22.5,
            noise.below(3000) as f64 / 100.0,
            noise.below(9),
            noise.below(9000) as f64 / 10.0
        );
        let wind = format!("\"wind_speed\":{}", noise.below(6000) as f64 / 100.0);
        let line = line.replace("\"uv_index\":0", &extras).replace("\"wind_speed\":0", &wind);
        let encoded = encoder.encode(line.as_bytes()).unwrap();
        bson_bytes += encoded.bytes.len() as u64;
        days.entry(encoded.station.into()).or_default().entry(encoded.day.into()).or_default().add(line.as_bytes());
        file.write_all(line.as_bytes()).unwrap();
        file.write_all(if n + 1 == wanted { b"\n" } else { b",\n" }).unwrap();
        bytes += line.len() as u64 + 2;
    }
    file.write_all(b"]\n").unwrap();
    file.flush().unwrap();
    let empty = dataset(&Memory::new(), &[]).await;
    (DatasetManifest { bytes: bytes + 3, documents: wanted as u64, station_days: days, ..empty }, bson_bytes)
}

fn file_lines(folder: &Path) -> impl Iterator<Item = Vec<u8>> {
    let file = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(folder.join(KEY)).unwrap());
    let lines = std::io::BufRead::split(file, b'\n').map(Result::unwrap);
    lines.filter(|line| line.len() > 2).map(|mut line| {
        if line.last() == Some(&b',') {
            line.pop();
        }
        line
    })
}

fn encode_alone(folder: &Path, wanted: usize) {
    let text = std::fs::read(folder.join(KEY)).unwrap();
    let mut encoder = Encoder::default();
    let began = Instant::now();
    let mut bytes = 0;
    for line in text.split(|byte| *byte == b'\n').filter(|line| line.len() > 2) {
        bytes += encoder.encode(line.strip_suffix(b",").unwrap_or(line)).unwrap().bytes.len();
    }
    assert!(bytes > 0);
    told("encode JSON to BSON, one core, no database", wanted, began.elapsed());
}

/// The limit: batches encoded beforehand, as many connections, index afterwards.
async fn preencoded(server: &Server, folder: &Path, wanted: usize) {
    let mut batches = vec![Documents::default()];
    let mut encoder = Encoder::default();
    for line in file_lines(folder) {
        if batches.last().unwrap().bytes() > 1 << 20 {
            batches.push(Documents::default());
        }
        batches.last_mut().unwrap().push(encoder.encode(&line).unwrap().bytes);
    }
    let queue = std::sync::Arc::new(Mutex::new(batches));
    let began = Instant::now();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (server, queue) = (server.clone(), queue.clone());
            tokio::spawn(async move {
                loop {
                    let batch = queue.lock().unwrap().pop();
                    let Some(batch) = batch else { break };
                    server.insert("bench", "limit", &batch).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    told("pre-encoded batches into an empty collection", wanted, began.elapsed());
    let index = doc! {"key": {"station.station_id": 1, "timestamp": 1}, "name": "i", "unique": true};
    server.create_indexes("bench", "limit", vec![index]).await.unwrap();
    told("pre-encoded batches, unique index afterwards", wanted, began.elapsed());
    server.drop_collection("bench", "limit").await.unwrap();
}

async fn import(server: &Server, spec: &ImportSpec, store: &Folder, manifest: &DatasetManifest) {
    let marks = Mutex::new(Vec::new());
    let mark = |progress| {
        let (Progress::Indexing | Progress::Checking) = progress else { return };
        marks.lock().unwrap().push(Instant::now());
    };
    let began = Instant::now();
    let state = look(server, spec, manifest, false).await.unwrap();
    let outcome = run(server, spec, store, manifest, &state, &mark).await.unwrap();
    let whole = began.elapsed();
    assert_eq!(outcome.inserted, manifest.documents);
    let documents = manifest.documents as usize;
    let marks = marks.into_inner().unwrap();
    told("import, JSON file to empty collection", documents, marks[0] - began);
    told("import, unique index included", documents, marks[1] - began);
    told("import, every document read back and digested", documents, whole);
}

/// A collection that somebody emptied, its indexes in place.
async fn refill(server: &Server, spec: &ImportSpec, store: &Folder, manifest: &DatasetManifest) {
    server.delete(&spec.database, &spec.collection, doc! {}).await.unwrap();
    let began = Instant::now();
    let state = look(server, spec, manifest, true).await.unwrap();
    run(server, spec, store, manifest, &state, &|_| {}).await.unwrap();
    told("import into an emptied collection, all of it", manifest.documents as usize, began.elapsed());
}

async fn checks(server: &Server, spec: &ImportSpec, store: &Folder, manifest: &DatasetManifest) {
    let documents = manifest.documents as usize;
    let began = Instant::now();
    let state = look(server, spec, manifest, false).await.unwrap();
    run(server, spec, store, manifest, &state, &|_| {}).await.unwrap();
    told("import again, nothing changed", documents, began.elapsed());
    let began = Instant::now();
    assert!(look(server, spec, manifest, false).await.unwrap().in_sync());
    told("look, fast", documents, began.elapsed());
    let began = Instant::now();
    assert!(look(server, spec, manifest, true).await.unwrap().in_sync());
    told("look, deep", documents, began.elapsed());
}

async fn backup_and_restore(server: &Server, store: &Folder, documents: usize) {
    let spec = BackupSpec::new("bench", "p8-backups/mongodb/");
    let outcome = backup::run(server, &spec, store, Utc::now(), &|_| {}).await.unwrap();
    let manifest = outcome.manifest;
    told("backup: dump, compress, write", documents, Duration::from_secs_f64(manifest.dump_seconds));
    told("backup: read back and verify", documents, Duration::from_secs_f64(manifest.verify_seconds));
    println!("archive: {} MB", manifest.bytes / 1_000_000);
    let spec = RestoreSpec { into: Some("bench_copy".into()), connections: CONNECTIONS, ..RestoreSpec::new(&manifest.archive) };
    let marks = Mutex::new(Vec::new());
    let mark = |progress| {
        let (restore::Progress::Indexing | restore::Progress::Comparing) = progress else { return };
        marks.lock().unwrap().push(Instant::now());
    };
    let began = Instant::now();
    let restored = restore::run(server, &spec, store, &mark).await.unwrap();
    let done = Instant::now();
    let marks = marks.into_inner().unwrap();
    let checked = Duration::from_secs_f64(restored.check_seconds);
    told("restore: check the archive first", documents, checked);
    told("restore: fill with indexes", documents, marks[1] - began - checked);
    told("restore: read back and compare", documents, done - marks[1]);
    told("restore, all of it", documents, done - began);
}
