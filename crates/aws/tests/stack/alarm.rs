//! The Alarm kind.

use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, StandardUnit, Statistic, Tag};
use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::support::{Backend, Subject, aws};

const NAME: &str = "p8-mongodb-no-task";
const PUT: &[&str] = &["CloudWatch:PutMetricAlarm"];

pub fn reference() -> Value {
    json!({
        "description": "no MongoDB task runs",
        "namespace": "ECS/ContainerInsights",
        "metric": "CpuUtilized",
        "dimensions": {
            "ClusterName": {"ref": "Cluster/p8-mongodb-cluster-v2", "outputs": {"name": "p8-mongodb-cluster-v2"}},
            "TaskDefinitionFamily": {"ref": "TaskDefinition/p8-mongodb-task", "outputs": {"family": "p8-mongodb-task"}},
        },
        "statistic": "SampleCount",
        "periodSeconds": 60,
        "evaluationPeriods": 5,
        "datapointsToAlarm": 3,
        "comparison": "LessThanThreshold",
        "threshold": 1.0,
        "unit": "None",
        "missing": "breaching",
        "actionsEnabled": true,
        "actions": ["arn:aws:sns:eu-west-3:123456789012:b", "arn:aws:sns:eu-west-3:123456789012:a"],
        "okActions": ["arn:aws:sns:eu-west-3:123456789012:a"],
        "tags": {"owner": "data"},
    })
}

#[tokio::test]
async fn converges_on_moto() {
    converges(Backend::Moto).await;
}

#[tokio::test]
async fn converges_on_localstack() {
    converges(Backend::LocalStack).await;
}

/// Writes the alarm down once more as it is, but for one thing, as somebody would in the console.
async fn by_hand(alarm: &Subject, change: impl FnOnce(PutMetricAlarmFluentBuilder) -> PutMetricAlarmFluentBuilder) {
    let described = alarm.aws.cloudwatch.describe_alarms().alarm_names(NAME).send().await.expect("described");
    let found = described.metric_alarms().first().expect("an alarm").clone();
    let call = alarm.aws.cloudwatch.put_metric_alarm().alarm_name(NAME);
    let call = call.set_alarm_description(found.alarm_description).set_namespace(found.namespace).set_metric_name(found.metric_name);
    let call = call.set_dimensions(found.dimensions).set_statistic(found.statistic).set_extended_statistic(found.extended_statistic);
    let call = call.set_period(found.period).set_evaluation_periods(found.evaluation_periods).set_unit(found.unit);
    let call = call.set_datapoints_to_alarm(found.datapoints_to_alarm).set_comparison_operator(found.comparison_operator);
    let call = call.set_threshold(found.threshold).set_treat_missing_data(found.treat_missing_data);
    let call = call.set_actions_enabled(found.actions_enabled).set_alarm_actions(found.alarm_actions).set_ok_actions(found.ok_actions);
    change(call).send().await.expect("written by hand");
}

/// LocalStack forgets the tags that come with the creation, so that an alarm of ours looks like somebody else's.
async fn make_with_tags(alarm: &Subject) {
    alarm.kind.apply(&alarm.meta, &alarm.spec, &meteoctl_engine::kind::Change::Create).await.expect("made");
    let described = alarm.aws.cloudwatch.describe_alarms().alarm_names(NAME).send().await.expect("described");
    let arn = described.metric_alarms()[0].alarm_arn().expect("an ARN");
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let ours =
        [("meteoctl:stack", "proof"), ("meteoctl:document", "Alarm/p8-mongodb-no-task"), ("project", "forecast-2.0"), ("owner", "data")];
    let tags = ours.map(|(key, value)| tag(key, value)).to_vec();
    alarm.aws.cloudwatch.tag_resource().resource_arn(arn).set_tags(Some(tags)).send().await.expect("tagged");
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

async fn converges(backend: Backend) {
    let Some(aws) = aws(backend).await else { return };
    let alarm = Subject::new(&aws, "Alarm", NAME, reference());
    assert!(matches!(alarm.look().await.standing, Standing::Absent));
    if backend == Backend::LocalStack {
        make_with_tags(&alarm).await;
    }
    let sight = alarm.converge().await;
    let arn = sight.outputs["arn"].as_str().expect("an ARN").to_owned();
    assert!(arn.ends_with(":alarm:p8-mongodb-no-task"), "{arn}");
    alarm.rests().await;
    if backend == Backend::Moto {
        assert_eq!(alarm.writes().values().sum::<u64>(), 1, "made in one call, tags included");
    }

    by_hand(&alarm, |call| call.alarm_description("else")).await;
    alarm.repairs(&["/description"], PUT).await;
    by_hand(&alarm, |call| call.namespace("P8")).await;
    alarm.repairs(&["/namespace"], PUT).await;
    by_hand(&alarm, |call| call.metric_name("MemoryUtilized")).await;
    alarm.repairs(&["/metric"], PUT).await;
    let family = dimension("TaskDefinitionFamily", "p8-mongodb-task");
    by_hand(&alarm, |call| call.set_dimensions(Some(vec![dimension("ClusterName", "other"), family.clone()]))).await;
    alarm.repairs(&["/dimensions/ClusterName"], PUT).await;
    by_hand(&alarm, |call| call.dimensions(dimension("ServiceName", "mongodb"))).await;
    alarm.repairs(&["/dimensions/ServiceName"], PUT).await;
    by_hand(&alarm, |call| call.statistic(Statistic::Maximum)).await;
    alarm.repairs(&["/statistic"], PUT).await;
    by_hand(&alarm, |call| call.period(120)).await;
    alarm.repairs(&["/periodSeconds"], PUT).await;
    by_hand(&alarm, |call| call.evaluation_periods(4)).await;
    alarm.repairs(&["/evaluationPeriods"], PUT).await;
    by_hand(&alarm, |call| call.datapoints_to_alarm(1)).await;
    alarm.repairs(&["/datapointsToAlarm"], PUT).await;
    by_hand(&alarm, |call| call.comparison_operator(ComparisonOperator::GreaterThanThreshold)).await;
    alarm.repairs(&["/comparison"], PUT).await;
    by_hand(&alarm, |call| call.threshold(2.5)).await;
    alarm.repairs(&["/threshold"], PUT).await;
    by_hand(&alarm, |call| call.unit(StandardUnit::Percent)).await;
    alarm.repairs(&["/unit"], PUT).await;
    by_hand(&alarm, |call| call.treat_missing_data("ignore")).await;
    alarm.repairs(&["/missing"], PUT).await;
    by_hand(&alarm, |call| call.actions_enabled(false)).await;
    alarm.repairs(&["/actionsEnabled"], PUT).await;
    by_hand(&alarm, |call| call.set_alarm_actions(Some(Vec::new()))).await;
    alarm.repairs(&["/actions"], PUT).await;
    by_hand(&alarm, |call| call.ok_actions("arn:aws:sns:eu-west-3:123456789012:c")).await;
    alarm.repairs(&["/okActions"], PUT).await;
    aws.cloudwatch.untag_resource().resource_arn(&arn).tag_keys("owner").send().await.expect("untagged");
    alarm.repairs(&["/tags/owner"], &["CloudWatch:TagResource"]).await;
    alarm.rests().await;
    alarm.remove().await;
}

#[tokio::test]
async fn what_the_document_leaves_open_stays_as_it_is() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let spec = json!({"namespace": "P8", "metric": "BackupAge", "statistic": "p95", "periodSeconds": 300, "evaluationPeriods": 1,
        "comparison": "GreaterThanOrEqualToThreshold", "threshold": 86400.0});
    let alarm = Subject::new(&aws, "Alarm", NAME, spec);
    alarm.converge().await;
    alarm.rests().await;
    by_hand(&alarm, |call| call.alarm_description("theirs").treat_missing_data("notBreaching").threshold(1.0)).await;
    alarm.repairs(&["/threshold"], PUT).await;
    let described = aws.cloudwatch.describe_alarms().alarm_names(NAME).send().await.expect("described");
    let kept = &described.metric_alarms()[0];
    assert_eq!((kept.alarm_description(), kept.treat_missing_data()), (Some("theirs"), Some("notBreaching")));
    alarm.rests().await;
}

#[tokio::test]
async fn a_foreign_alarm_is_left_alone() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let alarm = Subject::new(&aws, "Alarm", NAME, reference());
    alarm.converge().await;
    let arn = alarm.look().await.outputs["arn"].as_str().expect("an ARN").to_owned();
    aws.cloudwatch.untag_resource().resource_arn(&arn).tag_keys("meteoctl:stack").send().await.expect("untagged");
    alarm.try_look().await.expect_err("not ours");
    alarm.kind.delete(&alarm.meta, &alarm.spec).await.expect_err("not ours");
}
