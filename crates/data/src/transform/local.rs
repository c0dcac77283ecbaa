//! Files of this machine, read in pieces that know nothing of each other.
//!
//! A piece is a range of bytes; its text is the lines that begin in it. So whoever parses a piece reads it as well, and its bytes
//! never leave the cache of that processor.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::input::LINE_LIMIT;
use super::pad::Leaf;
use crate::fault::Fault;

/// Bytes that are read at once to find the end of a piece's last line; doubled up to [`STRIDE`] until it is found.
const BEYOND: usize = 4 << 10;
const STRIDE: usize = 4 << 20;

/// The pieces of a file that is not packed.
#[derive(Debug)]
pub(super) struct Pieces {
    file: Arc<File>,
    key: Arc<str>,
    from: u64,
    size: u64,
    step: u64,
}

/// A piece of a file.
#[derive(Debug)]
pub(super) struct Piece {
    file: Arc<File>,
    key: Arc<str>,
    /// Its first byte.
    from: u64,
    /// The byte behind its last.
    to: u64,
}

/// Opens a file whose first bytes are those of plain text; `None` for any other.
pub(super) fn open(path: &Path, key: &str, step: usize) -> std::io::Result<Option<Pieces>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut start = [0; 4];
    let count = read_at(&file, &mut start, 0)?;
    let plain = super::input::is_plain(start.get(..count).unwrap_or_default());
    Ok(plain.then(|| Pieces { file: Arc::new(file), key: key.into(), from: 0, size, step: step as u64 }))
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let (from, to) = (self.from, (self.from + self.step).min(self.size));
        self.from = to;
        (from < to).then(|| Piece { file: Arc::clone(&self.file), key: Arc::clone(&self.key), from, to })
    }
}

impl Piece {
    /// Bytes of the file in it.
    pub fn stored(&self) -> u64 {
        self.to - self.from
    }

    /// Reads it into an empty leaf; gives where in the leaf its lines stand.
    pub fn read(&self, leaf: &mut Leaf) -> Result<std::ops::Range<usize>, Fault> {
        let nothing = 0..0;
        // The byte before tells whether a line begins with the first byte.
        let before = self.from.saturating_sub(1);
        let length = usize::try_from(self.to - before).unwrap_or(usize::MAX);
        let count = self.append(leaf, before, length)?;
        let text = leaf.as_ref();
        let begin = if self.from == 0 { 0 } else { memchr::memchr(b'\n', text).map_or(count, |end| end + 1) };
        if begin >= count {
            return Ok(nothing);
        }
        if count < length || text.last() == Some(&b'\n') {
            return Ok(begin..count);
        }
        let (mut at, mut step) = (self.to, BEYOND);
        loop {
            let known = leaf.as_ref().len();
            let more = self.append(leaf, at, step)?;
            let text = leaf.as_ref().get(known..).unwrap_or_default();
            match memchr::memchr(b'\n', text) {
                Some(end) => return Ok(begin..known + end + 1),
                None if more < step => return Ok(begin..known + more),
                None if known - begin > LINE_LIMIT => return Err(super::input::endless(&self.key, before + begin as u64)),
                None => (at, step) = (at + more as u64, (step * 2).min(STRIDE)),
            }
        }
    }

    /// Appends up to `length` bytes from `at` on; fewer only at the end of the file.
    fn append(&self, leaf: &mut Leaf, at: u64, length: usize) -> Result<usize, Fault> {
        let read = leaf.page().append(length, |room| read_at(&self.file, room, at));
        read.map_err(|error| Fault::new(format!("read {}", self.key)).because(error))
    }
}

/// Fills `room` from `at` on, as far as the file goes.
#[cfg(unix)]
fn read_at(file: &File, room: &mut [u8], at: u64) -> std::io::Result<usize> {
    use std::os::unix::fs::FileExt;
    let mut count = 0;
    while let Some(rest) = room.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(not(unix))]
fn read_at(file: &File, room: &mut [u8], at: u64) -> std::io::Result<usize> {
    use std::io::{Read, Seek, SeekFrom};
    // A handle of its own: pieces are read side by side, and this way of reading moves the handle.
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(at))?;
    let mut count = 0;
    while let Some(rest) = room.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pad::Pad;
    use super::*;

    /// The text of every piece.
    fn texts(text: &[u8], step: usize) -> Vec<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.jsonl");
        std::fs::write(&path, text).unwrap();
        let pad = Pad::default();
        let pieces = open(&path, "raw.jsonl", step).unwrap().expect("plain text");
        let read = |piece: Piece| {
            let mut leaf = pad.leaf();
            let lines = piece.read(&mut leaf).unwrap();
            leaf.as_ref()[lines].to_vec()
        };
        pieces.map(read).collect()
    }

    proptest! {
        #[test]
        fn pieces_are_whole_lines_and_together_the_file(
            lines in prop::collection::vec(prop_oneof![Just(0usize), 1usize..40, 4_000usize..9_000], 0..30),
            step in prop_oneof![1usize..64, 4_000usize..5_000],
            end in any::<bool>(),
        ) {
            let mut text = Vec::new();
            for (number, length) in lines.iter().enumerate() {
                text.extend(std::iter::repeat_n(b'a' + (number % 26) as u8, *length));
                text.push(b'\n');
            }
            if !end {
                text.pop();
            }
            let texts = texts(&text, step);
            prop_assert_eq!(texts.concat(), text.clone());
            // Only the last line of all may lack its end.
            let full: Vec<&Vec<u8>> = texts.iter().filter(|text| !text.is_empty()).collect();
            for one in full.iter().rev().skip(1) {
                prop_assert_eq!(one.last(), Some(&b'\n'));
            }
        }
    }

    #[test]
    fn packed_files_are_not_read_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.jsonl.gz");
        std::fs::write(&path, [0x1f, 0x8b, 8, 0, 0]).unwrap();
        assert!(open(&path, "raw.jsonl.gz", 64).unwrap().is_none());
        std::fs::write(&path, b"").unwrap();
        assert_eq!(open(&path, "raw.jsonl.gz", 64).unwrap().expect("nothing is plain").count(), 0);
    }
}
