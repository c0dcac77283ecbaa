//! The transform from S3 to S3 beside moving the same bytes alone: what is left of the time belongs to the service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use meteoctl_data::store::{SharedStore, Upload};
use meteoctl_data::transform::{self, TransformSpec};

use crate::world::{World, tell};

/// Raw records in all, in bytes: the second shows that memory does not grow with them.
const SIZES: [usize; 2] = [200_000_000, 800_000_000];
/// Objects they lie in.
const OBJECTS: usize = 4;
/// Times each is done, in turns; the quickest counts.
const TURNS: usize = 3;

/// Prints both times, their ratio, and the peak of memory while it transforms. `cargo xtask bench --bytes`
#[test]
#[ignore = "a benchmark: it prints times, which depend on the machine"]
fn the_benchmark_of_bytes() {
    let Some(world) = World::new("the_benchmark_of_bytes") else { return };
    world.make_bucket();
    let store = world.bucket_store("p8-meteo");
    for raw in SIZES {
        tell(&world.wait(measure(&store, raw)));
    }
}

async fn measure(store: &SharedStore, raw: usize) -> String {
    for object in 0..OBJECTS {
        let mut upload = store.upload(&format!("raw/2025_10_24_1_{object}.jsonl"), Default::default()).await.expect("begins");
        upload.write(rows(object, raw / OBJECTS).into()).await.expect("writes");
        upload.finish().await.expect("ends");
    }
    let (mut moving, mut making, mut peak) = (Duration::MAX, Duration::MAX, 0);
    for _ in 0..TURNS {
        let (before, begun) = (peak_from_now(), Instant::now());
        let made = transform::run(store, &spec(), &|_| ()).await.expect("transforms");
        making = making.min(begun.elapsed());
        peak = peak.max(resident("VmHWM:").saturating_sub(before));
        let begun = Instant::now();
        move_alone(store, raw, made.bytes).await;
        moving = moving.min(begun.elapsed());
        for key in ["out/weather.json", "out/weather.json.manifest.json", "out/moved"] {
            store.delete(key).await.expect("removes");
        }
    }
    let rate = |took: Duration| raw as f64 / took.as_secs_f64() / 1e6;
    format!(
        "{} MB of raw records from S3 to S3: moving the bytes alone {moving:.2?} ({:.0} MB/s), transform {making:.2?} ({:.0} MB/s): {:.2} × as long, {peak} MB more memory at most",
        raw / 1_000_000,
        rate(moving),
        rate(making),
        making.as_secs_f64() / moving.as_secs_f64()
    )
}

/// Forgets the peak of this process's memory so far; gives what it holds now, in MB. Linux only; 0 elsewhere.
fn peak_from_now() -> u64 {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    resident("VmRSS:")
}

fn resident(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap_or_default();
    found.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1_000
}

/// Reads all raw objects side by side, as the transform does, and writes as many bytes as it makes.
async fn move_alone(store: &SharedStore, raw: usize, bytes: u64) {
    let upload = Arc::new(tokio::sync::Mutex::new(store.upload("out/moved", Default::default()).await.expect("begins")));
    let read = (0..OBJECTS).map(|object| {
        let (store, upload) = (store.clone(), upload.clone());
        async move {
            let mut stream = store.get(&format!("raw/2025_10_24_1_{object}.jsonl"), 0).await.expect("reads");
            while let Some(chunk) = stream.next().await {
                upload.lock().await.write(chunk.expect("a piece")).await.expect("writes");
            }
        }
    });
    futures_util::future::join_all(read).await;
    let mut upload: Box<dyn Upload> = Arc::into_inner(upload).expect("all have read").into_inner();
    upload.write(Bytes::from(vec![b' '; usize::try_from(bytes).expect("a size").saturating_sub(raw)])).await.expect("writes");
    upload.finish().await.expect("ends");
}

/// Rows in the shape in which Airbyte leaves them, one every five minutes, each object a stretch of time of its own.
fn rows(object: usize, bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 1_000);
    let mut row = 0_u64;
    while text.len() < bytes {
        let day = chrono::NaiveDate::from_ymd_opt(1990, 1, 1).expect("a day") + chrono::Days::new(row / 288 + 4_000 * object as u64);
        let (minute, noise) = (row % 288 * 5, row.wrapping_mul(2_654_435_761) >> 7);
        text.extend_from_slice(
            format!(
                "{{\"_airbyte_raw_id\":\"019a1839-a420-7813-bae0-{row:012x}\",\"_airbyte_extracted_at\":1761343020000,\"_airbyte_meta\":{{\"sync_id\":10,\"changes\":[]}},\"_airbyte_generation_id\":1,\"_airbyte_data\":{{\"Gust\":\"{}.0\u{a0}mph\",\"UV\":0,\"Precip. Rate.\":\"0.00\u{a0}in\",\"Temperature\":\"{}.{}\u{a0}°F\",\"Speed\":\"{}.{}\u{a0}mph\",\"Dew Point\":\"48.{}\u{a0}°F\",\"Humidity\":\"{}\u{a0}%\",\"Solar\":\"{}\u{a0}w/m²\",\"Pressure\":\"29.{}\u{a0}in\",\"Precip. Accum.\":\"0.00\u{a0}in\",\"Wind\":\"WSW\",\"Time\":\"{:02}:{:02}:00\",\"Date\":\"{day}\"}}}}\n",
                8 + noise % 9,
                50 + noise % 9,
                noise % 10,
                noise % 8,
                noise % 10,
                noise % 10,
                60 + noise % 40,
                noise % 600,
                10 + noise % 80,
                minute / 60,
                minute % 60,
            )
            .as_bytes(),
        );
        row += 1;
    }
    text
}

fn spec() -> TransformSpec {
    serde_json::from_value(serde_json::json!({
        "sources": [{"name": "bench", "raw": "raw/", "format": "weather-underground", "startDate": "1990-01-01", "timezone": "UTC",
            "station": {"station_id": "IBENCH1", "name": "Bench", "latitude": 50.659, "longitude": 3.07, "elevation": 23}}],
        "output": "out/weather.json"
    }))
    .expect("a spec")
}
