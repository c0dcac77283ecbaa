//! From a line of the dataset file to BSON, the quick way: one pass over compact canonical JSON.
//!
//! Takes what a transform writes (no escapes, plain decimals, distinct keys) and declines everything else,
//! which then goes the careful way. Whatever it takes, the careful way would encode to the same bytes:
//! a differential property test holds both together.

use super::encode::{EncodeError, encode, instant};
use crate::digest::{TimestampType, kind};

/// Objects nested deeper than this are left to the careful way.
const DEPTH: usize = 16;
/// Decimals of at most 15 digits are exact in the sense that no two of them share an `f64`.
const DIGITS: usize = 15;

/// Encodes line after line, keeping its buffers.
#[derive(Debug, Default)]
pub struct Encoder {
    timestamps: TimestampType,
    body: Vec<u8>,
    document: Vec<u8>,
    keys: Vec<(usize, usize)>,
    careful: (String, String),
}

/// One encoded document, borrowed until the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// BSON bytes, `_id` first.
    pub bytes: &'a [u8],
    /// The `_id` element of those bytes.
    pub id_element: &'a [u8],
    /// `station.station_id`.
    pub station: &'a str,
    /// UTC day, `YYYY-MM-DD`.
    pub day: &'a str,
}

impl Encoder {
    /// An encoder that stores timestamps this way.
    pub fn new(timestamps: TimestampType) -> Self {
        Encoder { timestamps, ..Encoder::default() }
    }

    /// Encodes one line (without its closing comma and newline), quickly if it can, carefully if it must.
    pub fn encode<'a>(&'a mut self, line: &'a [u8]) -> Result<Line<'a>, EncodeError> {
        let (station, day) = match self.quick(line) {
            Some((station, timestamp)) => (station, timestamp.get(..10).unwrap_or_default()),
            None => {
                let encoded = encode(line, self.timestamps)?;
                self.document = encoded.bytes;
                self.careful = (encoded.station, encoded.day);
                (self.careful.0.as_str(), self.careful.1.as_str())
            }
        };
        // `_id` is the first element: type, name and a string of `<station>@YYYY-MM-DDTHH:MM:SSZ`.
        let id_length = 5 + 4 + station.len() + 1 + 20 + 1;
        let id_element = self.document.get(4..4 + id_length).unwrap_or_default();
        Ok(Line { bytes: &self.document, id_element, station, day })
    }

    /// Station and timestamp, with the document in `self.document`; `None` declines.
    fn quick<'l>(&mut self, line: &'l [u8]) -> Option<(&'l str, &'l str)> {
        std::str::from_utf8(line).ok()?;
        self.body.clear();
        self.keys.clear();
        let mut scan =
            Scan { line, at: 0, body: &mut self.body, keys: &mut self.keys, timestamps: self.timestamps, station: None, timestamp: None };
        scan.object(0, false)?;
        if scan.at != line.len() {
            return None;
        }
        let station = std::str::from_utf8(scan.station?).ok()?;
        let timestamp = std::str::from_utf8(scan.timestamp?).ok()?;
        instant(timestamp)?;
        let id = station.len() + 1 + timestamp.len() + 1;
        let total = 4 + 5 + 4 + id + self.body.len() + 1;
        let document = &mut self.document;
        document.clear();
        document.extend_from_slice(&u32::try_from(total).ok()?.to_le_bytes());
        document.extend_from_slice(b"\x02_id\0");
        document.extend_from_slice(&u32::try_from(id).ok()?.to_le_bytes());
        document.extend_from_slice(station.as_bytes());
        document.push(b'@');
        document.extend_from_slice(timestamp.as_bytes());
        document.push(0);
        document.extend_from_slice(&self.body);
        document.push(0);
        Some((station, timestamp))
    }
}

struct Scan<'l, 'b> {
    line: &'l [u8],
    at: usize,
    body: &'b mut Vec<u8>,
    keys: &'b mut Vec<(usize, usize)>,
    timestamps: TimestampType,
    station: Option<&'l [u8]>,
    timestamp: Option<&'l [u8]>,
}

impl<'l> Scan<'l, '_> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// A string without escapes and control characters.
    fn string(&mut self) -> Option<&'l [u8]> {
        self.take(b'"')?;
        let rest = self.line.get(self.at..)?;
        let size = memchr::memchr2(b'"', b'\\', rest)?;
        let text = rest.get(..size)?;
        if rest.get(size) != Some(&b'"') || text.iter().any(|byte| *byte < 0x20) {
            return None;
        }
        self.at += size + 1;
        Some(text)
    }

    /// The members of an object, written as elements. The caller writes length and end.
    fn object(&mut self, depth: usize, in_station: bool) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        self.take(b'{')?;
        let first_key = self.keys.len();
        let mut seen = 0_u64;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let start = self.at + 1;
            let key = self.string()?;
            self.distinct(&mut seen, first_key, key, start)?;
            self.take(b':')?;
            self.member(depth, in_station, key)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return None,
            }
        }
        self.at += 1;
        self.keys.truncate(first_key);
        Some(())
    }

    /// Declines a key this object has already. A bit per length and ends spares most comparisons.
    fn distinct(&mut self, seen: &mut u64, first_key: usize, key: &[u8], start: usize) -> Option<()> {
        let mark = key.len() * 7 + usize::from(*key.first().unwrap_or(&0)) * 3 + usize::from(*key.last().unwrap_or(&0));
        let bit = 1_u64 << (mark & 63);
        if *seen & bit != 0 {
            let line = self.line;
            let repeated = |(from, to): &(usize, usize)| line.get(*from..*to) == Some(key);
            if self.keys.get(first_key..)?.iter().any(repeated) {
                return None;
            }
        }
        *seen |= bit;
        self.keys.push((start, start + key.len()));
        Some(())
    }

    fn member(&mut self, depth: usize, in_station: bool, key: &'l [u8]) -> Option<()> {
        let type_at = self.body.len();
        self.body.push(0);
        self.body.extend_from_slice(key);
        self.body.push(0);
        let mut element = None;
        if self.peek()? == b'"' {
            match (depth, in_station, key) {
                (0, _, b"_id") => return None,
                (0, _, b"timestamp") => {
                    let text = self.string()?;
                    self.timestamp = Some(text);
                    element = Some(self.instant(text)?);
                }
                (1, true, b"station_id") => {
                    let text = self.string()?;
                    self.station = Some(text);
                    element = Some(self.text(text)?);
                }
                _ => {}
            }
        } else if depth == 0 && key == b"_id" {
            return None;
        }
        let element = match element {
            Some(element) => element,
            None => self.value(depth + 1, depth == 0 && key == b"station")?,
        };
        *self.body.get_mut(type_at)? = element;
        Some(())
    }

    fn instant(&mut self, text: &[u8]) -> Option<u8> {
        match self.timestamps {
            TimestampType::String => self.text(text),
            TimestampType::Date => {
                let millis = instant(std::str::from_utf8(text).ok()?)?;
                self.body.extend_from_slice(&millis.to_le_bytes());
                Some(kind::DATE)
            }
        }
    }

    fn text(&mut self, text: &[u8]) -> Option<u8> {
        self.body.extend_from_slice(&u32::try_from(text.len() + 1).ok()?.to_le_bytes());
        self.body.extend_from_slice(text);
        self.body.push(0);
        Some(kind::STRING)
    }

    /// Writes a value and says its type.
    fn value(&mut self, depth: usize, station: bool) -> Option<u8> {
        match self.peek()? {
            b'"' => {
                let text = self.string()?;
                self.text(text)
            }
            b'{' => self.framed(kind::DOCUMENT, |scan| scan.object(depth, station)),
            b'[' => self.framed(kind::ARRAY, |scan| scan.array(depth)),
            b't' => self.word(b"true", kind::BOOLEAN, &[1]),
            b'f' => self.word(b"false", kind::BOOLEAN, &[0]),
            b'n' => self.word(b"null", kind::NULL, &[]),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8], kind: u8, bytes: &[u8]) -> Option<u8> {
        if self.line.get(self.at..self.at + word.len())? != word {
            return None;
        }
        self.at += word.len();
        self.body.extend_from_slice(bytes);
        Some(kind)
    }

    /// Length, what `inner` writes, closing zero.
    fn framed(&mut self, kind: u8, inner: impl FnOnce(&mut Self) -> Option<()>) -> Option<u8> {
        let start = self.body.len();
        self.body.extend_from_slice(&[0; 4]);
        inner(self)?;
        self.body.push(0);
        let size = u32::try_from(self.body.len() - start).ok()?;
        self.body.get_mut(start..start + 4)?.copy_from_slice(&size.to_le_bytes());
        Some(kind)
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        self.take(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        for index in 0_usize.. {
            let type_at = self.body.len();
            self.body.push(0);
            self.body.extend_from_slice(index.to_string().as_bytes());
            self.body.push(0);
            let element = self.value(depth + 1, false)?;
            *self.body.get_mut(type_at)? = element;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return None,
            }
        }
        self.at += 1;
        Some(())
    }

    /// Whole numbers and plain decimals in their one canonical spelling.
    fn number(&mut self) -> Option<u8> {
        let negative = self.take(b'-').is_some();
        let (whole, whole_digits) = self.digits(0, 0)?;
        let leading_zero = whole_digits > 1 && self.line.get(self.at - whole_digits) == Some(&b'0');
        if whole_digits == 0 || leading_zero {
            return None;
        }
        if self.take(b'.').is_none() {
            if matches!(self.peek(), Some(b'e' | b'E')) || (negative && whole == 0) {
                return None;
            }
            return Some(self.integer(if negative { -whole } else { whole }));
        }
        let (mantissa, digits) = self.digits(whole, whole_digits)?;
        let fraction = digits - whole_digits;
        let last = self.line.get(self.at - 1);
        if fraction == 0 || last == Some(&b'0') || matches!(self.peek(), Some(b'e' | b'E')) {
            return None;
        }
        // Mantissa and power of ten are exact, so the quotient is the correctly rounded decimal.
        let value = mantissa as f64 / POWERS.get(fraction)?;
        let value = if negative { -value } else { value };
        self.body.extend_from_slice(&value.to_le_bytes());
        Some(kind::DOUBLE)
    }

    /// Adds decimal digits to `sum`; declines more than [`DIGITS`] of them.
    fn digits(&mut self, mut sum: i64, mut count: usize) -> Option<(i64, usize)> {
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            sum = sum * 10 + i64::from(digit - b'0');
            count += 1;
            self.at += 1;
            if count > DIGITS {
                return None;
            }
        }
        Some((sum, count))
    }

    fn integer(&mut self, value: i64) -> u8 {
        match i32::try_from(value) {
            Ok(small) => {
                self.body.extend_from_slice(&small.to_le_bytes());
                kind::INT32
            }
            Err(_) => {
                self.body.extend_from_slice(&value.to_le_bytes());
                kind::INT64
            }
        }
    }
}

/// 10^0 to 10^15, all exact.
const POWERS: [f64; DIGITS + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REAL: [&str; 3] = [
        r#"{"source":"infoclimat","station":{"station_id":"07015","name":"Lille-Lesquin","latitude":50.575,"longitude":3.092,"elevation":47,"license":{"license":"CC BY","url":"https://x/"},"tags":[1,-2.5,"a",[],{}]},"timestamp":"2024-10-05T00:00:00Z","measurements":{"temperature_c":7.6,"humidity_pct":89,"pressure_hpa":1020.7,"wind_speed":3.6,"wind_gust":7.2,"precip_mm":0,"dew_point_c":-0.5,"visibility_m":6000,"clouds_octas":null}}"#,
        r#"{"source":"weather_underground","station":{"station_id":"IICHTE19","name":"Weerstation « BS »","latitude":51.092,"longitude":2.999,"elevation":15,"city":"Ichtegem","big":4294967296,"on":true,"off":false},"timestamp":"2024-09-30T22:04:00Z","measurements":{"temperature_c":13.78,"humidity_pct":87,"pressure_hpa":1012.87,"wind_speed":13.2,"wind_gust":16.74,"precip_mm":null}}"#,
        r#"{"station":{"station_id":"X","z":0.000001,"y":-0,"w":1e3,"v":1.50},"timestamp":"2024-02-29T23:59:59Z"}"#,
    ];

    fn both_agree(line: &[u8]) -> Result<bool, TestCaseError> {
        let mut taken = false;
        for timestamps in [TimestampType::String, TimestampType::Date] {
            let mut encoder = Encoder::new(timestamps);
            let quick = encoder.quick(line).map(|(station, timestamp)| (station.to_owned(), timestamp.to_owned()));
            if let Some((station, timestamp)) = quick {
                taken = true;
                let careful = encode(line, timestamps);
                let text = String::from_utf8_lossy(line).into_owned();
                let careful = careful.map_err(|error| TestCaseError::fail(format!("taken, but carefully: {error} in {text}")))?;
                prop_assert_eq!(&encoder.document, &careful.bytes, "{}", text);
                prop_assert_eq!((station, &timestamp[..10]), (careful.station, careful.day.as_str()));
                let line = encoder.encode(line).unwrap();
                let id = crate::digest::elements::find(line.bytes, b"_id").unwrap().unwrap();
                prop_assert_eq!(id.whole, line.id_element);
            }
        }
        Ok(taken)
    }

    #[test]
    fn real_lines_are_taken_and_odd_ones_declined() {
        assert!(both_agree(REAL[0].as_bytes()).unwrap() && both_agree(REAL[1].as_bytes()).unwrap());
        assert!(!both_agree(REAL[2].as_bytes()).unwrap());
        for (from, to) in
            [("7.6", "7.60"), ("7.6", "0.76e1"), ("\"source\"", "\"timestamp\""), ("89", "089"), ("Lille", "Li\\u006cle"), (",", ", ")]
        {
            assert!(!both_agree(REAL[0].replacen(from, to, 1).as_bytes()).unwrap(), "{from} → {to}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn mutated_lines_are_encoded_alike_or_declined(
            which in 0_usize..3,
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..3, "[0-9eE.,:\"{}\\[\\]\\\\ a-c_é\u{1}-]{1,3}"), 1..4),
        ) {
            let mut text: Vec<char> = REAL[which].chars().collect();
            for (at, delete, insert) in edits {
                let at = at.index(text.len());
                let end = (at + delete).min(text.len());
                text.splice(at..end, insert.chars());
            }
            let text: String = text.into_iter().collect();
            both_agree(text.as_bytes())?;
        }

        #[test]
        fn any_number_is_encoded_alike_or_declined(value in any::<f64>(), whole in any::<i64>(), scaled in -10_000_000_i64..10_000_000, digits in 0_u32..7) {
            let decimal = format!("{}", scaled as f64 / 10f64.powi(digits as i32));
            for number in [format!("{value}"), format!("{whole}"), decimal] {
                both_agree(REAL[1].replace("13.78", &number).as_bytes())?;
            }
        }
    }
}
