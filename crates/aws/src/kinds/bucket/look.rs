//! Looking at a bucket: only at what the wish declares, all at once.

use aws_sdk_s3::types as s3;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Link;

use super::policy::BucketPolicy;
use super::{Algorithm, BucketSpec, Encryption, KmsEncryption, LifecycleRule, Ownership, PublicAccess, Switches, Versioning};
use crate::answer::found;
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::tags::Tags;
use crate::{arn, iam_document};

const NO_BUCKET: &str = "NoSuchBucket";

/// The declared settings and the tags of a bucket; `None` when there is no such bucket.
pub async fn bucket(aws: &Aws, name: &str, want: &BucketSpec) -> Outcome<Option<(BucketSpec, Tags)>> {
    let (tags, versioning, encryption, public_access, ownership, lifecycle, policy) = tokio::try_join!(
        tags(aws, name),
        declared(want.versioning.is_some(), versioning(aws, name)),
        declared(want.encryption.is_some(), encryption(aws, name)),
        declared(want.public_access.is_some(), public_access(aws, name)),
        declared(want.ownership.is_some(), ownership(aws, name)),
        declared(want.lifecycle.is_some(), lifecycle(aws, name)),
        declared(want.policy.is_some(), policy(aws, name)),
    )?;
    let spec = BucketSpec { versioning, encryption, public_access, ownership, lifecycle, policy, tags: None };
    Ok(tags.map(|tags| (spec, tags)))
}

async fn declared<T>(is: bool, look: impl Future<Output = Outcome<Option<T>>>) -> Outcome<Option<T>> {
    if is { look.await } else { Ok(None) }
}

/// The tags; `None` when there is no such bucket. Every bucket answers this call, so it also tells whether there is one.
pub async fn tags(aws: &Aws, name: &str) -> Outcome<Option<Tags>> {
    let doing = format!("look at bucket {name}");
    match aws.s3.get_bucket_tagging().bucket(name).send().await {
        Ok(answer) => Ok(Some(answer.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())),
        Err(error) if error::is(&error, &["NoSuchTagSet"]) => Ok(Some(Tags::new())),
        Err(error) if error::is(&error, &[NO_BUCKET]) => Ok(None),
        Err(error) if error::is(&error, &["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"]) => {
            let region = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region")).unwrap_or("another region");
            Err(Failure::rejected(doing)
                .because(Cause(format!("a bucket of this name is in {region}, this stack is in {}", aws.region())))
                .hint("bucket names are the same all over AWS: choose another name, or the region of the bucket"))
        }
        Err(error) if error::status(&error) == Some(403) => Err(error::failure(doing, error).hint(
            "either the credentials lack s3:GetBucketTagging, or the name is taken by another account: bucket names are the same all over AWS",
        )),
        Err(error) => Err(error::failure(doing, error)),
    }
}

async fn versioning(aws: &Aws, name: &str) -> Outcome<Option<Versioning>> {
    let answer = found("look at the bucket's versioning", aws.s3.get_bucket_versioning().bucket(name).send().await, &[NO_BUCKET])?;
    Ok(answer.map(|answer| match answer.status() {
        Some(s3::BucketVersioningStatus::Enabled) => Versioning::Enabled,
        // A bucket where versioning was never on says nothing.
        _ => Versioning::Suspended,
    }))
}

async fn encryption(aws: &Aws, name: &str) -> Outcome<Option<Encryption>> {
    let absent = [NO_BUCKET, "ServerSideEncryptionConfigurationNotFoundError"];
    let answer = found("look at the bucket's encryption", aws.s3.get_bucket_encryption().bucket(name).send().await, &absent)?;
    let rule = answer.as_ref().and_then(|answer| answer.server_side_encryption_configuration()?.rules().first());
    let default = rule.and_then(s3::ServerSideEncryptionRule::apply_server_side_encryption_by_default);
    Ok(default.map(|default| match default.sse_algorithm() {
        s3::ServerSideEncryption::Aes256 => Encryption::Plain(Algorithm::Aes256),
        _ => Encryption::Kms(KmsEncryption {
            kms: Link::literal(default.kms_master_key_id().unwrap_or("alias/aws/s3")),
            bucket_key: Some(rule.and_then(s3::ServerSideEncryptionRule::bucket_key_enabled).unwrap_or(false)),
        }),
    }))
}

async fn public_access(aws: &Aws, name: &str) -> Outcome<Option<PublicAccess>> {
    let absent = [NO_BUCKET, "NoSuchPublicAccessBlockConfiguration"];
    let answer = found("look at the bucket's public access", aws.s3.get_public_access_block().bucket(name).send().await, &absent)?;
    let switches = answer.as_ref().and_then(|answer| answer.public_access_block_configuration()).map(|block| Switches {
        block_public_acls: block.block_public_acls().unwrap_or(false),
        ignore_public_acls: block.ignore_public_acls().unwrap_or(false),
        block_public_policy: block.block_public_policy().unwrap_or(false),
        restrict_public_buckets: block.restrict_public_buckets().unwrap_or(false),
    });
    Ok(Some(PublicAccess::of(switches.unwrap_or_default())))
}

async fn ownership(aws: &Aws, name: &str) -> Outcome<Option<Ownership>> {
    let absent = [NO_BUCKET, "OwnershipControlsNotFoundError"];
    let answer = found("look at the bucket's object ownership", aws.s3.get_bucket_ownership_controls().bucket(name).send().await, &absent)?;
    let rule = answer.as_ref().and_then(|answer| answer.ownership_controls()?.rules().first());
    Ok(rule.map(|rule| match rule.object_ownership() {
        s3::ObjectOwnership::BucketOwnerEnforced => Ownership::BucketOwnerEnforced,
        s3::ObjectOwnership::BucketOwnerPreferred => Ownership::BucketOwnerPreferred,
        _ => Ownership::ObjectWriter,
    }))
}

async fn lifecycle(aws: &Aws, name: &str) -> Outcome<Option<Vec<LifecycleRule>>> {
    let absent = [NO_BUCKET, "NoSuchLifecycleConfiguration"];
    let answer =
        found("look at the bucket's lifecycle rules", aws.s3.get_bucket_lifecycle_configuration().bucket(name).send().await, &absent)?;
    Ok(Some(answer.iter().flat_map(|answer| answer.rules()).map(LifecycleRule::of_s3).collect()))
}

/// The bucket policy as it stands.
pub async fn policy(aws: &Aws, name: &str) -> Outcome<Option<BucketPolicy>> {
    const DOING: &str = "look at the bucket's policy";
    let answer = found(DOING, aws.s3.get_bucket_policy().bucket(name).send().await, &[NO_BUCKET, "NoSuchBucketPolicy"])?;
    let statements = match answer.as_ref().and_then(|answer| answer.policy()) {
        Some(text) => iam_document::statements(DOING, text)?,
        None => Vec::new(),
    };
    Ok(Some(BucketPolicy::of_statements(statements, &arn::bucket(aws.region(), name))))
}
