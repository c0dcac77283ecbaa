//! The wish: a task started at set times.

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Fault, Meta, expect_kind};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cron;
use crate::ecs;
use crate::kinds::service::Subnets;

/// A schedule of EventBridge Scheduler that starts a task on Fargate. The name is `metadata.name`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScheduleSpec {
    /// The backup whose schedule this is and which the task makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Link>,
    /// When; the backup's own schedule when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<When>,
    /// Schedule group: it carries the tags, because schedules cannot. `meteoctl-` and the stack's name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it starts anything; true when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The cluster the task runs in.
    pub cluster: Link,
    /// What runs.
    pub task_definition: Link,
    /// The role with which EventBridge Scheduler starts the task; it must trust scheduler.amazonaws.com.
    pub role: Link,
    /// Where the task runs; `default-public` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnets: Option<Subnets>,
    /// Security groups of the task; the VPC's default group when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<Link>>,
    /// Whether the task gets a public IP address; true when left out, because it has to reach AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign_public_ip: Option<bool>,
    /// The container whose command is replaced; `meteoctl` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Replaces the container's command; `[run, backup]` when a backup is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// What happens when the task cannot be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// ARN of the SQS queue that gets what could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// Minutes after the instant within which the task may start, 1 to 1440; 0 = at the instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u16>,
}

/// Set times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct When {
    /// Five fields as in Unix cron, or EventBridge Scheduler's own `cron(…)`, `rate(…)`, `at(…)`.
    pub cron: String,
    /// IANA name of the time zone, `Europe/Paris`; UTC when left out. Daylight saving is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// How often a start is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Retry {
    /// Attempts after the first, 0 to 185.
    pub attempts: u16,
    /// Seconds after which it is given up, 60 to 86400.
    pub max_age_seconds: u32,
}

impl ScheduleSpec {
    /// The one spelling: references as ARNs and names, the times as EventBridge Scheduler writes them.
    pub fn settle(&mut self) {
        if self.schedule.is_none() {
            self.schedule =
                self.backup.as_ref().and_then(|backup| backup.value("schedule").ok()).and_then(|when| serde_json::from_value(when).ok());
        }
        if let Some(when) = &mut self.schedule {
            if let Ok(expression) = cron::expression(&when.cron) {
                when.cron = expression;
            }
            when.timezone.get_or_insert_with(|| "UTC".to_owned());
        }
        self.cluster.settle("name");
        self.task_definition.settle("arn");
        for link in [&mut self.cluster, &mut self.task_definition] {
            if let Link::Literal(arn) = link {
                *arn = ecs::short(arn).to_owned();
            }
        }
        self.role.settle("arn");
        if let Some(Subnets::Ids(ids)) = &mut self.subnets {
            ids.sort_unstable();
        }
        for group in self.security_groups.iter_mut().flatten() {
            group.settle("id");
        }
        if let Some(groups) = &mut self.security_groups {
            groups.sort_by_key(|group| format!("{group:?}"));
        }
        if self.backup.is_some() {
            self.command.get_or_insert_with(|| vec!["run".to_owned(), "backup".to_owned()]);
        }
        if self.command.is_some() {
            self.container.get_or_insert_with(|| "meteoctl".to_owned());
        }
        // The backup has told what it had to tell; a schedule does not name it.
        if self.schedule.is_some() {
            self.backup = None;
        }
    }

    /// The wish, with what it leaves open as it is now.
    #[must_use]
    pub fn keeping(self, seen: ScheduleSpec) -> Self {
        ScheduleSpec {
            enabled: self.enabled.or(seen.enabled),
            description: self.description.or(seen.description),
            subnets: self.subnets.or(seen.subnets),
            security_groups: self.security_groups.or(seen.security_groups),
            assign_public_ip: self.assign_public_ip.or(seen.assign_public_ip),
            container: self.container.or(seen.container),
            command: self.command.or(seen.command),
            retry: self.retry.or(seen.retry),
            dead_letter: self.dead_letter.or(seen.dead_letter),
            window_minutes: self.window_minutes.or(seen.window_minutes),
            ..self
        }
    }

    /// The settled times.
    ///
    /// # Errors
    /// `Pending` while the backup has not told its schedule; rejected when there is none at all.
    pub fn when(&self) -> Outcome<&When> {
        match (&self.schedule, &self.backup) {
            (Some(when), _) => Ok(when),
            (None, Some(backup)) => Err(backup.value("schedule").err().unwrap_or_else(no_times)),
            (None, None) => Err(no_times()),
        }
    }
}

fn no_times() -> Failure {
    Failure::rejected("read the times of the schedule").hint("give `schedule: {cron, timezone}`, here or in the backup")
}

/// Faults that can be told from the document alone.
pub fn faults(meta: &Meta, spec: &ScheduleSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = |name: &str| !name.is_empty() && name.len() <= 64 && name.chars().all(fits);
    if !is_name(&meta.name) {
        faults.push(Fault::wrong("", "a schedule's name has 1 to 64 letters, digits, hyphens, underscores and dots"));
    }
    match spec.group.as_deref() {
        Some("default") => {
            faults.push(Fault::wrong("/group", "the group `default` cannot carry tags, so nothing in it can be told to be ours"))
        }
        Some(group) if !is_name(group) => faults.push(Fault::wrong("/group", "1 to 64 letters, digits, hyphens, underscores and dots")),
        _ => {}
    }
    faults.extend(expect_kind("/cluster", &spec.cluster, &["Cluster"]));
    faults.extend(expect_kind("/taskDefinition", &spec.task_definition, &["TaskDefinition"]));
    faults.extend(expect_kind("/role", &spec.role, &["Role"]));
    faults.extend(spec.backup.as_ref().and_then(|backup| expect_kind("/backup", backup, &["Backup"])));
    match &spec.schedule {
        Some(when) => faults.extend(cron::expression(&when.cron).err().map(|message| Fault::wrong("/schedule/cron", message))),
        None if spec.backup.is_none() => faults.push(Fault::wrong("/schedule", "there is neither a schedule nor a backup that has one")),
        None => {}
    }
    faults.extend(spec.retry.as_ref().map(retry_faults).unwrap_or_default());
    if spec.window_minutes.is_some_and(|minutes| minutes > 1440) {
        faults.push(Fault::wrong("/windowMinutes", "at most 1440"));
    }
    if spec.dead_letter.as_deref().is_some_and(|arn| !(arn.starts_with("arn:") && arn.contains(":sqs:"))) {
        faults.push(Fault::wrong("/deadLetter", "must be the ARN of an SQS queue"));
    }
    faults
}

fn retry_faults(retry: &Retry) -> Vec<Fault> {
    let mut faults = Vec::new();
    if retry.attempts > 185 {
        faults.push(Fault::wrong("/retry/attempts", "at most 185"));
    }
    if !(60..=86_400).contains(&retry.max_age_seconds) {
        faults.push(Fault::wrong("/retry/maxAgeSeconds", "must lie between 60 and 86400"));
    }
    faults
}
