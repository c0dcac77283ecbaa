//! The fast path: one Weather Underground row exactly as Airbyte and collect write it.
//!
//! It reads nothing it does not know byte for byte: another order of envelope fields, white space, an escape, a unit
//! or a word it was not made for, a value that would be a reject: all of it is left to the careful path, before
//! anything was noted. What it accepts means the same to both (see the differential test in `tests/fast_path.rs`).

use chrono::NaiveDate;

use super::{Block, Contract};
use crate::decimal::{Decimal, half_even};
use crate::reading::{Field, NULL, Reading, Values, When};
use crate::station::Format;
use crate::units::wind_word;

/// Reads the line into the block, or leaves the block as it is and says `false`.
pub(super) fn line(contract: &Contract, line: &[u8], block: &mut Block) -> bool {
    let Some(station) = contract.station.as_ref().filter(|_| contract.format != Some(Format::Infoclimat)) else { return false };
    let Some(row) = envelope(line).and_then(row) else { return false };
    let station = block.station(station);
    block.rows_read += 1;
    block.readings.push(Reading { station, when: row.when, values: row.values, counter: row.counter, extra: None });
    true
}

struct Row {
    when: When,
    values: Values,
    counter: Option<Decimal>,
}

/// The fields of the payload, without its braces.
fn envelope(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"{\"_airbyte_raw_id\":\"")?;
    let (id, rest) = rest.split_at_checked(36)?;
    if !id.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') {
        return None;
    }
    let rest = whole(rest.strip_prefix(b"\",\"_airbyte_extracted_at\":")?)?;
    let rest = whole(rest.strip_prefix(b",\"_airbyte_meta\":{\"sync_id\":")?)?;
    let rest = rest.strip_prefix(b",\"changes\":[]")?;
    let rest = match rest.strip_prefix(b",\"sheet\":\"") {
        Some(sheet) => whole(text(sheet)?.1.strip_prefix(b",\"row\":")?)?,
        None => rest,
    };
    let rest = whole(rest.strip_prefix(b"},\"_airbyte_generation_id\":")?)?;
    rest.strip_prefix(b",\"_airbyte_data\":{")?.strip_suffix(b"}}")
}

/// Skips a JSON integer without sign.
fn whole(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let plain = end == 1 || (end > 1 && text.first() != Some(&b'0'));
    if plain { text.get(end..) } else { None }
}

/// The content of a string of plain ASCII without escapes, and what follows its closing quote.
fn text(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let (content, behind) = rest.split_at(end);
    let plain = content.iter().all(|byte| (0x20..0x7f).contains(byte) && *byte != b'\\');
    if plain { Some((content, behind.get(1..)?)) } else { None }
}

fn row(mut rest: &[u8]) -> Option<Row> {
    let mut row = Row { when: When::Utc(0), values: Values::default(), counter: None };
    let (mut day, mut second) = (None, None);
    let mut seen = 0u32;
    loop {
        let key;
        (key, rest) = text(rest.strip_prefix(b"\"")?)?;
        rest = rest.strip_prefix(b":")?;
        let column = column(key)?;
        // Of a key that comes twice the last one counts: the careful path knows.
        if seen & column.bit() != 0 {
            return None;
        }
        seen |= column.bit();
        rest = match column {
            Column::Time => {
                let (value, behind) = text(rest.strip_prefix(b"\"")?)?;
                second = Some(clock_time(value)?);
                behind
            }
            Column::Date => {
                let (value, behind) = text(rest.strip_prefix(b"\"")?)?;
                day = Some(iso_day(value)?);
                behind
            }
            Column::Wind => wind(rest, &mut row.values)?,
            Column::Number(shape) => number(rest, shape, &mut row)?,
        };
        match rest.split_first() {
            None => break,
            Some((b',', behind)) => rest = behind,
            Some(_) => return None,
        }
    }
    row.when = When::Local { day, second: second? };
    Some(row)
}

/// How a number of a column is written and what becomes of it.
#[derive(Clone, Copy)]
struct Shape {
    field: Field,
    /// Everything between the number and the closing quote; `None` for a bare JSON number.
    unit: Option<&'static [u8]>,
    /// Added before scaling, the factor to hundredths, and its denominator.
    add: i64,
    num: i64,
    den: i64,
    /// At most this many digits, so that nothing overflows.
    digits: usize,
}

#[derive(Clone, Copy)]
enum Column {
    Time,
    Date,
    Wind,
    Number(Shape),
}

impl Column {
    fn bit(self) -> u32 {
        match self {
            Column::Time => 1 << 30,
            Column::Date => 1 << 29,
            Column::Wind => 1 << Field::WindDirectionDeg as u32,
            Column::Number(shape) => 1 << shape.field as u32,
        }
    }
}

const FAHRENHEIT: &[u8] = "\u{a0}°F".as_bytes();
const PERCENT: &[u8] = "\u{a0}%".as_bytes();
const MPH: &[u8] = "\u{a0}mph".as_bytes();
const INCHES: &[u8] = "\u{a0}in".as_bytes();
const WATTS: &[u8] = "\u{a0}w/m²".as_bytes();

/// The factors of `units`, with the hundred of the hundredths cancelled into them.
fn column(key: &[u8]) -> Option<Column> {
    let shape = |field, unit, add, num, den| Column::Number(Shape { field, unit: Some(unit), add, num, den, digits: 7 });
    Some(match key {
        b"Time" => Column::Time,
        b"Date" => Column::Date,
        b"Wind" => Column::Wind,
        b"Temperature" => shape(Field::TemperatureC, FAHRENHEIT, -32, 500, 9),
        b"Dew Point" => shape(Field::DewPointC, FAHRENHEIT, -32, 500, 9),
        b"Humidity" => shape(Field::HumidityPct, PERCENT, 0, 100, 1),
        b"Speed" => shape(Field::WindSpeed, MPH, 0, 1_609_344, 10_000),
        b"Gust" => shape(Field::WindGust, MPH, 0, 1_609_344, 10_000),
        b"Pressure" => shape(Field::PressureHpa, INCHES, 0, 338_638_866_667, 100_000_000),
        b"Precip. Rate." => shape(Field::PrecipRateMmH, INCHES, 0, 2_540, 1),
        b"Precip. Accum." => shape(Field::PrecipAccumMm, INCHES, 0, 2_540, 1),
        b"Solar" => shape(Field::SolarWM2, WATTS, 0, 100, 1),
        b"UV" => Column::Number(Shape { field: Field::UvIndex, unit: None, add: 0, num: 100, den: 1, digits: 7 }),
        _ => return None,
    })
}

fn number<'a>(rest: &'a [u8], shape: Shape, row: &mut Row) -> Option<&'a [u8]> {
    if let Some(rest) = rest.strip_prefix(b"null") {
        row.values.set(shape.field, NULL);
        return Some(rest);
    }
    let rest = if shape.unit.is_some() { rest.strip_prefix(b"\"")? } else { rest };
    let (mantissa, scale, rest) = decimal(rest, shape)?;
    row.values.set(shape.field, hundredths(mantissa, scale, shape)?);
    if shape.field == Field::PrecipAccumMm {
        row.counter = Some(counter(mantissa, scale));
    }
    match shape.unit {
        Some(unit) => rest.strip_prefix(unit)?.strip_prefix(b"\""),
        None => Some(rest),
    }
}

/// Sign, digits and at most two decimals.
fn decimal(text: &[u8], shape: Shape) -> Option<(i64, u32, &[u8])> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mut mantissa, mut scale, mut point, mut end) = (0i64, 0u32, false, 0usize);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + i64::from(byte - b'0');
                scale += u32::from(point);
            }
            b'.' if !point && end > 0 => point = true,
            _ => break,
        }
        end += 1;
        if end > shape.digits + 1 {
            return None;
        }
    }
    let digits = end - usize::from(point);
    // JSON numbers have no leading zeros; in strings they are fine.
    let zeros = shape.unit.is_none() && digits > 1 && text.first() == Some(&b'0') && text.get(1) != Some(&b'.');
    if digits == 0 || digits > shape.digits || (point && scale == 0) || scale > 2 || zeros {
        return None;
    }
    Some((if negative { -mantissa } else { mantissa }, scale, text.get(end..)?))
}

fn hundredths(mantissa: i64, scale: u32, shape: Shape) -> Option<i64> {
    // Each arm has its own constant, which spares a division.
    let round = |unit: i64| {
        let (num, den) = ((mantissa + shape.add * unit) * shape.num, unit * shape.den);
        half_even(num.div_euclid(den), num.rem_euclid(den), den)
    };
    match scale {
        0 => Some(round(1)),
        1 => Some(round(10)),
        2 => Some(round(100)),
        _ => None,
    }
}

/// The exact counter in mm, written as the careful path writes it: without zeros at the end of the inches.
fn counter(mut mantissa: i64, mut scale: u32) -> Decimal {
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal { mantissa: i128::from(mantissa) * 254, scale: scale + 1 }
}

fn wind<'a>(rest: &'a [u8], values: &mut Values) -> Option<&'a [u8]> {
    if let Some(rest) = rest.strip_prefix(b"null") {
        values.set(Field::WindDirectionDeg, NULL);
        return Some(rest);
    }
    let (word, rest) = text(rest.strip_prefix(b"\"")?)?;
    let hundredths = match word {
        b"North" => 0,
        b"East" => 9_000,
        b"South" => 18_000,
        b"West" => 27_000,
        _ => wind_word(std::str::from_utf8(word).ok()?)?,
    };
    values.set(Field::WindDirectionDeg, hundredths);
    Some(rest)
}

/// `HH:MM:SS`.
fn clock_time(text: &[u8]) -> Option<u32> {
    let [a, b, b':', c, d, b':', e, f] = text else { return None };
    let two = |tens: &u8, ones: &u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
    };
    let (hour, minute, second) = (two(a, b)?, two(c, d)?, two(e, f)?);
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3_600 + minute * 60 + second)
}

/// `YYYY-MM-DD`.
fn iso_day(text: &[u8]) -> Option<NaiveDate> {
    crate::clock::day(std::str::from_utf8(text).ok().filter(|text| text.as_bytes().get(4) == Some(&b'-'))?)
}
