//! `logs`: what the task writes to CloudWatch.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::Args;
use meteoctl_engine::document::Document;
use meteoctl_engine::failure::{Failure, Outcome};
use serde::Serialize;

use super::{DONE, Desk, locked, usage};
use crate::app::{App, FOLLOW_PAUSE, LogLine, LogQuery, LogReader, Wishes};
use crate::cli::duration;

/// What logs takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Go on showing what is written from now on
    #[arg(long)]
    follow: bool,
    /// How far back: 90s, 30m, 1h, 2d
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "TIME")]
    since: Duration,
    /// Only lines that match, in CloudWatch's filter syntax: `"Slow query"`, `?ERROR ?WARN`
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// The LogGroup document; all of them when left out
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
}

/// One line, for machines.
#[derive(Serialize)]
struct Row<'a> {
    at: DateTime<Utc>,
    group: &'a str,
    stream: &'a str,
    text: &'a str,
}

/// Shows the logs, oldest line first.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let groups = groups(&checked.documents, &arguments.group)?;
    let app = desk.open_to_look(checked, Wishes::default()).await;
    let since = TimeDelta::from_std(arguments.since).ok().and_then(|back| Utc::now().checked_sub_signed(back)).unwrap_or_default();
    let mut readers: Vec<(String, LogReader<'_>)> = groups.into_iter().map(|group| reader(&app, group, since, arguments)).collect();
    tokio::select! {
        outcome = read(desk, &mut readers, arguments.follow) => outcome.map(|()| DONE),
        () = locked::signal() => Ok(DONE),
    }
}

fn reader<'a>(app: &'a App, group: String, since: DateTime<Utc>, arguments: &Arguments) -> (String, LogReader<'a>) {
    let query = LogQuery { group: group.clone(), since, filter: arguments.filter.clone() };
    (group, app.log(query))
}

async fn read(desk: &Desk<'_>, readers: &mut [(String, LogReader<'_>)], follow: bool) -> Outcome<()> {
    let several = readers.len() > 1;
    loop {
        for (group, reader) in readers.iter_mut() {
            while page(desk, several.then_some(group.as_str()), group, reader, follow).await? {}
        }
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW_PAUSE).await;
    }
}

/// Shows one page; whether more is there. One that follows bears what passes by itself.
async fn page(desk: &Desk<'_>, shown: Option<&str>, group: &str, reader: &mut LogReader<'_>, follow: bool) -> Outcome<bool> {
    match reader.next_page().await {
        Ok((lines, more)) => {
            for line in &lines {
                let row = Row { at: line.at, group, stream: &line.stream, text: &line.text };
                desk.view.row(&row, || words(shown, line));
            }
            Ok(more)
        }
        Err(failure) if follow && failure.is_transient() => {
            desk.view.story(&format!("warning: cannot {failure}: {}; trying again\n", failure.causes().join(": ")));
            Ok(false)
        }
        Err(failure) if failure.causes().iter().any(|cause| cause.contains("ResourceNotFound")) => {
            Err(Failure::rejected(format!("read log group {group}")).because("it does not exist").hint("run `meteoctl apply` first"))
        }
        Err(failure) => Err(failure),
    }
}

fn words(group: Option<&str>, line: &LogLine) -> String {
    let group = group.map(|group| format!("{group} ")).unwrap_or_default();
    format!("{} {group}{} {}\n", line.at.to_rfc3339_opts(SecondsFormat::Millis, true), line.stream, line.text)
}

fn groups(documents: &[Document], asked: &[String]) -> Outcome<Vec<String>> {
    let there: Vec<String> =
        documents.iter().filter(|document| document.id.kind == "LogGroup").map(|document| document.id.name.clone()).collect();
    if there.is_empty() {
        return Err(usage("find the logs", "no LogGroup document", "give their files with -f"));
    }
    match asked.iter().find(|name| !there.contains(name)) {
        Some(name) => {
            Err(usage(format!("find LogGroup/{name}"), "no document declares it", format!("the groups are {}", there.join(", "))))
        }
        None if asked.is_empty() => Ok(there),
        None => Ok(asked.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_where_and_what() {
        let line = LogLine {
            at: DateTime::from_timestamp_millis(1_767_621_975_042).expect("a time"),
            stream: "mongo/mongodb/1".into(),
            text: "ready".into(),
        };
        assert_eq!(words(None, &line), "2026-01-05T14:06:15.042Z mongo/mongodb/1 ready\n");
        assert_eq!(words(Some("/ecs/a"), &line), "2026-01-05T14:06:15.042Z /ecs/a mongo/mongodb/1 ready\n");
    }
}
