//! Uploads that were begun and neither finished nor aborted: invisible, and paid for.

use chrono::{DateTime, Utc};
use meteoctl_aws::error;
use meteoctl_data::store::StoreError;

use super::{S3Store, fault, odd, time};

impl S3Store {
    /// Aborts the multipart uploads under `prefix` that were begun before `older_than`, and says how many there were. Choose the
    /// instant so that no upload still at work can be that old.
    pub async fn abort_stale(&self, prefix: &str, older_than: DateTime<Utc>) -> Result<usize, StoreError> {
        let doing = format!("list the unfinished uploads of {}", self.address(prefix));
        let (mut key, mut upload) = (None, None);
        let mut aborted = 0;
        loop {
            let call = self.aws.s3.list_multipart_uploads().bucket(&self.bucket).prefix(prefix);
            let call = call.set_key_marker(key.clone()).set_upload_id_marker(upload.clone());
            let page = call.send().await.map_err(|error| fault(&doing, error))?;
            for found in page.uploads() {
                let (Some(key), Some(id), Some(begun)) = (found.key(), found.upload_id(), found.initiated().and_then(time)) else {
                    return Err(odd(&doing, "an upload without key, id or time"));
                };
                if begun < older_than {
                    self.abort_upload(key, id).await?;
                    aborted += 1;
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(aborted);
            }
            let next = (page.next_key_marker, page.next_upload_id_marker);
            if next.0.is_none() || next == (key, upload) {
                return Err(odd(&doing, "the service announces more uploads without saying where they continue"));
            }
            (key, upload) = next;
        }
    }

    /// Aborts one upload; one that is gone already is fine.
    pub(super) async fn abort_upload(&self, key: &str, id: &str) -> Result<(), StoreError> {
        match self.aws.s3.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id).send().await {
            Ok(_) => Ok(()),
            Err(error) if error::is(&error, &["NoSuchUpload"]) => Ok(()),
            Err(error) => Err(fault(format!("abort the upload of {}", self.address(key)), error)),
        }
    }
}
