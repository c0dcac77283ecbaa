//! Moments nobody chose, which can be chosen again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SplitMix64: one seed, one sequence.
pub struct Random(u64);

impl Random {
    /// From `METEOCTL_TEST_SEED`, else from the clock. The seed comes back too: a failure must be repeatable.
    pub fn seeded() -> (Random, u64) {
        let given = std::env::var("METEOCTL_TEST_SEED").ok().map(|text| text.parse().expect("METEOCTL_TEST_SEED is a whole number"));
        let seed = given.unwrap_or_else(ticks);
        (Random(seed), seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A moment before `end`.
    pub fn moment(&mut self, end: Duration) -> Duration {
        let micros = u64::try_from(end.as_micros()).expect("a run does not take centuries");
        Duration::from_micros(self.next() % micros.max(1))
    }
}

/// A number that no two worlds share: the clock in nanoseconds, and a counter for worlds made in the same one.
pub fn ticks() -> u64 {
    static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos();
    let order = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Random((clock as u64).wrapping_add(order.wrapping_mul(1_000_003)).wrapping_add(u64::from(std::process::id()) << 32)).next()
}
