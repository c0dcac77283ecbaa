//! Filling temporary collections from the archive, several batches at once, and putting them in place.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::plan::{Planned, refuse_overwriting};
use super::{Progress, RestoreSpec};
use crate::archive::{ArchiveError, Piece};
use crate::backup::{EncryptionKey, documents, key_for, open_archive, spool};
use crate::document::SetDigest;
use crate::mongo::{CollectionKind, DatabaseError, Documents, Query, Server};
use crate::store::Store;

/// Bytes of documents in one batch.
const BATCH: usize = 1 << 20;

const TEMPORARY: &str = "meteoctl_restore.";

/// Name under which a collection is filled.
fn temporary(name: &str) -> String {
    format!("{TEMPORARY}{name}")
}

/// Whether a collection is the remains of a restore that was killed.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY)
}

/// Everything from the first write to the last rename. Safe to start again; what is given up for good leaves nothing behind.
pub(super) async fn fill(
    server: &Server,
    spec: &RestoreSpec,
    store: &dyn Store,
    planned: &[Planned],
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), DatabaseError> {
    let collections: Vec<&Planned> = planned.iter().filter(|one| !one.view).collect();
    let outcome = prepare(server, spec, store, planned, progress).await;
    if outcome.as_ref().is_err_and(|error| !error.transient) {
        for one in collections {
            if let Err(error) = server.drop_collection(&one.database, &temporary(&one.name)).await {
                tracing::warn!(collection = temporary(&one.name), error = %error.story(), "what a failed restore left could not be removed");
            }
        }
    }
    outcome
}

async fn prepare(
    server: &Server,
    spec: &RestoreSpec,
    store: &dyn Store,
    planned: &[Planned],
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), DatabaseError> {
    let collections: Vec<&Planned> = planned.iter().filter(|one| !one.view).collect();
    for one in &collections {
        server.drop_collection(&one.database, &temporary(&one.name)).await?;
        server.create(&one.database, &temporary(&one.name), &one.options).await?;
    }
    pour(server, spec, store, &collections, progress).await?;
    progress(Progress::Indexing);
    for one in &collections {
        server.create_indexes(&one.database, &temporary(&one.name), one.indexes.clone()).await?;
    }
    progress(Progress::Comparing);
    for one in &collections {
        compare(server, one).await?;
    }
    if !spec.replace {
        refuse_newcomers(server, planned).await?;
    }
    for one in planned {
        put_in_place(server, one).await?;
    }
    Ok(())
}

/// Looks once more right before the renames: somebody may have begun to write there while the archive was poured.
async fn refuse_newcomers(server: &Server, planned: &[Planned]) -> Result<(), DatabaseError> {
    for one in planned {
        if let Err(refused) = refuse_overwriting(server, std::slice::from_ref(one)).await {
            // After a failover in the middle of the renames it is what we put there ourselves.
            let ours = match one.view {
                true => server.collection(&one.database, &one.name).await?.is_some_and(|info| info.options == one.options),
                false => digest(server, &one.database, &one.name).await? == one.digest,
            };
            if !ours {
                return Err(refused);
            }
        }
    }
    Ok(())
}

async fn put_in_place(server: &Server, one: &Planned) -> Result<(), DatabaseError> {
    let there = server.collection(&one.database, &one.name).await?;
    let collection = there.is_some_and(|info| info.kind == CollectionKind::Collection);
    if one.view || !collection {
        // A rename takes the place of a collection in one step, but not of a view.
        server.drop_collection(&one.database, &one.name).await?;
    }
    match one.view {
        true => server.create(&one.database, &one.name, &one.options).await,
        false => server.rename(&one.database, &temporary(&one.name), &one.name).await,
    }
}

/// Reads the filled collection back: the same documents, byte for byte, in any order.
async fn compare(server: &Server, one: &Planned) -> Result<(), DatabaseError> {
    let digest = digest(server, &one.database, &temporary(&one.name)).await?;
    if digest == one.digest {
        return Ok(());
    }
    let why = format!("{digest} were restored, the archive holds {}", one.digest);
    Err(DatabaseError::rejected(format!("verify the restored {}.{}", one.database, one.name), why)
        .with_hint("the target is as it was before; documents with equal _id in the archive, or another writer, would explain it"))
}

async fn digest(server: &Server, database: &str, name: &str) -> Result<SetDigest, DatabaseError> {
    let mut digest = SetDigest::default();
    let mut scan = server.scan(database, name, Query::default()).await?;
    while let Some(batch) = scan.next().await {
        for document in batch?.slices()? {
            digest.add(document?);
        }
    }
    Ok(digest)
}

/// One batch of documents for the collection with this place in the plan.
struct Batch {
    target: usize,
    bytes: Vec<u8>,
}

struct Job {
    server: Server,
    targets: Vec<(String, String)>,
    batches: Mutex<mpsc::Receiver<Batch>>,
    written: AtomicU64,
}

async fn pour(
    server: &Server,
    spec: &RestoreSpec,
    store: &dyn Store,
    collections: &[&Planned],
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), DatabaseError> {
    // A capped collection keeps the order of insertion, so its batches go one after the other.
    let capped = collections.iter().any(|one| one.options.get_bool("capped").unwrap_or(false));
    let workers = if capped { 1 } else { spec.connections.clamp(1, 16) };
    let (sender, receiver) = mpsc::channel(workers);
    let job = Arc::new(Job {
        server: server.clone(),
        targets: collections.iter().map(|one| (one.database.clone(), temporary(&one.name))).collect(),
        batches: Mutex::new(receiver),
        written: AtomicU64::new(0),
    });
    let places: HashMap<(String, String), usize> =
        collections.iter().enumerate().map(|(at, one)| ((one.from_database.clone(), one.name.clone()), at)).collect();
    let mut running: JoinSet<_> = (0..workers).map(|_| insert_batches(job.clone())).collect();
    let key = key_for(&spec.key, spec.encryption.as_ref())?;
    let (source, feeding) = spool(store, &spec.key, &|_| ()).await?;
    let parsing = tokio::task::spawn_blocking(move || parse(source, key.as_ref(), &places, &sender));
    let total = collections.iter().map(|one| one.digest.count).sum();
    let telling = tell(&job.written, total, progress);
    tokio::select! {
        () = feeding => {}
        () = telling => {}
    }
    let parsed = parsing.await.map_err(|error| DatabaseError::caused("read the archive", error))?;
    while let Some(worker) = running.join_next().await {
        worker.map_err(|error| DatabaseError::caused("restore documents", error))??;
    }
    progress(Progress::Filling { done: job.written.load(Ordering::Relaxed), total });
    parsed.map_err(|error| DatabaseError::caused(format!("read {}/{}", store.name(), spec.key), error))
}

/// Tells how far it is, once a second, for as long as it is polled.
async fn tell(written: &AtomicU64, total: u64, progress: &(dyn Fn(Progress) + Send + Sync)) {
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        progress(Progress::Filling { done: written.load(Ordering::Relaxed), total });
    }
}

fn parse(
    source: impl Read,
    key: Option<&EncryptionKey>,
    places: &HashMap<(String, String), usize>,
    sender: &mpsc::Sender<Batch>,
) -> Result<(), ArchiveError> {
    let (_, mut reader) = open_archive(source, key)?;
    let mut bytes = Vec::with_capacity(BATCH + BATCH / 4);
    while let Some(piece) = reader.next(&mut bytes, BATCH)? {
        let Piece::Documents(index) = piece else { continue };
        let place = reader.namespace(index).and_then(|(database, name)| places.get(&(database.to_owned(), name.to_owned())));
        if let Some(target) = place {
            let full = std::mem::replace(&mut bytes, Vec::with_capacity(BATCH + BATCH / 4));
            // Nobody listening means that the workers failed; their own error is told.
            if sender.blocking_send(Batch { target: *target, bytes: full }).is_err() {
                return Ok(());
            }
        }
        bytes.clear();
    }
    Ok(())
}

async fn insert_batches(job: Arc<Job>) -> Result<(), DatabaseError> {
    loop {
        let batch = job.batches.lock().await.recv().await;
        let Some(batch) = batch else { return Ok(()) };
        let Some((database, collection)) = job.targets.get(batch.target) else { continue };
        let mut inserts = Documents::with_capacity(batch.bytes.len() + batch.bytes.len() / 16);
        for document in documents(&batch.bytes) {
            inserts.push(document);
        }
        // Keys that exist are our own, from a batch sent again after a failover; the comparison at the end is the judge.
        job.server.insert_unvalidated(database, collection, &inserts).await?;
        job.written.fetch_add(inserts.len() as u64, Ordering::Relaxed);
    }
}
