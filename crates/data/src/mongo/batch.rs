//! Documents waiting to be sent: the inside of a BSON array, built in place without copying twice.

use bson::RawDocumentBuf;

use super::DatabaseError;

/// BSON documents laid out as the elements of a BSON array (type, decimal key, document).
#[derive(Debug, Clone, Default)]
pub struct Documents {
    elements: Vec<u8>,
    count: usize,
}

/// Which command carries a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Insert,
    InsertUnvalidated,
    Update,
}

impl Verb {
    /// The command's name and the field that holds the batch.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Verb::Insert | Verb::InsertUnvalidated => ("insert", "documents"),
            Verb::Update => ("update", "updates"),
        }
    }
}

/// BSON element type of an embedded document.
const DOCUMENT: u8 = 0x03;
/// BSON element type of an array.
const ARRAY: u8 = 0x04;

impl Documents {
    /// An empty batch with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Documents { elements: Vec::with_capacity(bytes), count: 0 }
    }

    /// Appends one BSON document given by its bytes.
    pub fn push(&mut self, document: &[u8]) {
        self.open();
        self.elements.extend_from_slice(document);
    }

    /// Appends `{q: {_id: ID}, u: DOCUMENT, upsert: true}`, `id` being the `_id` element with type and name.
    pub fn push_upsert(&mut self, id_element: &[u8], document: &[u8]) {
        self.open();
        let query = 4 + id_element.len() + 1;
        let total = 4 + (1 + 2 + query) + (1 + 2 + document.len()) + (1 + 7 + 1) + 1;
        self.elements.extend_from_slice(&length(total));
        self.elements.extend_from_slice(&[DOCUMENT, b'q', 0]);
        self.elements.extend_from_slice(&length(query));
        self.elements.extend_from_slice(id_element);
        self.elements.push(0);
        self.elements.extend_from_slice(&[DOCUMENT, b'u', 0]);
        self.elements.extend_from_slice(document);
        self.elements.extend_from_slice(b"\x08upsert\0\x01");
        self.elements.push(0);
    }

    fn open(&mut self) {
        self.elements.push(DOCUMENT);
        push_decimal(&mut self.elements, self.count);
        self.elements.push(0);
        self.count += 1;
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size of the array in bytes.
    pub fn bytes(&self) -> usize {
        self.elements.len()
    }

    /// The documents in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.elements.as_slice();
        std::iter::from_fn(move || {
            let key_end = rest.iter().position(|byte| *byte == 0)?;
            let document = rest.get(key_end + 1..)?;
            let size = document.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)?;
            let (document, tail) = document.split_at_checked(size as usize)?;
            rest = tail;
            Some(document)
        })
    }

    /// The command `{VERB: COLLECTION, ordered: false, writeConcern: {w: "majority"}, FIELD: [documents]}`.
    pub(super) fn command(&self, verb: Verb, collection: &str) -> Result<RawDocumentBuf, DatabaseError> {
        let (name, field) = verb.words();
        let mut bytes = Vec::with_capacity(self.elements.len() + 128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(0x02);
        cstring(&mut bytes, name);
        bytes.extend_from_slice(&length(collection.len() + 1));
        cstring(&mut bytes, collection);
        bytes.extend_from_slice(b"\x08ordered\0\0");
        bytes.extend_from_slice(b"\x03writeConcern\0\x15\0\0\0\x02w\0\x09\0\0\0majority\0\0");
        if verb == Verb::InsertUnvalidated {
            bytes.extend_from_slice(b"\x08bypassDocumentValidation\0\x01");
        }
        bytes.push(ARRAY);
        cstring(&mut bytes, field);
        bytes.extend_from_slice(&length(self.elements.len() + 5));
        bytes.extend_from_slice(&self.elements);
        bytes.extend_from_slice(&[0, 0]);
        let total = length(bytes.len());
        if let Some(head) = bytes.get_mut(..4) {
            head.copy_from_slice(&total);
        }
        RawDocumentBuf::from_bytes(bytes).map_err(|error| DatabaseError::caused(format!("lay out an {name} command"), error))
    }
}

/// A BSON length. Batches stay far below 2 GiB, the limit of the format.
fn length(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

fn cstring(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
}

fn push_decimal(bytes: &mut Vec<u8>, value: usize) {
    let mut digits = [0u8; 20];
    let mut rest = value;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    bytes.extend(digits.iter().skip(20 - used));
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc};

    use super::*;

    #[test]
    fn commands_are_what_the_bson_crate_would_write() {
        let documents: Vec<Document> = (0..123).map(|n| doc! {"_id": n, "text": "é"}).collect();
        let mut batch = Documents::default();
        let mut upserts = Documents::default();
        for document in &documents {
            let raw = RawDocumentBuf::try_from(document).unwrap();
            batch.push(raw.as_bytes());
            let mut id = vec![0x10];
            id.extend_from_slice(b"_id\0");
            id.extend_from_slice(&document.get_i32("_id").unwrap().to_le_bytes());
            upserts.push_upsert(&id, raw.as_bytes());
        }
        let expected = doc! {"insert": "c", "ordered": false, "writeConcern": {"w": "majority"}, "documents": documents.clone()};
        let made = batch.command(Verb::Insert, "c").unwrap();
        assert_eq!(made.as_bytes(), RawDocumentBuf::try_from(&expected).unwrap().as_bytes());
        let updates: Vec<Document> =
            documents.iter().map(|d| doc! {"q": {"_id": d.get_i32("_id").unwrap()}, "u": d.clone(), "upsert": true}).collect();
        let expected = doc! {"update": "c", "ordered": false, "writeConcern": {"w": "majority"}, "updates": updates};
        let made = upserts.command(Verb::Update, "c").unwrap();
        assert_eq!(made.as_bytes(), RawDocumentBuf::try_from(&expected).unwrap().as_bytes());
        assert_eq!(batch.iter().count(), 123);
    }
}
