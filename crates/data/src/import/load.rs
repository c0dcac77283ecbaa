//! Streaming the dataset file into the collection: blocks of lines, several workers, batches of raw BSON.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bson::doc;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::content::{DayDigests, merge_days};
use super::fast::{Encoder, Line};
use super::lines::{Block, Blocks};
use super::{ImportSpec, ImportState, Progress, look};
use crate::digest::elements::find;
use crate::document::StationDays;
use crate::manifest::DatasetManifest;
use crate::mongo::{DatabaseError, Documents, Server};
use crate::store::Store;

/// Size of a batch in bytes of BSON: large enough to make round trips rare, small enough for steady flow.
const BATCH: usize = 1 << 20;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Documents that were not there.
    pub inserted: u64,
    /// Documents whose content changed.
    pub replaced: u64,
}

/// How the documents of a station-day are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// It agrees already.
    Skip,
    /// Nothing is there: insert.
    Insert,
    /// Something is there: replace or insert by `_id`.
    Upsert,
}

/// What to do with each station-day. Without an entry: skip.
type Plan = HashMap<String, HashMap<String, Action>>;

fn plan_of(state: &ImportState) -> Plan {
    let mut plan = Plan::new();
    for (days, action) in [(&state.missing, Action::Insert), (&state.differing, Action::Upsert)] {
        for day in days {
            plan.entry(day.station.clone()).or_default().insert(day.day.clone(), action);
        }
    }
    plan
}

/// Everything a worker shares with the others.
struct Job {
    server: Server,
    spec: ImportSpec,
    key: String,
    plan: Plan,
    blocks: Mutex<mpsc::Receiver<Block>>,
    written: AtomicU64,
}

/// Reads the whole file once, writes the station-days of the plan, and checks the file against its manifest.
pub(super) async fn load(
    server: &Server,
    spec: &ImportSpec,
    store: &dyn Store,
    manifest: &DatasetManifest,
    state: &ImportState,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Loaded, DatabaseError> {
    let plan = plan_of(state);
    if plan.is_empty() {
        return Ok(Loaded::default());
    }
    // Neighbouring keys written over several connections conflict in a unique index: with one in place a single connection writes as
    // much as two, and three times as much as three.
    let workers = if look::indexes_stay(server, spec, state.documents == 0).await? { 1 } else { spec.connections.clamp(1, 16) };
    let (sender, receiver) = mpsc::channel(workers);
    let job = Arc::new(Job {
        server: server.clone(),
        spec: spec.clone(),
        key: manifest.output.clone(),
        plan,
        blocks: Mutex::new(receiver),
        written: AtomicU64::new(0),
    });
    // Dropping the set ends the workers: an import that is given up writes nothing more.
    let mut running: JoinSet<_> = (0..workers).map(|_| Worker::new(job.clone()).work()).collect();
    let fed = feed(store, manifest, &job, sender, progress).await;
    let (mut loaded, mut days, mut fault) = (Loaded::default(), StationDays::new(), fed.err());
    while let Some(worker) = running.join_next().await {
        match worker.map_err(|error| DatabaseError::caused("import documents", error)).and_then(|done| done) {
            Ok((counts, seen)) => {
                loaded.inserted += counts.inserted;
                loaded.replaced += counts.replaced;
                merge_days(&mut days, seen);
            }
            Err(error) => drop(fault.get_or_insert(error)),
        }
    }
    match fault {
        Some(error) => Err(error),
        None if days != manifest.station_days => Err(not_the_file(store, manifest)),
        None => Ok(loaded),
    }
}

async fn feed(
    store: &dyn Store,
    manifest: &DatasetManifest,
    job: &Job,
    sender: mpsc::Sender<Block>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), DatabaseError> {
    let mut blocks = Blocks::open(store, &manifest.output).await?;
    while let Some(block) = blocks.next().await? {
        let read = block.end;
        // All workers gone means that they failed; their own error is told.
        if sender.send(block).await.is_err() {
            break;
        }
        progress(Progress::Loading { read, total: manifest.bytes, written: job.written.load(Ordering::Relaxed) });
    }
    Ok(())
}

fn not_the_file(store: &dyn Store, manifest: &DatasetManifest) -> DatabaseError {
    let doing = format!("import {}/{}", store.name(), manifest.output);
    DatabaseError::rejected(doing, "the file is not the one its manifest describes (station-days differ)")
        .with_hint("run the transform again; the import is repeatable")
}

struct Worker {
    job: Arc<Job>,
    encoder: Encoder,
    inserts: Documents,
    upserts: Documents,
    days: DayDigests,
    loaded: Loaded,
}

impl Worker {
    fn new(job: Arc<Job>) -> Self {
        let encoder = Encoder::new(job.spec.timestamp_type);
        let (inserts, upserts) = (Documents::default(), Documents::default());
        Worker { job, encoder, inserts, upserts, days: DayDigests::default(), loaded: Loaded::default() }
    }

    async fn work(mut self) -> Result<(Loaded, StationDays), DatabaseError> {
        loop {
            let block = self.job.blocks.lock().await.recv().await;
            let Some(block) = block else { break };
            for (number, line) in block.documents() {
                self.take(number, line)?;
                if self.inserts.bytes() >= BATCH || self.upserts.bytes() >= BATCH {
                    self.flush().await?;
                }
            }
        }
        self.flush().await?;
        Ok((self.loaded, self.days.finish()))
    }

    fn take(&mut self, number: u64, line: &[u8]) -> Result<(), DatabaseError> {
        let Line { bytes, id_element, station, day } = self.encoder.encode(line).map_err(|error| error.at(&self.job.key, number))?;
        self.days.add(station, day, line);
        let action = self.job.plan.get(station).and_then(|days| days.get(day)).copied().unwrap_or(Action::Skip);
        match action {
            Action::Skip => {}
            Action::Insert => self.inserts.push(bytes),
            Action::Upsert => self.upserts.push_upsert(id_element, bytes),
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), DatabaseError> {
        let job = self.job.clone();
        let inserts = std::mem::take(&mut self.inserts);
        let sent = inserts.len() + self.upserts.len();
        let reply = job.server.insert(&job.spec.database, &job.spec.collection, &inserts).await?;
        self.loaded.inserted += reply.n;
        // A key that exists is ours, from a batch sent again after a failover or from a run that was killed: replace it.
        let mut again = reply.duplicates.iter().copied().peekable();
        for (at, document) in inserts.iter().enumerate() {
            if again.next_if_eq(&at).is_some() {
                push_upsert(&mut self.upserts, document);
            }
        }
        let upserts = std::mem::take(&mut self.upserts);
        self.upsert(&upserts).await?;
        job.written.fetch_add(sent as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn upsert(&mut self, upserts: &Documents) -> Result<(), DatabaseError> {
        let job = self.job.clone();
        let (database, collection) = (&job.spec.database, &job.spec.collection);
        let reply = job.server.upsert(database, collection, upserts).await?;
        self.count(&reply);
        if reply.duplicates.is_empty() {
            return Ok(());
        }
        // Another document holds the same station and instant under another `_id`: it is not in the dataset, so it goes.
        let mut again = Documents::default();
        let mut refused = reply.duplicates.iter().copied().peekable();
        for (at, update) in upserts.iter().enumerate() {
            if refused.next_if_eq(&at).is_some() {
                job.server.delete(database, collection, rivals(update)?).await?;
                again.push(update);
            }
        }
        let reply = job.server.upsert(database, collection, &again).await?;
        self.count(&reply);
        if reply.duplicates.is_empty() {
            return Ok(());
        }
        Err(DatabaseError::rejected(format!("write into {database}.{collection}"), "documents with equal keys exist again and again")
            .with_hint("a unique index other than (station.station_id, timestamp) refuses the dataset, or someone else writes"))
    }

    fn count(&mut self, reply: &crate::mongo::WriteReply) {
        self.loaded.inserted += reply.upserted;
        self.loaded.replaced += reply.modified;
    }
}

fn push_upsert(batch: &mut Documents, document: &[u8]) {
    let id = find(document, b"_id").ok().flatten();
    batch.push_upsert(id.map(|id| id.whole).unwrap_or_default(), document);
}

/// The filter for documents that stand in the way of this update.
fn rivals(update: &[u8]) -> Result<bson::Document, DatabaseError> {
    let fault = |error: &dyn std::fmt::Display| DatabaseError::rejected("read a refused update", error.to_string());
    let update = bson::RawDocument::from_bytes(update).map_err(|error| fault(&error))?;
    let document: bson::Document = update.get_document("u").map_err(|error| fault(&error))?.try_into().map_err(|error| fault(&error))?;
    let station = document.get_document("station").ok().and_then(|station| station.get("station_id")).cloned();
    Ok(doc! {
        "station.station_id": station,
        "timestamp": document.get("timestamp").cloned(),
        "_id": {"$ne": document.get("_id").cloned()},
    })
}
