//! When a task counts as ready, and what it tells others.

use aws_sdk_ecs::types::{HealthStatus, Task};
use meteoctl_engine::kind::Observed;

use super::network::Interface;
use super::spec::ServiceSpec;
use super::{Service, tasks};
use crate::answer;

/// Adds outputs and the line of evidence.
pub fn describe(observed: Observed<ServiceSpec>, want: &ServiceSpec, task: &Task, interface: Option<&Interface>) -> Observed<ServiceSpec> {
    let mut observed = observed.output("taskArn", task.task_arn().unwrap_or_default());
    let (public, private) = (interface.and_then(|i| i.public_ip.clone()), interface.and_then(|i| i.private_ip.clone()));
    for (name, ip) in [("publicIp", public), ("privateIp", private)] {
        if let Some(ip) = ip {
            observed = observed.output(name, ip);
        }
    }
    let status = task.last_status().unwrap_or("status unknown");
    let mut note = format!("{status}, {}", tasks::revision(task));
    if let Some(endpoint) = endpoint(want, interface) {
        note.push_str(&format!(" at {endpoint}"));
        observed = observed.output("endpoint", endpoint);
    }
    observed.note(format!("{note}; {}", want.storage_note())).since(answer::time(task.started_at()))
}

/// `host:port`: the public address where one is wished, the private one otherwise.
pub fn endpoint(want: &ServiceSpec, interface: Option<&Interface>) -> Option<String> {
    let interface = interface?;
    let host = if want.public() { &interface.public_ip } else { &interface.private_ip };
    host.as_ref().map(|host| format!("{host}:{}", want.port()))
}

/// Why the task is not ready; `None` when it is: RUNNING, healthy, reachable, and whoever listens answers.
pub async fn settling(kind: &Service, want: &ServiceSpec, task: &Task, interface: Option<&Interface>) -> Option<String> {
    let status = task.last_status().unwrap_or("not placed yet");
    if status != "RUNNING" {
        return Some(format!("{status}{}", stage(status)));
    }
    // UNKNOWN is what containers without a health check say for ever, so it tells nothing.
    if task.health_status() == Some(&HealthStatus::Unhealthy) {
        return Some("RUNNING, but its health check fails".to_owned());
    }
    let Some(endpoint) = endpoint(want, interface) else {
        return Some(format!("RUNNING, without a {} address so far", if want.public() { "public" } else { "private" }));
    };
    let answer = match &kind.probe {
        Some(probe) => probe(endpoint).await,
        None => return None,
    };
    answer.err().map(|failure| match failure.causes().first() {
        Some(cause) => format!("RUNNING, but {}: {cause}", failure.doing),
        None => format!("RUNNING, but {}", failure.doing),
    })
}

fn stage(status: &str) -> &'static str {
    match status {
        "PROVISIONING" => ": ECS makes its network interface",
        "PENDING" => ": ECS pulls the image and reads the secrets",
        "ACTIVATING" => ": ECS connects it",
        _ => "",
    }
}
