//! The Bucket kind.

use aws_sdk_s3::types as s3;
use serde_json::{Value, json};

use crate::support::{Backend, Subject, aws, aws_in, unique};

fn reference() -> Value {
    json!({
        "versioning": "Enabled",
        "encryption": "AES256",
        "publicAccess": "Blocked",
        "ownership": "BucketOwnerEnforced",
        "lifecycle": [
            {"id": "uploads", "abortMultipartAfterDays": 1},
            {"id": "backups", "prefix": "p8-backups/mongodb/", "expireAfterDays": 90, "noncurrentExpireAfterDays": 30, "noncurrentKeep": 3},
        ],
        "tags": {"owner": "data"},
    })
}

#[tokio::test]
async fn converges_on_moto() {
    // Moto does not tell how many earlier versions a rule keeps.
    let mut spec = reference();
    spec["lifecycle"][1].as_object_mut().expect("a rule").remove("noncurrentKeep");
    converges(Backend::Moto, spec).await;
}

#[tokio::test]
async fn converges_on_localstack() {
    // Moto enforces the policy, and a test speaks plain HTTP.
    let mut spec = reference();
    let listing = json!({"Sid": "list", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::p8-meteo"});
    spec["policy"] = json!({"tlsOnly": true, "statements": [listing]});
    converges(Backend::LocalStack, spec).await;
}

async fn converges(backend: Backend, spec: Value) {
    let Some(aws) = aws(backend).await else { return };
    let name = unique("p8-meteo");
    let with_policy = spec.get("policy").is_some();
    let bucket = Subject::new(&aws, "Bucket", &name, spec);
    let sight = bucket.converge().await;
    assert_eq!(sight.outputs["objectsArn"], json!(format!("arn:aws:s3:::{name}/*")));
    assert_eq!(bucket.writes().get("S3:PutBucketTagging"), None, "who is killed after the creation must not leave a bucket of nobody's");
    bucket.rests().await;

    let suspended = s3::VersioningConfiguration::builder().status(s3::BucketVersioningStatus::Suspended).build();
    aws.s3.put_bucket_versioning().bucket(&name).versioning_configuration(suspended).send().await.expect("versioning");
    bucket.repairs(&["/versioning"], &["S3:PutBucketVersioning"]).await;

    let open = s3::PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    aws.s3.put_public_access_block().bucket(&name).public_access_block_configuration(open).send().await.expect("access");
    bucket.repairs(&["/publicAccess"], &["S3:PutPublicAccessBlock"]).await;

    let rule = s3::OwnershipControlsRule::builder().object_ownership(s3::ObjectOwnership::ObjectWriter).build().expect("a rule");
    let controls = s3::OwnershipControls::builder().rules(rule).build().expect("controls");
    aws.s3.put_bucket_ownership_controls().bucket(&name).ownership_controls(controls).send().await.expect("ownership");
    bucket.repairs(&["/ownership"], &["S3:PutBucketOwnershipControls"]).await;

    aws.s3.delete_bucket_lifecycle().bucket(&name).send().await.expect("lifecycle");
    bucket.repairs(&["/lifecycle/backups", "/lifecycle/uploads"], &["S3:PutBucketLifecycleConfiguration"]).await;
    hidden_setting(&bucket, &name, backend).await;

    let kms = s3::ServerSideEncryptionByDefault::builder().sse_algorithm(s3::ServerSideEncryption::AwsKms).build().expect("a default");
    let rule = s3::ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(kms).build();
    let configuration = s3::ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("a configuration");
    aws.s3.put_bucket_encryption().bucket(&name).server_side_encryption_configuration(configuration).send().await.expect("encryption");
    bucket.repairs(&["/encryption"], &["S3:PutBucketEncryption"]).await;

    retag(&bucket, &name).await;
    bucket.repairs(&["/tags/owner"], &["S3:PutBucketTagging"]).await;
    let kept = aws.s3.get_bucket_tagging().bucket(&name).send().await.expect("tags");
    assert!(kept.tag_set().iter().any(|tag| tag.key() == "theirs"), "a tag of somebody else was lost: {kept:?}");

    if with_policy {
        let policy = aws.s3.get_bucket_policy().bucket(&name).send().await.expect("policy");
        let mut policy: Value = serde_json::from_str(policy.policy().unwrap_or_default()).expect("JSON");
        let statements = policy["Statement"].as_array_mut().expect("statements");
        statements.retain(|statement| statement["Sid"] != "list");
        aws.s3.put_bucket_policy().bucket(&name).policy(policy.to_string()).send().await.expect("policy");
        bucket.repairs(&["/policy/statements"], &["S3:PutBucketPolicy"]).await;
        aws.s3.delete_bucket_policy().bucket(&name).send().await.expect("policy");
        bucket.repairs(&["/policy/tlsOnly", "/policy/statements"], &["S3:PutBucketPolicy"]).await;
    }
    bucket.rests().await;
    refuses_to_go_while_full(&bucket, &name).await;
}

/// A setting added to a rule of ours is seen although the wish leaves it out.
async fn hidden_setting(bucket: &Subject, name: &str, backend: Backend) {
    let keep = (backend == Backend::LocalStack).then_some(3);
    let rule = |id: &str| s3::LifecycleRule::builder().id(id).status(s3::ExpirationStatus::Enabled);
    let abort = s3::AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build();
    let backups = rule("backups")
        .filter(s3::LifecycleRuleFilter::builder().prefix("p8-backups/mongodb/").build())
        .expiration(s3::LifecycleExpiration::builder().days(90).build())
        .noncurrent_version_expiration(
            s3::NoncurrentVersionExpiration::builder().noncurrent_days(30).set_newer_noncurrent_versions(keep).build(),
        );
    let uploads = rule("uploads")
        .filter(s3::LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(abort)
        .expiration(s3::LifecycleExpiration::builder().days(5).build());
    let rules = [backups, uploads].map(|rule| rule.build().expect("a rule"));
    let configuration = s3::BucketLifecycleConfiguration::builder().set_rules(Some(rules.to_vec())).build().expect("rules");
    bucket.aws.s3.put_bucket_lifecycle_configuration().bucket(name).lifecycle_configuration(configuration).send().await.expect("lifecycle");
    bucket.repairs(&["/lifecycle/uploads/expireAfterDays"], &["S3:PutBucketLifecycleConfiguration"]).await;
}

/// One tag of ours changed, one of somebody else added.
async fn retag(bucket: &Subject, name: &str) {
    let tags = bucket.aws.s3.get_bucket_tagging().bucket(name).send().await.expect("tags");
    let tag = |key: &str, value: &str| s3::Tag::builder().key(key).value(value).build().expect("a tag");
    let mut set: Vec<s3::Tag> = tags.tag_set().iter().filter(|tag| tag.key() != "owner").cloned().collect();
    set.extend([tag("owner", "nobody"), tag("theirs", "1")]);
    let tagging = s3::Tagging::builder().set_tag_set(Some(set)).build().expect("tagging");
    bucket.aws.s3.put_bucket_tagging().bucket(name).tagging(tagging).send().await.expect("tags");
}

async fn refuses_to_go_while_full(bucket: &Subject, name: &str) {
    bucket.aws.s3.put_object().bucket(name).key("k").body("v".as_bytes().to_vec().into()).send().await.expect("an object");
    let failure = bucket.kind.delete(&bucket.meta, &bucket.spec).await.expect_err("a refusal");
    assert!(!failure.is_transient() && failure.causes()[0].contains("left in it"), "{failure}: {:?}", failure.causes());
    let versions = bucket.aws.s3.list_object_versions().bucket(name).send().await.expect("versions");
    for version in versions.versions() {
        let id = version.version_id().unwrap_or_default();
        bucket.aws.s3.delete_object().bucket(name).key("k").version_id(id).send().await.expect("gone");
    }
    bucket.remove().await;
}

#[tokio::test]
async fn a_foreign_bucket_is_never_touched() {
    for backend in [Backend::Moto, Backend::LocalStack] {
        let Some(aws) = aws_in(backend, "us-east-1").await else { return };
        let name = unique("foreign");
        aws.s3.create_bucket().bucket(&name).send().await.expect("a bucket");
        let mut bucket = Subject::new(&aws, "Bucket", &name, json!({"versioning": "Enabled"}));
        let failure = bucket.try_look().await.expect_err("a refusal");
        assert!(failure.hint.as_deref().unwrap_or_default().contains("adopt"), "{failure:?}");
        bucket.meta.annotations.insert("adopt".into(), "true".into());
        let diff = bucket.drift().await;
        assert_eq!(diff.paths(), ["/versioning", "/tags/meteoctl:document", "/tags/meteoctl:stack", "/tags/project"]);
        bucket.converge().await;
        bucket.meta.annotations.clear();
        bucket.rests().await;
    }
}

#[tokio::test]
async fn the_first_region_takes_no_constraint() {
    let Some(aws) = aws_in(Backend::LocalStack, "us-east-1").await else { return };
    let bucket = Subject::new(&aws, "Bucket", &unique("first"), json!({"lifecycle": []}));
    bucket.converge().await;
    bucket.rests().await;
    bucket.remove().await;
}
