//! One pass over everything: jobs that run side by side make blocks of documents, which are appended in order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use super::input::{self, Progress};
use super::local::{self, Pieces};
use super::output::{Made, Sink};
use super::pad::Pad;
use super::repeats::{Repeats, Watch};
use super::resolve::{Job, Order, Raw, Undone, Written};
use super::seen::Seen;
use super::spec::{Duplicates, Plan, TransformSpec};
use super::standing::Listing;
use super::turns::Turns;
use crate::fault::Fault;
use crate::read::Corrections;
use crate::store::SharedStore;

/// Objects that are read ahead at the same time.
const OBJECTS_IN_FLIGHT: usize = 4;

/// Everything a pass works with.
pub(super) struct Work<'a> {
    pub store: &'a SharedStore,
    pub spec: &'a TransformSpec,
    pub plan: &'a [Plan],
    pub listing: &'a Listing,
    pub corrections: &'a HashMap<String, Arc<Corrections>>,
    pub inputs_digest: &'a str,
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

impl Work<'_> {
    /// Runs one pass, or two where instants repeat.
    pub async fn run(&self) -> Result<Made, Fault> {
        let first = match self.spec.duplicates {
            Duplicates::Keep => Watch::Keep,
            Duplicates::Last => Watch::Look(Seen::default(), Repeats::default()),
        };
        let mut pass = Pass::new(self, first, HashMap::new()).await?;
        pass.all().await?;
        let (repeats, stations) = pass.turns.between(|order| (order.watch.found(), std::mem::take(&mut order.stations)));
        if let Some(repeats) = repeats {
            pass.sink.abort().await?;
            pass = Pass::new(self, Watch::Act(repeats), stations).await?;
            pass.all().await?;
        }
        pass.sink.finish(self.spec.allow_empty).await
    }

    async fn open(&self, key: &str) -> Result<Pile, Fault> {
        let local = self.store.local(key).filter(|_| !self.corrections.contains_key(key));
        if let Some(path) = local {
            let owned = key.to_owned();
            let opened = spawn_blocking(move || local::open(&path, &owned, input::BLOCK)).await;
            // Whatever is wrong with the file, the store has the better words for it.
            if let Ok(Ok(Some(pieces))) = opened {
                return Ok(Pile::Local(pieces));
            }
        }
        Ok(Pile::Streamed(input::open(self.store, key)))
    }
}

/// A job under way.
struct UnderWay {
    source: usize,
    key: String,
    stored: u64,
    job: JoinHandle<Result<Written, Undone>>,
}

/// The raw text of an object, piece by piece.
enum Pile {
    Streamed(tokio::sync::mpsc::Receiver<Result<input::RawBlock, Fault>>),
    Local(Pieces),
}

struct Pass<'a> {
    work: &'a Work<'a>,
    sink: Sink,
    turns: Turns<Order>,
    jobs: VecDeque<UnderWay>,
    pad: Pad,
    bytes_done: u64,
    depth: usize,
}

impl<'a> Pass<'a> {
    async fn new(work: &'a Work<'a>, watch: Watch, stations: HashMap<String, u32>) -> Result<Pass<'a>, Fault> {
        let sink = Sink::open(work.store, work.spec, work.inputs_digest).await?;
        let turns = Turns::new(Order::new(work.plan, watch, work.spec.missing, stations));
        // One more than there are processors: while one waits for its turn, another works.
        let depth = std::thread::available_parallelism().map_or(2, usize::from) + 1;
        Ok(Pass { work, sink, turns, jobs: VecDeque::new(), pad: Pad::default(), bytes_done: 0, depth })
    }

    async fn all(&mut self) -> Result<(), Fault> {
        let work = self.work;
        let mut ahead = VecDeque::new();
        // A list, not a chain of closures: a future that holds one across an await cannot be sent between threads.
        let mut objects = Vec::new();
        for (source, found) in work.listing.objects.iter().enumerate() {
            for object in found {
                objects.push((source, object));
            }
        }
        let mut to_open = objects.iter();
        for (source, object) in objects.iter().copied() {
            while ahead.len() < OBJECTS_IN_FLIGHT
                && let Some((_, next)) = to_open.next()
            {
                ahead.push_back(work.open(&next.key).await?);
            }
            let Some(mut pile) = ahead.pop_front() else { break };
            let corrections = work.corrections.get(&object.key);
            // Corrections go by number, so lines must be counted before they are read.
            let mut number = corrections.map(|_| 1);
            let mut first = true;
            while let Some(raw) = pile.next().await? {
                let lines = raw.lines_if(number.is_some());
                self.start(source, &object.key, raw, first, number).await?;
                number = number.map(|number| number + lines);
                first = false;
            }
        }
        while !self.jobs.is_empty() {
            self.append_next().await?;
        }
        Ok(())
    }

    async fn start(&mut self, source: usize, key: &str, raw: Raw, first: bool, number: Option<u64>) -> Result<(), Fault> {
        let Some(plan) = self.work.plan.get(source) else { return Ok(()) };
        let stored = raw.stored();
        let job = Job {
            raw,
            source,
            contract: Arc::clone(&plan.contract),
            corrections: self.work.corrections.get(key).cloned(),
            first,
            number,
            form: self.sink.form(),
            pad: self.pad.clone(),
            turn: self.turns.ticket(),
        };
        self.jobs.push_back(UnderWay { source, key: key.to_owned(), stored, job: spawn_blocking(move || job.run()) });
        if self.jobs.len() >= self.depth { self.append_next().await } else { Ok(()) }
    }

    async fn append_next(&mut self) -> Result<(), Fault> {
        let Some(UnderWay { source, key, stored, job }) = self.jobs.pop_front() else { return Ok(()) };
        let lost = || Fault::new(format!("read {key}"));
        let mut written = match job.await.map_err(|error| lost().because(error))? {
            Ok(written) => written,
            Err(Undone::Read(fault)) => return Err(fault),
            Err(Undone::Undated) => return Err(undated(self.work.spec, source)),
            Err(Undone::Lost) => return Err(lost()),
        };
        self.bytes_done += stored;
        let (identical, differing) = self.turns.between(|order| match &mut order.watch {
            Watch::Act(repeats) => written.settle(repeats),
            Watch::Keep | Watch::Look(..) => (0, 0),
        });
        self.sink.superseded(identical, differing);
        self.sink.note(&key, std::mem::take(&mut written.block)).await?;
        self.sink.append(written).await?;
        (self.work.progress)(Progress {
            bytes_done: self.bytes_done,
            bytes_total: self.work.listing.bytes(),
            documents: self.sink.documents(),
        });
        Ok(())
    }
}

impl Pile {
    async fn next(&mut self) -> Result<Option<Raw>, Fault> {
        match self {
            Pile::Streamed(blocks) => Ok(blocks.recv().await.transpose()?.map(Raw::Here)),
            Pile::Local(pieces) => Ok(pieces.next().map(Raw::There)),
        }
    }
}

fn undated(spec: &TransformSpec, source: usize) -> Fault {
    let source = spec.sources.get(source);
    let name = source.map_or("", |source| source.name.as_str());
    let (lacks, hint) = match source.and_then(|source| source.timezone.as_ref()) {
        None => ("time zone", "add timezone: Europe/Paris (or wherever the station stands)"),
        Some(_) => ("start date", "add startDate: the day of the first row"),
    };
    Fault::new(format!("read source {name}: its rows carry a local time only and the source declares no {lacks}")).hint(hint)
}
