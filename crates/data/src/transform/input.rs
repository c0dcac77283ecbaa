//! Reading raw objects ahead: bytes, unpacked where they are packed, cut into blocks of whole lines.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::fault::Fault;
use crate::store::SharedStore;

/// Target size of a block, in bytes.
const BLOCK: usize = 256 << 10;
/// Blocks an object may be read ahead.
const AHEAD: usize = 4;
/// A line longer than this is no record of ours, in bytes.
const LINE_LIMIT: usize = 256 << 20;
/// Compressed bytes that are unpacked at once: with deflate's limit of about 1:1032 at most 17 MB of text.
const GZIP_STEP: usize = 16 << 10;

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
    /// Number of its first line, from 1.
    pub first_line: u64,
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
    let mut cutter = Cutter { key, pending: Vec::new(), first_line: 1, stored: 0 };
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        cutter.stored += chunk.len() as u64;
        for piece in chunk.chunks(unpack.step(&chunk)) {
            unpack.push(key, piece, &mut cutter.pending)?;
            while let Some(block) = cutter.cut()? {
                if sender.send(Ok(block)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    unpack.finish(key, &mut cutter.pending)?;
    let _ = sender.send(Ok(cutter.rest())).await;
    Ok(())
}

struct Cutter<'a> {
    key: &'a str,
    pending: Vec<u8>,
    first_line: u64,
    stored: u64,
}

impl Cutter<'_> {
    /// A block up to the last line end, once enough is there.
    fn cut(&mut self) -> Result<Option<RawBlock>, Fault> {
        if self.pending.len() < BLOCK {
            return Ok(None);
        }
        let Some(end) = memchr::memrchr(b'\n', &self.pending) else {
            if self.pending.len() > LINE_LIMIT {
                return Err(Fault::new(format!("read {}: line {} is longer than {} MB", self.key, self.first_line, LINE_LIMIT >> 20))
                    .hint("raw objects hold one record a line; split the record or remove the object"));
            }
            return Ok(None);
        };
        let mut rest = Vec::with_capacity(BLOCK + BLOCK / 4);
        rest.extend_from_slice(self.pending.get(end + 1..).unwrap_or_default());
        self.pending.truncate(end + 1);
        let text = std::mem::replace(&mut self.pending, rest);
        Ok(Some(self.block(text)))
    }

    fn rest(mut self) -> RawBlock {
        let text = std::mem::take(&mut self.pending);
        self.block(text)
    }

    fn block(&mut self, text: Vec<u8>) -> RawBlock {
        let first_line = self.first_line;
        self.first_line += memchr::memchr_iter(b'\n', &text).count() as u64;
        RawBlock { text, first_line, stored: std::mem::take(&mut self.stored) }
    }
}

/// How an object's bytes become text: told by its first bytes, not by its name.
enum Unpack {
    Unknown,
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Unpack {
    fn step(&mut self, chunk: &[u8]) -> usize {
        if matches!(self, Unpack::Unknown) && !chunk.is_empty() {
            *self = if chunk.starts_with(&[0x1f, 0x8b]) { Unpack::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))) } else { Unpack::Plain };
        }
        if matches!(self, Unpack::Gzip(_)) { GZIP_STEP } else { chunk.len().max(1) }
    }

    fn push(&mut self, key: &str, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Unpack::Gzip(decoder) => {
                decoder.write_all(piece).map_err(|error| gzip_fault(key, error))?;
                out.append(decoder.get_mut());
            }
            Unpack::Unknown | Unpack::Plain => out.extend_from_slice(piece),
        }
        Ok(())
    }

    fn finish(self, key: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Unpack::Gzip(decoder) = self {
            out.append(&mut decoder.finish().map_err(|error| gzip_fault(key, error))?);
        }
        Ok(())
    }
}

fn gzip_fault(key: &str, error: std::io::Error) -> Fault {
    Fault::new(format!("unpack {key}")).because(error).hint("the object is damaged or was cut off: have it delivered again")
}
