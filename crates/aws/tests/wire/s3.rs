//! S3 as it is.

use meteoctl_engine::kind::Standing;
use serde_json::json;

use crate::replay::{Canned, hint, on, passing, refused};

const TAGS: &str = "<Tagging><TagSet><Tag><Key>meteoctl:stack</Key><Value>proof</Value></Tag>\
    <Tag><Key>meteoctl:document</Key><Value>Bucket/p8-meteo</Value></Tag></TagSet></Tagging>";

#[tokio::test]
async fn what_aws_fills_in_by_itself_is_no_difference() {
    let spec = json!({"versioning": "Suspended", "encryption": "AES256", "publicAccess": "Blocked", "ownership": "BucketOwnerEnforced",
        "lifecycle": [], "policy": {"tlsOnly": false, "statements": []}});
    let bucket = Canned::new("Bucket", "p8-meteo", spec, vec![
        on("?tagging").body(TAGS),
        on("?versioning").body("<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"),
        on("?encryption").body(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
             </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled><BlockedEncryptionTypes>\
             <EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>",
        ),
        on("?publicAccessBlock").body(
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
             <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
        ),
        on("?ownershipControls").body(
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        ),
        on("?lifecycle").s3_error(404, "NoSuchLifecycleConfiguration"),
        on("?policy").s3_error(404, "NoSuchBucketPolicy"),
    ]);
    bucket.in_sync().await;
}

#[tokio::test]
async fn only_what_is_declared_is_looked_at() {
    let bucket = Canned::new(
        "Bucket",
        "p8-meteo",
        json!({"versioning": "Enabled"}),
        vec![
            on("?tagging").body(TAGS),
            on("?versioning").body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        ],
    );
    bucket.in_sync().await;
    assert_eq!(bucket.replay.requests("").len(), 2);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_absent_whichever_answer_comes_first() {
    let spec = json!({"versioning": "Enabled", "encryption": "AES256", "publicAccess": "Blocked", "ownership": "ObjectWriter",
        "lifecycle": [], "policy": {"tlsOnly": true}});
    let bucket = Canned::new("Bucket", "p8-meteo", spec, vec![on("GET").s3_error(404, "NoSuchBucket")]);
    assert!(matches!(bucket.look().await.standing, Standing::Absent));
}

#[tokio::test]
async fn the_region_decides_about_the_location_constraint() {
    for (region, constraint) in [("eu-west-3", true), ("us-east-1", false)] {
        let bucket = Canned::in_region(region, "Bucket", "p8-meteo", json!({}), vec![on("PUT"), on("?tagging").body(TAGS)]);
        bucket.create().await.expect("made");
        let request = &bucket.replay.requests("CreateBucketConfiguration")[0];
        assert_eq!(request.contains("<LocationConstraint>"), constraint, "{request}");
        assert!(request.contains("<Key>meteoctl:stack</Key>"), "the tags come with the creation: {request}");
        assert_eq!(bucket.replay.requests("PUT").len(), 1, "tags that stand are not written again");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_had_is_explained() {
    let creation = |code: &'static str| Canned::new("Bucket", "p8-meteo", json!({}), vec![on("PUT").s3_error(409, code)]);
    assert!(refused(creation("BucketAlreadyExists").create().await).contains("choose another name"));
    assert_eq!(passing(creation("BucketAlreadyOwnedByYou").create().await), "it exists by now");
    let failure = creation("OperationAborted").create().await.expect_err("a conflict");
    assert!(failure.is_transient() && failure.hint.as_deref().unwrap_or_default().contains("deleted a short while ago"), "{failure:?}");

    let look = |status, code| {
        Canned::new("Bucket", "p8-meteo", json!({}), vec![on("?tagging").s3_error(status, code).header("x-amz-bucket-region", "us-west-2")])
    };
    let elsewhere = look(301, "PermanentRedirect").try_look().await.expect_err("elsewhere");
    assert!(elsewhere.causes()[0].contains("us-west-2"), "{:?}", elsewhere.causes());
    assert!(hint(look(403, "AccessDenied").try_look().await.expect_err("theirs")).contains("taken by another account"));
}

#[tokio::test]
async fn two_settings_at_once_pass() {
    let bucket = Canned::new(
        "Bucket",
        "p8-meteo",
        json!({"versioning": "Enabled"}),
        vec![
            on("?tagging").body(TAGS),
            on("GET ?versioning").body("<VersioningConfiguration/>"),
            on("PUT ?versioning").s3_error(409, "OperationAborted"),
        ],
    );
    passing(bucket.update().await);
}

#[tokio::test]
async fn a_bucket_that_holds_data_stays() {
    let bucket = Canned::new("Bucket", "p8-meteo", json!({}), vec![on("DELETE").s3_error(409, "BucketNotEmpty")]);
    assert!(refused(bucket.delete().await).contains("never empties"));
    Canned::new("Bucket", "p8-meteo", json!({}), vec![on("DELETE").s3_error(404, "NoSuchBucket")]).delete().await.expect("gone already");
}
