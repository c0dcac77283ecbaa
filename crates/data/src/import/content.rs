//! What a collection really holds: every document read, digested and counted, in bounded memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::ImportSpec;
use crate::digest::{Canonical, TimestampType};
use crate::document::{SetDigest, StationDays};
use crate::mongo::{DatabaseError, Query, ScanBatch, Server};

/// The content of a collection, told per station-day. Its size depends on the number of station-days only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Digest per station and UTC day.
    pub days: StationDays,
    /// Documents in all, foreign ones included.
    pub documents: u64,
    /// Documents no import made.
    pub foreign: u64,
    /// Documents per source.
    pub sources: BTreeMap<String, u64>,
    /// Documents without temperature, humidity, pressure.
    pub missing: [u64; 3],
}

impl Content {
    fn merge(&mut self, other: Content) {
        merge_days(&mut self.days, other.days);
        self.documents += other.documents;
        self.foreign += other.foreign;
        for (source, count) in other.sources {
            *self.sources.entry(source).or_default() += count;
        }
        for (sum, count) in self.missing.iter_mut().zip(other.missing) {
            *sum += count;
        }
    }
}

/// Adds the digests of disjoint sets of documents.
pub(super) fn merge_days(into: &mut StationDays, from: StationDays) {
    for (station, days) in from {
        let known = into.entry(station).or_default();
        for (day, digest) in days {
            known.entry(day).or_default().merge(digest);
        }
    }
}

/// Digests gathered document by document; neighbours mostly share their station-day, so the map is rarely touched.
#[derive(Debug, Default)]
pub(super) struct DayDigests {
    days: StationDays,
    station: String,
    day: String,
    current: SetDigest,
}

impl DayDigests {
    pub(super) fn add(&mut self, station: &str, day: &str, text: &[u8]) {
        if self.day != day || self.station != station {
            self.settle();
            station.clone_into(&mut self.station);
            day.clone_into(&mut self.day);
        }
        self.current.add(text);
    }

    fn settle(&mut self) {
        let done = std::mem::take(&mut self.current);
        if done.count > 0 {
            self.days.entry(self.station.clone()).or_default().entry(self.day.clone()).or_default().merge(done);
        }
    }

    pub(super) fn finish(mut self) -> StationDays {
        self.settle();
        self.days
    }
}

/// Reads the whole collection, again from the start if the server changes hands meanwhile.
pub async fn read(server: &Server, spec: &ImportSpec) -> Result<Content, DatabaseError> {
    server.patiently(|| read_once(server, spec)).await
}

/// Digesting keeps up with one cursor on two tasks.
const DIGESTERS: usize = 2;

async fn read_once(server: &Server, spec: &ImportSpec) -> Result<Content, DatabaseError> {
    let mut scan = server.scan(&spec.database, &spec.collection, Query::default()).await?;
    let (sender, receiver) = mpsc::channel::<ScanBatch>(DIGESTERS);
    let receiver = Arc::new(Mutex::new(receiver));
    let mut digesters: JoinSet<_> = (0..DIGESTERS).map(|_| digest_batches(receiver.clone(), spec.timestamp_type)).collect();
    drop(receiver);
    let mut fault = None;
    while let Some(batch) = scan.next().await {
        match batch {
            Ok(batch) => {
                // The digesters ended early: their own error tells why.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let mut content = Content::default();
    while let Some(digester) = digesters.join_next().await {
        let part = digester.map_err(|error| DatabaseError::caused("digest documents", error))?;
        content.merge(part?);
    }
    fault.map_or(Ok(content), Err)
}

async fn digest_batches(batches: Arc<Mutex<mpsc::Receiver<ScanBatch>>>, timestamps: TimestampType) -> Result<Content, DatabaseError> {
    let mut content = Content::default();
    let mut days = DayDigests::default();
    let mut canonical = Canonical::default();
    loop {
        let Some(batch) = batches.lock().await.recv().await else { break };
        for document in batch.slices()? {
            let stored = canonical.read(document?, timestamps).map_err(|error| DatabaseError::caused("digest a document", error))?;
            content.documents += 1;
            match stored.place {
                Some(place) => days.add(place.station, place.day, stored.text),
                None => content.foreign += 1,
            }
            for (sum, missing) in content.missing.iter_mut().zip(stored.missing) {
                *sum += u64::from(missing);
            }
            match content.sources.get_mut(stored.source) {
                Some(count) => *count += 1,
                None => drop(content.sources.insert(stored.source.to_owned(), 1)),
            }
        }
        tokio::task::yield_now().await;
    }
    content.days = days.finish();
    Ok(content)
}
