//! The dataset file in blocks of whole lines.

use futures_util::StreamExt;

use crate::mongo::DatabaseError;
use crate::store::{ByteStream, Store};

/// Size a block reaches before it is cut at its last newline, in bytes.
const BLOCK: usize = 512 << 10;
/// A line longer than this is not a document of ours (BSON itself ends at 16 MiB).
const LONGEST: usize = 16 << 20;

/// Whole lines of the file.
#[derive(Debug)]
pub(super) struct Block {
    /// The lines, the last one without newline only at the end of the file.
    pub text: Vec<u8>,
    /// Number of the first line, counted from 1.
    pub first_line: u64,
    /// Offset of the byte after the block.
    pub end: u64,
}

/// Cuts a stream into blocks.
pub(super) struct Blocks {
    stream: ByteStream,
    pending: Vec<u8>,
    line: u64,
    end: u64,
    ended: bool,
    key: String,
}

impl Blocks {
    pub(super) async fn open(store: &dyn Store, key: &str) -> Result<Self, DatabaseError> {
        let stream = store.get(key, 0).await?;
        Ok(Blocks { stream, pending: Vec::new(), line: 1, end: 0, ended: false, key: key.to_owned() })
    }

    /// The next block, `None` at the end of the file.
    pub(super) async fn next(&mut self) -> Result<Option<Block>, DatabaseError> {
        let cut = loop {
            if self.ended {
                break self.pending.len();
            }
            let newline = if self.pending.len() >= BLOCK { memchr::memrchr(b'\n', &self.pending) } else { None };
            match newline {
                Some(at) => break at + 1,
                None if self.pending.len() > LONGEST => {
                    let why = format!("line {} is longer than {LONGEST} bytes", self.line);
                    return Err(DatabaseError::rejected(format!("read {}", self.key), why)
                        .with_hint("a dataset file holds one document a line: run the transform again"));
                }
                None => match self.stream.next().await {
                    Some(chunk) => self.pending.extend_from_slice(&chunk?),
                    None => self.ended = true,
                },
            }
        };
        if cut == 0 {
            return Ok(None);
        }
        let rest = self.pending.split_off(cut);
        let text = std::mem::replace(&mut self.pending, rest);
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &text).count() as u64;
        self.end += text.len() as u64;
        Ok(Some(Block { text, first_line, end: self.end }))
    }
}

impl Block {
    /// The documents with their line numbers: array brackets and separators taken off.
    pub(super) fn documents(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut start = 0;
        let ends = memchr::memchr_iter(b'\n', &self.text).chain(std::iter::once(self.text.len()));
        ends.zip(self.first_line..).filter_map(move |(end, number)| {
            let line = self.text.get(start..end).unwrap_or_default();
            start = end + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = line.strip_suffix(b",").unwrap_or(line);
            (!matches!(line, b"" | b"[" | b"]")).then_some((number, line))
        })
    }
}
