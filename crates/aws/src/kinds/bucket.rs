//! Bucket: an S3 bucket and its settings.

mod lifecycle;
mod look;
mod policy;
mod write;

use std::sync::Arc;

use meteoctl_engine::diff::{self, Diff};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::lifecycle::{LifecycleRule, NoncurrentTransition, Transition};
pub use self::policy::BucketPolicy;
use crate::client::Aws;
use crate::policy::Action;
use crate::tags::{self, Tags};
use crate::{arn, exact};

const BUCKET: &str = "arn:{partition}:s3:::{name}";

/// What each call needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("s3:GetBucketTagging", BUCKET),
    Action::plan("s3:GetBucketVersioning", BUCKET).when("/versioning"),
    Action::plan("s3:GetBucketEncryption", BUCKET).needs("s3:GetEncryptionConfiguration").when("/encryption"),
    Action::plan("s3:GetPublicAccessBlock", BUCKET).needs("s3:GetBucketPublicAccessBlock").when("/publicAccess"),
    Action::plan("s3:GetBucketOwnershipControls", BUCKET).when("/ownership"),
    Action::plan("s3:GetBucketLifecycleConfiguration", BUCKET).needs("s3:GetLifecycleConfiguration").when("/lifecycle"),
    Action::plan("s3:GetBucketPolicy", BUCKET).when("/policy"),
    Action::apply("s3:CreateBucket", BUCKET),
    Action::apply("s3:CreateBucket", BUCKET).needs("s3:TagResource"),
    Action::apply("s3:PutBucketTagging", BUCKET),
    Action::apply("s3:PutBucketVersioning", BUCKET).when("/versioning"),
    Action::apply("s3:PutBucketEncryption", BUCKET).needs("s3:PutEncryptionConfiguration").when("/encryption"),
    Action::apply("s3:PutPublicAccessBlock", BUCKET).needs("s3:PutBucketPublicAccessBlock").when("/publicAccess"),
    Action::apply("s3:PutBucketOwnershipControls", BUCKET).when("/ownership"),
    Action::apply("s3:PutBucketLifecycleConfiguration", BUCKET).needs("s3:PutLifecycleConfiguration").when("/lifecycle"),
    Action::apply("s3:DeleteBucketLifecycle", BUCKET).needs("s3:PutLifecycleConfiguration").when("/lifecycle"),
    Action::apply("s3:PutBucketPolicy", BUCKET).when("/policy"),
    Action::apply("s3:DeleteBucketPolicy", BUCKET).when("/policy"),
    Action::delete("s3:DeleteBucket", BUCKET),
];

/// An S3 bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BucketSpec {
    /// Whether overwritten and deleted objects are kept as earlier versions.
    pub versioning: Option<Versioning>,
    /// How new objects are encrypted: `AES256`, or `{kms: key}`.
    pub encryption: Option<Encryption>,
    /// `Blocked` shuts all four ways of making a bucket public.
    pub public_access: Option<PublicAccess>,
    /// Who owns objects that other accounts upload. `BucketOwnerEnforced` switches access lists off.
    pub ownership: Option<Ownership>,
    /// All lifecycle rules of the bucket; a rule that is not listed here is removed. `[]` = none.
    pub lifecycle: Option<Vec<LifecycleRule>>,
    /// The bucket policy.
    pub policy: Option<BucketPolicy>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// Versioning of a bucket. Once enabled it can only be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Versioning {
    /// Earlier versions are kept.
    Enabled,
    /// No new versions are kept (also the state of a bucket where versioning was never on).
    Suspended,
}

/// Default encryption of new objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected AES256 or {kms: key, bucketKey: true|false}")]
pub enum Encryption {
    /// Keys held by S3.
    Plain(Algorithm),
    /// A key in KMS.
    Kms(KmsEncryption),
}

/// Algorithms that need no key of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// SSE-S3.
    #[serde(rename = "AES256")]
    Aes256,
}

/// SSE-KMS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KmsEncryption {
    /// The key: id, ARN or alias. `alias/aws/s3` is the key AWS keeps for S3.
    pub kms: Link,
    /// Whether S3 keeps a key of the bucket, which saves calls to KMS.
    pub bucket_key: Option<bool>,
}

/// Public access of a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected Blocked, Allowed or the four switches {blockPublicAcls, ignorePublicAcls, blockPublicPolicy, restrictPublicBuckets}"
)]
pub enum PublicAccess {
    /// All four switches at once.
    All(AllSwitches),
    /// The switches one by one.
    Each(Switches),
}

/// All four switches at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AllSwitches {
    /// All four on.
    Blocked,
    /// All four off. Needs an exception for the rule `public-bucket`.
    Allowed,
}

/// The four switches of S3's public access block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Switches {
    /// New public access lists are refused.
    #[serde(default)]
    pub block_public_acls: bool,
    /// Existing public access lists have no effect.
    #[serde(default)]
    pub ignore_public_acls: bool,
    /// New public policies are refused.
    #[serde(default)]
    pub block_public_policy: bool,
    /// A public policy serves only the own account.
    #[serde(default)]
    pub restrict_public_buckets: bool,
}

impl Switches {
    const ON: Switches =
        Switches { block_public_acls: true, ignore_public_acls: true, block_public_policy: true, restrict_public_buckets: true };
}

impl PublicAccess {
    fn switches(&self) -> Switches {
        match self {
            PublicAccess::All(AllSwitches::Blocked) => Switches::ON,
            PublicAccess::All(AllSwitches::Allowed) => Switches::default(),
            PublicAccess::Each(switches) => *switches,
        }
    }

    fn of(switches: Switches) -> Self {
        match switches {
            Switches::ON => PublicAccess::All(AllSwitches::Blocked),
            off if off == Switches::default() => PublicAccess::All(AllSwitches::Allowed),
            mixed => PublicAccess::Each(mixed),
        }
    }
}

/// Object ownership, in S3's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Ownership {
    /// The bucket's owner owns everything; access lists are off.
    BucketOwnerEnforced,
    /// The bucket's owner owns what is uploaded with the canned list `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// Whoever uploads owns.
    ObjectWriter,
}

/// The kind.
pub struct Bucket {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for Bucket {
    const NAME: &'static str = "Bucket";
    const ABOUT: &'static str = "An S3 bucket: versioning, encryption, public access, lifecycle, policy.";
    const LOOKS_ALONE: bool = true;
    const HOLDS_DATA: bool = true;
    type Spec = BucketSpec;

    fn check(&self, meta: &Meta, spec: &BucketSpec) -> Vec<Fault> {
        let mut faults = Vec::from_iter(check_name(&meta.name));
        if spec.public_access.as_ref().is_some_and(|access| access.switches() != Switches::ON) {
            faults.push(
                Fault::refused("public-bucket", "/publicAccess", "the bucket could be made public").hint("write `publicAccess: Blocked`"),
            );
        }
        if let Some(Encryption::Kms(kms)) = &spec.encryption {
            faults.extend(expect_kind("/encryption/kms", &kms.kms, &["Key"]));
        }
        faults.extend(spec.lifecycle.iter().flatten().enumerate().flat_map(|(index, rule)| rule.check(&format!("/lifecycle/{index}"))));
        faults.extend(lifecycle::check_ids(spec.lifecycle.as_deref().unwrap_or_default()));
        faults.extend(spec.policy.iter().flat_map(BucketPolicy::check));
        faults.extend(tags::check(spec.tags.as_ref()));
        faults
    }

    fn predicted(&self, meta: &Meta, _: &BucketSpec) -> Outputs {
        let arn = arn::bucket(self.aws.region(), &meta.name);
        let mut outputs = Outputs::new();
        outputs.insert("name".into(), meta.name.as_str().into());
        outputs.insert("objectsArn".into(), format!("{arn}/*").into());
        outputs.insert("arn".into(), arn.into());
        outputs.insert("region".into(), self.aws.region().into());
        outputs
    }

    async fn observe(&self, meta: &Meta, want: &BucketSpec) -> Outcome<Option<Observed<BucketSpec>>> {
        let Some((spec, seen_tags)) = look::bucket(&self.aws, &meta.name, want).await? else { return Ok(None) };
        let mut observed = Observed::new(spec);
        observed.work = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &seen_tags)?;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &BucketSpec, change: &Change) -> Outcome<()> {
        let wanted_tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let pen = write::Pen { aws: &self.aws, bucket: &meta.name };
        if matches!(change, Change::Create) {
            pen.create(&wanted_tags).await?;
        }
        // One after the other: S3 answers OperationAborted to two settings of one bucket at the same time.
        if change.touches("/tags") {
            pen.tags(&wanted_tags).await?;
        }
        pen.settings(want, change).await
    }

    fn canonical(&self, spec: &mut BucketSpec) {
        if let Some(Encryption::Kms(kms)) = &mut spec.encryption {
            kms.kms.settle("arn");
        }
        spec.public_access = spec.public_access.take().map(|access| PublicAccess::of(access.switches()));
        spec.lifecycle.iter_mut().flatten().for_each(LifecycleRule::canonical);
        if let Some(rules) = &mut spec.lifecycle {
            rules.sort_by(|a, b| a.id.cmp(&b.id));
        }
        if let Some(policy) = &mut spec.policy {
            policy.canonical();
        }
        // Tags are compared by `tags::due`, which leaves those of others alone.
        spec.tags = None;
    }

    fn diff(&self, want: &BucketSpec, seen: &Observed<BucketSpec>) -> Diff {
        let mut diff = diff::fields(want, &seen.spec);
        exact::surplus(&mut diff, "/lifecycle", &want.lifecycle, &seen.spec.lifecycle);
        diff
    }

    /// Refused by S3 itself while one object, version or unfinished upload is left.
    async fn delete(&self, meta: &Meta, _: &BucketSpec) -> Outcome<()> {
        write::Pen { aws: &self.aws, bucket: &meta.name }.delete().await
    }
}

/// S3's naming rules for general purpose buckets, as published in its user guide.
fn check_name(name: &str) -> Option<Fault> {
    let fault = |message: &str| Some(Fault::wrong("", format!("`{name}` cannot be a bucket name: {message}")));
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let dotted_number = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    match name.as_bytes() {
        bytes if !(3..=63).contains(&bytes.len()) => fault("it must have 3 to 63 characters"),
        bytes if !bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')) => {
            fault("only lower-case letters, digits, dots and hyphens are allowed")
        }
        bytes if !edge(bytes.first()) || !edge(bytes.last()) => fault("it must begin and end with a letter or a digit"),
        _ if name.contains("..") => fault("two dots side by side are not allowed"),
        _ if dotted_number => fault("it looks like an IP address"),
        _ if ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix)) => fault("this prefix is reserved by S3"),
        _ if ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix)) => {
            fault("this suffix is reserved by S3")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_s3_refuses_are_refused_before() {
        for wrong in ["ab", "Upper", "a_b", "-a-b", "a..b", "192.168.1.1", "xn--abc", "abc-s3alias"] {
            assert!(check_name(wrong).is_some(), "{wrong}");
        }
        for right in ["p8-meteo", "a.b.c", "1.2.3.4000"] {
            assert!(check_name(right).is_none(), "{right}");
        }
    }

    #[test]
    fn what_is_neither_algorithm_nor_key_gets_a_sentence() {
        let error = serde_json::from_value::<BucketSpec>(serde_json::json!({"encryption": "AES512"})).expect_err("a fault");
        assert_eq!(error.to_string(), "expected AES256 or {kms: key, bucketKey: true|false}");
    }
}
