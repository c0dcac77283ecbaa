//! Reading a file piece by piece, straight into the buffers that are handed on.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::stream;
use tokio::task::spawn_blocking;

use super::super::{ByteStream, StoreError};

/// Size of a piece, in bytes: small enough to be parsed before it leaves the processor's cache.
const PIECE: usize = 512 << 10;

/// The bytes of a file from `offset` on.
pub(super) async fn open(path: PathBuf, offset: u64) -> Result<ByteStream, StoreError> {
    let doing = format!("read {}", path.display());
    let opened = away(&doing, move || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    });
    let file = opened.await?;
    let stream = stream::unfold(Some((file, doing)), |state| async {
        let (file, doing) = state?;
        match away(&doing, move || piece(file)).await {
            Ok((_, bytes)) if bytes.is_empty() => None,
            Ok((file, bytes)) => Some((Ok(bytes), Some((file, doing)))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Box::pin(stream))
}

fn piece(mut file: File) -> std::io::Result<(File, Bytes)> {
    let mut bytes = Vec::with_capacity(PIECE);
    file.by_ref().take(PIECE as u64).read_to_end(&mut bytes)?;
    Ok((file, bytes.into()))
}

/// Runs file work where it may wait.
pub(super) async fn away<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work).await.unwrap_or_else(|lost| Err(std::io::Error::other(lost)));
    done.map_err(|source| StoreError::io(doing, source))
}
