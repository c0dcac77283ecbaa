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
pub(super) fn line(contract: &Contract, line: &[u8], order: &mut Order, block: &mut Block) -> bool {
    let Some(station) = contract.station.as_ref().filter(|_| contract.format != Some(Format::Infoclimat)) else { return false };
    let Some(row) = envelope(line).and_then(|fields| row(fields, order)) else { return false };
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

fn row(mut rest: &[u8], order: &mut Order) -> Option<Row> {
    let mut row = Row { when: When::Utc(0), values: Values::default(), counter: None };
    let (mut day, mut second) = (None, None);
    let mut seen = 0u32;
    for place in 0.. {
        let column;
        (column, rest) = order.next(place, rest)?;
        // Of a key that comes twice the last one counts: the careful path knows.
        if seen & (1 << column as u32) != 0 {
            return None;
        }
        seen |= 1 << column as u32;
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
            Column::Uv => bare(rest, &mut row.values)?,
            Column::Temperature => united::<-32, 500, 9>(rest, FAHRENHEIT, Field::TemperatureC, &mut row)?,
            Column::DewPoint => united::<-32, 500, 9>(rest, FAHRENHEIT, Field::DewPointC, &mut row)?,
            Column::Humidity => united::<0, 100, 1>(rest, PERCENT, Field::HumidityPct, &mut row)?,
            Column::Speed => united::<0, 1_609_344, 10_000>(rest, MPH, Field::WindSpeed, &mut row)?,
            Column::Gust => united::<0, 1_609_344, 10_000>(rest, MPH, Field::WindGust, &mut row)?,
            Column::Pressure => united::<0, 338_638_866_667, 100_000_000>(rest, INCHES, Field::PressureHpa, &mut row)?,
            Column::Rate => united::<0, 2_540, 1>(rest, INCHES, Field::PrecipRateMmH, &mut row)?,
            Column::Accumulated => united::<0, 2_540, 1>(rest, INCHES, Field::PrecipAccumMm, &mut row)?,
            Column::Solar => united::<0, 100, 1>(rest, WATTS, Field::SolarWM2, &mut row)?,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Column {
    Time,
    Date,
    Wind,
    Uv,
    Temperature,
    DewPoint,
    Humidity,
    Speed,
    Gust,
    Pressure,
    Rate,
    Accumulated,
    Solar,
}

/// Keys with their quotes and colon.
const KEYS: [(Column, &[u8]); 13] = [
    (Column::Time, b"\"Time\":"),
    (Column::Date, b"\"Date\":"),
    (Column::Wind, b"\"Wind\":"),
    (Column::Uv, b"\"UV\":"),
    (Column::Temperature, b"\"Temperature\":"),
    (Column::DewPoint, b"\"Dew Point\":"),
    (Column::Humidity, b"\"Humidity\":"),
    (Column::Speed, b"\"Speed\":"),
    (Column::Gust, b"\"Gust\":"),
    (Column::Pressure, b"\"Pressure\":"),
    (Column::Rate, b"\"Precip. Rate.\":"),
    (Column::Accumulated, b"\"Precip. Accum.\":"),
    (Column::Solar, b"\"Solar\":"),
];

/// The order of the columns in the row before: the next row most likely has the same.
#[derive(Debug, Default)]
pub(super) struct Order([u8; 13]);

impl Order {
    /// The column that starts here, and what follows its colon.
    fn next<'a>(&mut self, place: usize, rest: &'a [u8]) -> Option<(Column, &'a [u8])> {
        let likely = self.0.get_mut(place)?;
        let (column, key) = KEYS.get(usize::from(*likely))?;
        if let Some(rest) = rest.strip_prefix(*key) {
            return Some((*column, rest));
        }
        let (index, (column, key)) = (0u8..).zip(&KEYS).find(|(_, (_, key))| rest.starts_with(key))?;
        *likely = index;
        Some((*column, rest.get(key.len()..)?))
    }
}

const FAHRENHEIT: &[u8] = "\u{a0}°F\"".as_bytes();
const PERCENT: &[u8] = "\u{a0}%\"".as_bytes();
const MPH: &[u8] = "\u{a0}mph\"".as_bytes();
const INCHES: &[u8] = "\u{a0}in\"".as_bytes();
const WATTS: &[u8] = "\u{a0}w/m²\"".as_bytes();
/// Digits a number may have here, so that nothing overflows 64 bits.
const DIGITS: usize = 7;

/// A number with its unit and closing quote. `ADD`, `NUM` and `DEN` are the factors of `units`, with the hundred of the
/// hundredths cancelled into them; as constants they spare every division.
#[inline(always)]
fn united<'a, const ADD: i64, const NUM: i64, const DEN: i64>(
    rest: &'a [u8],
    unit: &[u8],
    field: Field,
    row: &mut Row,
) -> Option<&'a [u8]> {
    let Some(rest) = rest.strip_prefix(b"\"") else {
        row.values.set(field, NULL);
        return rest.strip_prefix(b"null");
    };
    let (mantissa, scale, rest) = decimal(rest)?;
    let hundredths = match scale {
        0 => rounded((mantissa + ADD) * NUM, DEN),
        1 => rounded((mantissa + ADD * 10) * NUM, DEN * 10),
        _ => rounded((mantissa + ADD * 100) * NUM, DEN * 100),
    };
    row.values.set(field, hundredths);
    if field == Field::PrecipAccumMm {
        row.counter = Some(counter(mantissa, scale));
    }
    rest.strip_prefix(unit)
}

#[inline(always)]
fn rounded(num: i64, den: i64) -> i64 {
    half_even(num.div_euclid(den), num.rem_euclid(den), den)
}

/// A bare JSON number without a unit.
fn bare<'a>(rest: &'a [u8], values: &mut Values) -> Option<&'a [u8]> {
    if let Some(rest) = rest.strip_prefix(b"null") {
        values.set(Field::UvIndex, NULL);
        return Some(rest);
    }
    // JSON has no leading zeros; in strings they are fine.
    let digits = rest.strip_prefix(b"-").unwrap_or(rest);
    if digits.first() == Some(&b'0') && digits.get(1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let (mantissa, scale, rest) = decimal(rest)?;
    let unit = match scale {
        0 => 100,
        1 => 10,
        _ => 1,
    };
    values.set(Field::UvIndex, mantissa * unit);
    Some(rest)
}

/// Sign, digits and at most two decimals: mantissa and scale.
#[inline(always)]
fn decimal(text: &[u8]) -> Option<(i64, u32, &[u8])> {
    let (negative, mut rest) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mut mantissa, mut digits, mut scale) = (0i64, 0usize, 0u32);
    while let Some((byte, behind)) = rest.split_first()
        && byte.is_ascii_digit()
    {
        mantissa = mantissa * 10 + i64::from(byte - b'0');
        digits += 1;
        if digits > DIGITS {
            return None;
        }
        rest = behind;
    }
    if digits == 0 {
        return None;
    }
    if let Some((b'.', mut decimals)) = rest.split_first() {
        while let Some((byte, behind)) = decimals.split_first()
            && byte.is_ascii_digit()
        {
            mantissa = mantissa * 10 + i64::from(byte - b'0');
            scale += 1;
            if scale > 2 || digits + scale as usize > DIGITS {
                return None;
            }
            decimals = behind;
        }
        if scale == 0 {
            return None;
        }
        rest = decimals;
    }
    Some((if negative { -mantissa } else { mantissa }, scale, rest))
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
