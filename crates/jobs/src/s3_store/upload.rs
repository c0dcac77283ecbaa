//! Writing an object of unknown size: parts that travel side by side, and nothing left behind when it fails.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream as Body;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use meteoctl_aws::error::Cause;
use meteoctl_data::store::{BoxFuture, ObjectInfo, StoreError, Upload};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use super::{S3Store, fault, odd, parts, written};

/// An object on its way. Memory: the part being filled and the parts under way.
pub(super) struct S3Upload {
    store: S3Store,
    key: String,
    doing: String,
    metadata: BTreeMap<String, String>,
    buffer: BytesMut,
    size: u64,
    open: Option<Open>,
    /// A part was lost or the upload given up: nothing may be written or finished any more.
    failed: bool,
}

/// A multipart upload that S3 knows of, and that must be completed or aborted.
struct Open {
    id: String,
    begun: usize,
    flying: JoinSet<Result<CompletedPart, StoreError>>,
    landed: Vec<CompletedPart>,
}

impl S3Upload {
    pub(super) fn new(store: S3Store, key: &str, metadata: BTreeMap<String, String>) -> Self {
        let doing = format!("write {}", store.address(key));
        S3Upload { store, key: key.to_owned(), doing, metadata, buffer: BytesMut::new(), size: 0, open: None, failed: false }
    }

    async fn append(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        self.refuse_if_failed()?;
        self.size = self.size.saturating_add(bytes.len() as u64);
        while !bytes.is_empty() {
            let full = parts::size(self.open.as_ref().map_or(0, |open| open.begun));
            let piece = bytes.split_to(bytes.len().min(full.saturating_sub(self.buffer.len())));
            if self.buffer.is_empty() && self.open.is_some() {
                // A second part tells that the object is large: no growing step by step any more.
                self.buffer.reserve(full);
            }
            self.buffer.extend_from_slice(&piece);
            if self.buffer.len() >= full {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Sends off what the buffer holds; waits first until there is room for it under way.
    async fn send_part(&mut self) -> Result<(), StoreError> {
        let id = match &self.open {
            Some(open) => open.id.clone(),
            None => self.begin().await?,
        };
        let Some(open) = self.open.as_mut().filter(|open| open.begun < parts::MOST) else {
            return Err(odd(&self.doing, "the object is larger than S3 takes"));
        };
        while open.flying.len() >= parts::in_flight(open.begun) {
            open.land().await?;
        }
        open.begun += 1;
        let (store, key, doing) = (self.store.clone(), self.key.clone(), self.doing.clone());
        let (number, bytes) = (open.begun, self.buffer.split().freeze());
        // Spawned and not merely polled together: parts must travel on while the caller computes the next bytes, and nobody polls
        // this upload between two writes. The set belongs to the upload and ends with it.
        open.flying.spawn(async move { send(&store, &key, &doing, &id, number, bytes).await });
        Ok(())
    }

    async fn begin(&mut self) -> Result<String, StoreError> {
        let call = self.store.aws.s3.create_multipart_upload().bucket(&self.store.bucket).key(&self.key);
        // The checksum of the whole object, not of its parts' checksums: then every reader of the whole can verify it.
        let call = call.checksum_algorithm(ChecksumAlgorithm::Crc32).checksum_type(ChecksumType::FullObject);
        let call = call.content_type(super::media_type(&self.key)).set_metadata(Some(self.metadata.clone().into_iter().collect()));
        let answer = call.send().await.map_err(|error| fault(&self.doing, error))?;
        let id = answer.upload_id.ok_or_else(|| odd(&self.doing, "the service began an upload without naming it"))?;
        self.open = Some(Open { id: id.clone(), begun: 0, flying: JoinSet::new(), landed: Vec::new() });
        Ok(id)
    }

    async fn complete(&mut self) -> Result<ObjectInfo, StoreError> {
        self.refuse_if_failed()?;
        if self.open.is_some() && !self.buffer.is_empty() {
            self.send_part().await?;
        }
        let Some(open) = &mut self.open else {
            return self.store.put_whole(&self.key, self.buffer.split().freeze(), self.metadata.clone()).await;
        };
        while !open.flying.is_empty() {
            open.land().await?;
        }
        open.landed.sort_unstable_by_key(CompletedPart::part_number);
        let list = CompletedMultipartUpload::builder().set_parts(Some(open.landed.clone())).build();
        let call = self.store.aws.s3.complete_multipart_upload().bucket(&self.store.bucket).key(&self.key);
        let call = call.upload_id(&open.id).checksum_type(ChecksumType::FullObject).multipart_upload(list);
        let answer = call.send().await.map_err(|error| fault(&self.doing, error))?;
        self.open = None;
        Ok(written(&self.key, self.size, answer.e_tag(), self.metadata.clone()))
    }

    /// After a failure: nothing may follow, and what S3 holds so far goes away. The first error is the one to tell.
    async fn settle<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_err() && !self.failed {
            self.failed = true;
            if let Err(error) = self.give_up().await {
                tracing::warn!(%error, "an unfinished upload stays behind until it is cleaned up");
            }
        }
        result
    }

    async fn give_up(&mut self) -> Result<(), StoreError> {
        self.failed = true;
        self.buffer = BytesMut::new();
        let Some(open) = &mut self.open else { return Ok(()) };
        open.flying.shutdown().await;
        self.store.abort_upload(&self.key, &open.id).await?;
        self.open = None;
        Ok(())
    }

    fn refuse_if_failed(&self) -> Result<(), StoreError> {
        if self.failed { Err(odd(&self.doing, "the upload failed before; start it anew")) } else { Ok(()) }
    }
}

impl Open {
    /// Waits for one part.
    async fn land(&mut self) -> Result<(), StoreError> {
        if let Some(part) = self.flying.join_next().await {
            self.landed.push(part.map_err(lost)??);
        }
        Ok(())
    }
}

impl Upload for S3Upload {
    fn write<'a>(&'a mut self, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let result = self.append(bytes).await;
            self.settle(result).await
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<ObjectInfo, StoreError>> {
        Box::pin(async move {
            let result = self.complete().await;
            self.settle(result).await
        })
    }

    fn abort(mut self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(async move { self.give_up().await })
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let Ok(runtime) = Handle::try_current() else {
            tracing::warn!(key = self.key, "an unfinished upload stays behind until it is cleaned up: no runtime to abort it");
            return;
        };
        let (store, key) = (self.store.clone(), std::mem::take(&mut self.key));
        // `drop` cannot wait. Parts first: one that lands after the abort would stay and be paid for.
        runtime.spawn(async move {
            open.flying.shutdown().await;
            if let Err(error) = store.abort_upload(&key, &open.id).await {
                tracing::warn!(%error, "an unfinished upload stays behind until it is cleaned up");
            }
        });
    }
}

async fn send(store: &S3Store, key: &str, doing: &str, id: &str, number: usize, bytes: Bytes) -> Result<CompletedPart, StoreError> {
    let number = i32::try_from(number).map_err(|_| odd(doing, "the object is larger than S3 takes"))?;
    let call = store.aws.s3.upload_part().bucket(&store.bucket).key(key).upload_id(id).part_number(number);
    let call = call.checksum_algorithm(ChecksumAlgorithm::Crc32).body(Body::from(bytes));
    let answer = call.send().await.map_err(|error| fault(format!("{doing}, part {number}"), error))?;
    let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).set_checksum_crc32(answer.checksum_crc32);
    Ok(part.build())
}

fn lost(error: JoinError) -> StoreError {
    let why = Cause(error.to_string());
    StoreError { doing: "send a part of an upload".to_owned(), transient: false, not_found: false, source: Some(Box::new(why)) }
}
