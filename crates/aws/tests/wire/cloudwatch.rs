//! CloudWatch as it is: RPC v2 over CBOR.

use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::replay::{Answer, Canned, on, refused};

pub fn no_task() -> Value {
    json!({"namespace": "ECS/ContainerInsights", "metric": "CpuUtilized", "dimensions": {"ClusterName": "c"}, "statistic": "SampleCount",
        "periodSeconds": 60, "evaluationPeriods": 5, "comparison": "LessThanThreshold", "threshold": 1.0, "missing": "breaching"})
}

/// What DescribeAlarms tells, with everything CloudWatch fills in by itself.
fn found(change: impl FnOnce(&mut Value)) -> Answer {
    let mut alarm = json!({
        "AlarmName": "no-task", "AlarmArn": "arn:aws:cloudwatch:eu-west-3:123456789012:alarm:no-task", "ActionsEnabled": true,
        "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [], "StateValue": "OK", "StateReason": "Threshold Crossed",
        "StateReasonData": "{}", "MetricName": "CpuUtilized", "Namespace": "ECS/ContainerInsights", "Statistic": "SampleCount",
        "Dimensions": [{"Name": "ClusterName", "Value": "c"}], "Period": 60, "EvaluationPeriods": 5, "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold", "TreatMissingData": "breaching",
    });
    change(&mut alarm);
    on("DescribeAlarms").cbor(&json!({"MetricAlarms": [alarm], "CompositeAlarms": []}))
}

fn ours() -> Answer {
    let tags = json!([{"Key": "meteoctl:stack", "Value": "proof"}, {"Key": "meteoctl:document", "Value": "Alarm/no-task"}]);
    on("ListTagsForResource").cbor(&json!({"Tags": tags}))
}

#[tokio::test]
async fn what_cloudwatch_fills_in_is_no_difference() {
    let sight = Canned::new("Alarm", "no-task", no_task(), vec![found(|_| {}), ours()]).in_sync().await;
    assert_eq!(sight.outputs["arn"], "arn:aws:cloudwatch:eu-west-3:123456789012:alarm:no-task");
    assert_eq!(sight.note.as_deref(), Some("OK: Threshold Crossed"));
}

#[tokio::test]
async fn an_empty_list_means_that_there_is_none() {
    let empty = json!({"MetricAlarms": [], "CompositeAlarms": []});
    let alarm = Canned::new("Alarm", "no-task", no_task(), vec![on("DescribeAlarms").cbor(&empty)]);
    assert!(matches!(alarm.look().await.standing, Standing::Absent));
}

#[tokio::test]
async fn an_alarm_on_an_expression_differs_instead_of_failing() {
    let expression = |alarm: &mut Value| {
        let map = alarm.as_object_mut().expect("an object");
        ["MetricName", "Namespace", "Statistic", "Period", "Dimensions"].iter().for_each(|field| drop(map.remove(*field)));
        map.insert("Metrics".into(), json!([{"Id": "e", "Expression": "m * 2", "ReturnData": true}]));
    };
    let alarm = Canned::new("Alarm", "no-task", no_task(), vec![found(expression), ours()]);
    let Standing::Drifted(diff) = alarm.look().await.standing else { panic!("should differ") };
    assert_eq!(diff.paths(), ["/namespace", "/metric", "/dimensions/ClusterName", "/statistic", "/periodSeconds"]);
}

#[tokio::test]
async fn too_many_alarms_are_refused_in_cloudwatchs_words() {
    let limit = json!({"__type": "com.amazonaws.cloudwatch#LimitExceeded", "message": "The maximum limit of 5000 alarms is exceeded"});
    let alarm = Canned::new("Alarm", "no-task", no_task(), vec![on("PutMetricAlarm").status(400).cbor(&limit)]);
    let failure = alarm.create().await.expect_err("refused");
    assert!(failure.causes()[0].contains("maximum limit"), "{:?}", failure.causes());
    refused(Err(failure));
}
