//! From the server to archive bytes: one namespace after the other, batches as the server sends them.

use bson::Timestamp;
use tokio::sync::mpsc;

use super::manifest::{CollectionRecord, Consistency};
use crate::archive::{FORMAT_VERSION, Namespace, Prelude, Writer, gzip};
use crate::document::SetDigest;
use crate::mongo::{CollectionInfo, CollectionKind, DatabaseError, Query, ScanBatch, Server, Snapshot, Topology};

/// What stands in archives as the version of the tool that wrote them. The tools parse it as a version.
const TOOL_VERSION: &str = "100.9.0";

/// What will be dumped, decided before the first document is read.
pub(super) struct Work {
    pub database: String,
    pub prelude: Prelude,
    pub namespaces: Vec<CollectionInfo>,
    pub records: Vec<CollectionRecord>,
    /// Documents in all, from the catalogue.
    pub expected: u64,
    pub snapshots: bool,
    pub server_version: String,
}

/// Reads the catalogue: which namespaces, with which options and indexes.
pub(super) async fn survey(server: &Server, database: &str, wished: &[String]) -> Result<Work, DatabaseError> {
    let about = server.describe().await?;
    let namespaces = choose(server, database, wished).await?;
    let (mut described, mut records, mut expected) = (Vec::new(), Vec::new(), 0);
    for info in &namespaces {
        if info.kind == CollectionKind::Collection {
            expected += server.count(database, &info.name, bson::Document::new()).await?;
        }
        let indexes = match info.kind {
            CollectionKind::View => Vec::new(),
            _ => server.indexes(database, &info.name).await?,
        };
        let kind = if info.kind == CollectionKind::View { "view" } else { "collection" };
        described.push(Namespace::describe(database, &info.name, kind, &info.options, &indexes, info.uuid.as_deref()));
        records.push(CollectionRecord {
            name: info.name.clone(),
            kind: kind.to_owned(),
            digest: SetDigest::default(),
            bytes: 0,
            crc64: String::new(),
            indexes: indexes.into_iter().map(|index| bson::Bson::Document(index).into_canonical_extjson()).collect(),
        });
    }
    let prelude = Prelude {
        concurrent_collections: 1,
        format_version: FORMAT_VERSION.to_owned(),
        server_version: about.version.clone(),
        tool_version: TOOL_VERSION.to_owned(),
        namespaces: described,
    };
    let snapshots = about.topology != Topology::Standalone;
    Ok(Work { database: database.to_owned(), prelude, namespaces, records, expected, snapshots, server_version: about.version })
}

async fn choose(server: &Server, database: &str, wished: &[String]) -> Result<Vec<CollectionInfo>, DatabaseError> {
    let doing = || format!("back up {database} on {}", server.name());
    let mut found = server.collections(database).await?;
    if wished.is_empty() {
        found.retain(|info| info.name != crate::import::SIDE_COLLECTION && !crate::restore::is_temporary(&info.name));
    } else {
        if let Some(absent) = wished.iter().find(|name| !found.iter().any(|info| info.name == **name)) {
            return Err(DatabaseError::rejected(doing(), format!("there is no collection {absent}"))
                .with_hint("run the import first, or correct the name"));
        }
        found.retain(|info| wished.contains(&info.name));
    }
    if found.is_empty() {
        return Err(DatabaseError::rejected(doing(), "it holds no collection: an empty backup would save nobody")
            .with_hint("run the import first, or restore the last backup into it"));
    }
    if let Some(series) = found.iter().find(|info| info.kind == CollectionKind::TimeSeries) {
        return Err(DatabaseError::rejected(doing(), format!("{} is a time series collection", series.name))
            .with_hint("time series are not backed up: name the other collections, or use mongodump for this one"));
    }
    Ok(found)
}

/// Reads every namespace and hands the archive on in pieces. The records are filled in.
pub(super) async fn pump(
    server: &Server,
    mut work: Work,
    pieces: mpsc::Sender<Vec<u8>>,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<(Vec<CollectionRecord>, Consistency), DatabaseError> {
    let (orders, inbox) = mpsc::channel(2);
    let prelude = work.prelude.clone();
    let scribe = tokio::task::spawn_blocking(move || write(inbox, &prelude, &pieces));
    let mut time: Option<Timestamp> = None;
    let mut fault = None;
    let (mut read, expected) = (0, work.expected);
    let mut told = |documents| {
        read += documents;
        progress(read, expected);
    };
    for index in 0..work.namespaces.len() {
        if let Err(error) = read_namespace(server, &work, index, &orders, &mut time, &mut told).await {
            fault = Some(error);
            break;
        }
    }
    if fault.is_none() {
        // A scribe that failed has hung up; its own error is told below.
        let _ = orders.send(Order::Finish).await;
    }
    drop(orders);
    let written = scribe.await.map_err(|error| DatabaseError::caused("write the archive", error))?;
    if let Some(error) = fault {
        return Err(error);
    }
    for (record, tally) in work.records.iter_mut().zip(written.map_err(|error| DatabaseError::caused("write the archive", error))?) {
        (record.digest, record.bytes, record.crc64) = (tally.digest, tally.bytes, format!("{:016x}", tally.crc));
    }
    let consistency = match time {
        Some(time) => Consistency::Snapshot { seconds: time.time, increment: time.increment },
        None => Consistency::NotASnapshot,
    };
    Ok((work.records, consistency))
}

async fn read_namespace(
    server: &Server,
    work: &Work,
    index: usize,
    orders: &mpsc::Sender<Order>,
    time: &mut Option<Timestamp>,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<(), DatabaseError> {
    let Some(info) = work.namespaces.get(index) else { return Ok(()) };
    let hung_up = |_| DatabaseError::rejected("write the archive", "the writer ended early");
    orders.send(Order::Begin(work.database.clone(), info.name.clone())).await.map_err(hung_up)?;
    if info.kind == CollectionKind::Collection {
        let snapshot = match (work.snapshots, *time) {
            (false, _) => None,
            (true, None) => Some(Snapshot::Latest),
            (true, Some(time)) => Some(Snapshot::At(time)),
        };
        let mut scan = server.scan(&work.database, &info.name, Query { snapshot, ..Query::default() }).await?;
        while let Some(batch) = scan.next().await {
            let batch = batch?;
            if work.snapshots {
                *time = time.or_else(|| batch.snapshot_time());
            }
            let documents = batch.documents()?.into_iter().count() as u64;
            orders.send(Order::Batch(batch)).await.map_err(hung_up)?;
            told(documents);
        }
    }
    orders.send(Order::End).await.map_err(hung_up)
}

/// What the scribe is told.
enum Order {
    Begin(String, String),
    Batch(ScanBatch),
    End,
    Finish,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    digest: SetDigest,
    bytes: u64,
    crc: u64,
}

/// Writes the archive and cuts it into pieces for compression. Without `Finish` the last piece is kept back.
fn write(mut inbox: mpsc::Receiver<Order>, prelude: &Prelude, pieces: &mpsc::Sender<Vec<u8>>) -> std::io::Result<Vec<Tally>> {
    let mut writer = Writer::new(Vec::with_capacity(2 * gzip::MEMBER), prelude)?;
    let (mut tallies, mut tally) = (Vec::new(), Tally::default());
    while let Some(order) = inbox.blocking_recv() {
        match order {
            Order::Begin(database, collection) => writer.begin(&database, &collection)?,
            Order::Batch(batch) => {
                for document in batch.slices().map_err(std::io::Error::other)? {
                    let document = document.map_err(std::io::Error::other)?;
                    tally.digest.add(document);
                    tally.bytes += document.len() as u64;
                    writer.documents(document)?;
                    cut(&mut writer, pieces, gzip::MEMBER)?;
                }
            }
            Order::End => {
                tally.crc = writer.end()?;
                tallies.push(std::mem::take(&mut tally));
            }
            Order::Finish => {
                cut(&mut writer, pieces, 1)?;
                return Ok(tallies);
            }
        }
    }
    Err(std::io::Error::other("reading the collections failed"))
}

fn cut(writer: &mut Writer<Vec<u8>>, pieces: &mpsc::Sender<Vec<u8>>, enough: usize) -> std::io::Result<()> {
    if writer.sink().len() < enough {
        return Ok(());
    }
    let piece = std::mem::replace(writer.sink(), Vec::with_capacity(gzip::MEMBER + (64 << 10)));
    pieces.blocking_send(piece).map_err(|_| std::io::Error::other("the upload failed"))
}
