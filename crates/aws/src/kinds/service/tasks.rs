//! Tasks as ECS lists and describes them.

use aws_sdk_ecs::types::{DesiredStatus, Task, TaskField};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use meteoctl_engine::failure::Outcome;
use sha2::{Digest, Sha256};

use crate::client::Aws;
use crate::ecs;
use crate::error;

/// DescribeTasks takes at most this many.
const DESCRIBED_AT_ONCE: usize = 100;
/// `startedBy` takes at most this many characters: letters, digits, hyphens, slashes, underscores.
const MARKER_LENGTH: usize = 128;

/// Which tasks are asked for. With `startedBy`, ECS allows no other filter than the desired status.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// Started with this marker.
    StartedBy(&'a str),
    /// Of this ECS service.
    Service(&'a str),
}

/// The value of `startedBy` by which a document's tasks are found again: readable, and unique by a digest.
pub fn marker(stack: &str, kind: &str, name: &str) -> String {
    let digest = hex(&[stack, kind, name]);
    let readable: String = format!("meteoctl/{stack}/{name}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_') { c } else { '-' })
        .take(MARKER_LENGTH - 9)
        .collect();
    format!("{readable}/{}", digest.get(..8).unwrap_or_default())
}

/// SHA-256 of the parts, hex, 64 characters.
pub fn hex(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All tasks of that kind and desired status, described, oldest first. A cluster that is not there has none.
pub async fn find(aws: &Aws, cluster: &str, of: Of<'_>, status: DesiredStatus) -> Outcome<Vec<Task>> {
    let doing = format!("list the tasks in cluster {}", ecs::short(cluster));
    let call = aws.ecs.list_tasks().cluster(cluster).desired_status(status);
    let call = match of {
        Of::StartedBy(marker) => call.started_by(marker),
        Of::Service(name) => call.service_name(name),
    };
    let mut pages = call.into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        match arn {
            Ok(arn) => arns.push(arn),
            Err(error) if error::is(&error, &["ClusterNotFoundException", "ServiceNotFoundException"]) => return Ok(Vec::new()),
            Err(error) => return Err(ecs::failure(doing, error)),
        }
    }
    describe(aws, cluster, &arns).await
}

/// Tasks that are gone between the two calls are left out; any other failure in the answer is one.
pub async fn describe(aws: &Aws, cluster: &str, arns: &[String]) -> Outcome<Vec<Task>> {
    let doing = format!("look at the tasks in cluster {}", ecs::short(cluster));
    let mut tasks = Vec::new();
    for some in arns.chunks(DESCRIBED_AT_ONCE) {
        let call = aws.ecs.describe_tasks().cluster(cluster).set_tasks(Some(some.to_vec())).include(TaskField::Tags);
        let answer = call.send().await.map_err(|error| ecs::failure(doing.clone(), error))?;
        let failures: Vec<_> = answer.failures().iter().filter(|failure| !ecs::missing(failure)).cloned().collect();
        if let Some(failure) = ecs::refused(doing.clone(), &failures) {
            return Err(failure);
        }
        tasks.extend(answer.tasks.unwrap_or_default());
    }
    tasks.sort_by_key(|task| (task.created_at().map(aws_smithy_types::DateTime::as_nanos), task.task_arn().map(str::to_owned)));
    Ok(tasks)
}

/// Asks ECS to stop a task. One that is gone is stopped.
pub async fn stop(aws: &Aws, cluster: &str, task: &Task, reason: &str) -> Outcome<()> {
    let arn = task.task_arn().unwrap_or_default();
    match aws.ecs.stop_task().cluster(cluster).task(arn).reason(reason).send().await {
        Ok(_) => Ok(()),
        Err(error) if error::is(&error, &["InvalidParameterException"]) && gone(&error) => Ok(()),
        Err(error) => Err(ecs::failure(format!("stop task {}", ecs::short(arn)), error)),
    }
}

fn gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.message().is_some_and(|message| message.contains("was not found"))
}

/// `family:revision` of a task.
pub fn revision(task: &Task) -> &str {
    ecs::short(task.task_definition_arn().unwrap_or_default())
}

/// The last part of a task's ARN.
pub fn id(task: &Task) -> &str {
    ecs::short(task.task_arn().unwrap_or_default())
}

/// A detail of the task's network attachment: `networkInterfaceId`, `subnetId`.
pub fn detail<'a>(task: &'a Task, name: &str) -> Option<&'a str> {
    let attachment = task.attachments().iter().find(|attachment| attachment.r#type() == Some("ElasticNetworkInterface"))?;
    attachment.details().iter().find(|detail| detail.name() == Some(name))?.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_what_started_by_takes() {
        let marker_of = |name: &str| marker("p8", "Service", name);
        assert_eq!(marker_of("mongodb"), format!("meteoctl/p8/mongodb/{}", &hex(&["p8", "Service", "mongodb"])[..8]));
        for name in ["é.b", &"x".repeat(300)] {
            let marker = marker_of(name);
            assert!(marker.len() <= MARKER_LENGTH, "{marker}");
            assert!(marker.chars().all(|c| c.is_ascii_alphanumeric() || "-/_".contains(c)), "{marker}");
        }
        assert_ne!(marker_of("a.b"), marker_of("a-b"));
        assert_ne!(marker("p", "Service", "8"), marker("p8", "Service", ""));
    }
}
