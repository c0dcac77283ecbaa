//! The wish: a task kept running.

use meteoctl_engine::kind::{Fault, Meta, expect_kind};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ecs;
use crate::tags::Tags;

/// Port of the endpoint where the wish names none.
pub const PORT: u16 = 27017;

/// A task kept running on Fargate, once and never twice: a database does not bear a second writer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// The cluster it runs in.
    pub cluster: Link,
    /// What runs: `{ref: TaskDefinition/name}`, or `family:revision` of one meteoctl does not manage.
    pub task_definition: Link,
    /// `task`: one task started with RunTask; meteoctl starts another when it is gone. `service`: an ECS service, which
    /// starts another by itself.
    pub launch: Launch,
    /// `default-public` (the default subnets of the default VPC) or a list of subnet ids.
    pub subnets: Subnets,
    /// Security groups of the task's network interface.
    pub security_groups: Vec<Link>,
    /// Whether the task gets a public IP address. The endpoint is the public address then, the private one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign_public_ip: Option<bool>,
    /// Where the data lies: `ephemeral` (gone when the task stops), or the EFS file system that the task definition mounts.
    pub storage: Storage,
    /// TCP port of the endpoint; 27017 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How many tasks an ECS service keeps: 0 or 1; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_count: Option<u32>,
    /// How an ECS service replaces its task; the old one stops before the new one starts when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// Tags besides those of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
}

/// Who keeps the task running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Launch {
    /// meteoctl, with RunTask.
    Task,
    /// An ECS service.
    Service,
}

/// Where the task's network interface lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected `default-public` or a list of subnet ids")]
pub enum Subnets {
    /// The default subnets of the default VPC.
    Named(NamedSubnets),
    /// These.
    Ids(Vec<String>),
}

/// Subnets by description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NamedSubnets {
    /// The default subnets of the default VPC, which are public.
    DefaultPublic,
}

/// Where the data lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected `ephemeral` or {fileSystem: {ref: FileSystem/name}}")]
pub enum Storage {
    /// With the task.
    Named(NamedStorage),
    /// On a file system.
    Durable(Durable),
}

/// Storage by description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NamedStorage {
    /// On the task's own disk: gone when the task stops.
    Ephemeral,
}

/// Storage that outlives the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Durable {
    /// The EFS file system.
    pub file_system: Link,
}

/// How an ECS service replaces its task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployment {
    /// Share of the desired count that stays up meanwhile; 0 stops the old task first.
    pub minimum_healthy_percent: u16,
    /// Share of the desired count that may run meanwhile; 100 never starts a second one.
    pub maximum_percent: u16,
    /// Whether ECS gives up a deployment whose tasks keep failing.
    pub circuit_breaker: bool,
    /// Whether ECS goes back to the last deployment that worked when it gives up.
    pub rollback: bool,
}

impl Default for Deployment {
    fn default() -> Self {
        Deployment { minimum_healthy_percent: 0, maximum_percent: 100, circuit_breaker: true, rollback: false }
    }
}

impl ServiceSpec {
    /// The port of the endpoint.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(PORT)
    }

    /// Whether a public address is wished.
    pub fn public(&self) -> bool {
        self.assign_public_ip.unwrap_or(false)
    }

    /// The one spelling: references as names and ids, ARNs shortened, sets sorted, ECS's deployment rules written out.
    pub fn settle(&mut self) {
        self.cluster.settle("name");
        shorten(&mut self.cluster);
        self.task_definition.settle("arn");
        shorten(&mut self.task_definition);
        for group in &mut self.security_groups {
            group.settle("id");
        }
        self.security_groups.sort_by_key(|group| format!("{group:?}"));
        if let Subnets::Ids(ids) = &mut self.subnets {
            ids.sort_unstable();
        }
        if let Storage::Durable(durable) = &mut self.storage {
            durable.file_system.settle("id");
        }
        if self.launch == Launch::Service {
            self.deployment.get_or_insert_default();
            self.desired_count.get_or_insert(1);
        }
    }

    /// What storage means for the data, in a few words.
    pub fn storage_note(&self) -> &'static str {
        match self.storage {
            Storage::Named(NamedStorage::Ephemeral) => "storage ephemeral: the data is gone when the task stops",
            Storage::Durable(_) => "storage on EFS",
        }
    }
}

fn shorten(link: &mut Link) {
    if let Link::Literal(arn) = link {
        *arn = ecs::short(arn).to_owned();
    }
}

/// Faults that can be told from the document alone.
pub fn faults(meta: &Meta, spec: &ServiceSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(expect_kind("/cluster", &spec.cluster, &["Cluster"]));
    faults.extend(expect_kind("/taskDefinition", &spec.task_definition, &["TaskDefinition"]));
    for (index, group) in spec.security_groups.iter().enumerate() {
        faults.extend(expect_kind(&format!("/securityGroups/{index}"), group, &["SecurityGroup"]));
    }
    if spec.security_groups.is_empty() || spec.security_groups.len() > 5 {
        faults.push(Fault::wrong("/securityGroups", "a task takes 1 to 5 security groups"));
    }
    if let Link::Literal(name) = &spec.task_definition
        && ecs::short(name).split_once(':').is_none_or(|(_, revision)| revision.parse::<u32>().is_err())
    {
        faults.push(
            Fault::wrong("/taskDefinition", format!("`{name}` names no revision"))
                .hint("write family:revision, or {ref: TaskDefinition/name}"),
        );
    }
    if let Subnets::Ids(ids) = &spec.subnets
        && (ids.is_empty() || ids.len() > 16)
    {
        faults.push(Fault::wrong("/subnets", "a task takes 1 to 16 subnets"));
    }
    if let Storage::Durable(durable) = &spec.storage {
        faults.extend(expect_kind("/storage/fileSystem", &durable.file_system, &["FileSystem"]));
    }
    faults.extend(one_writer(spec));
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if meta.name.is_empty() || meta.name.len() > 255 || !meta.name.chars().all(fits) {
        faults.push(Fault::wrong("", "a service name has 1 to 255 letters, digits, hyphens and underscores"));
    }
    faults
}

/// Two servers must never write the same files.
fn one_writer(spec: &ServiceSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    if spec.desired_count.is_some_and(|count| count > 1) {
        faults.push(Fault::wrong("/desiredCount", "more than one task would be more than one database"));
    }
    if spec.launch == Launch::Task {
        let misplaced = [("/desiredCount", spec.desired_count.is_some()), ("/deployment", spec.deployment.is_some())];
        let fault = |(path, _): (&str, bool)| Fault::wrong(path, "goes only with `launch: service`");
        faults.extend(misplaced.into_iter().filter(|(_, there)| *there).map(fault));
    }
    if spec.deployment.as_ref().is_some_and(|deployment| deployment.maximum_percent > 100) {
        let message = "above 100 a second task would start beside the first: two databases";
        faults.push(Fault::wrong("/deployment/maximumPercent", message));
    }
    if spec.deployment.as_ref().is_some_and(|deployment| deployment.minimum_healthy_percent >= 100) {
        let message = "the only task can be replaced only if it may stop first";
        faults.push(Fault::wrong("/deployment/minimumHealthyPercent", message).hint("0"));
    }
    faults
}
