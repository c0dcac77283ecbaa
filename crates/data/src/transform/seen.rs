//! Which instants of which stations were read already, in a few bytes per station and day.

use super::calendar::{Calendar, DAY};

/// Minutes of a day, as words of 64 bits.
const WORDS: usize = 1_440_usize.div_ceil(64);

/// From so many odd seconds on a day keeps one bit for each of its 86,400 seconds instead of a list.
const MANY: usize = 86_400 / 32;

/// A set of (station, instant). Whole minutes cost one bit, other seconds four bytes, but never more than 11 kB a day.
#[derive(Debug, Default)]
pub(crate) struct Seen(Calendar<Day>);

#[derive(Debug, Default)]
struct Day {
    minutes: [u64; WORDS],
    /// Seconds that are no whole minutes: a sorted list, or from [`MANY`] on words of bits.
    odd: Vec<u32>,
    dense: bool,
}

impl Seen {
    /// Puts an instant (seconds since the epoch) in; `false` when it was there.
    pub fn insert(&mut self, station: u32, instant: i64) -> bool {
        self.0.enter(station, instant, |_| ()).insert(instant.rem_euclid(DAY) as u32)
    }
}

impl Day {
    fn insert(&mut self, second: u32) -> bool {
        if second.is_multiple_of(60) {
            let (word, bit) = ((second / 60 / 64) as usize, 1u64 << (second / 60 % 64));
            let Some(word) = self.minutes.get_mut(word) else { return true };
            let fresh = *word & bit == 0;
            *word |= bit;
            return fresh;
        }
        if self.dense {
            return self.mark(second);
        }
        match self.odd.binary_search(&second) {
            Ok(_) => false,
            Err(at) => {
                self.odd.insert(at, second);
                if self.odd.len() == MANY {
                    let listed = std::mem::replace(&mut self.odd, vec![0; MANY]);
                    self.dense = true;
                    for second in listed {
                        self.mark(second);
                    }
                }
                true
            }
        }
    }

    fn mark(&mut self, second: u32) -> bool {
        let bit = 1 << (second % 32);
        let Some(word) = self.odd.get_mut(second as usize / 32) else { return true };
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(rows in prop::collection::vec((0u32..3, -100_000i64..100_000), 0..400), step in prop::sample::select(vec![1i64, 30, 60])) {
            let (mut seen, mut reference) = (Seen::default(), HashSet::new());
            for (station, instant) in rows {
                let instant = instant / step * step;
                prop_assert_eq!(seen.insert(station, instant), reference.insert((station, instant)));
            }
        }
    }

    #[test]
    fn a_day_of_every_second_is_a_set_too() {
        let mut seen = Seen::default();
        assert!((0..DAY).all(|second| seen.insert(0, second * 7_919 % DAY)));
        assert!((0..DAY).all(|second| !seen.insert(0, second)));
    }
}
