//! Walking the elements of a BSON document without decoding them. Grammar: bsonspec.org, version 1.1.

use super::kind;

/// Bytes that are not BSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a BSON document")]
pub struct Malformed;

/// One element: type byte, name and the bytes of the value.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// BSON element type.
    pub kind: u8,
    /// Field name without its closing zero.
    pub name: &'a [u8],
    /// The value's bytes, its own length fields included.
    pub value: &'a [u8],
    /// The whole element: type, name, zero, value.
    pub whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The text of a string element.
    pub fn string(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.text()?).map_err(|_| Malformed)
    }

    /// The bytes of a string element.
    pub(crate) fn text(&self) -> Result<&'a [u8], Malformed> {
        self.value.get(4..self.value.len().saturating_sub(1)).ok_or(Malformed)
    }

    /// A signed integer of 32 or 64 bits, or a date in milliseconds.
    pub fn integer(&self) -> Result<i64, Malformed> {
        match self.value.len() {
            4 => Ok(i64::from(i32::from_le_bytes(take(self.value)?))),
            _ => Ok(i64::from_le_bytes(take(self.value)?)),
        }
    }

    pub(crate) fn double(&self) -> Result<f64, Malformed> {
        Ok(f64::from_le_bytes(take(self.value)?))
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.get(..N).and_then(|slice| slice.try_into().ok()).ok_or(Malformed)
}

/// The elements of a document or array, in order. Ends after the first fault.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Checks the frame: the length covers the bytes, and a zero closes them.
    pub fn of(document: &'a [u8]) -> Result<Self, Malformed> {
        let size = u32::from_le_bytes(take(document)?) as usize;
        match (document.get(4..size.wrapping_sub(1)), document.last()) {
            (Some(rest), Some(0)) if size == document.len() => Ok(Elements { rest }),
            _ => Err(Malformed),
        }
    }

    fn read(&mut self) -> Result<Element<'a>, Malformed> {
        let (kind, tail) = self.rest.split_first().ok_or(Malformed)?;
        let name_len = memchr::memchr(0, tail).ok_or(Malformed)?;
        let (name, tail) = tail.split_at(name_len);
        let tail = tail.get(1..).ok_or(Malformed)?;
        let size = value_size(*kind, tail)?;
        let value = tail.get(..size).ok_or(Malformed)?;
        let (whole, rest) = self.rest.split_at_checked(2 + name_len + size).ok_or(Malformed)?;
        self.rest = rest;
        Ok(Element { kind: *kind, name, value, whole })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = self.read();
        if element.is_err() {
            self.rest = &[];
        }
        Some(element)
    }
}

/// The element of this name, the first if there are several.
pub fn find<'a>(document: &'a [u8], name: &[u8]) -> Result<Option<Element<'a>>, Malformed> {
    for element in Elements::of(document)? {
        let element = element?;
        if element.name == name {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

/// Size of a value in bytes, by its type.
fn value_size(kind: u8, bytes: &[u8]) -> Result<usize, Malformed> {
    let prefix = || -> Result<usize, Malformed> { Ok(u32::from_le_bytes(take(bytes)?) as usize) };
    Ok(match kind {
        kind::DOUBLE | kind::DATE | kind::INT64 | 0x11 => 8,
        kind::STRING | 0x0D | 0x0E => 4 + prefix()?,
        kind::DOCUMENT | kind::ARRAY | 0x0F => prefix()?,
        0x05 => 5 + prefix()?,
        0x06 | kind::NULL | 0x7F | 0xFF => 0,
        0x07 => 12,
        kind::BOOLEAN => 1,
        0x0B => {
            let pattern = memchr::memchr(0, bytes).ok_or(Malformed)? + 1;
            let options = memchr::memchr(0, bytes.get(pattern..).ok_or(Malformed)?).ok_or(Malformed)? + 1;
            pattern + options
        }
        0x0C => 16 + prefix()?,
        kind::INT32 => 4,
        0x13 => 16,
        _ => return Err(Malformed),
    })
}
