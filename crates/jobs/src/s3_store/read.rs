//! Reading an object from any place on, over breaks of the connection.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream as Body;
use bytes::Bytes;
use futures_util::stream;
use meteoctl_aws::error::{self, Cause};
use meteoctl_data::store::{ByteStream, StoreError};

use super::{S3Store, fault, odd};

/// How often one reading picks up a broken body.
pub(super) const RESUMES: u32 = 5;

/// A reading on its way. Holds one chunk at a time.
struct Reading {
    store: S3Store,
    key: String,
    doing: String,
    /// With its quotes, as `If-Match` wants it.
    etag: Option<String>,
    /// Where the next byte belongs in the object.
    position: u64,
    /// The object's size, where the service said how much it sends.
    end: Option<u64>,
    body: Body,
    resumes: u32,
}

/// Starts to read at `offset`.
pub(super) async fn open(store: S3Store, key: String, offset: u64) -> Result<ByteStream, StoreError> {
    let doing = format!("read {}", store.address(&key));
    let Some(answer) = ask(&store, &key, &doing, offset, None).await? else {
        return Ok(Box::pin(stream::empty()));
    };
    let end = answer.content_length().and_then(|length| u64::try_from(length).ok()).map(|length| offset.saturating_add(length));
    let reading = Reading { store, key, doing, etag: answer.e_tag, position: offset, end, body: answer.body, resumes: 0 };
    Ok(Box::pin(stream::try_unfold(reading, |mut reading| async move { Ok(reading.next().await?.map(|bytes| (bytes, reading))) })))
}

/// One GET; `None` when the object ends at or before `offset`.
async fn ask(store: &S3Store, key: &str, doing: &str, offset: u64, etag: Option<&str>) -> Result<Option<GetObjectOutput>, StoreError> {
    let range = (offset > 0).then(|| format!("bytes={offset}-"));
    let call = store.aws.s3.get_object().bucket(&store.bucket).key(key).set_range(range).set_if_match(etag.map(str::to_owned));
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) if error::is(&error, &["InvalidRange"]) || error::status(&error) == Some(416) => return Ok(None),
        Err(error) if error::is(&error, &["PreconditionFailed"]) || error::status(&error) == Some(412) => {
            let why = Cause("the object was replaced while it was being read; read it again from its start".to_owned());
            return Err(StoreError { doing: doing.to_owned(), transient: true, not_found: false, source: Some(Box::new(why)) });
        }
        Err(error) => return Err(fault(doing, error)),
    };
    // A service that ignores `Range` sends the beginning again: bytes in the wrong place, silently.
    let from_there = |range: &str| range.starts_with(&format!("bytes {offset}-"));
    if offset > 0 && !answer.content_range().is_some_and(from_there) {
        return Err(odd(doing, &format!("asked for the bytes from {offset} on, the service sent others")));
    }
    Ok(Some(answer))
}

impl Reading {
    /// The next chunk, `None` at the object's end.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let cause = match self.body.next().await {
                Some(Ok(bytes)) => {
                    self.position = self.position.saturating_add(bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                None if self.end.is_none_or(|end| self.position == end) => return Ok(None),
                None => Cause(format!("the connection ended at byte {}", self.position)),
                Some(Err(error)) => Cause(chain(&error)),
            };
            self.resume(cause).await?;
        }
    }

    async fn resume(&mut self, cause: Cause) -> Result<(), StoreError> {
        // With all bytes here the fault is not a break but a wrong checksum; asking for the rest would hide it.
        let broken = self.end.is_none_or(|end| self.position < end);
        let Some(etag) = self.etag.as_deref().filter(|_| broken && self.resumes < RESUMES) else {
            return Err(StoreError { doing: self.doing.clone(), transient: true, not_found: false, source: Some(Box::new(cause)) });
        };
        self.resumes += 1;
        tracing::debug!(key = self.key, position = self.position, resumes = self.resumes, %cause, "resuming a broken body");
        let answer = ask(&self.store, &self.key, &self.doing, self.position, Some(etag)).await?;
        // Only a body of unknown length can break exactly behind its last byte.
        self.body = answer.map_or_else(Body::default, |answer| answer.body);
        Ok(())
    }
}

/// The SDK's error says "streaming error"; the reason lies below it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
