//! The Secret kind.

use aws_sdk_secretsmanager::types::Tag;
use meteoctl_aws::kinds::secret::secret_value;
use serde_json::json;

use crate::support::{Backend, Subject, aws};

#[tokio::test]
async fn converges_on_moto() {
    converges(Backend::Moto).await;
}

#[tokio::test]
async fn converges_on_localstack() {
    converges(Backend::LocalStack).await;
}

async fn converges(backend: Backend) {
    let Some(aws) = aws(backend).await else { return };
    let name = "p8/mongodb";
    let spec = json!({"generate": {"username": "meteo", "passwordLength": 40}, "description": "MongoDB", "kms": "alias/aws/secretsmanager", "tags": {"owner": "data"}, "recoveryDays": 7});
    let mut secret = Subject::new(&aws, "Secret", name, spec);
    let arn = secret.converge().await.outputs["arn"].as_str().expect("an arn").to_owned();
    secret.rests().await;
    assert!(!aws.tally.calls().reads.contains_key("Secrets Manager:GetSecretValue"), "a look has read the value");
    let value = async |key: &str| secret_value(&aws, &arn, key).await.expect("a value").reveal().to_owned();
    let first = value("password").await;
    assert_eq!((value("username").await.as_str(), first.len()), ("meteo", 40));

    let missing = secret_value(&aws, &arn, "passwort").await.expect_err("no such key");
    assert_eq!(missing.causes(), ["it has only the keys username, password"]);
    assert!(!format!("{missing:?}").contains(&first), "the value is in the message");

    aws.secrets.update_secret().secret_id(name).description("else").send().await.expect("described");
    secret.repairs(&["/description"], &["Secrets Manager:UpdateSecret"]).await;
    aws.secrets.update_secret().secret_id(name).description("MongoDB").kms_key_id("alias/theirs").send().await.expect("another key");
    secret.repairs(&["/kms"], &["Secrets Manager:UpdateSecret"]).await;
    aws.secrets.untag_resource().secret_id(name).tag_keys("owner").send().await.expect("untagged");
    secret.repairs(&["/tags/owner"], &["Secrets Manager:TagResource"]).await;
    assert_eq!(value("password").await, first, "the password changed without being asked");

    secret.spec["rotate"] = json!("2026-01");
    secret.repairs(&["/rotate"], &["Secrets Manager:PutSecretValue", "Secrets Manager:TagResource"]).await;
    let second = value("password").await;
    assert_ne!(second, first);
    secret.rests().await;

    // The tag was lost: the rotation counts as not done, but its version is there and is not made twice.
    secret.spec["generate"]["username"] = json!("weather");
    secret.repairs(&["/generate/username"], &["Secrets Manager:PutSecretValue", "Secrets Manager:TagResource"]).await;
    assert_eq!((value("username").await.as_str(), value("password").await == second), ("weather", true));
    secret.rests().await;

    // Deleted secrets keep their name and come back as they were.
    secret.remove().await;
    secret.converge().await;
    assert_eq!(value("password").await, second);
    secret.rests().await;
}

#[tokio::test]
async fn a_rotation_cut_off_before_its_tag_is_finished_without_a_second_password() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let mut secret = Subject::new(&aws, "Secret", "cut", json!({"generate": {"username": "meteo"}}));
    let arn = secret.converge().await.outputs["arn"].as_str().expect("an arn").to_owned();
    secret.spec["rotate"] = json!("now");
    secret.converge().await;
    let rotated = secret_value(&aws, &arn, "password").await.expect("a value");
    aws.secrets.untag_resource().secret_id("cut").tag_keys("meteoctl:rotation").send().await.expect("untagged");
    secret.repairs(&["/rotate"], &["Secrets Manager:TagResource"]).await;
    assert!(secret_value(&aws, &arn, "password").await.expect("a value") == rotated, "a second password was made");
}

#[tokio::test]
async fn a_secret_taken_over_keeps_its_value() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let theirs = aws.secrets.create_secret().name("theirs").secret_string(r#"{"username":"root","password":"as it was"}"#);
    theirs.tags(Tag::builder().key("a").value("b").build()).send().await.expect("a secret");
    let mut secret = Subject::new(&aws, "Secret", "theirs", json!({"generate": {"username": "root"}}));
    secret.try_look().await.expect_err("not ours");
    secret.meta.annotations.insert("adopt".into(), "true".into());
    secret.converge().await;
    secret.meta.annotations.clear();
    secret.rests().await;
    assert_eq!(secret_value(&aws, "theirs", "password").await.expect("a value").reveal(), "as it was");
}
