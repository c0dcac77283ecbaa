//! The list that pruning starts from.

use meteoctl_aws::owned::owned;
use serde_json::json;

use crate::support::{Backend, Subject, aws, unique};

#[tokio::test]
async fn what_carries_our_tags_is_listed() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let bucket = unique("owned");
    let documents = [
        ("Bucket", bucket.as_str(), json!({})),
        ("LogGroup", "/ecs/mongodb", json!({})),
        ("Role", "p8-task", json!({"assumedBy": "ecs-tasks.amazonaws.com"})),
        ("Secret", "p8/mongodb", json!({"generate": {"username": "meteo"}})),
        ("SecurityGroup", "mongodb-sg", json!({"description": "MongoDB"})),
        ("FileSystem", "data", json!({})),
        ("Schedule", "nightly", crate::schedule::reference()),
        ("Alarm", "no-task", crate::alarm::reference()),
    ];
    for (kind, name, spec) in documents.clone() {
        Subject::new(&aws, kind, name, spec).converge().await;
    }
    aws.secrets.create_secret().name("theirs").secret_string("x").send().await.expect("a secret");
    let role = aws.iam.create_role().role_name("theirs").assume_role_policy_document("{}");
    role.send().await.expect("a role");
    let mut found: Vec<String> = owned(&aws).await.expect("a list").into_iter().map(|thing| thing.document.to_string()).collect();
    found.sort();
    let mut made: Vec<String> = documents.iter().map(|(kind, name, _)| format!("{kind}/{name}")).collect();
    made.sort();
    assert_eq!(found, made);
}
