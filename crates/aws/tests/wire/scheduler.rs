//! EventBridge Scheduler as it is.

use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::replay::{Answer, Canned, on, passing, refused};

pub fn nightly() -> Value {
    json!({"schedule": {"cron": "0 3 * * *", "timezone": "Europe/Paris"}, "cluster": "arn:aws:ecs:eu-west-3:123456789012:cluster/c",
        "taskDefinition": "arn:aws:ecs:eu-west-3:123456789012:task-definition/t:1", "role": "arn:aws:iam::123456789012:role/r",
        "subnets": ["subnet-1"]})
}

/// What GetSchedule tells, with everything the service fills in by itself.
fn found() -> Answer {
    on("GET /schedules/nightly").body(json!({
        "Arn": "arn:aws:scheduler:eu-west-3:123456789012:schedule/meteoctl-proof/nightly", "GroupName": "meteoctl-proof", "Name": "nightly",
        "ScheduleExpression": "cron(0 3 * * ? *)", "ScheduleExpressionTimezone": "Europe/Paris", "State": "ENABLED",
        "ActionAfterCompletion": "NONE", "CreationDate": 1_760_000_000.5, "LastModificationDate": 1_760_000_000.5,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:ecs:eu-west-3:123456789012:cluster/c", "RoleArn": "arn:aws:iam::123456789012:role/r",
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
            "EcsParameters": {
                "TaskDefinitionArn": "arn:aws:ecs:eu-west-3:123456789012:task-definition/t:1", "TaskCount": 1, "LaunchType": "FARGATE",
                "EnableECSManagedTags": false, "EnableExecuteCommand": false,
                "NetworkConfiguration": {"awsvpcConfiguration": {"AssignPublicIp": "ENABLED", "Subnets": ["subnet-1"]}},
            },
        },
    }))
}

fn tags(stack: &str) -> Answer {
    on("GET /tags/").body(json!({"Tags": [{"Key": "meteoctl:stack", "Value": stack}]}))
}

fn no_group() -> Answer {
    on("GET /schedule-groups/").rest_error(404, "ResourceNotFoundException", "Schedule Group meteoctl-proof does not exist.")
}

#[tokio::test]
async fn what_the_service_fills_in_is_no_difference() {
    Canned::new("Schedule", "nightly", nightly(), vec![found(), tags("proof")]).in_sync().await;
    let failure = Canned::new("Schedule", "nightly", nightly(), vec![found(), tags("other")]).try_look().await.expect_err("not ours");
    assert!(failure.causes()[0].contains("belongs to the stack `other`"), "{:?}", failure.causes());
}

#[tokio::test]
async fn a_schedule_or_a_group_that_is_not_there_is_absent() {
    let schedule = Canned::new(
        "Schedule",
        "nightly",
        nightly(),
        vec![on("GET /schedules/nightly").rest_error(404, "ResourceNotFoundException", "Schedule nightly does not exist.")],
    );
    assert!(matches!(schedule.look().await.standing, Standing::Absent));
}

#[tokio::test]
async fn a_role_that_was_just_made_passes_and_no_other_complaint_does() {
    let made = |message: &str| {
        let answers = vec![
            no_group(),
            on("POST /schedule-groups/").body(json!({"ScheduleGroupArn": "arn:aws:scheduler:eu-west-3:123456789012:schedule-group/g"})),
            on("POST /schedules/nightly").rest_error(400, "ValidationException", message),
        ];
        Canned::new("Schedule", "nightly", nightly(), answers)
    };
    let role = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.";
    let failure = made(role).create().await.expect_err("a failure");
    assert!(failure.hint.as_deref().unwrap_or_default().contains("scheduler.amazonaws.com"), "{failure:?}");
    passing(Err(failure));
    refused(made("Invalid Schedule Expression cron(0 3 * * ? *).").create().await);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_no_failure() {
    let schedule = Canned::new(
        "Schedule",
        "nightly",
        nightly(),
        vec![
            no_group(),
            on("POST /schedule-groups/").rest_error(409, "ConflictException", "Schedule Group meteoctl-proof already exists."),
            on("POST /schedules/nightly").rest_error(409, "ConflictException", "Schedule nightly already exists."),
        ],
    );
    schedule.create().await.expect("the next look tells");
    let sent = &schedule.replay.requests("/schedules/nightly")[0];
    assert!(sent.contains("\"ScheduleExpression\":\"cron(0 3 * * ? *)\"") && sent.contains("\"ClientToken\""), "{sent}");
}

#[tokio::test]
async fn quotas_are_no_throttling() {
    let schedule = Canned::new(
        "Schedule",
        "nightly",
        nightly(),
        vec![
            no_group(),
            on("POST /schedule-groups/").rest_error(402, "ServiceQuotaExceededException", "The quota of schedule groups is exceeded."),
        ],
    );
    refused(schedule.create().await);
}
