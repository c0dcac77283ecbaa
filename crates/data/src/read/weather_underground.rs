//! One row of a Weather Underground table.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::value::RawValue;

use super::envelope::{Cell, Fields, shown};
use super::{Block, Contract, Place, UnknownFields, extra};
use crate::clock;
use crate::reading::{Field, NULL, Reading, Values, When};
use crate::rejects::Reason;
use crate::station::Station;
use crate::units::{self, CellFault, Habit, Quantity};

/// Columns with a number or a wind word.
pub(super) const COLUMNS: [(&str, Field, Quantity); 11] = [
    ("Temperature", Field::TemperatureC, Quantity::Temperature),
    ("Dew Point", Field::DewPointC, Quantity::Temperature),
    ("Humidity", Field::HumidityPct, Quantity::Percent),
    ("Wind", Field::WindDirectionDeg, Quantity::Direction),
    ("Speed", Field::WindSpeed, Quantity::Speed),
    ("Gust", Field::WindGust, Quantity::Speed),
    ("Pressure", Field::PressureHpa, Quantity::Pressure),
    ("Precip. Rate.", Field::PrecipRateMmH, Quantity::RainRate),
    ("Precip. Accum.", Field::PrecipAccumMm, Quantity::Rain),
    ("UV", Field::UvIndex, Quantity::Plain),
    ("Solar", Field::SolarWM2, Quantity::Irradiance),
];
/// Columns that tell when.
const TIMES: [&str; 3] = ["Time", "Date", "DateTime"];

pub(super) fn row(contract: &Contract, station: &Arc<Station>, fields: &Fields<'_>, place: &Place<'_>, raw: &str, block: &mut Block) {
    // A sheet's day is put beside every row by collect; alone it is no value.
    if fields.0.iter().all(|(key, value)| key == "Date" || Cell::of(value) == Cell::Missing) {
        block.rows_read += 1;
        block.null_rows += 1;
        return;
    }
    let when = match when(fields) {
        Ok(when) => when,
        Err((field, reason)) => return block.reject_row(place, Some(field), reason, raw),
    };
    let unknown = extra::gather(fields, |key| TIMES.contains(&key) || COLUMNS.iter().any(|(name, ..)| *name == key));
    if let (Some(first), UnknownFields::Reject) = (unknown.names.first(), contract.unknown_fields) {
        return block.reject_row(place, Some(first), Reason::UnknownField, raw);
    }
    let mut reading = Reading { station: block.station(station), when, values: Values::default(), counter: None, extra: unknown.text };
    for (name, field, quantity) in COLUMNS {
        let Some(value) = fields.get(name) else { continue };
        match cell(quantity, Habit::Imperial, value) {
            Ok(read) => {
                reading.values.set(field, read.hundredths);
                if field == Field::PrecipAccumMm {
                    reading.counter = read.exact;
                }
            }
            Err(fault) => {
                reading.values.set(field, NULL);
                block.rejects.push(place.reject(Some(name), reason(fault), &shown(value)));
            }
        }
    }
    for name in unknown.names {
        *block.unknown_fields.entry(name).or_default() += 1;
    }
    block.rows_read += 1;
    block.readings.push(reading);
}

/// Reads one value; a missing one is [`NULL`].
pub(super) fn cell(quantity: Quantity, habit: Habit, value: &RawValue) -> Result<units::Read, CellFault> {
    match Cell::of(value) {
        Cell::Missing => Ok(units::Read { hundredths: NULL, exact: None }),
        Cell::Text(text) => units::text(quantity, habit, &text),
        Cell::Number(text) => units::number(quantity, habit, text),
        Cell::Other => Err(CellFault::Value),
    }
}

pub(super) fn reason(fault: CellFault) -> Reason {
    match fault {
        CellFault::Value => Reason::BadValue,
        CellFault::Unit => Reason::BadUnit,
    }
}

fn when(fields: &Fields<'_>) -> Result<When, (&'static str, Reason)> {
    if let Some(text) = text_of(fields, "DateTime")? {
        let (day, second, offset) = clock::day_and_time(&text).ok_or(("DateTime", Reason::BadTime))?;
        return Ok(instant_or_local(day, second, offset));
    }
    let date = text_of(fields, "Date")?;
    let time = text_of(fields, "Time")?;
    if let (Some(date), None) = (&date, &time) {
        let (day, second, offset) = clock::day_and_time(date).ok_or(("Time", Reason::MissingTime))?;
        return Ok(instant_or_local(day, second, offset));
    }
    let time = time.ok_or(("Time", Reason::MissingTime))?;
    let day = match date {
        Some(date) => Some(day_of(&date).ok_or(("Date", Reason::BadTime))?),
        None => None,
    };
    let second = clock::time_of_day(&time).ok_or(("Time", Reason::BadTime))?;
    Ok(When::Local { day, second })
}

/// The day of a `Date` column, which may carry a midnight behind it.
fn day_of(text: &str) -> Option<NaiveDate> {
    clock::day(text).or_else(|| clock::day_and_time(text).map(|(day, ..)| day))
}

fn instant_or_local(day: NaiveDate, second: u32, offset: Option<i64>) -> When {
    match offset {
        Some(offset) => When::Utc(clock::utc(day, second) - offset),
        None => When::Local { day: Some(day), second },
    }
}

fn text_of<'a>(fields: &Fields<'a>, key: &'static str) -> Result<Option<Cow<'a, str>>, (&'static str, Reason)> {
    match fields.get(key).map(Cell::of) {
        None | Some(Cell::Missing) => Ok(None),
        Some(Cell::Text(text)) => Ok(Some(text)),
        Some(Cell::Number(_) | Cell::Other) => Err((key, Reason::BadTime)),
    }
}
