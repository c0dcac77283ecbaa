//! The Schedule kind.

use aws_sdk_scheduler::types::{
    AssignPublicIp, AwsVpcConfiguration, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, NetworkConfiguration, RetryPolicy,
    ScheduleState, Target,
};
use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::support::{Backend, Subject, aws};

const NAME: &str = "nightly-backup";
const GROUP: &str = "p8-nightly";
const UPDATE: &[&str] = &["Scheduler:UpdateSchedule"];

fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:eu-west-3:123456789012:{rest}")
}

pub fn reference() -> Value {
    json!({
        "schedule": {"cron": "0 3 * * 1-5", "timezone": "Europe/Paris"},
        "group": GROUP,
        "enabled": true,
        "description": "the nightly backup",
        "cluster": {"ref": "Cluster/c", "outputs": {"name": "c", "arn": arn("ecs", "cluster/c")}},
        "taskDefinition": {"ref": "TaskDefinition/t", "outputs": {"arn": arn("ecs", "task-definition/t:1"), "family": "t"}},
        "role": {"ref": "Role/p8-scheduler", "outputs": {"arn": "arn:aws:iam::123456789012:role/p8-scheduler"}},
        "subnets": "default-public",
        "securityGroups": [{"ref": "SecurityGroup/backup", "outputs": {"id": "sg-1"}}],
        "assignPublicIp": true,
        "container": "meteoctl",
        "command": ["run", "backup"],
        "retry": {"attempts": 3, "maxAgeSeconds": 3600},
        "deadLetter": arn("sqs", "dead"),
        "windowMinutes": 15,
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

/// What somebody writes in the console.
struct Written {
    expression: String,
    timezone: Option<String>,
    description: Option<String>,
    state: ScheduleState,
    window: FlexibleTimeWindow,
    target: Target,
}

/// Writes the schedule down once more as it is, but for one thing.
async fn by_hand(schedule: &Subject, change: impl FnOnce(&mut Written)) {
    let found = schedule.aws.scheduler.get_schedule().name(NAME).group_name(GROUP).send().await.expect("a schedule");
    let mut written = Written {
        expression: found.schedule_expression.expect("an expression"),
        timezone: found.schedule_expression_timezone,
        description: found.description,
        state: found.state.expect("a state"),
        window: found.flexible_time_window.expect("a window"),
        target: found.target.expect("a target"),
    };
    change(&mut written);
    let call = schedule.aws.scheduler.update_schedule().name(NAME).group_name(GROUP).schedule_expression(written.expression);
    let call = call.set_schedule_expression_timezone(written.timezone).set_description(written.description).state(written.state);
    call.flexible_time_window(written.window).target(written.target).send().await.expect("written by hand");
}

fn vpc(target: &mut Target) -> &mut AwsVpcConfiguration {
    let network: &mut NetworkConfiguration =
        target.ecs_parameters.as_mut().and_then(|task| task.network_configuration.as_mut()).expect("a network");
    network.awsvpc_configuration.as_mut().expect("a VPC")
}

fn input(container: &str, command: &[&str]) -> Option<String> {
    Some(json!({"containerOverrides": [{"name": container, "command": command}]}).to_string())
}

fn retry(attempts: i32, age: i32) -> RetryPolicy {
    RetryPolicy::builder().maximum_retry_attempts(attempts).maximum_event_age_in_seconds(age).build()
}

async fn converges(backend: Backend) {
    let Some(aws) = aws(backend).await else { return };
    let schedule = Subject::new(&aws, "Schedule", NAME, reference());
    assert!(matches!(schedule.look().await.standing, Standing::Absent));
    let sight = schedule.converge().await;
    assert!(sight.note.as_deref().is_some_and(|note| note.contains("on, cron(0 3 ? * MON,TUE,WED,THU,FRI *)")), "{:?}", sight.note);
    schedule.rests().await;

    by_hand(&schedule, |written| written.expression = "cron(0 4 * * ? *)".into()).await;
    schedule.repairs(&["/schedule/cron"], UPDATE).await;
    by_hand(&schedule, |written| written.timezone = Some("UTC".into())).await;
    schedule.repairs(&["/schedule/timezone"], UPDATE).await;
    by_hand(&schedule, |written| written.state = ScheduleState::Disabled).await;
    schedule.repairs(&["/enabled"], UPDATE).await;
    by_hand(&schedule, |written| written.description = Some("else".into())).await;
    schedule.repairs(&["/description"], UPDATE).await;
    by_hand(&schedule, |written| written.target.arn = arn("ecs", "cluster/other")).await;
    schedule.repairs(&["/cluster"], UPDATE).await;
    let other = arn("ecs", "task-definition/t:2");
    by_hand(&schedule, |written| written.target.ecs_parameters.as_mut().expect("a task").task_definition_arn = other).await;
    schedule.repairs(&["/taskDefinition"], UPDATE).await;
    by_hand(&schedule, |written| written.target.role_arn = "arn:aws:iam::123456789012:role/other".into()).await;
    schedule.repairs(&["/role"], UPDATE).await;
    the_network(&schedule).await;

    by_hand(&schedule, |written| written.target.input = input("other", &["run", "backup"])).await;
    schedule.repairs(&["/container"], UPDATE).await;
    by_hand(&schedule, |written| written.target.input = input("meteoctl", &["run", "collect"])).await;
    schedule.repairs(&["/command"], UPDATE).await;
    by_hand(&schedule, |written| written.target.retry_policy = Some(retry(9, 3600))).await;
    schedule.repairs(&["/retry/attempts"], UPDATE).await;
    by_hand(&schedule, |written| written.target.retry_policy = Some(retry(3, 60))).await;
    schedule.repairs(&["/retry/maxAgeSeconds"], UPDATE).await;
    let queue = DeadLetterConfig::builder().arn(arn("sqs", "other")).build();
    by_hand(&schedule, |written| written.target.dead_letter_config = Some(queue)).await;
    schedule.repairs(&["/deadLetter"], UPDATE).await;
    let off = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().expect("a window");
    by_hand(&schedule, |written| written.window = off).await;
    schedule.repairs(&["/windowMinutes"], UPDATE).await;

    let group = aws.scheduler.get_schedule_group().name(GROUP).send().await.expect("a group");
    let group = group.arn().expect("an ARN");
    aws.scheduler.untag_resource().resource_arn(group).tag_keys("project").send().await.expect("untagged");
    schedule.repairs(&["/tags/project"], &["Scheduler:TagResource"]).await;
    schedule.rests().await;
    schedule.remove().await;
}

async fn the_network(schedule: &Subject) {
    by_hand(schedule, |written| vpc(&mut written.target).subnets = vec!["subnet-1".into()]).await;
    schedule.repairs(&["/subnets"], UPDATE).await;
    by_hand(schedule, |written| vpc(&mut written.target).security_groups = Some(vec!["sg-2".into()])).await;
    schedule.repairs(&["/securityGroups"], UPDATE).await;
    by_hand(schedule, |written| vpc(&mut written.target).assign_public_ip = Some(AssignPublicIp::Disabled)).await;
    schedule.repairs(&["/assignPublicIp"], UPDATE).await;
}

#[tokio::test]
async fn a_schedule_takes_over_the_times_of_its_backup() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let mut spec = reference();
    for field in ["schedule", "container", "command", "group"] {
        spec.as_object_mut().expect("an object").remove(field);
    }
    let times = json!({"cron": "30 2 * * *", "timezone": "Europe/Paris"});
    spec["backup"] = json!({"ref": "Backup/nightly", "outputs": {"schedule": times}});
    let schedule = Subject::new(&aws, "Schedule", NAME, spec);
    schedule.converge().await;
    schedule.rests().await;
    let found = aws.scheduler.get_schedule().name(NAME).group_name("meteoctl-proof").send().await.expect("in the stack's own group");
    assert_eq!(found.schedule_expression(), Some("cron(30 2 * * ? *)"));
    let asked = found.target().and_then(|target| target.input()).expect("an input");
    assert_eq!(asked, input("meteoctl", &["run", "backup"]).expect("an input"));
}

#[tokio::test]
async fn a_group_of_somebody_else_is_left_alone() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    aws.scheduler.create_schedule_group().name(GROUP).send().await.expect("a group");
    let schedule = Subject::new(&aws, "Schedule", NAME, reference());
    let change = meteoctl_engine::kind::Change::Create;
    let failure = schedule.kind.apply(&schedule.meta, &schedule.spec, &change).await.expect_err("not ours");
    assert!(failure.hint.as_deref().unwrap_or_default().contains("adopt"), "{failure:?}");
    assert!(aws.scheduler.get_schedule().name(NAME).group_name(GROUP).send().await.is_err(), "nothing was made in it");
}
