//! Why a task stopped: ECS's words, exit codes, the last lines of its log, the likely cause.

use aws_sdk_ecs::types::{Container, ContainerDefinition, Task};
use meteoctl_engine::failure::Failure;

use super::tasks;
use crate::client::Aws;
use crate::error::Cause;
use crate::logs;

/// Lines of the log that are shown.
const LINES: i32 = 20;

/// Words in ECS's reasons (all of a row must appear, in any case), and what they mostly mean. First match wins.
const CAUSES: [(&[&str], &str); 19] = [
    (&["cannotpull", "toomanyrequests"], "the registry limits anonymous pulls: take the image from public.ecr.aws/docker/library/…"),
    (&["cannotpull", "rate limit"], "the registry limits anonymous pulls: take the image from public.ecr.aws/docker/library/…"),
    (&["cannotpull", "timeout"], NO_ROUTE),
    (&["cannotpull", "dial tcp"], NO_ROUTE),
    (&["cannotpull", "request canceled"], NO_ROUTE),
    (&["cannotpull", "no space left"], "the image does not fit: raise ephemeralStorage of the task definition"),
    (&["no match for platform"], "the image does not exist for this processor: check `architecture` of the task definition"),
    (&["exec format error"], "the image is for another processor: check `architecture` of the task definition"),
    (&["cannotpull"], "the image does not exist, or the execution role may not pull it: check name, tag and the role's permissions"),
    (
        &["resourceinitializationerror", "unable to assume"],
        "the execution role does not trust ecs-tasks.amazonaws.com, or was made a moment ago",
    ),
    // Before the secret, because either may be missing or not allowed.
    (
        &["resourceinitializationerror", "logger"],
        "the log group cannot be written: does it exist, and may the execution role create streams in it?",
    ),
    (
        &["resourceinitializationerror", "accessdenied"],
        "the execution role may not read the secret: allow secretsmanager:GetSecretValue on it (and kms:Decrypt on its key)",
    ),
    (&["resourceinitializationerror", "resourcenotfound"], "the secret does not exist any more: apply the Secret, then the TaskDefinition"),
    (&["resourceinitializationerror", "json key"], "the secret has no such key: check `key` in the reference"),
    (
        &["resourceinitializationerror", "mount"],
        "the EFS file system cannot be mounted: mount target in this zone? port 2049 open between the security groups?",
    ),
    (&["resourceinitializationerror"], NO_ROUTE),
    (&["outofmemory"], "the container took more memory than the task has: raise `memory` of the task definition"),
    (&["capacity is unavailable"], "Fargate has no room in these zones at the moment: name subnets in more zones, or try again later"),
    (&["failed container health checks"], "the health check kept failing: see the log, and `startPeriod` of the health check"),
];

const NO_ROUTE: &str =
    "the task has no way out to the registry or to AWS: set assignPublicIp in public subnets, or provide a NAT gateway or VPC endpoints";

/// Why a task stopped, in one line that is the same for the same reason.
pub fn reason(task: &Task) -> String {
    let own = task.stopped_reason().unwrap_or("no reason given").to_owned();
    let of_containers = task.containers().iter().filter_map(container_reason);
    std::iter::once(own).chain(of_containers).collect::<Vec<_>>().join("; ")
}

fn container_reason(container: &Container) -> Option<String> {
    let name = container.name().unwrap_or_default();
    match (container.exit_code(), container.reason().filter(|reason| !reason.is_empty())) {
        (Some(code), Some(reason)) => Some(format!("container {name}: exit code {code}, {reason}")),
        (Some(code), None) => Some(format!("container {name}: exit code {code}")),
        (None, Some(reason)) => Some(format!("container {name}: {reason}")),
        (None, None) => None,
    }
}

/// What a reason mostly means.
pub fn likely(reason: &str, exit_codes: &[i32]) -> Option<&'static str> {
    let reason = reason.to_lowercase();
    let known = CAUSES.iter().find(|(words, _)| words.iter().all(|word| reason.contains(word))).map(|(_, cause)| *cause);
    known.or_else(|| exit_codes.iter().find_map(|code| by_exit_code(*code)))
}

/// Exit codes of the shell convention: 128 plus the signal.
fn by_exit_code(code: i32) -> Option<&'static str> {
    match code {
        126 | 127 => Some("the command cannot be run in this image: check `command` and `entryPoint`"),
        137 => Some("the container was killed, mostly for want of memory: raise `memory` of the task definition"),
        139 => Some("the program crashed (segmentation fault): is the image for this processor?"),
        _ => None,
    }
}

/// The failure that tells everything known about a task that did not stay.
pub async fn failure(aws: &Aws, task: &Task, equal: usize) -> Failure {
    let reason = reason(task);
    let code = task.stop_code().map_or("no stop code", aws_sdk_ecs::types::TaskStopCode::as_str);
    let times = if equal > 1 { format!(", for the {equal}. time for the same reason") } else { String::new() };
    let mut text = format!("task {} stopped ({code}){times}: {reason}", tasks::id(task));
    let lines = last_lines(aws, task).await;
    if !lines.is_empty() {
        text.push_str(&format!("\nlast {} lines of its log:", lines.len()));
        lines.iter().for_each(|line| text.push_str(&format!("\n  {}", line.trim_end())));
    }
    let exit_codes: Vec<i32> = task.containers().iter().filter_map(Container::exit_code).collect();
    let hint = match likely(&reason, &exit_codes) {
        Some(cause) => format!("likely cause: {cause}"),
        None => "the log of the task tells more: meteoctl logs".to_owned(),
    };
    Failure::rejected(format!("keep a task of {} running", tasks::revision(task))).because(Cause(text)).hint(hint)
}

/// The last lines of the container that ended badly (or of the first that logs). Nothing when they cannot be had.
async fn last_lines(aws: &Aws, task: &Task) -> Vec<String> {
    let definition = task.task_definition_arn().unwrap_or_default();
    let Ok(answer) = aws.ecs.describe_task_definition().task_definition(definition).send().await else { return Vec::new() };
    let ended_badly = task.containers().iter().find(|container| container.exit_code().is_some_and(|code| code != 0));
    let name = ended_badly.and_then(Container::name);
    let containers = answer.task_definition().map(|found| found.container_definitions()).unwrap_or_default();
    let stream = |container: &ContainerDefinition| log_stream(container, tasks::id(task));
    let chosen = containers.iter().find(|container| container.name() == name).and_then(stream);
    let Some((group, stream)) = chosen.or_else(|| containers.iter().find_map(stream)) else { return Vec::new() };
    logs::tail(aws, &group, &stream, LINES).await.unwrap_or_else(|failure| {
        tracing::debug!(%group, %stream, causes = ?failure.causes(), "the log cannot be read");
        Vec::new()
    })
}

/// Group and stream of a container's output, as the awslogs driver names them.
fn log_stream(container: &ContainerDefinition, task: &str) -> Option<(String, String)> {
    let options = container.log_configuration()?.options()?;
    let (group, prefix) = (options.get("awslogs-group")?, options.get("awslogs-stream-prefix")?);
    Some((group.clone(), format!("{prefix}/{}/{task}", container.name()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_reasons_have_a_cause() {
        let cause = |reason: &str| likely(reason, &[]).unwrap_or("unknown");
        let reasons = [
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/library/mong:7: pull access denied",
            "CannotPullContainerError: ref pull has been retried 5 time(s): failed to copy: httpReadSeeker: failed open: dial tcp 52.1.2.3:443: i/o timeout",
            "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit.",
            "OutOfMemoryError: Container killed due to memory usage",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: AccessDeniedException: User is not authorized",
            "ResourceInitializationError: unable to pull secrets or registry auth: ResourceNotFoundException: Secrets Manager can't find the specified secret.",
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: The specified log group does not exist.",
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        ];
        let table: Vec<String> =
            reasons.iter().map(|reason| format!("{}\n  → {}", reason.get(..60).unwrap_or(reason), cause(reason))).collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        CannotPullContainerError: pull image manifest has been retri
          → the image does not exist, or the execution role may not pull it: check name, tag and the role's permissions
        CannotPullContainerError: ref pull has been retried 5 time(s
          → the task has no way out to the registry or to AWS: set assignPublicIp in public subnets, or provide a NAT gateway or VPC endpoints
        CannotPullContainerError: toomanyrequests: You have reached 
          → the registry limits anonymous pulls: take the image from public.ecr.aws/docker/library/…
        OutOfMemoryError: Container killed due to memory usage
          → the container took more memory than the task has: raise `memory` of the task definition
        ResourceInitializationError: unable to pull secrets or regis
          → the execution role may not read the secret: allow secretsmanager:GetSecretValue on it (and kms:Decrypt on its key)
        ResourceInitializationError: unable to pull secrets or regis
          → the secret does not exist any more: apply the Secret, then the TaskDefinition
        ResourceInitializationError: failed to validate logger args:
          → the log group cannot be written: does it exist, and may the execution role create streams in it?
        Capacity is unavailable at this time. Please try again later
          → Fargate has no room in these zones at the moment: name subnets in more zones, or try again later
        ");
    }

    #[test]
    fn exit_codes_speak_when_words_do_not() {
        assert!(likely("Essential container in task exited", &[0, 137]).expect("a cause").contains("memory"));
        assert_eq!(likely("Essential container in task exited", &[1]), None);
    }
}
