//! The target of a schedule: RunTask, there and back.

use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{
    AssignPublicIp, AwsVpcConfiguration, DeadLetterConfig, EcsParameters, FlexibleTimeWindow, FlexibleTimeWindowMode, LaunchType,
    NetworkConfiguration, RetryPolicy, ScheduleState, Target,
};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::reference::Link;
use serde_json::{Value, json};

use super::spec::{Retry, ScheduleSpec, When};
use crate::answer::built;
use crate::client::Aws;
use crate::kinds::service::{NamedSubnets, Subnets, network};

const DOING: &str = "write down the schedule for EventBridge Scheduler";

/// What the schedule does. `settled` is the same wish, settled.
pub async fn target(aws: &Aws, want: &ScheduleSpec, settled: &ScheduleSpec) -> Outcome<Target> {
    let wish = want.subnets.clone().unwrap_or(Subnets::Named(NamedSubnets::DefaultPublic));
    let public = want.assign_public_ip.unwrap_or(true);
    let groups = want.security_groups.as_ref().map(|groups| groups.iter().map(|group| group.output("id")).collect::<Outcome<Vec<_>>>());
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(network::subnets(aws, &wish).await?))
        .set_security_groups(groups.transpose()?)
        .assign_public_ip(if public { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled });
    let network = NetworkConfiguration::builder().awsvpc_configuration(built(DOING, vpc.build())?).build();
    let task = EcsParameters::builder()
        .task_definition_arn(want.task_definition.output("arn")?)
        .task_count(1)
        .launch_type(LaunchType::Fargate)
        .network_configuration(network);
    let target = Target::builder()
        .arn(want.cluster.output("arn")?)
        .role_arn(want.role.output("arn")?)
        .ecs_parameters(built(DOING, task.build())?)
        .set_input(overrides(settled).map(|input| input.to_string()))
        .set_retry_policy(want.retry.as_ref().map(retry))
        .set_dead_letter_config(want.dead_letter.as_ref().map(|arn| DeadLetterConfig::builder().arn(arn).build()));
    built(DOING, target.build())
}

/// What RunTask is told about the container.
fn overrides(settled: &ScheduleSpec) -> Option<Value> {
    let (container, command) = (settled.container.as_ref()?, settled.command.as_ref()?);
    Some(json!({"containerOverrides": [{"name": container, "command": command}]}))
}

fn retry(wish: &Retry) -> RetryPolicy {
    let age = i32::try_from(wish.max_age_seconds).unwrap_or(i32::MAX);
    RetryPolicy::builder().maximum_retry_attempts(i32::from(wish.attempts)).maximum_event_age_in_seconds(age).build()
}

/// On or off.
pub fn state(want: &ScheduleSpec) -> ScheduleState {
    if want.enabled.unwrap_or(true) { ScheduleState::Enabled } else { ScheduleState::Disabled }
}

/// At the instant, or within some minutes.
pub fn window(want: &ScheduleSpec) -> Outcome<FlexibleTimeWindow> {
    let window = match want.window_minutes.filter(|minutes| *minutes > 0) {
        Some(minutes) => FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Flexible).maximum_window_in_minutes(i32::from(minutes)),
        None => FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off),
    };
    built(DOING, window.build())
}

/// The schedule in the words of the wish.
pub async fn read(aws: &Aws, want: &ScheduleSpec, found: &GetScheduleOutput) -> Outcome<ScheduleSpec> {
    let target = found.target();
    let task = target.and_then(|target| target.ecs_parameters());
    let vpc = task.and_then(|task| task.network_configuration()).and_then(|network| network.awsvpc_configuration());
    let mut ids = vpc.map(|vpc| vpc.subnets().to_vec()).unwrap_or_default();
    ids.sort_unstable();
    let subnets = match &want.subnets {
        Some(wish @ Subnets::Named(_)) if network::subnets(aws, wish).await? == ids => wish.clone(),
        _ => Subnets::Ids(ids),
    };
    let (container, command) = read_overrides(target.and_then(|target| target.input()));
    Ok(ScheduleSpec {
        backup: None,
        schedule: Some(When {
            cron: found.schedule_expression().unwrap_or_default().to_owned(),
            timezone: found.schedule_expression_timezone().map(str::to_owned),
        }),
        group: want.group.clone(),
        enabled: Some(found.state() != Some(&ScheduleState::Disabled)),
        description: found.description().map(str::to_owned),
        cluster: Link::literal(target.map(|target| target.arn()).unwrap_or_default()),
        task_definition: Link::literal(task.map(|task| task.task_definition_arn()).unwrap_or_default()),
        role: Link::literal(target.map(|target| target.role_arn()).unwrap_or_default()),
        subnets: Some(subnets),
        security_groups: Some(network::literals(vpc.map(|vpc| vpc.security_groups()).unwrap_or_default())),
        assign_public_ip: Some(vpc.and_then(|vpc| vpc.assign_public_ip()) == Some(&AssignPublicIp::Enabled)),
        container,
        command,
        retry: target.and_then(|target| target.retry_policy()).map(read_retry),
        dead_letter: target.and_then(|target| target.dead_letter_config()).and_then(|queue| queue.arn()).map(str::to_owned),
        window_minutes: Some(
            found
                .flexible_time_window()
                .and_then(|window| window.maximum_window_in_minutes())
                .and_then(|minutes| u16::try_from(minutes).ok())
                .unwrap_or(0),
        ),
    })
}

fn read_retry(found: &RetryPolicy) -> Retry {
    Retry {
        attempts: found.maximum_retry_attempts().and_then(|attempts| u16::try_from(attempts).ok()).unwrap_or(185),
        max_age_seconds: found.maximum_event_age_in_seconds().and_then(|age| u32::try_from(age).ok()).unwrap_or(86_400),
    }
}

fn read_overrides(input: Option<&str>) -> (Option<String>, Option<Vec<String>>) {
    let input: Value = input.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let container = input.pointer("/containerOverrides/0/name").and_then(Value::as_str).map(str::to_owned);
    let command = input.pointer("/containerOverrides/0/command").and_then(|command| serde_json::from_value(command.clone()).ok());
    (container, command)
}
