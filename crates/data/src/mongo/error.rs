//! One error for everything that can go wrong around the database.

use mongodb::error::{Error, ErrorKind, RETRYABLE_WRITE_ERROR};

use crate::store::StoreError;

/// What was being done, whether trying again can help, what to do next. The cause is `source()`.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct DatabaseError {
    /// What was being done: `insert 1000 documents into p8.weather on 127.0.0.1:27017`.
    pub doing: String,
    /// Whether the same call may go through later.
    pub transient: bool,
    /// What to do about it.
    pub hint: Option<String>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl DatabaseError {
    /// A refusal of our own, with its reason.
    pub fn rejected(doing: impl Into<String>, why: impl Into<String>) -> Self {
        DatabaseError { doing: doing.into(), transient: false, hint: None, source: Some(why.into().into()) }
    }

    /// A fault of another part.
    pub fn caused(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        DatabaseError { doing: doing.into(), transient: false, hint: None, source: Some(source.into()) }
    }

    /// The same error with a next step.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The whole story on one line: the error and its causes.
    pub fn story(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl From<StoreError> for DatabaseError {
    fn from(error: StoreError) -> Self {
        DatabaseError { doing: error.doing, transient: error.transient, hint: None, source: error.source }
    }
}

/// Codes of servers that step down, shut down, recover or are out of reach of each other
/// (retryable codes of the driver specifications, and 24 LockTimeout, 112 WriteConflict, 64 WriteConcernTimeout).
const PASSING: [i32; 18] = [6, 7, 24, 64, 89, 91, 112, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436, 317];

/// Turns the driver's error into ours: the one place where its kinds are read.
pub(super) fn from_driver(server: &str, doing: &str, error: Error) -> DatabaseError {
    let doing = format!("{doing} on {server}");
    let (transient, hint) = match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => (false, Some("check user name, password and authSource; the Secret may have been rotated")),
        ErrorKind::ServerSelection { message, .. } if auth_failed(message) => {
            (false, Some("check user name, password and authSource; the Secret may have been rotated"))
        }
        ErrorKind::ServerSelection { .. } => {
            (true, Some("check that the server runs, that host and port are right and that a firewall or security group lets us in"))
        }
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => (true, None),
        ErrorKind::DnsResolve { .. } => (true, Some("check the host name; mongodb+srv needs a SRV record _mongodb._tcp.HOST")),
        ErrorKind::InvalidTlsConfig { .. } => {
            (false, Some("check the CA file: it must be PEM and hold the authority that signed the server"))
        }
        ErrorKind::Command(command) => (PASSING.contains(&command.code), hint_of_code(command.code)),
        _ => (false, None),
    };
    let transient = transient || error.contains_label(RETRYABLE_WRITE_ERROR);
    DatabaseError { doing, transient, hint: hint.map(str::to_owned), source: Some(Box::new(error)) }
}

fn auth_failed(message: &str) -> bool {
    message.contains("Authentication failed") || message.contains("SCRAM failure")
}

fn hint_of_code(code: i32) -> Option<&'static str> {
    match code {
        13 => Some("the user lacks a role: readWrite on the database, and clusterMonitor for the server's state"),
        18 => Some("check user name, password and authSource"),
        85 | 86 => Some("an index of the same name or keys with other options exists: drop it or change the document"),
        121 => Some("the collection's validator refuses these documents"),
        239 | 246 => Some("the snapshot is gone: raise minSnapshotHistoryWindowInSeconds or back up at a quieter time"),
        11000 => Some("documents with equal keys exist: remove the duplicates"),
        14031 => Some("the server's disk is full"),
        _ => None,
    }
}
