//! The dataset file in blocks of whole lines.

use bytes::{Buf, Bytes};
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
    chunk: Bytes,
    pending: Vec<u8>,
    line: u64,
    end: u64,
    ended: bool,
    key: String,
}

impl Blocks {
    pub(super) async fn open(store: &dyn Store, key: &str) -> Result<Self, DatabaseError> {
        if [".parquet", ".gz", ".zst"].iter().any(|ending| key.ends_with(ending)) {
            return Err(DatabaseError::rejected(format!("import {key}"), "a table or a packed file is for analysis and keeping")
                .with_hint("let the dataset's name end in .json or .jsonl"));
        }
        let stream = store.get(key, 0).await?;
        Ok(Blocks { stream, chunk: Bytes::new(), pending: Vec::new(), line: 1, end: 0, ended: false, key: key.to_owned() })
    }

    /// Takes up to a block from the stream; its chunks may be of any size.
    async fn more(&mut self) -> Result<(), DatabaseError> {
        if self.chunk.is_empty() {
            match self.stream.next().await {
                Some(chunk) => self.chunk = chunk?,
                None => self.ended = true,
            }
        }
        let size = self.chunk.len().min(BLOCK);
        self.pending.extend_from_slice(self.chunk.get(..size).unwrap_or_default());
        self.chunk.advance(size);
        Ok(())
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
                None => self.more().await?,
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

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn blocks_hold_whole_lines_whatever_the_chunks() {
        let text: String = (0..200_000).map(|n| format!("{{\"n\":{n}}},\n")).collect();
        for chunk in [1000, BLOCK + 7, usize::MAX] {
            let pieces: Vec<_> = text.as_bytes().chunks(chunk).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let stream: ByteStream = Box::pin(stream::iter(pieces));
            let mut blocks = Blocks { stream, chunk: Bytes::new(), pending: Vec::new(), line: 1, end: 0, ended: false, key: "k".into() };
            let mut expected = 0;
            while let Some(block) = blocks.next().await.unwrap() {
                assert!(block.text.len() <= 2 * BLOCK);
                for (number, line) in block.documents() {
                    assert_eq!((number, line), (expected + 1, format!("{{\"n\":{expected}}}").as_bytes()));
                    expected += 1;
                }
            }
            assert_eq!((expected, blocks.end), (200_000, text.len() as u64));
        }
    }
}
