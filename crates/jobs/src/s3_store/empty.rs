//! What a bucket still holds, and emptying it: objects, earlier versions, delete markers, unfinished uploads.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use chrono::Utc;
use meteoctl_data::store::StoreError;

use super::{S3Store, fault, odd};

/// What S3 answers for a bucket that is not there: nothing is in it.
const NO_BUCKET: &str = "NoSuchBucket";

/// One version of an object, or a delete marker.
type Version = (String, Option<String>);

impl S3Store {
    /// How many objects, earlier versions and delete markers lie outside `except`; at most one page of them is counted (1000).
    pub async fn holds(&self, except: &str) -> Result<usize, StoreError> {
        let Some((versions, _)) = self.versions("", None).await? else { return Ok(0) };
        Ok(versions.iter().filter(|(key, _)| !key.starts_with(except)).count())
    }

    /// Removes every version of every object under `prefix` (the empty one = all) for good, and aborts unfinished uploads. Says
    /// how many versions there were.
    pub async fn empty(&self, prefix: &str) -> Result<usize, StoreError> {
        let (mut from, mut removed) = (None, 0);
        while let Some((versions, next)) = self.versions(prefix, from).await? {
            self.remove_versions(&versions).await?;
            removed += versions.len();
            from = next;
            if from.is_none() {
                self.abort_stale(prefix, Utc::now()).await?;
                break;
            }
        }
        Ok(removed)
    }

    /// One page of versions, and the key and version where the next one begins; `None` where there is no bucket.
    async fn versions(&self, prefix: &str, from: Option<Version>) -> Result<Option<(Vec<Version>, Option<Version>)>, StoreError> {
        let doing = format!("list the versions of {}", self.address(prefix));
        let (key, version) = from.unzip();
        let call = self.aws.s3.list_object_versions().bucket(&self.bucket).prefix(prefix);
        let page = match call.set_key_marker(key).set_version_id_marker(version.flatten()).send().await {
            Ok(page) => page,
            Err(error) if meteoctl_aws::error::is(&error, &[NO_BUCKET]) => return Ok(None),
            Err(error) => return Err(fault(doing, error)),
        };
        let objects = page.versions().iter().map(|found| (found.key(), found.version_id()));
        let markers = page.delete_markers().iter().map(|found| (found.key(), found.version_id()));
        let named = |(key, version): (Option<&str>, Option<&str>)| Some((key?.to_owned(), version.map(str::to_owned)));
        let all: Option<Vec<Version>> = objects.chain(markers).map(named).collect();
        let all = all.ok_or_else(|| odd(&doing, "a version without key"))?;
        let next = match (page.is_truncated(), page.next_key_marker) {
            (Some(true), None) => return Err(odd(&doing, "the service announces more versions without saying where they continue")),
            (Some(true), Some(key)) => Some((key, page.next_version_id_marker)),
            _ => None,
        };
        Ok(Some((all, next)))
    }

    async fn remove_versions(&self, versions: &[Version]) -> Result<(), StoreError> {
        if versions.is_empty() {
            return Ok(());
        }
        let doing = format!("empty {}", self.address(""));
        let identify = |(key, version): &Version| ObjectIdentifier::builder().key(key).set_version_id(version.clone()).build();
        let objects: Result<Vec<_>, _> = versions.iter().map(identify).collect();
        let delete = objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build());
        let delete = delete.map_err(|error| odd(&doing, &error.to_string()))?;
        let answer = self.aws.s3.delete_objects().bucket(&self.bucket).delete(delete).send().await.map_err(|error| fault(&doing, error))?;
        // A request may succeed while single objects in it do not.
        match answer.errors().first() {
            Some(error) => {
                let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
                Err(odd(&doing, &format!("{}: {} ({})", text(error.key()), text(error.message()), text(error.code()))))
            }
            None => Ok(()),
        }
    }
}
