//! Changing a bucket, one setting after the other.

use aws_sdk_s3::types::{self as s3, BucketLocationConstraint, CreateBucketConfiguration};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::Change;

use super::policy::BucketPolicy;
use super::{BucketSpec, Encryption, LifecycleRule, Ownership, PublicAccess, Versioning, look};
use crate::answer::{built, done, done_or};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::tags::Tags;
use crate::{arn, iam_document};

/// The only region whose name S3 refuses as a location constraint.
const NO_CONSTRAINT: &str = "us-east-1";

/// Writes to one bucket.
pub struct Pen<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// The bucket.
    pub bucket: &'a str,
}

impl Pen<'_> {
    /// Creates the bucket with its tags in the same call, so that it is ours from its first moment.
    pub async fn create(&self, tags: &Tags) -> Outcome<()> {
        let doing = format!("create bucket {}", self.bucket);
        let region = self.aws.region();
        let constraint = (region != NO_CONSTRAINT).then(|| BucketLocationConstraint::from(region));
        let configuration =
            CreateBucketConfiguration::builder().set_location_constraint(constraint).set_tags(Some(s3_tags(&doing, tags)?)).build();
        let answer = self.aws.s3.create_bucket().bucket(self.bucket).create_bucket_configuration(configuration).send().await;
        match answer {
            Ok(_) => Ok(()),
            // An answer that was lost on its way, or somebody else in our account: the next look tells which.
            Err(error) if error::is(&error, &["BucketAlreadyOwnedByYou"]) => {
                Err(Failure::transient(doing).because(Cause("it exists by now".into())))
            }
            Err(error) if error::is(&error, &["BucketAlreadyExists"]) => Err(error::failure(doing, error)
                .hint("bucket names are the same all over AWS and this one is taken: choose another name")),
            Err(error) if error::is(&error, &["OperationAborted"]) => Err(error::failure(doing, error).hint(
                "a bucket of this name was deleted a short while ago; S3 may take an hour or more to give the name free, above all in another region",
            )),
            Err(error) => Err(error::failure(doing, error)),
        }
    }

    /// Completes the tags; those of others stay. Writes nothing when all are there.
    pub async fn tags(&self, wanted: &Tags) -> Outcome<()> {
        let doing = format!("tag bucket {}", self.bucket);
        // S3 knows only "replace all", and a store that ignores tags at creation must be given them now.
        let standing = look::tags(self.aws, self.bucket).await?.unwrap_or_default();
        if wanted.iter().all(|(key, value)| standing.get(key) == Some(value)) {
            return Ok(());
        }
        let mut all = standing;
        all.extend(wanted.clone());
        let tagging = built(&doing, s3::Tagging::builder().set_tag_set(Some(s3_tags(&doing, &all)?)).build())?;
        done(doing, self.aws.s3.put_bucket_tagging().bucket(self.bucket).tagging(tagging).send().await).map(drop)
    }

    /// Writes every declared setting that the change concerns.
    pub async fn settings(&self, want: &BucketSpec, change: &Change) -> Outcome<()> {
        if let Some(access) = want.public_access.as_ref().filter(|_| change.touches("/publicAccess")) {
            self.public_access(access).await?;
        }
        if let Some(ownership) = want.ownership.filter(|_| change.touches("/ownership")) {
            self.ownership(ownership).await?;
        }
        if let Some(encryption) = want.encryption.as_ref().filter(|_| change.touches("/encryption")) {
            self.encryption(encryption).await?;
        }
        if let Some(versioning) = want.versioning.filter(|_| change.touches("/versioning")) {
            self.versioning(versioning).await?;
        }
        if let Some(rules) = want.lifecycle.as_ref().filter(|_| change.touches("/lifecycle")) {
            self.lifecycle(rules, matches!(change, Change::Create)).await?;
        }
        if let Some(policy) = want.policy.as_ref().filter(|_| change.touches("/policy")) {
            self.policy(policy).await?;
        }
        Ok(())
    }

    async fn public_access(&self, access: &PublicAccess) -> Outcome<()> {
        let switches = access.switches();
        let block = s3::PublicAccessBlockConfiguration::builder()
            .block_public_acls(switches.block_public_acls)
            .ignore_public_acls(switches.ignore_public_acls)
            .block_public_policy(switches.block_public_policy)
            .restrict_public_buckets(switches.restrict_public_buckets)
            .build();
        let request = self.aws.s3.put_public_access_block().bucket(self.bucket).public_access_block_configuration(block);
        done(format!("set public access of bucket {}", self.bucket), request.send().await).map(drop)
    }

    async fn ownership(&self, ownership: Ownership) -> Outcome<()> {
        let doing = format!("set object ownership of bucket {}", self.bucket);
        let ownership = match ownership {
            Ownership::BucketOwnerEnforced => s3::ObjectOwnership::BucketOwnerEnforced,
            Ownership::BucketOwnerPreferred => s3::ObjectOwnership::BucketOwnerPreferred,
            Ownership::ObjectWriter => s3::ObjectOwnership::ObjectWriter,
        };
        let rule = built(&doing, s3::OwnershipControlsRule::builder().object_ownership(ownership).build())?;
        let controls = built(&doing, s3::OwnershipControls::builder().rules(rule).build())?;
        done(doing, self.aws.s3.put_bucket_ownership_controls().bucket(self.bucket).ownership_controls(controls).send().await).map(drop)
    }

    async fn encryption(&self, encryption: &Encryption) -> Outcome<()> {
        let doing = format!("set encryption of bucket {}", self.bucket);
        let (default, bucket_key) = match encryption {
            Encryption::Plain(_) => (s3::ServerSideEncryptionByDefault::builder().sse_algorithm(s3::ServerSideEncryption::Aes256), None),
            Encryption::Kms(kms) => {
                let key = kms.kms.output("arn")?;
                let default = s3::ServerSideEncryptionByDefault::builder().sse_algorithm(s3::ServerSideEncryption::AwsKms);
                (default.kms_master_key_id(key), kms.bucket_key)
            }
        };
        let rule = s3::ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(built(&doing, default.build())?)
            .set_bucket_key_enabled(bucket_key)
            .build();
        let configuration = built(&doing, s3::ServerSideEncryptionConfiguration::builder().rules(rule).build())?;
        let request = self.aws.s3.put_bucket_encryption().bucket(self.bucket).server_side_encryption_configuration(configuration);
        done(doing, request.send().await).map(drop)
    }

    async fn versioning(&self, versioning: Versioning) -> Outcome<()> {
        let status = match versioning {
            Versioning::Enabled => s3::BucketVersioningStatus::Enabled,
            Versioning::Suspended => s3::BucketVersioningStatus::Suspended,
        };
        let configuration = s3::VersioningConfiguration::builder().status(status).build();
        let request = self.aws.s3.put_bucket_versioning().bucket(self.bucket).versioning_configuration(configuration);
        done(format!("set versioning of bucket {}", self.bucket), request.send().await).map(drop)
    }

    /// S3 takes no empty list of rules: none means that the configuration is removed.
    async fn lifecycle(&self, rules: &[LifecycleRule], new: bool) -> Outcome<()> {
        let doing = format!("set lifecycle rules of bucket {}", self.bucket);
        if rules.is_empty() {
            if new {
                return Ok(());
            }
            return done(doing, self.aws.s3.delete_bucket_lifecycle().bucket(self.bucket).send().await).map(drop);
        }
        let rules = rules
            .iter()
            .map(|rule| {
                let mut rule = rule.clone();
                rule.canonical();
                rule.to_s3()
            })
            .collect::<Outcome<Vec<_>>>()?;
        let configuration = built(&doing, s3::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build())?;
        let request = self.aws.s3.put_bucket_lifecycle_configuration().bucket(self.bucket).lifecycle_configuration(configuration);
        done(doing, request.send().await).map(drop)
    }

    /// The policy is one text: what the wish leaves to others is read and written back.
    async fn policy(&self, policy: &BucketPolicy) -> Outcome<()> {
        let doing = format!("set the policy of bucket {}", self.bucket);
        let standing = look::policy(self.aws, self.bucket).await?.unwrap_or_default();
        let empty = standing.tls_only != Some(true) && standing.statements.as_ref().is_none_or(Vec::is_empty);
        let statements = policy.merged(standing, &arn::bucket(self.aws.region(), self.bucket))?;
        if statements.is_empty() {
            if empty {
                return Ok(());
            }
            return done(doing, self.aws.s3.delete_bucket_policy().bucket(self.bucket).send().await).map(drop);
        }
        let text = iam_document::document(&statements).to_string();
        done(doing, self.aws.s3.put_bucket_policy().bucket(self.bucket).policy(text).send().await).map(drop)
    }

    /// Deletes the bucket; one that holds anything stays.
    pub async fn delete(&self) -> Outcome<()> {
        let doing = format!("delete bucket {}", self.bucket);
        let answer = self.aws.s3.delete_bucket().bucket(self.bucket).send().await;
        match answer {
            Err(error) if error::is(&error, &["BucketNotEmpty"]) => Err(Failure::rejected(doing)
                .because(Cause("objects, earlier versions or delete markers are left in it".into()))
                .hint("meteoctl never empties a bucket: empty it by hand once its data is safe, then run again")),
            other => done_or(doing, other, &["NoSuchBucket"]),
        }
    }
}

fn s3_tags(doing: &str, tags: &Tags) -> Outcome<Vec<s3::Tag>> {
    tags.iter().map(|(key, value)| built(doing, s3::Tag::builder().key(key).value(value).build())).collect()
}
