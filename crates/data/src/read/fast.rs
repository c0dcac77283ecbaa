//! The fast path: one Weather Underground row exactly as Airbyte and collect write it.
//!
//! It reads nothing it does not know byte for byte: another order of envelope fields, white space, an escape, a unit
//! or a word it was not made for, a value that would be a reject: all of it is left to the careful path, before
//! anything was noted. What it accepts means the same to both (see the differential test in `tests/fast_path.rs`).
//!
//! It reads in words of 8 and 16 bytes and so looks up to [`AHEAD`] bytes beyond what it takes; it never searches for
//! the end of the line first. Numbers are integers in hundredths throughout: nothing is rounded twice, nothing allocated.

use chrono::NaiveDate;

use super::number::hundredths;
use super::{Block, Contract};
use crate::decimal::Decimal;
use crate::reading::{Field, NULL, Reading, Values, When};
use crate::station::Format;
use crate::units::wind_word;

/// How far behind a line there must be bytes, whatever they are.
pub(super) const AHEAD: usize = 32;

/// What a row most likely has in common with the one before.
#[derive(Debug, Default)]
pub(super) struct Habits {
    /// The order of the columns.
    order: [u8; COLUMNS],
    /// The envelope from behind the record's id to the payload, once it was read in full.
    envelope: Vec<u8>,
}

/// Reads the line `text` begins with, its newline included, into the block; gives what follows it. `None` leaves the
/// block as it is.
#[inline]
pub(super) fn line<'a>(contract: &Contract, text: &'a [u8], habits: &mut Habits, block: &mut Block) -> Option<&'a [u8]> {
    let station = contract.station.as_ref().filter(|_| contract.format != Some(Format::Infoclimat))?;
    let fields = envelope(text, &mut habits.envelope)?;
    let (row, rest) = row(fields, &mut habits.order)?;
    let rest = rest.strip_prefix(b"}\n")?;
    let station = block.station(station);
    block.rows_read += 1;
    block.readings.push(Reading { station, when: row.when, values: row.values, counter: row.counter, extra: None });
    Some(rest)
}

struct Row {
    when: When,
    values: Values,
    counter: Option<Decimal>,
}

/// What follows the opening brace of the payload.
fn envelope<'a>(text: &'a [u8], habit: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (id, rest) = text.strip_prefix(b"{\"_airbyte_raw_id\":\"")?.split_first_chunk::<36>()?;
    let plain = |byte: u8| (byte.wrapping_sub(b'0') < 10) | ((byte | 0x20).wrapping_sub(b'a') < 6) | (byte == b'-');
    if !id.iter().fold(true, |all, byte| all & plain(*byte)) {
        return None;
    }
    // The same bytes mean the same again.
    if !habit.is_empty()
        && let Some(behind) = rest.strip_prefix(habit.as_slice())
    {
        return Some(behind);
    }
    let behind = rest_of_envelope(rest)?;
    habit.clear();
    habit.extend_from_slice(rest.get(..rest.len() - behind.len())?);
    Some(behind)
}

#[cold]
fn rest_of_envelope(rest: &[u8]) -> Option<&[u8]> {
    let rest = whole(rest.strip_prefix(b"\",\"_airbyte_extracted_at\":")?)?;
    let rest = whole(rest.strip_prefix(b",\"_airbyte_meta\":{\"sync_id\":")?)?;
    let rest = rest.strip_prefix(b",\"changes\":[]")?;
    let rest = match rest.strip_prefix(b",\"sheet\":\"") {
        Some(sheet) => whole(text(sheet)?.1.strip_prefix(b",\"row\":")?)?,
        None => rest,
    };
    let rest = whole(rest.strip_prefix(b"},\"_airbyte_generation_id\":")?)?;
    rest.strip_prefix(b",\"_airbyte_data\":{")
}

/// Skips a JSON integer without sign.
fn whole(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let plain = end == 1 || (end > 1 && text.first() != Some(&b'0'));
    if plain { text.get(end..) } else { None }
}

/// The content of a string of plain ASCII without escapes, and what follows its closing quote.
fn text(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = rest.iter().position(|byte| !(0x20..0x7f).contains(byte) || matches!(byte, b'"' | b'\\'))?;
    let (content, behind) = rest.split_at(end);
    Some((content, behind.strip_prefix(b"\"")?))
}

/// The fields of the payload up to and with its closing brace.
#[inline(always)]
fn row<'a>(mut rest: &'a [u8], order: &mut [u8; COLUMNS]) -> Option<(Row, &'a [u8])> {
    let mut row = Row { when: When::Utc(0), values: Values::default(), counter: None };
    let (mut day, mut second) = (None, None);
    let mut seen = 0u32;
    for likely in order {
        let column;
        (column, rest) = next(likely, rest)?;
        // Of a key that comes twice the last one counts: the careful path knows.
        if seen & (1 << column as u32) != 0 {
            return None;
        }
        seen |= 1 << column as u32;
        rest = match column {
            Column::Time => {
                let (value, behind) = rest.split_first_chunk::<10>()?;
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
            Column::Temperature => united::<-3_200, 5, 9>(rest, FAHRENHEIT, Field::TemperatureC, &mut row)?,
            Column::DewPoint => united::<-3_200, 5, 9>(rest, FAHRENHEIT, Field::DewPointC, &mut row)?,
            Column::Humidity => united::<0, 1, 1>(rest, PERCENT, Field::HumidityPct, &mut row)?,
            Column::Speed => united::<0, 25_146, 15_625>(rest, MPH, Field::WindSpeed, &mut row)?,
            Column::Gust => united::<0, 25_146, 15_625>(rest, MPH, Field::WindGust, &mut row)?,
            Column::Pressure => united::<0, 338_638_866_667, 10_000_000_000>(rest, INCHES, Field::PressureHpa, &mut row)?,
            Column::Rate => united::<0, 127, 5>(rest, INCHES, Field::PrecipRateMmH, &mut row)?,
            Column::Accumulated => united::<0, 127, 5>(rest, INCHES, Field::PrecipAccumMm, &mut row)?,
            Column::Solar => united::<0, 1, 1>(rest, WATTS, Field::SolarWM2, &mut row)?,
        };
        match rest.split_first()? {
            (b',', behind) => rest = behind,
            (b'}', behind) => {
                row.when = When::Local { day, second: second? };
                return Some((row, behind));
            }
            _ => return None,
        }
    }
    None
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

const COLUMNS: usize = 13;

/// A key with its quotes and colon: its first 16 bytes as one number, and the mask of those that count.
struct Key {
    column: Column,
    text: &'static [u8],
    word: u128,
    mask: u128,
}

const fn key(column: Column, text: &'static [u8]) -> Key {
    let (mut word, mut mask, mut at) = (0, 0, 0);
    while at < text.len() && at < 16 {
        word |= (text[at] as u128) << (8 * at);
        mask |= 0xff << (8 * at);
        at += 1;
    }
    Key { column, text, word, mask }
}

static KEYS: [Key; COLUMNS] = [
    key(Column::Time, b"\"Time\":"),
    key(Column::Date, b"\"Date\":"),
    key(Column::Wind, b"\"Wind\":"),
    key(Column::Uv, b"\"UV\":"),
    key(Column::Temperature, b"\"Temperature\":"),
    key(Column::DewPoint, b"\"Dew Point\":"),
    key(Column::Humidity, b"\"Humidity\":"),
    key(Column::Speed, b"\"Speed\":"),
    key(Column::Gust, b"\"Gust\":"),
    key(Column::Pressure, b"\"Pressure\":"),
    key(Column::Rate, b"\"Precip. Rate.\":"),
    key(Column::Accumulated, b"\"Precip. Accum.\":"),
    key(Column::Solar, b"\"Solar\":"),
];

/// The column that starts here, and what follows its colon.
#[inline(always)]
fn next<'a>(likely: &mut u8, rest: &'a [u8]) -> Option<(Column, &'a [u8])> {
    let word = u128::from_le_bytes(*rest.first_chunk()?);
    // The longest key has one byte more than a word.
    let is = |key: &Key| word & key.mask == key.word && (key.text.len() <= 16 || rest.get(16..key.text.len()) == key.text.get(16..));
    let mut key = KEYS.get(usize::from(*likely))?;
    if !is(key) {
        let index;
        (index, key) = (0u8..).zip(&KEYS).find(|(_, key)| is(key))?;
        *likely = index;
    }
    Some((key.column, rest.get(key.text.len()..)?))
}

const FAHRENHEIT: &[u8; 6] = b"\xc2\xa0\xc2\xb0F\"";
const PERCENT: &[u8; 4] = b"\xc2\xa0%\"";
const MPH: &[u8; 6] = b"\xc2\xa0mph\"";
const INCHES: &[u8; 5] = b"\xc2\xa0in\"";
const WATTS: &[u8; 8] = b"\xc2\xa0w/m\xc2\xb2\"";

/// A number with its unit and closing quote. `ADD` (in hundredths), `NUM` and `DEN` are the factors of `units`, reduced;
/// as constants they spare every division.
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
    let (written, rest) = hundredths(rest)?;
    row.values.set(field, nearest::<NUM, DEN>(written + ADD));
    if field == Field::PrecipAccumMm {
        row.counter = Some(counter(written));
    }
    rest.strip_prefix(unit)
}

/// `value * NUM / DEN` to the nearest integer, for magnitudes below [`LARGEST`].
///
/// Ties, which would go to even, do not occur: `NUM` and `DEN` have no common factor, so only a value that is a multiple
/// of `DEN / 2` could make one. There is none for an odd `DEN`, and none but zero below [`LARGEST`] for the even one.
#[inline(always)]
fn nearest<const NUM: i64, const DEN: i64>(value: i64) -> i64 {
    // Makes every sum positive, so that one unsigned division by a constant is enough.
    const BIAS: i64 = 100_000_000;
    const { assert!(DEN % 2 != 0 || DEN / 2 > LARGEST, "ties would need a rule") };
    const { assert!(LARGEST * NUM / DEN < BIAS, "a product could be negative") };
    let sum = 2 * value * NUM + (2 * BIAS + 1) * DEN;
    (sum as u64 / (2 * DEN as u64)) as i64 - BIAS
}

/// Above every magnitude that can be written with four digits and two decimals, in hundredths, Fahrenheit's 32 included.
const LARGEST: i64 = 1_003_200;

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
    let (written, rest) = hundredths(rest)?;
    values.set(Field::UvIndex, written);
    Some(rest)
}

/// The exact counter in mm, written as the careful path writes it: without zeros at the end of the inches.
fn counter(hundredths: i64) -> Decimal {
    let (mantissa, scale) = match (hundredths % 100, hundredths % 10) {
        (0, _) => (hundredths / 100, 0),
        (_, 0) => (hundredths / 10, 1),
        _ => (hundredths, 2),
    };
    Decimal { mantissa: i128::from(mantissa * 254), scale: scale + 1 }
}

#[inline(always)]
fn wind<'a>(rest: &'a [u8], values: &mut Values) -> Option<&'a [u8]> {
    let word = u64::from_le_bytes(*rest.first_chunk()?);
    let likely = POINTS.get(slot(word)).filter(|point| word & point.mask == point.word);
    let (hundredths, length) = match likely {
        Some(point) => (point.hundredths, point.length),
        None => other_wind(rest)?,
    };
    values.set(Field::WindDirectionDeg, hundredths);
    rest.get(length..)
}

/// `null` or any wind word, and how many bytes it takes with its quotes.
#[cold]
fn other_wind(rest: &[u8]) -> Option<(i64, usize)> {
    if rest.starts_with(b"null") {
        return Some((NULL, 4));
    }
    let (word, _) = text(rest.strip_prefix(b"\"")?)?;
    Some((wind_word(std::str::from_utf8(word).ok()?)?, word.len() + 2))
}

/// A usual wind word with its quotes as one number.
#[derive(Clone, Copy)]
struct Point {
    word: u64,
    mask: u64,
    length: usize,
    hundredths: i64,
}

/// The usual wind words, each at its [`slot`]. Slots that stay empty hold a word that no row can show.
static POINTS: [Point; 64] = points();

/// Where a word stands in [`POINTS`]: by its first three letters, behind the quote.
const fn slot(word: u64) -> usize {
    let letters = (word >> 8) & 0x00ff_ffff;
    (letters.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

const fn points() -> [Point; 64] {
    const WORDS: [(&[u8], i64); 14] = [
        (b"\"North\"", 0),
        (b"\"NNE\"", 2_250),
        (b"\"ENE\"", 6_750),
        (b"\"East\"", 9_000),
        (b"\"ESE\"", 11_250),
        (b"\"SSE\"", 15_750),
        (b"\"South\"", 18_000),
        (b"\"SSW\"", 20_250),
        (b"\"WSW\"", 24_750),
        (b"\"West\"", 27_000),
        (b"\"WNW\"", 29_250),
        (b"\"NNW\"", 33_750),
        (b"\"CALM\"", NULL),
        (b"null", NULL),
    ];
    let mut table = [Point { word: 1, mask: 0, length: 0, hundredths: NULL }; 64];
    let mut at = 0;
    while at < WORDS.len() {
        let (text, hundredths) = WORDS[at];
        let (mut word, mut mask, mut byte) = (0, 0, 0);
        while byte < text.len() {
            word |= (text[byte] as u64) << (8 * byte);
            mask |= 0xff << (8 * byte);
            byte += 1;
        }
        // A slot taken twice would hide the first word; the careful reading of words finds it all the same.
        table[slot(word)] = Point { word, mask, length: text.len(), hundredths };
        at += 1;
    }
    table
}

/// `"HH:MM:SS"`, quotes included.
#[inline(always)]
fn clock_time(text: &[u8; 10]) -> Option<u32> {
    let [b'"', a, b, b':', c, d, b':', e, f, b'"'] = text else { return None };
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
