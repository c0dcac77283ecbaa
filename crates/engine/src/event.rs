//! What happens during a run. Progress, logs and metrics listen to it; nothing in here prints.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::reference::Id;
use crate::report::Line;

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event {
    /// A document was started.
    Started {
        /// The document.
        id: Id,
    },
    /// A change is being carried out.
    Changing {
        /// The document.
        id: Id,
        /// `create`, `update` or `delete`.
        verb: &'static str,
        /// The fields concerned; empty for a creation.
        fields: Vec<String>,
    },
    /// Waiting for a thing to settle or to show what was written.
    Waiting {
        /// The document.
        id: Id,
        /// What for.
        why: String,
        /// How long already.
        elapsed: Duration,
        /// How long at most.
        limit: Duration,
    },
    /// A transient failure; the next attempt follows after the pause.
    Retrying {
        /// The document.
        id: Id,
        /// What failed.
        failure: String,
        /// The pause.
        pause: Duration,
    },
    /// Data work goes on.
    Progress {
        /// The document.
        id: Id,
        /// What is being done.
        doing: String,
        /// Units done.
        done: u64,
        /// Units in all, where known.
        total: Option<u64>,
        /// `bytes`, `documents`, `rows`.
        unit: &'static str,
    },
    /// Something worth telling that is not a failure.
    Notice {
        /// The document.
        id: Id,
        /// The words.
        text: String,
    },
    /// A document is done.
    Finished {
        /// What became of it.
        line: Box<Line>,
    },
}

/// Hears events. Must be quick: it is called on the path of the work.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// A listener that hears nothing.
pub fn silent() -> Listener {
    Arc::new(|_| {})
}
