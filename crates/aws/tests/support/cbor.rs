//! JSON as CBOR (RFC 8949) and back, as far as requests and answers need it.

use serde_json::{Map, Value};

/// A value as CBOR.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    let head = |kind: u8, length: usize, out: &mut Vec<u8>| {
        out.push(kind << 5 | 26);
        out.extend(u32::try_from(length).expect("a short text").to_be_bytes());
    };
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(on) => out.push(if *on { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match number.as_u64().and_then(|number| usize::try_from(number).ok()) {
            Some(number) => head(0, number, out),
            None => {
                out.push(0xfb);
                out.extend(number.as_f64().expect("a number").to_be_bytes());
            }
        },
        Value::String(text) => {
            head(3, text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Object(map) => {
            head(5, map.len(), out);
            for (key, inner) in map {
                encode(&Value::from(key.as_str()), out);
                encode(inner, out);
            }
        }
    }
}

/// The value at the beginning of the bytes, which are used up to its end.
pub fn decode(bytes: &mut &[u8]) -> Value {
    let first = take(bytes, 1)[0];
    let (kind, low) = (first >> 5, first & 31);
    if kind == 7 {
        return match low {
            20 | 21 => Value::Bool(low == 21),
            26 => Value::from(f64::from(f32::from_be_bytes(take(bytes, 4).try_into().expect("four bytes")))),
            27 => Value::from(f64::from_be_bytes(take(bytes, 8).try_into().expect("eight bytes"))),
            _ => Value::Null,
        };
    }
    // A length of 31 means: until the break.
    let length = match low {
        0..=23 => Some(u64::from(low)),
        24..=27 => Some(take(bytes, 1 << (low - 24)).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
        _ => None,
    };
    let ends = |bytes: &mut &[u8], count: u64| match length {
        Some(length) => count == length,
        None => bytes.first() == Some(&0xff) && !take(bytes, 1).is_empty(),
    };
    match kind {
        0 => Value::from(length.expect("a number")),
        1 => Value::from(-1 - i64::try_from(length.expect("a number")).expect("a small number")),
        3 => Value::from(String::from_utf8_lossy(take(bytes, usize::try_from(length.expect("a length")).expect("a length"))).into_owned()),
        4 => {
            let mut items = Vec::new();
            while !ends(bytes, items.len() as u64) {
                items.push(decode(bytes));
            }
            Value::Array(items)
        }
        5 => {
            let mut map = Map::new();
            while !ends(bytes, map.len() as u64) {
                let key = decode(bytes);
                map.insert(key.as_str().expect("a name").to_owned(), decode(bytes));
            }
            Value::Object(map)
        }
        6 => decode(bytes),
        other => panic!("CBOR of major type {other} is not expected here"),
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}
