//! The lock object in S3: read it, and write it only if it is still what was read.

use std::sync::Arc;

use bytes::Bytes;
use meteoctl_aws::client::Aws;
use meteoctl_aws::error;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::BoxFuture;

/// Most bytes of a lock object; a larger one is none.
const LIMIT: i64 = 64 << 10;

/// What lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Not even the bucket.
    NoBucket,
    /// The bucket, without the object.
    Nothing,
    /// The object.
    There {
        /// Its bytes.
        bytes: Bytes,
        /// Its version, as `If-Match` wants it.
        etag: String,
    },
}

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Written; the new version.
    Done(String),
    /// Somebody else was first, or our own earlier attempt arrived although its answer was lost: read it.
    Conflict,
    /// There is no bucket.
    NoBucket,
}

/// A place for one small object with conditional writes.
pub trait Remote: Send + Sync {
    /// Where it is, for people.
    fn address(&self) -> String;
    /// Reads the object.
    fn get(&self) -> BoxFuture<'_, Outcome<Seen>>;
    /// Writes it if its version is still `etag`; `None` = if there is none.
    fn put<'a>(&'a self, bytes: Bytes, etag: Option<&'a str>) -> BoxFuture<'a, Outcome<Put>>;
}

/// An object of a bucket.
pub struct S3Object {
    /// The clients; their tally counts the lock's calls.
    pub aws: Arc<Aws>,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

impl S3Object {
    async fn read(&self) -> Outcome<Seen> {
        let doing = format!("read the lock {}", self.address());
        let answer = match self.aws.s3.get_object().bucket(&self.bucket).key(&self.key).send().await {
            Ok(answer) => answer,
            Err(error) if error::is(&error, &["NoSuchBucket"]) => return Ok(Seen::NoBucket),
            Err(error) if error::is(&error, &["NoSuchKey", "NotFound"]) => return Ok(Seen::Nothing),
            Err(error) => return Err(error::failure(doing, error)),
        };
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        if etag.is_empty() || answer.content_length().is_some_and(|length| length > LIMIT) {
            return Err(not_a_lock(doing, "the object has no ETag or is far too large"));
        }
        let body = answer.body.collect().await.map_err(|error| Failure::transient(doing).because(error))?;
        Ok(Seen::There { bytes: body.into_bytes(), etag })
    }

    async fn write(&self, bytes: Bytes, etag: Option<&str>) -> Outcome<Put> {
        let doing = format!("write the lock {}", self.address());
        let call = self.aws.s3.put_object().bucket(&self.bucket).key(&self.key).content_type("application/json").body(bytes.into());
        let call = match etag {
            Some(etag) => call.if_match(etag),
            None => call.if_none_match("*"),
        };
        match call.send().await {
            Ok(answer) => match answer.e_tag().filter(|etag| !etag.is_empty()) {
                Some(etag) => Ok(Put::Done(etag.to_owned())),
                None => Err(Failure::transient(doing).because("the service did not say which version it wrote")),
            },
            Err(error) if error::is(&error, &["NoSuchBucket"]) => Ok(Put::NoBucket),
            // A condition that failed; a version that is gone; another conditional write at the same moment.
            Err(error) if error::is(&error, &["PreconditionFailed", "NoSuchKey", "ConditionalRequestConflict"]) => Ok(Put::Conflict),
            Err(error) if error::status(&error) == Some(412) => Ok(Put::Conflict),
            Err(error) => Err(error::failure(doing, error)),
        }
    }
}

impl Remote for S3Object {
    fn address(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    fn get(&self) -> BoxFuture<'_, Outcome<Seen>> {
        Box::pin(self.read())
    }

    fn put<'a>(&'a self, bytes: Bytes, etag: Option<&'a str>) -> BoxFuture<'a, Outcome<Put>> {
        Box::pin(self.write(bytes, etag))
    }
}

/// The failure about an object that is no lock.
pub fn not_a_lock(doing: String, why: impl Into<String>) -> Failure {
    Failure::rejected(doing).because(why.into()).hint("if nothing of this stack is running: meteoctl lock break")
}
