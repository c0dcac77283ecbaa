//! One walk through the dataset file, document by document, in bounded memory.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::json;

use super::judge::Flags;
use super::reading::{Document, Reading};
use super::spec::QualitySpec;
use super::station::Station;
use super::thresholds::{Flag, Test, Variable};
use crate::fault::Fault;
use crate::store::{SharedStore, Upload};
use crate::timestamp::timestamp;
use crate::transform::input;
use crate::transform::seen::Seen;

/// Size at which flags are handed on, in bytes.
const PIECE: usize = 1 << 20;

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub stations: BTreeMap<String, Station>,
    /// Lines that are no document.
    pub unreadable: u64,
}

struct Scan<'a> {
    zones: HashMap<&'a str, Tz>,
    now: DateTime<Utc>,
    seen: Seen,
    numbers: HashMap<String, u32>,
    found: Scanned,
    flags: Vec<u8>,
}

/// Walks through the dataset; writes the suspect and failed values to the flags file.
pub(super) async fn scan(
    store: &SharedStore,
    spec: &QualitySpec,
    now: DateTime<Utc>,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Scanned, Fault> {
    let mut zones = HashMap::new();
    for (station, name) in &spec.timezones {
        let zone =
            name.parse().map_err(|_| Fault::new(format!("judge station {station}: `{name}` is no time zone")).hint("give an IANA name"))?;
        zones.insert(station.as_str(), zone);
    }
    let mut scan = Scan { zones, now, seen: Seen::default(), numbers: HashMap::new(), found: Scanned::default(), flags: Vec::new() };
    let mut file = Some(store.upload(&spec.flags_key(), BTreeMap::new()).await?);
    let mut blocks = input::open(store, &spec.dataset);
    let mut lines = 0;
    while let Some(block) = blocks.recv().await {
        for line in block?.text.split(|byte| *byte == b'\n') {
            scan.line(line);
            lines += 1;
        }
        told(lines);
        scan.pass_on(file.as_mut(), PIECE).await?;
    }
    let mut done = Vec::new();
    for (id, station) in &mut scan.found.stations {
        done.clear();
        station.finish(&mut done);
        write_flags(id, &done, &mut scan.flags);
    }
    scan.pass_on(file.as_mut(), 1).await?;
    if let Some(file) = file {
        file.finish().await?;
    }
    Ok(scan.found)
}

impl Scan<'_> {
    fn line(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        let line = line.strip_suffix(b",").unwrap_or(line);
        if line.is_empty() || line == b"[" || line == b"]" || line == b"[]" {
            return;
        }
        let Ok(document) = serde_json::from_slice::<Document<'_>>(line) else {
            self.found.unreadable += 1;
            return;
        };
        let Some(reading) = Reading::of(&document) else {
            self.found.unreadable += 1;
            return;
        };
        let id = document.station.station_id.as_ref();
        let number = match self.numbers.get(id) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
                self.numbers.insert(id.to_owned(), number);
                let mut station = Station::default();
                station.describe(&document, self.zones.get(id).copied());
                self.found.stations.insert(id.to_owned(), station);
                number
            }
        };
        let fresh = self.seen.insert(number, reading.instant);
        if let Some(station) = self.found.stations.get_mut(id) {
            let mut done = Vec::new();
            station.take(reading, fresh, self.now, &mut done);
            write_flags(id, &done, &mut self.flags);
        }
    }

    async fn pass_on(&mut self, file: Option<&mut Box<dyn Upload>>, least: usize) -> Result<(), Fault> {
        if let Some(file) = file
            && self.flags.len() >= least
        {
            file.write(Bytes::from(std::mem::take(&mut self.flags))).await?;
        }
        Ok(())
    }
}

fn write_flags(station: &str, done: &[(Reading, Flags)], out: &mut Vec<u8>) {
    for (reading, flags) in done {
        for variable in Variable::ALL {
            let worst = flags.worst(variable);
            if !matches!(worst, Flag::Suspect | Flag::Fail) {
                continue;
            }
            let bad = |test: &Test| matches!(flags.get(variable, *test), Flag::Suspect | Flag::Fail);
            let tests: BTreeMap<&str, u8> =
                Test::ALL.iter().filter(|test| bad(test)).map(|test| (test.id(), flags.get(variable, *test) as u8)).collect();
            let instant = timestamp(reading.instant);
            let line = json!({"station": station, "timestamp": String::from_utf8_lossy(&instant), "variable": variable.field(), "flag": worst as u8, "tests": tests});
            out.extend_from_slice(line.to_string().as_bytes());
            out.push(b'\n');
        }
    }
}
