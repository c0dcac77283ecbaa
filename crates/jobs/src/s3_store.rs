//! A bucket as a [`Store`].
//!
//! Calls that fail in passing are repeated by the SDK; what it cannot repeat, a body that breaks off midway, is resumed in `read`.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream as Body, DateTime as SdkTime};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use meteoctl_aws::client::Aws;
use meteoctl_aws::error::{self, Cause};
use meteoctl_data::store::{BoxFuture, ByteStream, ObjectInfo, Store, StoreError, Upload};

mod empty;
mod page;
mod parts;
mod read;
mod stale;
#[cfg(test)]
mod tests;
mod upload;

pub use page::FirstPage;

/// What S3 answers to HEAD and GET when there is no such key or no such bucket.
const ABSENT: [&str; 3] = ["NoSuchBucket", "NoSuchKey", "NotFound"];

/// The objects of one bucket. Keys are relative to the bucket; metadata must be ASCII, as S3 wants it.
///
/// S3 does not say when it wrote: `modified` in the answers of `put` and `Upload::finish` is this machine's clock, while `head`
/// and `list` report the service's.
#[derive(Debug, Clone)]
pub struct S3Store {
    aws: Arc<Aws>,
    bucket: String,
}

impl S3Store {
    /// The bucket of this name. Makes no call.
    pub fn new(aws: Arc<Aws>, bucket: impl Into<String>) -> Self {
        S3Store { aws, bucket: bucket.into() }
    }

    /// Its name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The objects that one call lists, from the first key on: mostly all there are.
    ///
    /// # Errors
    /// What the service says, except that there is no such bucket.
    pub async fn first_page(&self) -> Result<FirstPage, StoreError> {
        let doing = format!("list {}", self.address(""));
        let answer = match self.aws.s3.list_objects_v2().bucket(&self.bucket).send().await {
            Ok(answer) => answer,
            Err(error) if is_absent(&error) => return Ok(FirstPage::NoBucket),
            Err(error) => return Err(fault(doing, error)),
        };
        let mut objects = Vec::new();
        for object in answer.contents() {
            let info = described(object.key(), object.size(), object.e_tag(), object.last_modified());
            objects.push(info.ok_or_else(|| odd(&doing, "an object without key, size, ETag or time"))?);
        }
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(FirstPage::Objects { objects, all: answer.is_truncated() != Some(true) })
    }

    fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    async fn all_pages(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let doing = format!("list {}", self.address(prefix));
        let mut pages = self.aws.s3.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault(&doing, error))?;
            // The paginator would take this for the end, and the rest of the bucket for absent.
            if page.is_truncated() == Some(true) && page.next_continuation_token().is_none_or(str::is_empty) {
                return Err(odd(&doing, "the service announces more objects without saying where they continue"));
            }
            for object in page.contents() {
                let info = described(object.key(), object.size(), object.e_tag(), object.last_modified());
                all.push(info.ok_or_else(|| odd(&doing, "an object without key, size, ETag or time"))?);
            }
        }
        // Directory buckets answer in no particular order.
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(all)
    }

    async fn describe(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        let doing = format!("look at {}", self.address(key));
        let answer = match self.aws.s3.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => answer,
            // A HEAD has no body: a missing key and a missing bucket look the same.
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(fault(doing, error)),
        };
        let info = described(Some(key), answer.content_length(), answer.e_tag(), answer.last_modified());
        let mut info = info.ok_or_else(|| odd(&doing, "an answer without size, ETag or time"))?;
        info.metadata = answer.metadata.into_iter().flatten().map(|(name, value)| (name.to_lowercase(), value)).collect();
        Ok(Some(info))
    }

    async fn put_whole(&self, key: &str, bytes: Bytes, metadata: BTreeMap<String, String>) -> Result<ObjectInfo, StoreError> {
        let doing = format!("write {}", self.address(key));
        let size = bytes.len() as u64;
        let call = self.aws.s3.put_object().bucket(&self.bucket).key(key).body(Body::from(bytes));
        let call = call.content_type(media_type(key)).set_metadata(Some(metadata.clone().into_iter().collect()));
        let answer = call.send().await.map_err(|error| fault(doing, error))?;
        Ok(written(key, size, answer.e_tag(), metadata))
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        match self.aws.s3.delete_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if error::is(&error, &["NoSuchKey"]) => Ok(()),
            Err(error) => Err(fault(format!("delete {}", self.address(key)), error)),
        }
    }
}

impl Store for S3Store {
    fn name(&self) -> String {
        format!("s3://{}", self.bucket)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>, StoreError>> {
        Box::pin(self.all_pages(prefix))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        Box::pin(self.describe(key))
    }

    /// An offset at or past the end gives an empty stream. A body that breaks off is resumed, up to five times, as
    /// long as the object is still the same one.
    fn get<'a>(&'a self, key: &'a str, offset: u64) -> BoxFuture<'a, Result<ByteStream, StoreError>> {
        Box::pin(read::open(self.clone(), key.to_owned(), offset))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<ObjectInfo, StoreError>> {
        Box::pin(self.put_whole(key, bytes, metadata))
    }

    /// Makes no call before the first part is full.
    fn upload<'a>(&'a self, key: &'a str, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<Box<dyn Upload>, StoreError>> {
        let upload: Box<dyn Upload> = Box::new(upload::S3Upload::new(self.clone(), key, metadata));
        Box::pin(async { Ok(upload) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.remove(key))
    }
}

fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error::is(error, &ABSENT) || error::status(error) == Some(404)
}

/// The SDK's error as the store's: class and words come from the one place that judges AWS errors.
fn fault<E>(doing: impl Into<String>, error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let not_found = is_absent(&error);
    let failure = error::failure(doing, error);
    let transient = failure.is_transient();
    let why = failure.source.as_ref().map(ToString::to_string).unwrap_or_default();
    let why = failure.hint.map_or_else(|| why.clone(), |hint| format!("{why}; {hint}"));
    StoreError { doing: failure.doing, transient, not_found, source: Some(Box::new(Cause(why))) }
}

/// An answer that says success but cannot be right.
fn odd(doing: &str, what: &str) -> StoreError {
    StoreError { doing: doing.to_owned(), transient: false, not_found: false, source: Some(Box::new(Cause(what.to_owned()))) }
}

/// `None` where the service left out what every object has.
fn described(key: Option<&str>, size: Option<i64>, etag: Option<&str>, modified: Option<&SdkTime>) -> Option<ObjectInfo> {
    Some(ObjectInfo {
        key: key?.to_owned(),
        size: u64::try_from(size?).ok()?,
        etag: etag?.trim_matches('"').to_owned(),
        modified: time(modified?)?,
        metadata: BTreeMap::new(),
    })
}

fn time(time: &SdkTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

fn written(key: &str, size: u64, etag: Option<&str>, metadata: BTreeMap<String, String>) -> ObjectInfo {
    let etag = etag.unwrap_or_default().trim_matches('"').to_owned();
    ObjectInfo { key: key.to_owned(), size, etag, modified: Utc::now(), metadata }
}

/// What a browser is told that an object is: without it every page would be downloaded instead of shown.
fn media_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, ending)| ending) {
        Some("gz") => "application/gzip",
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("jsonl") => "application/x-ndjson",
        Some("parquet") => "application/vnd.apache.parquet",
        Some("xml") => "application/xml",
        Some("zst") => "application/zstd",
        _ => "application/octet-stream",
    }
}
