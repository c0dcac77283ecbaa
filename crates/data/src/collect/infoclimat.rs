//! InfoClimat's answer: one object, or a list of them.

use serde_json::Value;

use super::object::{RawObject, Record, compact};
use crate::clock;
use crate::fault::Fault;

pub(super) fn object(bytes: &[u8]) -> Result<RawObject, Fault> {
    let answer: Value = serde_json::from_slice(bytes)
        .map_err(|error| Fault::new("read InfoClimat's answer as JSON").because(error).hint("see whether the download is complete"))?;
    let answers = match answer {
        Value::Array(answers) => answers,
        one => vec![one],
    };
    let mut latest = 0;
    for answer in &answers {
        check(answer)?;
        latest = latest.max(last_reading(answer).unwrap_or(0));
    }
    let records: Vec<Record> = answers.iter().map(|answer| Record { payload: compact(answer), place: None }).collect();
    RawObject::new(&records, latest * 1_000)
}

fn check(answer: &Value) -> Result<(), Fault> {
    let status = answer.get("status").and_then(Value::as_str);
    if let Some(status) = status.filter(|status| *status != "OK") {
        let errors = answer.get("errors").map(Value::to_string).unwrap_or_default();
        return Err(Fault::new(format!("take InfoClimat's answer: its status is `{status}` {errors}"))
            .hint("check the API token, the stations and the dates of the request"));
    }
    if answer.get("hourly").is_none() {
        return Err(Fault::new("take InfoClimat's answer: it has no `hourly` readings").hint("is this the file of another vendor?"));
    }
    Ok(())
}

/// Seconds since the epoch of the latest `dh_utc`.
fn last_reading(answer: &Value) -> Option<i64> {
    let stations = answer.get("hourly")?.as_object()?;
    let entries = stations.iter().filter(|(id, _)| !id.starts_with('_')).filter_map(|(_, entries)| entries.as_array()).flatten();
    let instants = entries.filter_map(|entry| clock::day_and_time(entry.get("dh_utc")?.as_str()?));
    instants.map(|(day, second, offset)| clock::utc(day, second) - offset.unwrap_or(0)).max()
}
