//! Several readings of one station and instant: the last one read stays, at its own place.
//!
//! A first pass finds out which instants repeat and how often. Only if some do, a second pass writes the file,
//! leaving out all but the last. Memory: one entry per repeated instant.

use std::collections::HashMap;

use super::seen::Seen;

/// What the second pass does with a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the only one of its instant.
    Only,
    /// A later one takes its place.
    Superseded,
    /// It takes the place of earlier ones.
    Last,
}

#[derive(Debug, Default)]
struct Instant {
    /// Readings still to come, this pass.
    left: u32,
    /// Content hashes of readings that gave way.
    earlier: Vec<u64>,
}

/// The repeated instants of a dataset.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    instants: HashMap<(u32, i64), Instant>,
}

impl Repeats {
    /// First pass: notes that an instant came again.
    pub fn note(&mut self, station: u32, instant: i64) {
        // One for the reading seen before, one for this.
        let entry = self.instants.entry((station, instant)).or_insert(Instant { left: 1, earlier: Vec::new() });
        entry.left += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.instants.is_empty()
    }

    /// Second pass: decides over the next reading of an instant.
    pub fn fate(&mut self, station: u32, instant: i64) -> Fate {
        match self.instants.get_mut(&(station, instant)) {
            None => Fate::Only,
            Some(entry) => {
                entry.left = entry.left.saturating_sub(1);
                if entry.left == 0 { Fate::Last } else { Fate::Superseded }
            }
        }
    }

    /// Second pass: a superseded reading's content.
    pub fn gave_way(&mut self, station: u32, instant: i64, content: u64) {
        if let Some(entry) = self.instants.get_mut(&(station, instant)) {
            entry.earlier.push(content);
        }
    }

    /// Second pass: the last reading's content; gives how many earlier ones were identical and how many differed.
    pub fn took_over(&mut self, station: u32, instant: i64, content: u64) -> (u64, u64) {
        let earlier = self.instants.remove(&(station, instant)).unwrap_or_default().earlier;
        let identical = earlier.iter().filter(|other| **other == content).count() as u64;
        (identical, earlier.len() as u64 - identical)
    }
}

/// What a pass knows of repeated readings.
#[derive(Debug)]
pub(super) enum Watch {
    /// All stay.
    Keep,
    /// First pass: looking for repeats.
    Look(Seen, Repeats),
    /// Second pass: acting on them.
    Act(Repeats),
}
