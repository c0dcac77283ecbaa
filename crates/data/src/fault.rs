//! What went wrong in a piece of data work, and what to do next.

use crate::store::StoreError;

/// A failure of collect, transform or quality.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct Fault {
    /// What was being done, and why it failed where there is no deeper cause.
    pub doing: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the same call may go through later.
    pub transient: bool,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// A fault that a repetition does not cure.
    pub fn new(doing: impl Into<String>) -> Fault {
        Fault { doing: doing.into(), hint: None, transient: false, source: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
        self.source = Some(source.into());
        self
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault { doing: error.doing.clone(), hint: None, transient: error.transient, source: error.source }
    }
}
