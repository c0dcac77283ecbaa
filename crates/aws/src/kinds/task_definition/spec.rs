//! The wish: what a task definition says.

use std::collections::BTreeMap;

use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tags::Tags;

/// A Fargate task definition. The family is `metadata.name`; each change registers a new revision.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TaskDefinitionSpec {
    /// CPU units of the whole task: 256 (a quarter of a vCPU), 512, 1024, 2048, 4096, 8192 or 16384.
    pub cpu: u32,
    /// Memory of the whole task in MiB; which values go with which `cpu` is fixed by Fargate.
    pub memory: u32,
    /// Role with which ECS pulls the image, reads secrets and writes logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_role: Option<Link>,
    /// Role of the program in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_role: Option<Link>,
    /// The containers of the task; they share network and life.
    pub containers: Vec<Container>,
    /// Volumes that containers mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<Volume>>,
    /// Scratch space of the task in GiB, 21 to 200; 20 when left out. Gone when the task stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<u16>,
    /// Processor; `X86_64` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// Tags besides those of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
}

/// Processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Intel and AMD, 64 bits.
    #[serde(rename = "X86_64")]
    X86,
    /// Graviton.
    #[serde(rename = "ARM64")]
    Arm,
}

/// One container.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Container {
    /// Name within the task.
    pub name: String,
    /// Image with a tag or digest (`mongo:7.0`), or `{ref: Repository/name, key: tag}`.
    pub image: Link,
    /// Whether the task stops when this container stops; true when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub essential: Option<bool>,
    /// CPU units reserved for this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Memory in MiB above which this container is killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// TCP ports the container listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
    /// Environment variables that are no secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    /// Environment variables filled from a secret when the task starts: `{ref: Secret/name, key: password}`,
    /// or the ARN of a secret or parameter meteoctl does not manage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<BTreeMap<String, Link>>,
    /// Replaces the image's ENTRYPOINT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<Vec<String>>,
    /// Replaces the image's CMD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// User the container runs as: a name, `uid` or `uid:gid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Directory the command starts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Whether the root file system can only be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readonly_root_filesystem: Option<bool>,
    /// Seconds between SIGTERM and SIGKILL, at most 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u16>,
    /// Containers that must have come so far before this one starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Vec<Dependency>>,
    /// How ECS finds out whether the container is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Where the container's output goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// Where volumes appear in this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_points: Option<Vec<MountPoint>>,
}

/// A container that goes first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Dependency {
    /// Its name.
    pub container: String,
    /// How far it must have come.
    pub condition: Condition,
}

/// How far a container must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Condition {
    /// It runs.
    Start,
    /// It has ended.
    Complete,
    /// It has ended with exit code 0.
    Success,
    /// Its health check passes.
    Healthy,
}

/// A health check run in the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthCheck {
    /// `[CMD, program, argument, …]` or `[CMD-SHELL, line]`; exit code 0 = healthy.
    pub command: Vec<String>,
    /// Seconds between checks, 5 to 300; 30 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u16>,
    /// Seconds one check may take, 2 to 60; 5 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u16>,
    /// Failed checks in a row that make it unhealthy, 1 to 10; 3 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u16>,
    /// Seconds after the start in which failed checks do not count, at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u16>,
}

/// Output to CloudWatch Logs. Streams are called `<streamPrefix>/<container>/<task id>`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Logs {
    /// The log group.
    pub group: Link,
    /// First part of the stream names.
    pub stream_prefix: String,
    /// Whether the program waits when CloudWatch is slow; `non-blocking` when left out on accounts made since June 2025.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LogMode>,
}

/// What happens when log lines cannot be delivered fast enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogMode {
    /// The program waits.
    Blocking,
    /// Lines are dropped.
    NonBlocking,
}

/// A volume: an EFS file system, or scratch space shared by the containers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Volume {
    /// Name that mount points refer to.
    pub name: String,
    /// The EFS file system; scratch space when left out. Traffic to it is always encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system: Option<Link>,
    /// Access point of the file system, as id (`fsap-…`) or `{ref: FileSystem/name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_point: Option<Link>,
    /// Directory of the file system that becomes the volume; not together with an access point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// Whether the task role is checked by the file system's policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam: Option<bool>,
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MountPoint {
    /// Name of the volume.
    pub volume: String,
    /// Path in the container.
    pub path: String,
    /// Whether it can only be read; false when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

impl TaskDefinitionSpec {
    /// The one spelling: references as the words ECS uses, lists without meaning in their order sorted.
    pub fn settle(&mut self) {
        for role in [&mut self.execution_role, &mut self.task_role].into_iter().flatten() {
            role.settle("arn");
        }
        for volume in self.volumes.iter_mut().flatten() {
            settle(&mut volume.file_system, "id");
            settle(&mut volume.access_point, "accessPoint");
        }
        if let Some(volumes) = &mut self.volumes {
            volumes.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self.containers.iter_mut().for_each(Container::settle);
        self.containers.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

impl Container {
    fn settle(&mut self) {
        settle_with_key(&mut self.image, "uri", |uri, tag| format!("{uri}:{tag}"));
        for secret in self.secrets.iter_mut().flat_map(BTreeMap::values_mut) {
            settle_with_key(secret, "arn", |arn, key| format!("{arn}:{key}::"));
        }
        if let Some(logs) = &mut self.logs {
            logs.group.settle("name");
        }
        if let Some(ports) = &mut self.ports {
            ports.sort_unstable();
            ports.dedup();
        }
        if let Some(mounts) = &mut self.mount_points {
            mounts.sort_by(|a, b| a.path.cmp(&b.path));
        }
        if let Some(first) = &mut self.depends_on {
            first.sort_by(|a, b| a.container.cmp(&b.container));
        }
    }
}

fn settle(link: &mut Option<Link>, output: &str) {
    if let Some(link) = link {
        link.settle(output);
    }
}

/// Settles a reference whose key is a part of the value.
fn settle_with_key(link: &mut Link, output: &str, join: impl Fn(&str, &str) -> String) {
    let key = link.key().map(str::to_owned);
    link.settle(output);
    if let (Link::Literal(value), Some(key)) = (&mut *link, key) {
        *link = Link::Literal(join(value, &key));
    }
}
