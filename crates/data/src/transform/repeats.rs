//! Several readings of one station and instant: the last one read stays, at its own place.
//!
//! A first pass finds out which instants repeat and how often. Only if some do, a second pass writes the file,
//! leaving out all but the last. Memory: four bytes per repeated instant and four per reading that gives way, for
//! instants read up to [`USUAL`] times, which is what a connector does that delivers whole files again.

use std::collections::HashMap;

use super::calendar::{Calendar, DAY};
use super::seen::Seen;

/// Up to so many readings of one instant are kept in the compact form.
const USUAL: u32 = 4;
/// Stands for the count of an instant that is kept in [`Repeats::often`].
const OFTEN: u32 = 0xff;

/// What the second pass does with a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the only one of its instant.
    Only,
    /// As many later ones as it says come; the last of them takes its place.
    Superseded(u32),
    /// It takes the place of earlier ones.
    Last,
}

/// The repeated instants of a dataset.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    days: Calendar<Day>,
    often: HashMap<(u32, i64), Instant>,
}

/// The repeated instants of one station and day.
#[derive(Debug, Default)]
struct Day {
    /// Second of the day and, in the low eight bits, readings still to come; sorted.
    entries: Vec<u32>,
    /// The largest count of an entry, less one.
    layers: u32,
    /// Per entry `layers` contents of readings that gave way, by how many were still to come; 0 is none.
    earlier: Vec<u32>,
}

/// An instant that was read very often.
#[derive(Debug, Default)]
struct Instant {
    left: u32,
    earlier: Vec<u32>,
}

impl Repeats {
    /// First pass: notes that an instant came again.
    pub fn note(&mut self, station: u32, instant: i64) {
        let day = self.days.enter(station, instant, |complete| complete.entries.shrink_to_fit());
        match day.place(instant) {
            // One for the reading seen before, one for this.
            Err(at) => {
                day.entries.insert(at, second(instant) << 8 | 2);
                day.layers = day.layers.max(1);
            }
            Ok(at) => {
                let Some(entry) = day.entries.get_mut(at) else { return };
                match *entry & 0xff {
                    OFTEN => self.often.entry((station, instant)).or_default().left += 1,
                    USUAL => {
                        *entry |= OFTEN;
                        self.often.insert((station, instant), Instant { left: USUAL + 1, earlier: Vec::new() });
                    }
                    count => {
                        *entry += 1;
                        day.layers = day.layers.max(count);
                    }
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Second pass: decides over the next reading of an instant.
    pub fn fate(&mut self, station: u32, instant: i64) -> Fate {
        let Some((day, at)) = self.find(station, instant) else { return Fate::Only };
        let left = match day.entries.get_mut(at) {
            Some(entry) if *entry & 0xff != OFTEN => {
                *entry -= u32::from(*entry & 0xff > 0);
                *entry & 0xff
            }
            _ => {
                let often = self.often.entry((station, instant)).or_default();
                often.left = often.left.saturating_sub(1);
                often.left
            }
        };
        if left == 0 { Fate::Last } else { Fate::Superseded(left) }
    }

    /// Second pass: the content of a superseded reading that `left` more follow.
    pub fn gave_way(&mut self, station: u32, instant: i64, content: u64, left: u32) {
        let content = short(content);
        if let Some(often) = self.often.get_mut(&(station, instant)) {
            often.earlier.push(content);
        } else if let Some((day, at)) = self.find(station, instant) {
            day.earlier.resize(day.entries.len() * day.layers as usize, 0);
            if let Some(slot) = day.slots(at).get_mut(left as usize - 1) {
                *slot = content;
            }
        }
    }

    /// Second pass: the last reading's content; gives how many earlier ones were identical and how many differed.
    pub fn took_over(&mut self, station: u32, instant: i64, content: u64) -> (u64, u64) {
        let content = short(content);
        let often = self.often.remove(&(station, instant));
        let earlier: &[u32] = match &often {
            Some(often) => &often.earlier,
            None => self.find(station, instant).map_or(&[], |(day, at)| day.slots(at)),
        };
        let identical = earlier.iter().filter(|other| **other == content).count() as u64;
        let all = earlier.iter().filter(|other| **other != 0).count() as u64;
        (identical, all - identical)
    }

    fn find(&mut self, station: u32, instant: i64) -> Option<(&mut Day, usize)> {
        let day = self.days.known(station, instant)?;
        let at = day.place(instant).ok()?;
        Some((day, at))
    }
}

/// A content's 32 bits that are kept, never 0. Two contents that differ are taken for identical, in the ledger alone,
/// once in four thousand million times.
fn short(content: u64) -> u32 {
    (content as u32).max(1)
}

fn second(instant: i64) -> u32 {
    instant.rem_euclid(DAY) as u32
}

impl Day {
    fn place(&self, instant: i64) -> Result<usize, usize> {
        let second = second(instant);
        // Deliveries come in order, so the place is mostly the end.
        match self.entries.last() {
            Some(last) if last >> 8 < second => Err(self.entries.len()),
            None => Err(0),
            Some(_) => self.entries.binary_search_by_key(&second, |entry| entry >> 8),
        }
    }

    fn slots(&mut self, at: usize) -> &mut [u32] {
        let layers = self.layers as usize;
        self.earlier.get_mut(at * layers..(at + 1) * layers).unwrap_or_default()
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

impl Watch {
    /// The repeats that a first pass found, if there are any.
    pub fn found(&mut self) -> Option<Repeats> {
        match self {
            Watch::Look(_, repeats) if !repeats.is_empty() => Some(std::mem::take(repeats)),
            Watch::Keep | Watch::Look(..) | Watch::Act(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain reading of the rule: of every instant the last stays, the others are compared with it.
        #[test]
        fn the_last_of_every_instant_stays(rows in prop::collection::vec((0u32..2, prop::sample::select(vec![-1i64, 0, 60, 61, 86_399, 86_400, 900_000]), 0u64..3), 0..60)) {
            let (mut seen, mut repeats) = (Seen::default(), Repeats::default());
            for (station, instant, _) in &rows {
                if !seen.insert(*station, *instant) {
                    repeats.note(*station, *instant);
                }
            }
            let fates: Vec<Fate> = rows.iter().map(|(station, instant, _)| repeats.fate(*station, *instant)).collect();
            for (index, ((station, instant, content), fate)) in rows.iter().zip(&fates).enumerate() {
                let same = |(other, when, _): &&(u32, i64, u64)| other == station && when == instant;
                let later = rows[index + 1..].iter().filter(same).count();
                let earlier: Vec<u64> = rows[..index].iter().filter(same).map(|(.., content)| *content).collect();
                let expected = match (later, earlier.len()) {
                    (0, 0) => Fate::Only,
                    (0, _) => Fate::Last,
                    (later, _) => Fate::Superseded(later as u32),
                };
                prop_assert_eq!(*fate, expected);
                match fate {
                    Fate::Only => {}
                    Fate::Superseded(left) => repeats.gave_way(*station, *instant, content + 7, *left),
                    Fate::Last => {
                        let identical = earlier.iter().filter(|other| *other == content).count();
                        prop_assert_eq!(repeats.took_over(*station, *instant, content + 7), (identical as u64, (earlier.len() - identical) as u64));
                    }
                }
            }
        }
    }
}
