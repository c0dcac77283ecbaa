//! How many calls were made, and which of them wrote.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Counter of calls, shared by everything that talks to a service.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Calls>>);

/// Calls by `service:Operation`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls that only looked.
    pub reads: BTreeMap<String, u64>,
    /// Calls that changed something.
    pub writes: BTreeMap<String, u64>,
}

impl Calls {
    /// Whether no call was made.
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }

    /// Number of looking calls.
    pub fn read_count(&self) -> u64 {
        self.reads.values().sum()
    }

    /// Number of changing calls.
    pub fn write_count(&self) -> u64 {
        self.writes.values().sum()
    }
}

impl Tally {
    /// A tally at zero.
    pub fn new() -> Self {
        Tally::default()
    }

    /// Counts one call of `operation` (`s3:PutObject`).
    pub fn count(&self, operation: &str, writes: bool) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let side = if writes { &mut calls.writes } else { &mut calls.reads };
        *side.entry(operation.to_owned()).or_default() += 1;
    }

    /// What was counted so far.
    pub fn calls(&self) -> Calls {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
