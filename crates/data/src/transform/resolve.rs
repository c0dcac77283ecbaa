//! What happens to a block between its text and its documents, in one job: read, resolve in its turn, write.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::body::Form;
use super::input::RawBlock;
use super::local::Piece;
use super::pad::{Leaf, Pad};
use super::repeats::{Fate, Repeats, Watch};
use super::spec::{Fill, MissingFill, Plan};
use super::table::Rows;
use super::turns::Ticket;
use crate::clock::Clock;
use crate::decimal::{Decimal, Linear};
use crate::document::SetDigest;
use crate::fault::Fault;
use crate::read::{Block, Contract, Corrections};
use crate::reading::{Field, NULL, Reading, When};
use crate::station::Station;
use crate::timestamp::Stamps;

const DAY: i64 = 86_400;

/// Raw text, or where it lies.
#[derive(Debug)]
pub(super) enum Raw {
    Here(RawBlock),
    There(Piece),
}

impl Raw {
    /// Bytes of the object in it, as stored.
    pub fn stored(&self) -> u64 {
        match self {
            Raw::Here(block) => block.stored,
            Raw::There(piece) => piece.stored(),
        }
    }

    /// Its lines, counted only where that is wanted and the text is here.
    pub fn lines_if(&self, wanted: bool) -> u64 {
        match self {
            Raw::Here(block) if wanted => memchr::memchr_iter(b'\n', &block.text).count() as u64,
            Raw::Here(_) | Raw::There(_) => 0,
        }
    }
}

/// A block to be made into documents.
pub(super) struct Job {
    pub raw: Raw,
    pub source: usize,
    pub contract: Arc<Contract>,
    pub corrections: Option<Arc<Corrections>>,
    /// Whether an object begins with it.
    pub first: bool,
    /// Number of its first line in the object, where lines were counted ahead; else rejects are numbered in its turn.
    pub number: Option<u64>,
    pub form: Form,
    pub pad: Pad,
    pub turn: Ticket<Order>,
}

/// Why a job gave no documents.
#[derive(Debug)]
pub(super) enum Undone {
    /// Reading failed.
    Read(Fault),
    /// A row has neither a day nor a clock that knows it.
    Undated,
    /// A job before it was lost.
    Lost,
}

/// What goes from row to row through everything that is read.
pub(super) struct Order {
    memories: Vec<Memory>,
    pub watch: Watch,
    pub stations: HashMap<String, u32>,
    missing: MissingFill,
    /// Lines of the object under way.
    lines: u64,
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

/// The text of a block of documents and what was counted on the way.
pub(super) struct Written {
    /// What the raw text said, its readings taken out.
    pub block: Block,
    pub text: Leaf,
    /// The same documents as rows, for a table; the text is then left out.
    pub rows: Rows,
    pub documents: u64,
    pub digests: Vec<(Arc<Station>, i64, SetDigest)>,
    /// Station, instant, content and fate of readings whose instant repeats.
    contents: Vec<(u32, i64, u64, Fate)>,
}

impl Job {
    /// Does all of it on one thread, so that nothing has to move between processors.
    pub fn run(self) -> Result<Written, Undone> {
        let read = |text: &[u8]| Block::read(&self.contract, self.corrections.as_deref(), text, self.number.unwrap_or(1));
        let mut block = match &self.raw {
            Raw::Here(raw) => read(&raw.text),
            Raw::There(piece) => {
                let mut leaf = self.pad.leaf();
                let lines = piece.read(&mut leaf).map_err(Undone::Read)?;
                read(leaf.as_ref().get(lines).unwrap_or_default())
            }
        };
        let resolved = self.turn.take(|order| {
            order.number(self.first, self.number.is_some(), &mut block);
            order.resolve(self.source, &mut block)
        });
        let resolved = resolved.ok_or(Undone::Lost)?.ok_or(Undone::Undated)?;
        Ok(resolved.write(self.form, self.pad.leaf(), block))
    }
}

impl Order {
    pub fn new(plan: &[Plan], watch: Watch, missing: MissingFill, stations: HashMap<String, u32>) -> Order {
        let memories =
            plan.iter().map(|plan| Memory { clock: plan.zone.map(|zone| Clock::new(zone, plan.start)), counter: None }).collect();
        Order { memories, watch, stations, missing, lines: 0 }
    }

    /// Whether this pass only finds the remaining repeats; the next one writes.
    fn spoiled(&self) -> bool {
        matches!(&self.watch, Watch::Look(_, repeats) if !repeats.is_empty())
    }

    /// Numbers the lines of rejects through the whole object, where the block could only count from its own beginning.
    fn number(&mut self, first: bool, numbered: bool, block: &mut Block) {
        let before = if first { 0 } else { self.lines };
        self.lines = before + block.lines;
        if !numbered {
            block.rejects.iter_mut().for_each(|reject| reject.line += before);
        }
    }

    /// Gives every reading its instant, its rain since the row before, and its fate. `None` where a day is missing.
    fn resolve(&mut self, source: usize, block: &mut Block) -> Option<Resolved> {
        let mut readings = std::mem::take(&mut block.readings);
        let mut known = Vec::with_capacity(block.stations.len());
        for station in &block.stations {
            let next = u32::try_from(self.stations.len()).unwrap_or(u32::MAX);
            let number = match self.stations.get(&station.id) {
                Some(number) => *number,
                None => *self.stations.entry(station.id.clone()).or_insert(next),
            };
            known.push((Arc::clone(station), number));
        }
        let mut fates = Vec::new();
        let memory = self.memories.get_mut(source)?;
        for reading in &mut readings {
            let Some((_, station)) = known.get(reading.station as usize) else { continue };
            let instant = memory.instant(reading.when)?;
            reading.when = When::Utc(instant);
            memory.rain(reading);
            if self.missing.precip_mm == Fill::Zero {
                reading.values.zero_if_null(Field::PrecipMm);
            }
            if self.missing.snow_cm == Fill::Zero {
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
        if self.spoiled() {
            readings.clear();
        }
        Some(Resolved { stations: known, readings, fates })
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

impl Resolved {
    /// Writes the documents of a block.
    fn write(self, form: Form, mut leaf: Leaf, block: Block) -> Written {
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
                contents.push((*number, instant, xxh3_64(page.since(first)), fate));
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
        Written { block, text: leaf, rows, documents, digests, contents }
    }
}

impl Written {
    /// Tells the repeats what became of readings whose instant repeats; gives how many earlier ones were identical to the last
    /// and how many differed.
    pub fn settle(&self, repeats: &mut Repeats) -> (u64, u64) {
        let mut sum = (0, 0);
        for (station, instant, content, fate) in &self.contents {
            match fate {
                Fate::Only => {}
                Fate::Superseded(left) => repeats.gave_way(*station, *instant, *content, *left),
                Fate::Last => {
                    let (identical, differing) = repeats.took_over(*station, *instant, *content);
                    sum = (sum.0 + identical, sum.1 + differing);
                }
            }
        }
        sum
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
