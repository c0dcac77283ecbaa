//! Reading raw objects ahead: bytes, unpacked where they are packed, cut into blocks of whole lines.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use crate::fault::Fault;
use crate::store::SharedStore;

/// Target size of a block, in bytes: small enough to be parsed before it leaves the processor's cache.
pub(super) const BLOCK: usize = 512 << 10;
/// Blocks an object may be read ahead.
const AHEAD: usize = 4;
/// A line longer than this is no record of ours, in bytes.
pub(super) const LINE_LIMIT: usize = 256 << 20;
/// Compressed bytes that are unpacked at once: with deflate's limit of about 1:1032 at most 17 MB of text.
const GZIP_STEP: usize = 16 << 10;
/// The same for Zstandard, whose blocks of repeated bytes unpack to 128 kB from four bytes: at most 32 MB of text.
const ZSTD_STEP: usize = 1 << 10;
/// Largest window of a Zstandard frame that is accepted, as a power of two: 32 MB, four times what its highest usual level takes.
const ZSTD_WINDOW: u32 = 25;

/// How far a transform is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of raw objects read (as stored).
    pub bytes_done: u64,
    /// Bytes of all raw objects.
    pub bytes_total: u64,
    /// Documents written so far.
    pub documents: u64,
}

/// A piece of a raw object: whole lines.
#[derive(Debug)]
pub(crate) struct RawBlock {
    pub text: Vec<u8>,
    /// Bytes read from the store for it.
    pub stored: u64,
}

/// Starts reading an object; its blocks arrive in order, at most [`AHEAD`] of them waiting.
pub(crate) fn open(store: &SharedStore, key: &str) -> mpsc::Receiver<Result<RawBlock, Fault>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (store, key) = (store.clone(), key.to_owned());
    tokio::spawn(async move {
        if let Err(fault) = read(&store, &key, &sender).await {
            // Nobody listens any more when the transform has failed already.
            let _ = sender.send(Err(fault)).await;
        }
    });
    receiver
}

async fn read(store: &SharedStore, key: &str, sender: &mpsc::Sender<Result<RawBlock, Fault>>) -> Result<(), Fault> {
    let mut stream = store.get(key, 0).await?;
    let mut unpack = Unpack::Unknown;
    let mut cutter = Cutter { key, least: BLOCK, pending: Vec::new(), passed: 0, stored: 0 };
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        cutter.stored += chunk.len() as u64;
        for piece in chunk.chunks(unpack.step(key, &chunk)?) {
            unpack.push(key, piece, &mut cutter.pending)?;
            while let Some(block) = cutter.cut()? {
                if sender.send(Ok(block)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    unpack.finish(key, &mut cutter.pending)?;
    let _ = sender.send(Ok(cutter.give())).await;
    Ok(())
}

/// Cuts what arrives into blocks of whole lines.
struct Cutter<'a> {
    key: &'a str,
    /// Bytes that make a block.
    least: usize,
    pending: Vec<u8>,
    /// Bytes of text given away.
    passed: u64,
    stored: u64,
}

impl Cutter<'_> {
    /// A block up to the last line end, once enough is there.
    fn cut(&mut self) -> Result<Option<RawBlock>, Fault> {
        if self.pending.len() < self.least {
            return Ok(None);
        }
        let Some(end) = memchr::memrchr(b'\n', &self.pending) else {
            return if self.pending.len() > LINE_LIMIT { Err(endless(self.key, self.passed)) } else { Ok(None) };
        };
        let mut rest = Vec::with_capacity(self.least + self.least / 4);
        rest.extend_from_slice(self.pending.get(end + 1..).unwrap_or_default());
        self.pending.truncate(end + 1);
        let block = self.give();
        self.pending = rest;
        Ok(Some(block))
    }

    /// Everything that is pending, as a block.
    fn give(&mut self) -> RawBlock {
        let text = std::mem::take(&mut self.pending);
        self.passed += text.len() as u64;
        RawBlock { text, stored: std::mem::take(&mut self.stored) }
    }
}

/// The fault of a line that is no record.
pub(super) fn endless(key: &str, at: u64) -> Fault {
    Fault::new(format!("read {key}: the line at byte {at} is longer than {} MB", LINE_LIMIT >> 20))
        .hint("raw objects hold one record a line; split the record or remove the object")
}

/// Whether an object that begins so is text as it is.
pub(super) fn is_plain(start: &[u8]) -> bool {
    matches!(Unpack::told_by("", start), Ok(Unpack::Plain))
}

/// How an object's bytes become text: told by its first bytes, not by its name.
enum Unpack {
    Unknown,
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Zstd),
}

/// A Zstandard stream of one or several frames.
struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    /// Whether the last frame is not complete yet.
    within: bool,
}

impl Unpack {
    fn step(&mut self, key: &str, chunk: &[u8]) -> Result<usize, Fault> {
        if matches!(self, Unpack::Unknown) && !chunk.is_empty() {
            *self = Unpack::told_by(key, chunk)?;
        }
        Ok(match self {
            Unpack::Gzip(_) => GZIP_STEP,
            Unpack::Zstd(_) => ZSTD_STEP,
            Unpack::Unknown | Unpack::Plain => chunk.len().max(1),
        })
    }

    fn told_by(key: &str, start: &[u8]) -> Result<Unpack, Fault> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Unpack::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Unpack::Zstd(Zstd::new().map_err(|error| unpack_fault(key, error))?)),
            [b'P', b'A', b'R', b'1', ..] => Err(Fault::new(format!("read {key}: it is a Parquet file"))
                .hint("a table is for analysis only; let the dataset's name end in .json or .jsonl and transform again")),
            _ => Ok(Unpack::Plain),
        }
    }

    fn push(&mut self, key: &str, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Unpack::Gzip(decoder) => {
                decoder.write_all(piece).map_err(|error| unpack_fault(key, error))?;
                out.append(decoder.get_mut());
            }
            Unpack::Zstd(zstd) => zstd.push(piece, out).map_err(|error| unpack_fault(key, error))?,
            Unpack::Unknown | Unpack::Plain => out.extend_from_slice(piece),
        }
        Ok(())
    }

    fn finish(self, key: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Unpack::Gzip(decoder) => out.append(&mut decoder.finish().map_err(|error| unpack_fault(key, error))?),
            Unpack::Zstd(zstd) if zstd.within => return Err(unpack_fault(key, std::io::ErrorKind::UnexpectedEof.into())),
            _ => {}
        }
        Ok(())
    }
}

impl Zstd {
    fn new() -> std::io::Result<Zstd> {
        let mut decoder = zstd::stream::raw::Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))?;
        Ok(Zstd { decoder, within: false })
    }

    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        let mut input = InBuffer::around(piece);
        let mut text = [0; 16 << 10];
        loop {
            let mut output = OutBuffer::around(&mut text[..]);
            // The hint says how much more is wanted; 0 is the end of a frame.
            self.within = self.decoder.run(&mut input, &mut output)? != 0;
            let full = output.pos() == output.capacity();
            out.extend_from_slice(output.as_slice());
            // What is full may have more to give, unless its frame has just ended.
            if input.pos() == piece.len() && !(full && self.within) {
                return Ok(());
            }
        }
    }
}

fn unpack_fault(key: &str, error: std::io::Error) -> Fault {
    Fault::new(format!("unpack {key}")).because(error).hint("the object is damaged or was cut off: have it delivered again")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_become_blocks_of_whole_lines(text in "[a-c\n]{0,300}", sizes in prop::collection::vec(1usize..90, 1..9), least in 1usize..60) {
            let mut cutter = Cutter { key: "k", least, pending: Vec::new(), passed: 0, stored: 0 };
            let mut blocks = Vec::new();
            let mut rest = text.as_bytes();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at((*size).min(rest.len()));
                rest = behind;
                cutter.pending.extend_from_slice(piece);
                blocks.extend(cutter.cut().unwrap());
            }
            for block in &blocks {
                prop_assert_eq!(block.text.last(), Some(&b'\n'));
            }
            blocks.push(cutter.give());
            prop_assert_eq!(cutter.passed, text.len() as u64);
            prop_assert_eq!(blocks.into_iter().flat_map(|block| block.text).collect::<Vec<u8>>(), text.as_bytes());
        }
    }
}
