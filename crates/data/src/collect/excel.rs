//! Weather Underground's table as an Excel workbook: a sheet a day named DDMMYY, one row a reading.

use std::io::Cursor;

use bytes::Bytes;
use calamine::{Data, DataType, Range, Reader, Xlsx};
use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::object::{RawObject, Record, compact};
use crate::clock;
use crate::fault::Fault;

/// A row's number (from 1) and its named values.
type Row = (u64, Map<String, Value>);

pub(super) fn object(bytes: Bytes) -> Result<RawObject, Fault> {
    let hint = "the input must be an .xlsx workbook as exported from Weather Underground's table";
    let mut workbook =
        Xlsx::new(Cursor::new(bytes)).map_err(|error: calamine::XlsxError| Fault::new("open the workbook").because(error).hint(hint))?;
    let (mut records, mut latest) = (Vec::new(), 0);
    for name in workbook.sheet_names() {
        let range = workbook.worksheet_range(&name).map_err(|error| Fault::new(format!("read sheet {name}")).because(error).hint(hint))?;
        let day = sheet_day(&name);
        let rows = rows(&range, &name, day)?;
        latest = latest.max(last_reading(&rows, day));
        records.extend(
            rows.into_iter().map(|(row, fields)| Record { payload: compact(&Value::Object(fields)), place: Some((name.clone(), row)) }),
        );
    }
    RawObject::new(&records, latest * 1_000)
}

/// The day in a sheet's name, DDMMYY of this century.
fn sheet_day(name: &str) -> Option<NaiveDate> {
    let name = name.trim();
    if name.len() != 6 || !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| name.get(range)?.parse::<u32>().ok();
    NaiveDate::from_ymd_opt(2000 + i32::try_from(part(4..6)?).ok()?, part(2..4)?, part(0..2)?)
}

/// The rows of a sheet with their numbers (from 1): column name → value, with the sheet's day in front as `Date`.
fn rows(range: &Range<Data>, sheet: &str, day: Option<NaiveDate>) -> Result<Vec<Row>, Fault> {
    let first_row = range.start().map_or(0, |(row, _)| u64::from(row)) + 1;
    let mut rows = range.rows();
    let Some(header) = rows.next() else { return Ok(Vec::new()) };
    let columns: Vec<String> = header.iter().map(|cell| cell.as_string().unwrap_or_default().trim().to_owned()).collect();
    if !columns.iter().any(|column| column == "Time") {
        return Err(Fault::new(format!("read sheet {sheet}: its first row names no column `Time` (it has: {})", columns.join(", ")))
            .hint("the first row of every sheet must hold the column names of Weather Underground's table"));
    }
    let read = |cells: &[Data]| {
        let date = day.map(|day| ("Date".to_owned(), Value::from(day.to_string())));
        let named = columns.iter().zip(cells).filter(|(column, _)| !column.is_empty());
        date.into_iter().chain(named.map(|(column, cell)| (column.clone(), value(cell)))).collect()
    };
    Ok((first_row + 1..).zip(rows).map(|(number, cells)| (number, read(cells))).collect())
}

/// A cell as JSON: times as `HH:MM:SS`, integral numbers without a fraction, errors as their text.
fn value(cell: &Data) -> Value {
    match cell {
        Data::Empty => Value::Null,
        Data::String(text) => Value::from(text.as_str()),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => Value::from(*number as i64),
        Data::Float(number) => Value::from(*number),
        Data::Int(number) => Value::from(*number),
        Data::Bool(flag) => Value::from(*flag),
        Data::DateTime(_) => date_or_time(cell),
        Data::DateTimeIso(text) | Data::DurationIso(text) => Value::from(text.as_str()),
        Data::Error(error) => Value::from(error.to_string()),
    }
}

/// A clock time is a fraction of day 0; anything later carries its date.
fn date_or_time(cell: &Data) -> Value {
    let serial = cell.get_datetime().map_or(0.0, |serial| serial.as_f64());
    if (0.0..1.0).contains(&serial) {
        // A fraction of a day is never a whole second in binary: round, do not cut.
        let second = ((serial * 86_400.0).round() as u32).min(86_399);
        return Value::from(format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60));
    }
    cell.as_datetime().map_or(Value::Null, |when| Value::from(when.format("%Y-%m-%d %H:%M:%S").to_string()))
}

/// The sheet's last time, taken as UTC: it only names the object.
fn last_reading(rows: &[Row], day: Option<NaiveDate>) -> i64 {
    let Some(day) = day else { return 0 };
    let times = rows.iter().filter_map(|(_, fields)| clock::time_of_day(fields.get("Time")?.as_str()?));
    clock::utc(day, times.max().unwrap_or(0))
}
