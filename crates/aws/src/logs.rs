//! Reading CloudWatch Logs: the end of one stream, and everything of a group since a moment.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use chrono::{DateTime, Utc};
use meteoctl_engine::failure::Outcome;

use crate::client::Aws;
use crate::error;

/// The last lines of a stream, oldest first. A stream that does not exist has none.
pub async fn tail(aws: &Aws, group: &str, stream: &str, lines: i32) -> Outcome<Vec<String>> {
    let call = aws.logs.get_log_events().log_group_name(group).log_stream_name(stream).limit(lines).start_from_head(false);
    match call.send().await {
        Ok(answer) => Ok(answer.events.unwrap_or_default().into_iter().filter_map(|event| event.message).collect()),
        Err(error) if error::is(&error, &["ResourceNotFoundException"]) => Ok(Vec::new()),
        Err(error) => Err(error::failure(format!("read log {group} {stream}"), error)),
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The stream it came from.
    pub stream: String,
    /// The text, without its line end.
    pub text: String,
}

/// Which lines are wanted.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// The log group.
    pub group: String,
    /// Lines from here on.
    pub since: DateTime<Utc>,
    /// CloudWatch's filter pattern.
    pub filter: Option<String>,
}

/// How far behind the newest line others may still arrive: streams of one group are not written in step.
const OVERLAP_MILLIS: i64 = 10_000;

/// Reads a group from a moment on, page by page, and goes on where it stopped.
///
/// Lines that arrive up to ten seconds late are neither lost nor told twice; only the ids of these seconds are kept.
#[derive(Debug)]
pub struct LogReader<'a> {
    aws: &'a Aws,
    query: LogQuery,
    token: Option<String>,
    from: i64,
    newest: i64,
    told: BTreeSet<(i64, String)>,
}

impl<'a> LogReader<'a> {
    /// A reader at the beginning of the query.
    pub fn new(aws: &'a Aws, query: LogQuery) -> Self {
        let from = query.since.timestamp_millis();
        LogReader { aws, query, token: None, from, newest: from, told: BTreeSet::new() }
    }

    /// The next page, possibly empty, and whether more is there right now. When none is, a later call finds what was
    /// written meanwhile.
    ///
    /// # Errors
    /// A group that does not exist, a filter CloudWatch does not understand, or anything the service refuses.
    pub async fn next_page(&mut self) -> Outcome<(Vec<LogLine>, bool)> {
        let call = self.aws.logs.filter_log_events().log_group_name(&self.query.group).start_time(self.from);
        let call = call.set_filter_pattern(self.query.filter.clone()).set_next_token(self.token.take());
        let answer = call.send().await.map_err(|error| error::failure(format!("read log group {}", self.query.group), error))?;
        let lines = answer.events().iter().filter_map(|event| self.take(event)).collect();
        self.token = answer.next_token().map(str::to_owned);
        if self.token.is_none() {
            self.from = self.from.max(self.newest - OVERLAP_MILLIS);
        }
        Ok((lines, self.token.is_some()))
    }

    fn take(&mut self, event: &FilteredLogEvent) -> Option<LogLine> {
        let (at, id) = (event.timestamp()?, event.event_id().unwrap_or_default().to_owned());
        if at > self.newest {
            self.newest = at;
            self.told = self.told.split_off(&(at - OVERLAP_MILLIS, String::new()));
        }
        if at >= self.newest - OVERLAP_MILLIS && !self.told.insert((at, id)) {
            return None;
        }
        Some(LogLine {
            at: DateTime::from_timestamp_millis(at)?,
            stream: event.log_stream_name().unwrap_or_default().to_owned(),
            text: event.message().unwrap_or_default().trim_end_matches(['\r', '\n']).to_owned(),
        })
    }
}

/// Pause between two looks of a reader that follows.
pub const FOLLOW_PAUSE: Duration = Duration::from_secs(2);
