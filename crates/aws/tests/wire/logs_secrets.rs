//! CloudWatch Logs and Secrets Manager as they are.

use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::replay::{Canned, on, passing};

const OURS: &str = "meteoctl:stack";

fn group(name: &str) -> Value {
    json!({"logGroupName": name, "creationTime": 1_760_000_000_000_i64, "retentionInDays": 30, "metricFilterCount": 0, "storedBytes": 0,
        "arn": format!("arn:aws:logs:eu-west-3:123456789012:log-group:{name}:*"),
        "logGroupArn": format!("arn:aws:logs:eu-west-3:123456789012:log-group:{name}"), "logGroupClass": "STANDARD",
        "deletionProtectionEnabled": false})
}

#[tokio::test]
async fn the_group_of_exactly_this_name_may_be_on_a_later_page() {
    let log_group = Canned::new(
        "LogGroup",
        "/ecs/m",
        json!({"retentionDays": 30, "metricFilters": []}),
        vec![
            on("DescribeLogGroups \"nextToken\":\"more\"").body(json!({"logGroups": [group("/ecs/m")]})),
            on("DescribeLogGroups").body(json!({"logGroups": [group("/ecs/m-old")], "nextToken": "more"})),
            on("DescribeMetricFilters").body(json!({"metricFilters": []})),
            on("ListTagsForResource").body(json!({"tags": {OURS: "proof", "meteoctl:document": "LogGroup//ecs/m"}})),
        ],
    );
    let sight = log_group.in_sync().await;
    assert_eq!(sight.outputs["arn"], json!("arn:aws:logs:eu-west-3:123456789012:log-group:/ecs/m"));
}

#[tokio::test]
async fn a_key_put_on_by_hand_is_named_and_taken_off() {
    let mut encrypted = group("/ecs/m");
    encrypted["kmsKeyId"] = json!("arn:aws:kms:eu-west-3:123456789012:key/1");
    let answers = vec![
        on("DescribeLogGroups").body(json!({"logGroups": [encrypted]})),
        on("ListTagsForResource").body(json!({"tags": {OURS: "proof", "meteoctl:document": "LogGroup//ecs/m"}})),
        on("DisassociateKmsKey").body("{}"),
        on("\"kmsKeyId\":\"arn:aws:kms:eu-west-3:123456789012:key/2\"").body("{}"),
    ];
    let off = Canned::new("LogGroup", "/ecs/m", json!({"retentionDays": 30, "kms": "none"}), answers.clone());
    let Standing::Drifted(diff) = off.look().await.standing else { panic!("the key differs") };
    assert_eq!(diff.paths(), ["/kms"]);
    off.update().await.expect("taken off");
    assert_eq!((off.replay.requests("DisassociateKmsKey").len(), off.replay.requests("PutRetentionPolicy").len()), (1, 0));
    let other = json!({"retentionDays": 30, "kms": {"ref": "Key/k", "outputs": {"arn": "arn:aws:kms:eu-west-3:123456789012:key/2"}}});
    let other = Canned::new("LogGroup", "/ecs/m", other, answers);
    other.update().await.expect("another key");
    assert_eq!(other.replay.requests("AssociateKmsKey").len(), 1);
}

#[tokio::test]
async fn a_conflicting_change_of_a_group_passes() {
    let log_group = Canned::new(
        "LogGroup",
        "/ecs/m",
        json!({"retentionDays": 7}),
        vec![
            on("DescribeLogGroups").body(json!({"logGroups": [group("/ecs/m")]})),
            on("ListTagsForResource").body(json!({"tags": {OURS: "proof", "meteoctl:document": "LogGroup//ecs/m"}})),
            on("PutRetentionPolicy").json_error(400, "OperationAbortedException"),
        ],
    );
    passing(log_group.update().await);
}

#[tokio::test]
async fn a_group_that_goes_between_two_calls_is_absent() {
    let log_group = Canned::new(
        "LogGroup",
        "/ecs/m",
        json!({"metricFilters": []}),
        vec![
            on("DescribeLogGroups").body(json!({"logGroups": [group("/ecs/m")]})),
            on("ListTagsForResource").json_error(400, "ResourceNotFoundException"),
            on("DescribeMetricFilters").json_error(400, "ResourceNotFoundException"),
        ],
    );
    assert!(matches!(log_group.look().await.standing, Standing::Absent));
}

fn secret(more: Value) -> Value {
    let mut secret = json!({"ARN": "arn:aws:secretsmanager:eu-west-3:123456789012:secret:p8/mongodb-AbCdEf", "Name": "p8/mongodb",
        "CreatedDate": 1.76e9, "LastChangedDate": 1.76e9, "VersionIdsToStages": {"v1": ["AWSCURRENT"], "v0": ["AWSPREVIOUS"]},
        "Tags": [{"Key": OURS, "Value": "proof"}, {"Key": "meteoctl:document", "Value": "Secret/p8/mongodb"},
                 {"Key": "meteoctl:username", "Value": "meteo"}]});
    secret.as_object_mut().expect("a secret").extend(more.as_object().expect("more").clone());
    secret
}

#[tokio::test]
async fn a_plan_never_asks_for_the_value() {
    let spec = json!({"generate": {"username": "meteo", "passwordLength": 32}, "kms": "alias/aws/secretsmanager"});
    let canned = Canned::new("Secret", "p8/mongodb", spec, vec![on("DescribeSecret").body(secret(json!({})))]);
    canned.in_sync().await;
    assert_eq!(canned.replay.requests("").len(), 1);
}

#[tokio::test]
async fn a_secret_that_waits_for_its_deletion_is_absent_and_is_brought_back() {
    let canned = Canned::new(
        "Secret",
        "p8/mongodb",
        json!({"generate": {}}),
        vec![
            on("DescribeSecret").body(secret(json!({"DeletedDate": 1.77e9}))),
            on("RestoreSecret").body(json!({"ARN": "a", "Name": "p8/mongodb"})),
        ],
    );
    assert!(matches!(canned.look().await.standing, Standing::Absent));
    canned.create().await.expect("brought back");
    assert!(canned.replay.requests("CreateSecret").is_empty());
}

#[tokio::test]
async fn a_secret_without_a_value_gets_one() {
    let canned = Canned::new(
        "Secret",
        "p8/mongodb",
        json!({"generate": {"username": "meteo"}}),
        vec![
            on("DescribeSecret").body(secret(json!({"VersionIdsToStages": {}}))),
            on("PutSecretValue").body(json!({})),
            on("TagResource").body(json!({})),
        ],
    );
    canned.update().await.expect("written");
    let request = &canned.replay.requests("PutSecretValue")[0];
    assert!(request.contains("\\\"username\\\":\\\"meteo\\\""), "{request}");
}
