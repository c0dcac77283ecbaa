//! The transform, file to file, on generated Weather Underground records in the real shape.
//!
//! `cargo bench -p meteoctl-data --bench transform -- [MEGABYTES [FOLDER]]` (200 by default). With a folder, the raw
//! files are left there for other tools. `--once` transforms once and measures nothing else, `--repeats` delivers every
//! row twice, as Airbyte does in append mode, `--output NAME` chooses the format, `--threads N` the number of workers, `--runs N` how often.
//! Prints one line per measurement; `docs/benchmarks.md` tells how to read them.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Timelike};
use meteoctl_data::read::{Block, Contract, UnknownFields};
use meteoctl_data::station::{Format, Station};
use meteoctl_data::store::{Folder, SharedStore};
use meteoctl_data::transform::{self, TransformSpec};

const FILES: usize = 4;

/// What was asked for on the command line.
struct Options {
    megabytes: usize,
    folder: Option<String>,
    once: bool,
    repeats: bool,
    output: String,
    threads: usize,
    runs: usize,
}

impl Options {
    fn read() -> Options {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options =
            Options { megabytes: 200, folder: None, once: false, repeats: false, output: "weather.json".to_owned(), threads, runs: 5 };
        let mut place = 0;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--once" => options.once = true,
                "--repeats" => options.repeats = true,
                "--output" => options.output = arguments.next().expect("--output NAME"),
                "--threads" => options.threads = arguments.next().and_then(|threads| threads.parse().ok()).expect("--threads N"),
                "--runs" => options.runs = arguments.next().and_then(|runs| runs.parse().ok()).expect("--runs N"),
                // Cargo says `--bench`.
                flag if flag.starts_with('-') => {}
                value if place == 0 => (options.megabytes, place) = (value.parse().expect("MEGABYTES"), 1),
                value => options.folder = Some(value.to_owned()),
            }
        }
        options
    }
}

fn main() {
    let options = Options::read();
    let temporary = tempfile::tempdir().unwrap();
    let folder = options.folder.as_deref().map_or(temporary.path(), Path::new);
    let started = Instant::now();
    let raw = generate(&folder.join("raw"), options.megabytes * 1_000_000, options.repeats);
    println!("{} MB of raw records in {FILES} files, generated in {:.1} s", raw / 1_000_000, started.elapsed().as_secs_f64());
    if !options.once {
        parsers::alone(&folder.join("raw"), raw);
        parse_alone(&folder.join("raw"), raw);
        copy_alone(folder, raw);
    }
    let threads = options.threads;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    for _ in 0..if options.once { 1 } else { options.runs } {
        // Taking away what an earlier run made is no part of making it.
        let _ = std::fs::remove_dir_all(folder.join("out"));
        let before = cpu_seconds();
        let store: SharedStore = Arc::new(Folder::new(folder));
        let started = Instant::now();
        let manifest = runtime.block_on(transform::run(&store, &spec(&options.output), &|_| ())).unwrap();
        let took = started.elapsed();
        told(&format!("transform, {threads} threads, {} documents", manifest.documents), raw, took);
        let cpu = cpu_seconds() - before;
        println!("{:<50} {cpu:>8.2} s {:>7.0} MB/s per core", "  of processor time", raw as f64 / cpu / 1e6);
        if options.once {
            // For `cargo xtask bench`, which compares with other tools.
            let (took, peak) = (took.as_secs_f64(), peak_megabytes());
            println!(
                "{}",
                serde_json::json!({"seconds": took, "documents": manifest.documents, "peak_mb": peak, "version": env!("CARGO_PKG_VERSION")})
            );
        }
        if options.repeats {
            println!("  {} rows gave way to an identical later one", manifest.ledger.superseded_identical);
        }
    }
    println!("peak memory {} MB", peak_megabytes());
}

fn spec(output: &str) -> TransformSpec {
    serde_json::from_value(serde_json::json!({
        "sources": [{"name": "bench", "raw": "raw/", "format": "weather-underground", "startDate": "1990-01-01", "timezone": "Europe/Paris",
            "station": {"station_id": "IBENCH1", "name": "Bench", "latitude": 50.659, "longitude": 3.07, "elevation": 23, "city": "Somewhere", "country": "FR", "hardware": "other", "software": "bench"}}],
        "output": format!("out/{output}")
    }))
    .unwrap()
}

/// One row every five minutes by the clock on the wall in Paris, values wandering as weather does, until all files
/// together have `bytes`. With `repeats` the second half of the files says again what the first half said.
fn generate(folder: &Path, bytes: usize, repeats: bool) -> usize {
    const POINTS: [&str; 8] = ["North", "NNE", "ENE", "East", "South", "WSW", "West", "NNW"];
    std::fs::create_dir_all(folder).unwrap();
    let (mut written, mut row) = (0, 0u64);
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let name = |file: usize| folder.join(format!("2025_10_24_1761343020000_{file}.jsonl"));
    let fresh = if repeats { FILES / 2 } else { FILES };
    for file in 0..fresh {
        let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(name(file)).unwrap());
        while written < bytes * (file + 1) / FILES {
            let instant = DateTime::from_timestamp(631_148_400 + row as i64 * 300, 0).unwrap();
            let local = instant.with_timezone(&chrono_tz::Europe::Paris);
            let minute = u64::from(local.hour() * 60 + local.minute());
            let warm = 450 + (row / 288 % 30) * 8 + minute / 12 + random(9);
            let date = if repeats { format!(",\"Date\":\"{}\"", local.format("%Y-%m-%d")) } else { String::new() };
            let line = format!(
                "{{\"_airbyte_raw_id\":\"019a1839-a420-7813-bae0-{row:012x}\",\"_airbyte_extracted_at\":1761343020000,\"_airbyte_meta\":{{\"sync_id\":10,\"changes\":[]}},\"_airbyte_generation_id\":1,\"_airbyte_data\":{{\"Gust\":\"{}.{}\u{a0}mph\",\"UV\":{},\"Precip. Rate.\":\"0.0{}\u{a0}in\",\"Temperature\":\"{}.{}\u{a0}°F\",\"Speed\":\"{}.{}\u{a0}mph\",\"Dew Point\":\"{}.{}\u{a0}°F\",\"Humidity\":\"{}\u{a0}%\",\"Solar\":\"{}\u{a0}w/m²\",\"Pressure\":\"29.{}\u{a0}in\",\"Precip. Accum.\":\"0.{:02}\u{a0}in\",\"Wind\":\"{}\",\"Time\":\"{:02}:{:02}:00\"{date}}}}}\n",
                8 + random(9),
                random(10),
                random(8),
                random(10),
                warm / 10,
                warm % 10,
                random(8),
                random(10),
                warm / 10 - 3,
                random(10),
                60 + random(40),
                random(600),
                10 + random(80),
                minute / 60,
                POINTS[random(8) as usize],
                minute / 60,
                minute % 60
            );
            out.write_all(line.as_bytes()).unwrap();
            written += line.len();
            row += 1;
        }
    }
    for file in fresh..FILES {
        written += std::fs::copy(name(file - fresh), name(file)).unwrap() as usize;
    }
    written
}

/// What general parsers of JSON take for the same lines, as a limit of what is built on them: one core, from memory, every value read
/// but nothing done with it.
mod parsers {
    use std::borrow::Cow;
    use std::hint::black_box;
    use std::path::Path;
    use std::time::Instant;

    use serde::Deserialize;

    /// The row, as borrowed from its line as its text allows.
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow)]
        _airbyte_data: Row<'a>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "reading them is what is measured")]
    struct Row<'a> {
        #[serde(rename = "Gust", borrow)]
        gust: Cow<'a, str>,
        #[serde(rename = "UV")]
        uv: f64,
        #[serde(rename = "Precip. Rate.", borrow)]
        rate: Cow<'a, str>,
        #[serde(rename = "Temperature", borrow)]
        temperature: Cow<'a, str>,
        #[serde(rename = "Speed", borrow)]
        speed: Cow<'a, str>,
        #[serde(rename = "Dew Point", borrow)]
        dew_point: Cow<'a, str>,
        #[serde(rename = "Humidity", borrow)]
        humidity: Cow<'a, str>,
        #[serde(rename = "Solar", borrow)]
        solar: Cow<'a, str>,
        #[serde(rename = "Pressure", borrow)]
        pressure: Cow<'a, str>,
        #[serde(rename = "Precip. Accum.", borrow)]
        accumulated: Cow<'a, str>,
        #[serde(rename = "Wind", borrow)]
        wind: Cow<'a, str>,
        #[serde(rename = "Time", borrow)]
        time: Cow<'a, str>,
    }

    pub fn alone(folder: &Path, raw: usize) {
        let text = super::part(folder, raw);
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let measure = |what: &str, parse: fn(&[u8])| {
            let started = Instant::now();
            lines.iter().for_each(|line| parse(line));
            super::told(&format!("{what}, typed, parsing alone, 1 core"), text.len(), started.elapsed());
        };
        measure("serde_json", |line| drop(black_box(serde_json::from_slice::<Record<'_>>(line).unwrap())));
        measure("sonic-rs", |line| drop(black_box(sonic_rs::from_slice::<Record<'_>>(line).unwrap())));
        // It writes into what it reads.
        let mut copy = text.clone();
        let mut buffers = simd_json::Buffers::default();
        let started = Instant::now();
        for line in copy.split_inclusive_mut(|byte| *byte == b'\n') {
            drop(black_box(simd_json::serde::from_slice_with_buffers::<Record<'_>>(line, &mut buffers).unwrap()));
        }
        super::told("simd-json, typed, parsing alone, 1 core", text.len(), started.elapsed());
    }
}

/// Whole lines from the beginning of the first file: enough, and it does not hide the transform's own memory.
fn part(folder: &Path, raw: usize) -> Vec<u8> {
    let mut text = vec![0; (20 << 20).min(raw / FILES)];
    let mut file = std::fs::File::open(folder.join("2025_10_24_1761343020000_0.jsonl")).unwrap();
    std::io::Read::read_exact(&mut file, &mut text).unwrap();
    text.truncate(memchr::memrchr(b'\n', &text).map_or(0, |end| end + 1));
    text
}

/// Reading rows alone, from memory, on one core.
fn parse_alone(folder: &Path, raw: usize) {
    let station = Arc::new(Station::new(Format::WeatherUnderground, "IBENCH1", &serde_json::Map::new()));
    let contract = Contract { format: None, station: Some(station), unknown_fields: UnknownFields::Keep };
    let text = part(folder, raw);
    let started = Instant::now();
    let rows: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .collect::<Vec<_>>()
        .chunks(2_500)
        .map(|lines| Block::read(&contract, None, &lines.concat(), 1).readings.len())
        .sum();
    told(&format!("reading rows alone, 1 core, {rows} rows"), text.len(), started.elapsed());
}

/// Moving the bytes alone.
fn copy_alone(folder: &Path, raw: usize) {
    let started = Instant::now();
    for entry in std::fs::read_dir(folder.join("raw")).unwrap() {
        std::fs::copy(entry.unwrap().path(), folder.join("copy")).unwrap();
    }
    told("copying the raw files", raw, started.elapsed());
    std::fs::remove_file(folder.join("copy")).unwrap();
}

fn told(what: &str, bytes: usize, took: Duration) {
    println!("{what:<50} {:>8.3} s {:>7.0} MB/s", took.as_secs_f64(), bytes as f64 / took.as_secs_f64() / 1e6);
}

/// Processor time of this process so far, user and system; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    // Hundredths of a second on every Linux.
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Peak resident memory of this process so far, in MB; 0 where the system does not tell.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1_000
}
