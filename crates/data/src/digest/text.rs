//! BSON values as canonical JSON text.

use std::io::Write as _;

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::elements::{Element, Elements, Malformed};
use super::kind;

/// `"name":`
pub(super) fn write_name(text: &mut Vec<u8>, name: &[u8]) {
    write_string(text, name);
    text.push(b':');
}

/// Puts the closing bracket in place of the last comma.
pub(super) fn close(text: &mut Vec<u8>, bracket: u8) {
    match text.last_mut() {
        Some(last) if *last == b',' => *last = bracket,
        _ => text.push(bracket),
    }
}

/// Any value; types JSON does not have are written as extended JSON, which no canonical document contains.
pub(super) fn write_value(text: &mut Vec<u8>, element: &Element<'_>) -> Result<(), Malformed> {
    match element.kind {
        kind::DOUBLE => write_number(text, element.double()?),
        kind::STRING => write_string(text, element.text()?),
        kind::DOCUMENT => {
            text.push(b'{');
            for inner in Elements::of(element.value)? {
                let inner = inner?;
                write_name(text, inner.name);
                write_value(text, &inner)?;
                text.push(b',');
            }
            close(text, b'}');
        }
        kind::ARRAY => {
            text.push(b'[');
            for inner in Elements::of(element.value)? {
                write_value(text, &inner?)?;
                text.push(b',');
            }
            close(text, b']');
        }
        kind::BOOLEAN => text.extend_from_slice(if element.value == [1] { b"true" } else { b"false" }),
        kind::NULL => text.extend_from_slice(b"null"),
        kind::INT32 | kind::INT64 => write_integer(text, element.integer()?),
        other => {
            let _ = write!(text, "{{\"$type{other}\":\"");
            element.value.iter().for_each(|byte| drop(write!(text, "{byte:02x}")));
            text.extend_from_slice(b"\"}");
        }
    }
    Ok(())
}

/// A JSON string with the escapes serde_json writes: quote, backslash, and control characters.
pub(super) fn write_string(text: &mut Vec<u8>, string: &[u8]) {
    text.push(b'"');
    let mut plain = 0;
    for (at, byte) in string.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        text.extend_from_slice(string.get(plain..at).unwrap_or_default());
        plain = at + 1;
        match byte {
            b'"' => text.extend_from_slice(b"\\\""),
            b'\\' => text.extend_from_slice(b"\\\\"),
            0x08 => text.extend_from_slice(b"\\b"),
            0x09 => text.extend_from_slice(b"\\t"),
            0x0A => text.extend_from_slice(b"\\n"),
            0x0C => text.extend_from_slice(b"\\f"),
            0x0D => text.extend_from_slice(b"\\r"),
            other => drop(write!(text, "\\u{other:04x}")),
        }
    }
    text.extend_from_slice(string.get(plain..).unwrap_or_default());
    text.push(b'"');
}

fn write_integer(text: &mut Vec<u8>, value: i64) {
    let mut digits = [0u8; 20];
    let mut rest = value.unsigned_abs();
    let mut at = digits.len();
    while let Some(slot) = at.checked_sub(1).and_then(|index| digits.get_mut(index)) {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        at -= 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        text.push(b'-');
    }
    text.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// A number by value: integral values without a fraction, otherwise the shortest decimal that reads back
/// to the same `f64`, never with an exponent. −0 is 0. What is no number is written as text no file contains.
pub fn write_number(text: &mut Vec<u8>, value: f64) {
    // Below 2^53 every integer is exact; a decimal of at most 15 digits that reads back equal is the shortest.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return write_integer(text, value as i64);
    }
    if !value.is_finite() {
        text.extend_from_slice(b"{\"$numberDouble\":\"");
        let _ = write!(text, "{value}");
        return text.extend_from_slice(b"\"}");
    }
    for (scale, digits) in [(100.0, 2), (1e6, 6)] {
        let scaled = (value * scale).round();
        if scaled.abs() < 1e15 && scaled / scale == value {
            return write_decimal(text, scaled as i64, digits);
        }
    }
    let _ = write!(text, "{value}");
}

/// `scaled` / 10^`digits` without closing zeros.
fn write_decimal(text: &mut Vec<u8>, scaled: i64, digits: u32) {
    let unit = 10u64.pow(digits);
    if scaled < 0 {
        text.push(b'-');
    }
    let magnitude = scaled.unsigned_abs();
    write_integer(text, (magnitude / unit) as i64);
    text.push(b'.');
    let (mut fraction, mut weight) = (magnitude % unit, unit / 10);
    while fraction > 0 && weight > 0 {
        text.push(b'0' + (fraction / weight) as u8);
        fraction %= weight;
        weight /= 10;
    }
}

/// ISO-8601 with seconds and `Z`; milliseconds only when there are any.
pub(super) fn write_instant(text: &mut String, millis: i64) {
    use std::fmt::Write as _;
    let Some(at) = DateTime::<Utc>::from_timestamp_millis(millis) else {
        let _ = write!(text, "date {millis}");
        return;
    };
    let (date, time) = (at.date_naive(), at.time());
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let rest = millis.rem_euclid(1000);
    if rest != 0 {
        let _ = write!(text, ".{rest:03}");
    }
    text.push('Z');
}
