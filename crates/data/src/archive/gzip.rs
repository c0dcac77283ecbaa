//! Gzip in members: pieces are compressed independently, so several at once, and every gzip reader
//! takes the members one after the other as one file (RFC 1952, section 2.2).

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Size of a piece before compression, in bytes.
pub const MEMBER: usize = 1 << 20;

/// One member holding `bytes`. `level` is 0 (stored) to 9 (smallest). No time stamp: equal input gives equal output.
pub fn member(bytes: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(level.min(9)));
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Reads all members; anything after them that is no member is an error.
pub fn reader<R: Read>(input: R) -> impl Read {
    std::io::BufReader::with_capacity(256 << 10, MultiGzDecoder::new(input))
}
