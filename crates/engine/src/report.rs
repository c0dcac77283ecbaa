//! What became of the documents. Text, JSON and exit code are all made from this one value.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::diff::Diff;
use crate::failure::Failure;
use crate::reference::{Id, Outputs};
use crate::tally::Calls;

/// Version of the report's JSON. The second number grows with additions, the first with changes.
pub const FORMAT_VERSION: &str = "1.1";

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "camelCase")]
pub enum Fate {
    /// Nothing to do.
    InSync,
    /// Plan: would be created.
    WouldCreate,
    /// Plan: these fields would be changed.
    WouldUpdate {
        /// The fields.
        diff: Diff,
    },
    /// Plan: can be told only after another document has been carried out.
    Later {
        /// What it waits for.
        after: String,
    },
    /// Plan of a removal: would be removed.
    WouldDelete,
    /// Created.
    Created,
    /// These fields were changed.
    Updated {
        /// The fields.
        diff: Diff,
    },
    /// Removed.
    Deleted,
    /// Not there, and not to be there.
    Gone,
    /// On its way, and nobody waited.
    Settling {
        /// Why.
        why: String,
    },
    /// Failed.
    Failed {
        /// How.
        trouble: Trouble,
    },
    /// Not begun because something it needs failed.
    Blocked {
        /// What it needs.
        by: Id,
    },
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What we were doing.
    pub doing: String,
    /// Why it failed, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether it may pass by itself.
    pub transient: bool,
    /// The exit code this failure asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

impl From<&Failure> for Trouble {
    fn from(failure: &Failure) -> Self {
        Trouble {
            doing: failure.doing.clone(),
            causes: failure.causes(),
            hint: failure.hint.clone(),
            transient: failure.is_transient(),
            exit: failure.exit,
        }
    }
}

/// One document's line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The document.
    pub id: Id,
    /// `file:line:column` of it.
    pub place: String,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
    /// A line of evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when it is as it is, where somebody keeps that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Fields that differ but are ignored by the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// What the thing tells others.
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub outputs: Outputs,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// What a verb did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// `plan`, `apply`, `drift`, …
    pub verb: String,
    /// Name of the stack.
    pub stack: String,
    /// A line per document, in the order of the documents.
    pub lines: Vec<Line>,
    /// After an apply: whether one fresh look at everything found nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
    /// The receipt.
    pub receipt: Receipt,
}

/// The proof of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// SHA-256 over all documents (kind, metadata, spec), hex.
    pub spec_digest: String,
    /// Calls made, by operation.
    pub calls: Calls,
    /// Calls made for the lock, counted apart: they change nothing that a document declares.
    #[serde(default, skip_serializing_if = "Calls::is_empty")]
    pub lock: Calls,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// When it ended, RFC 3339 in UTC.
    pub finished_at: String,
    /// Version of meteoctl.
    pub tool_version: String,
}

/// Numbers of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Created, or to be created; `Later` counts here.
    pub create: usize,
    /// Updated, or to be updated.
    pub update: usize,
    /// Removed, or to be removed.
    pub delete: usize,
    /// Nothing to do.
    pub in_sync: usize,
    /// Failed or still settling.
    pub failed: usize,
    /// Blocked.
    pub blocked: usize,
}

impl Report {
    /// How many documents share each fate.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for line in &self.lines {
            let slot = match line.fate {
                Fate::InSync | Fate::Gone => &mut counts.in_sync,
                Fate::WouldCreate | Fate::Created | Fate::Later { .. } => &mut counts.create,
                Fate::WouldUpdate { .. } | Fate::Updated { .. } => &mut counts.update,
                Fate::WouldDelete | Fate::Deleted => &mut counts.delete,
                Fate::Failed { .. } | Fate::Settling { .. } => &mut counts.failed,
                Fate::Blocked { .. } => &mut counts.blocked,
            };
            *slot += 1;
        }
        counts
    }

    /// Whether anything is, or was, to be done.
    pub fn has_changes(&self) -> bool {
        let counts = self.counts();
        counts.create + counts.update + counts.delete > 0
    }

    /// Whether anything failed.
    pub fn has_failures(&self) -> bool {
        let counts = self.counts();
        counts.failed + counts.blocked > 0
    }

    /// The exit code of the failures: the most telling one asked for (3 policy, 4 locked, 5 quality gate, 6 stale), else 1; 0 without failures.
    pub fn failure_code(&self) -> u8 {
        let asked = self.lines.iter().filter_map(|line| match &line.fate {
            Fate::Failed { trouble } => trouble.exit,
            _ => None,
        });
        if self.has_failures() { asked.max().unwrap_or(1) } else { 0 }
    }
}

/// Milliseconds of a duration, saturating.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
