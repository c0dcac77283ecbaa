//! One pass over everything: parse in parallel, resolve in order, write in parallel, append in order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::task::JoinHandle;
use twox_hash::XxHash3_64;

use super::body::Form;
use super::input::{self, Progress, RawBlock};
use super::output::{Made, Sink};
use super::pad::{Leaf, Pad};
use super::repeats::{Fate, Repeats, Watch};
use super::seen::Seen;
use super::spec::{Duplicates, Fill, Plan, TransformSpec};
use super::standing::Listing;
use super::table::Rows;
use crate::clock::Clock;
use crate::decimal::{Decimal, Linear};
use crate::document::SetDigest;
use crate::fault::Fault;
use crate::read::{Block, Corrections};
use crate::reading::{Field, NULL, Reading, Stamps, When};
use crate::station::Station;
use crate::store::SharedStore;

/// Objects that are read ahead at the same time.
const OBJECTS_IN_FLIGHT: usize = 4;
const DAY: i64 = 86_400;

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

/// What a source remembers from row to row.
struct Memory {
    clock: Option<Clock>,
    counter: Option<Decimal>,
}

/// Readings that know their instants, ready to be written.
struct Resolved {
    stations: Vec<(Arc<Station>, u32)>,
    readings: Vec<Reading>,
    /// One per reading; empty where all are [`Fate::Only`].
    fates: Vec<Fate>,
}

/// The text of a block of documents and what was counted while writing it.
pub(super) struct Written {
    pub text: Leaf,
    /// The same documents as rows, for a table; the text is then left out.
    pub rows: Rows,
    pub documents: u64,
    pub digests: Vec<(Arc<Station>, i64, SetDigest)>,
    /// Station, instant, content and fate of readings whose instant repeats.
    contents: Vec<(u32, i64, u64, Fate)>,
}

impl Work<'_> {
    /// Runs one pass, or two where instants repeat.
    pub async fn run(&self) -> Result<Made, Fault> {
        let first = match self.spec.duplicates {
            Duplicates::Keep => Watch::Keep,
            Duplicates::Last => Watch::Look(Seen::default(), Repeats::default()),
        };
        let mut pass = Pass::new(self, first).await?;
        pass.all().await?;
        if let Watch::Look(_, repeats) = &mut pass.watch
            && !repeats.is_empty()
        {
            let repeats = std::mem::take(repeats);
            pass.sink.abort().await?;
            pass = Pass { stations: std::mem::take(&mut pass.stations), ..Pass::new(self, Watch::Act(repeats)).await? };
            pass.all().await?;
        }
        pass.sink.finish(self.spec.allow_empty).await
    }
}

/// A block being read.
struct Parsing {
    source: usize,
    key: String,
    stored: u64,
    /// Whether an object begins with it.
    first: bool,
    block: JoinHandle<Block>,
}

struct Pass<'a> {
    work: &'a Work<'a>,
    watch: Watch,
    sink: Sink,
    stations: HashMap<String, u32>,
    parsing: VecDeque<Parsing>,
    writing: VecDeque<(u64, JoinHandle<Written>)>,
    pad: Pad,
    memories: Vec<Memory>,
    bytes_done: u64,
    /// Lines of the object under way that were resolved.
    lines: u64,
    depth: usize,
}

impl<'a> Pass<'a> {
    async fn new(work: &'a Work<'a>, watch: Watch) -> Result<Pass<'a>, Fault> {
        let sink = Sink::open(work.store, work.spec, work.inputs_digest).await?;
        let memories =
            work.plan.iter().map(|plan| Memory { clock: plan.zone.map(|zone| Clock::new(zone, plan.start)), counter: None }).collect();
        let depth = std::thread::available_parallelism().map_or(2, usize::from);
        let (parsing, writing, pad) = (VecDeque::new(), VecDeque::new(), Pad::default());
        Ok(Pass { work, watch, sink, stations: HashMap::new(), parsing, writing, pad, memories, bytes_done: 0, lines: 0, depth })
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
                ahead.push_back(input::open(work.store, &next.key));
            }
            let Some(mut blocks) = ahead.pop_front() else { break };
            let corrections = self.work.corrections.get(&object.key);
            // Corrections go by number, so lines must be counted before they are read; else they are numbered afterwards.
            let mut number = corrections.map(|_| 1);
            let mut first = true;
            while let Some(block) = blocks.recv().await {
                let block = block?;
                let lines = number.map(|_| memchr::memchr_iter(b'\n', block.text()).count() as u64);
                self.parse(source, &object.key, block, first, number.unwrap_or(1)).await?;
                number = number.zip(lines).map(|(number, lines)| number + lines);
                first = false;
            }
        }
        while !self.parsing.is_empty() {
            self.resolve_next().await?;
        }
        while !self.writing.is_empty() {
            self.append_next().await?;
        }
        Ok(())
    }

    async fn parse(&mut self, source: usize, key: &str, raw: RawBlock, first: bool, number: u64) -> Result<(), Fault> {
        let Some(plan) = self.work.plan.get(source) else { return Ok(()) };
        let contract = Arc::clone(&plan.contract);
        let corrections = self.work.corrections.get(key).cloned();
        let stored = raw.stored;
        let block = tokio::task::spawn_blocking(move || Block::read(&contract, corrections.as_deref(), raw.text(), number));
        self.parsing.push_back(Parsing { source, key: key.to_owned(), stored, first, block });
        if self.parsing.len() >= self.depth { self.resolve_next().await } else { Ok(()) }
    }

    async fn resolve_next(&mut self) -> Result<(), Fault> {
        let Some(Parsing { source, key, stored, first, block }) = self.parsing.pop_front() else { return Ok(()) };
        let mut block = block.await.map_err(|error| Fault::new(format!("read {key}")).because(error))?;
        self.number(&key, first, &mut block);
        let readings = std::mem::take(&mut block.readings);
        let resolved = self.resolve(source, &block.stations, readings)?;
        self.sink.note(&key, block).await?;
        if self.spoiled() {
            // This pass only finds the remaining repeats; the next one writes.
            self.bytes_done += stored;
            return Ok(());
        }
        let form = self.sink.form();
        let page = self.pad.leaf();
        self.writing.push_back((stored, tokio::task::spawn_blocking(move || resolved.write(form, page))));
        if self.writing.len() >= self.depth { self.append_next().await } else { Ok(()) }
    }

    /// Numbers the lines of rejects through the whole object, where the block could only count from its own beginning.
    fn number(&mut self, key: &str, first: bool, block: &mut Block) {
        let before = if first { 0 } else { self.lines };
        self.lines = before + block.lines;
        if !self.work.corrections.contains_key(key) {
            block.rejects.iter_mut().for_each(|reject| reject.line += before);
        }
    }

    fn spoiled(&self) -> bool {
        matches!(&self.watch, Watch::Look(_, repeats) if !repeats.is_empty())
    }

    /// Gives every reading its instant, its rain since the row before, and its fate.
    fn resolve(&mut self, source: usize, stations: &[Arc<Station>], mut readings: Vec<Reading>) -> Result<Resolved, Fault> {
        let missing = self.work.spec.missing;
        let mut known = Vec::with_capacity(stations.len());
        for station in stations {
            let next = u32::try_from(self.stations.len()).unwrap_or(u32::MAX);
            let number = match self.stations.get(&station.id) {
                Some(number) => *number,
                None => *self.stations.entry(station.id.clone()).or_insert(next),
            };
            known.push((Arc::clone(station), number));
        }
        let mut fates = Vec::new();
        let Some(memory) = self.memories.get_mut(source) else { return Ok(Resolved { stations: known, readings: Vec::new(), fates }) };
        for reading in &mut readings {
            let Some((_, station)) = known.get(reading.station as usize) else { continue };
            let instant = memory.instant(reading.when).ok_or_else(|| undated(self.work.spec, source))?;
            reading.when = When::Utc(instant);
            memory.rain(reading);
            if missing.precip_mm == Fill::Zero {
                reading.values.zero_if_null(Field::PrecipMm);
            }
            if missing.snow_cm == Fill::Zero {
                reading.values.zero_if_null(Field::SnowCm);
            }
            match &mut self.watch {
                Watch::Keep => {}
                Watch::Look(seen, repeats) => {
                    if !seen.insert(*station, instant) {
                        repeats.note(*station, instant);
                    }
                }
                Watch::Act(repeats) => fates.push(repeats.fate(*station, instant)),
            }
        }
        Ok(Resolved { stations: known, readings, fates })
    }

    async fn append_next(&mut self) -> Result<(), Fault> {
        let Some((stored, written)) = self.writing.pop_front() else { return Ok(()) };
        let written = written.await.map_err(|error| Fault::new("write documents").because(error))?;
        self.bytes_done += stored;
        if let Watch::Act(repeats) = &mut self.watch {
            for (station, instant, content, fate) in &written.contents {
                match fate {
                    Fate::Only => {}
                    Fate::Superseded(left) => repeats.gave_way(*station, *instant, *content, *left),
                    Fate::Last => {
                        let (identical, differing) = repeats.took_over(*station, *instant, *content);
                        self.sink.superseded(identical, differing);
                    }
                }
            }
        }
        self.sink.append(written).await?;
        (self.work.progress)(Progress {
            bytes_done: self.bytes_done,
            bytes_total: self.work.listing.bytes(),
            documents: self.sink.documents(),
        });
        Ok(())
    }
}

impl Memory {
    fn instant(&mut self, when: When) -> Option<i64> {
        match when {
            When::Utc(instant) => Some(instant),
            When::Local { day, second } => self.clock.as_mut()?.instant(day, second),
        }
    }

    /// Rain since the last known counter; a lower counter was reset and counts itself.
    fn rain(&mut self, reading: &mut Reading) {
        let Some(now) = reading.counter else { return };
        if let Some(before) = self.counter.replace(now) {
            let fallen = now.minus(before).map(|fallen| if fallen.mantissa < 0 { now } else { fallen });
            let rounded = fallen.and_then(|fallen| fallen.hundredths(Linear::SAME));
            reading.values.set(Field::PrecipMm, rounded.unwrap_or(NULL));
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

impl Resolved {
    fn write(self, form: Form, mut leaf: Leaf) -> Written {
        let page = leaf.page();
        if form != Form::Table {
            let head = self.stations.iter().map(|(station, _)| station.head.len()).max().unwrap_or_default();
            // What the measurements of a full row take; a page that is too small grows.
            page.room(self.readings.len() * (head + 352));
        }
        let mut rows = Rows::default();
        let mut stamps = Stamps::default();
        let mut fates = self.fates.iter();
        let (mut documents, mut digests, mut contents) = (0, Vec::new(), Vec::new());
        for reading in self.readings {
            let fate = *fates.next().unwrap_or(&Fate::Only);
            let (Some((station, number)), When::Utc(instant)) = (self.stations.get(reading.station as usize), reading.when) else {
                continue;
            };
            let begin = page.length();
            if form == Form::Array {
                page.push(b",\n");
            }
            let first = page.length();
            reading.write(station, stamps.at(instant), page);
            if fate != Fate::Only {
                contents.push((*number, instant, XxHash3_64::oneshot(page.since(first)), fate));
            }
            if matches!(fate, Fate::Superseded(_)) {
                page.truncate(begin);
                continue;
            }
            documents += 1;
            count(&mut digests, station, instant.div_euclid(DAY), page.since(first));
            match form {
                Form::Array => {}
                Form::Lines => page.push(b"\n"),
                Form::Table => {
                    // The text was wanted for its digest alone.
                    page.truncate(begin);
                    rows.rows.push((Arc::clone(station), reading));
                }
            }
        }
        Written { text: leaf, rows, documents, digests, contents }
    }
}

fn count(digests: &mut Vec<(Arc<Station>, i64, SetDigest)>, station: &Arc<Station>, day: i64, document: &[u8]) {
    match digests.last_mut() {
        Some((last, last_day, digest)) if *last_day == day && Arc::ptr_eq(last, station) => digest.add(document),
        _ => {
            let mut digest = SetDigest::default();
            digest.add(document);
            digests.push((Arc::clone(station), day, digest));
        }
    }
}
