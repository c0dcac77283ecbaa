//! The LogGroup kind.

use aws_sdk_cloudwatchlogs::types::MetricTransformation;
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
    let name = "/ecs/mongodb-task-p8";
    let spec = json!({
        "retentionDays": 30,
        "class": "STANDARD",
        "kms": "none",
        "metricFilters": [
            {"name": "errors", "pattern": "{ $.s = \"E\" }", "namespace": "P8", "metric": "MongoErrors", "defaultValue": 0.0},
            {"name": "lines", "pattern": "", "namespace": "P8", "metric": "Lines"},
        ],
        "tags": {"owner": "data"},
    });
    let group = Subject::new(&aws, "LogGroup", name, spec);
    // A longer name with the same beginning must not be taken for it.
    aws.logs.create_log_group().log_group_name(format!("{name}-old")).send().await.expect("a group");
    let sight = group.converge().await;
    assert!(sight.outputs["arn"].as_str().is_some_and(|arn| arn.ends_with(":log-group:/ecs/mongodb-task-p8")), "{:?}", sight.outputs);
    group.rests().await;

    aws.logs.put_retention_policy().log_group_name(name).retention_in_days(7).send().await.expect("retention");
    group.repairs(&["/retentionDays"], &["CloudWatch Logs:PutRetentionPolicy"]).await;
    aws.logs.delete_retention_policy().log_group_name(name).send().await.expect("retention");
    group.repairs(&["/retentionDays"], &["CloudWatch Logs:PutRetentionPolicy"]).await;

    let other = MetricTransformation::builder().metric_namespace("P8").metric_name("MongoErrors").metric_value("2").default_value(0.0);
    let request = aws.logs.put_metric_filter().log_group_name(name).filter_name("errors").filter_pattern("{ $.s = \"E\" }");
    request.metric_transformations(other.build().expect("a metric")).send().await.expect("a filter");
    group.repairs(&["/metricFilters/errors/value"], &["CloudWatch Logs:PutMetricFilter"]).await;
    let theirs = MetricTransformation::builder().metric_namespace("X").metric_name("X").metric_value("1").build().expect("a metric");
    let request = aws.logs.put_metric_filter().log_group_name(name).filter_name("theirs").filter_pattern("x");
    request.metric_transformations(theirs).send().await.expect("a filter");
    group.repairs(&["/metricFilters/theirs"], &["CloudWatch Logs:DeleteMetricFilter"]).await;

    let arn = sight.outputs["arn"].as_str().unwrap_or_default();
    aws.logs.untag_resource().resource_arn(arn).tag_keys("owner").send().await.expect("untagged");
    group.repairs(&["/tags/owner"], &["CloudWatch Logs:TagResource"]).await;
    group.rests().await;

    let mut for_ever = Subject::new(&aws, "LogGroup", name, json!({"retentionDays": 0}));
    for_ever.repairs(&["/retentionDays"], &["CloudWatch Logs:DeleteRetentionPolicy"]).await;
    for_ever.spec = json!({"class": "INFREQUENT_ACCESS"});
    let failure = for_ever.try_look().await.expect_err("a refusal");
    assert!(failure.hint.as_deref().unwrap_or_default().contains("never replaces"), "{failure:?}");
    group.remove().await;
}
