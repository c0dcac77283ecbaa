//! Time series in few buckets: what the page draws and neighbours are compared by.

use std::collections::BTreeMap;

use super::judge::Flags;
use super::reading::Reading;
use super::thresholds::{Flag, Variable};

/// Most buckets of a series; beyond it, buckets become twice as long.
const MOST: usize = 1_500;

/// One variable during one bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    pub sum: f64,
    pub count: u32,
    pub low: f64,
    pub high: f64,
    pub worst: Flag,
}

impl Bucket {
    const EMPTY: Bucket = Bucket { sum: 0.0, count: 0, low: f64::INFINITY, high: f64::NEG_INFINITY, worst: Flag::NotEvaluated };

    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }

    fn join(&mut self, other: &Bucket) {
        self.sum += other.sum;
        self.count += other.count;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.worst = self.worst.worse(other.worst);
    }
}

/// All variables of one station.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Length of a bucket in seconds.
    pub width: i64,
    /// Number of the bucket (seconds since the epoch over `width`) → variables.
    pub buckets: BTreeMap<i64, [Bucket; Variable::COUNT]>,
}

impl Default for Series {
    fn default() -> Self {
        Series { width: 900, buckets: BTreeMap::new() }
    }
}

impl Series {
    pub fn add(&mut self, reading: &Reading, flags: &Flags) {
        let bucket = self.buckets.entry(reading.instant.div_euclid(self.width)).or_insert([Bucket::EMPTY; Variable::COUNT]);
        for (variable, bucket) in Variable::ALL.into_iter().zip(bucket.iter_mut()) {
            if let Some(value) = reading.get(variable) {
                bucket.join(&Bucket { sum: value, count: 1, low: value, high: value, worst: flags.worst(variable) });
            }
        }
        while self.buckets.len() > MOST {
            *self = self.coarser(self.width * 2);
        }
    }

    /// The same series in longer buckets; `width` must be a multiple of its own.
    pub fn coarser(&self, width: i64) -> Series {
        let mut wide = Series { width, buckets: BTreeMap::new() };
        for (number, bucket) in &self.buckets {
            let start = number * self.width;
            let target = wide.buckets.entry(start.div_euclid(width)).or_insert([Bucket::EMPTY; Variable::COUNT]);
            target.iter_mut().zip(bucket).for_each(|(target, bucket)| target.join(bucket));
        }
        wide
    }
}
