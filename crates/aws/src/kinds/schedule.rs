//! A schedule of EventBridge Scheduler that starts a task on Fargate, so that work is done when no operator runs.

mod cron;
mod spec;
mod target;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::Tag;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use meteoctl_engine::failure::{Class, Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed};

pub use self::spec::{Retry, ScheduleSpec, When};
use crate::answer::{self, built, done, done_or, found};
use crate::client::Aws;
use crate::error;
use crate::policy::Action;
use crate::tags::{self, Tags};

const SCHEDULE: &str = "arn:{partition}:scheduler:{region}:{account}:schedule/*/{name}";
const GROUP: &str = "arn:{partition}:scheduler:{region}:{account}:schedule-group/{/group|*}";

/// What each call needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("scheduler:GetSchedule", SCHEDULE),
    Action::plan("scheduler:ListTagsForResource", GROUP),
    Action::plan("scheduler:GetScheduleGroup", GROUP),
    Action::plan("ec2:DescribeSubnets", "*"),
    Action::apply("scheduler:CreateScheduleGroup", GROUP),
    Action::apply("scheduler:TagResource", GROUP),
    Action::apply("scheduler:CreateSchedule", SCHEDULE),
    Action::apply("scheduler:UpdateSchedule", SCHEDULE),
    Action::apply("scheduler:CreateSchedule", "arn:{partition}:iam::{account}:role/{/role}").needs("iam:PassRole"),
    Action::delete("scheduler:DeleteSchedule", SCHEDULE),
    Action::delete("scheduler:ListSchedules", "*"),
    Action::delete("scheduler:DeleteScheduleGroup", GROUP),
];

/// Schedules.
pub struct Schedule {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for Schedule {
    const NAME: &'static str = "Schedule";
    const ABOUT: &'static str = "Starts a task on Fargate at set times: EventBridge Scheduler calls RunTask.";
    const LOOKS_ALONE: bool = true;
    // A role that was just made cannot be assumed for some seconds.
    const GRACE: Duration = Duration::from_secs(120);

    type Spec = ScheduleSpec;

    fn check(&self, meta: &Meta, spec: &ScheduleSpec) -> Vec<Fault> {
        spec::faults(meta, spec)
    }

    async fn observe(&self, meta: &Meta, want: &ScheduleSpec) -> Outcome<Option<Observed<ScheduleSpec>>> {
        let group = self.group(want);
        let Some(schedule) = self.find(meta, &group).await? else { return Ok(None) };
        let seen_tags = self.group_tags(meta, &group, schedule.arn().unwrap_or_default()).await?;
        // The group's tags name no document: it may hold several schedules.
        let due = tags::due(&self.aws.stack, Self::NAME, meta, None, &seen_tags)?;
        let spec = target::read(&self.aws, want, &schedule).await?;
        let state = if spec.enabled == Some(false) { "off" } else { "on" };
        let note = format!("{state}, {}", schedule.schedule_expression().unwrap_or_default());
        let mut observed =
            Observed::new(spec).output("arn", schedule.arn().unwrap_or_default()).output("name", meta.name.as_str()).note(note);
        observed.since = answer::time(schedule.last_modification_date());
        observed.work = due.into_iter().filter(|work| !work.path.ends_with("meteoctl:document")).collect();
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &ScheduleSpec, change: &Change) -> Outcome<()> {
        let group = self.group(want);
        if *change == Change::Create || change.touches("/tags") {
            self.make_group(meta, &group).await?;
        }
        match change {
            Change::Update(diff) if diff.fields.iter().all(|field| field.path.starts_with("/tags")) => Ok(()),
            Change::Update(_) => self.update(meta, want, &group).await,
            Change::Create => self.create(meta, want, &group).await,
        }
    }

    fn canonical(&self, spec: &mut ScheduleSpec) {
        spec.settle();
    }

    /// The group goes with the last schedule in it.
    async fn delete(&self, meta: &Meta, spec: &ScheduleSpec) -> Outcome<()> {
        let group = self.group(spec);
        let Some(schedule) = self.find(meta, &group).await? else { return Ok(()) };
        let seen = self.group_tags(meta, &group, schedule.arn().unwrap_or_default()).await?;
        if !tags::ours(&self.aws.stack, &seen) {
            return Err(tags::foreign(Self::NAME, meta, &seen));
        }
        let call = self.aws.scheduler.delete_schedule().name(&meta.name).group_name(&group);
        done_or(format!("delete schedule {}", meta.name), call.send().await, &["ResourceNotFoundException"])?;
        self.remove_empty(&group).await
    }
}

impl Schedule {
    /// Removing a group removes what is in it, so it is asked first. Where nobody else writes, nothing can come between.
    async fn remove_empty(&self, group: &str) -> Outcome<()> {
        let listed = self.aws.scheduler.list_schedules().group_name(group).max_results(1).send().await;
        let Some(listed) = found(format!("list the schedules of group {group}"), listed, &["ResourceNotFoundException"])? else {
            return Ok(());
        };
        if !listed.schedules().is_empty() {
            return Ok(());
        }
        let call = self.aws.scheduler.delete_schedule_group().name(group);
        done_or(format!("delete schedule group {group}"), call.send().await, &["ResourceNotFoundException"])
    }

    fn group(&self, want: &ScheduleSpec) -> String {
        let name = || {
            format!("meteoctl-{}", self.aws.stack.name)
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
                .take(64)
                .collect()
        };
        want.group.clone().unwrap_or_else(name)
    }

    async fn find(&self, meta: &Meta, group: &str) -> Outcome<Option<GetScheduleOutput>> {
        let call = self.aws.scheduler.get_schedule().name(&meta.name).group_name(group);
        found(format!("look at schedule {}", meta.name), call.send().await, &["ResourceNotFoundException"])
    }

    /// `arn:…:schedule/group/name` lies in the group `arn:…:schedule-group/group`.
    async fn group_tags(&self, meta: &Meta, group: &str, schedule: &str) -> Outcome<Tags> {
        let head = schedule.split(":schedule/").next().unwrap_or_default();
        let call = self.aws.scheduler.list_tags_for_resource().resource_arn(format!("{head}:schedule-group/{group}"));
        let answer = done(format!("look at the group of schedule {}", meta.name), call.send().await)?;
        Ok(answer.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
    }

    /// Makes the group, or gives the one that is there its tags.
    async fn make_group(&self, meta: &Meta, group: &str) -> Outcome<()> {
        let doing = format!("make schedule group {group}");
        let mut tags = tags::wanted(&self.aws.stack, Self::NAME, meta, None);
        tags.remove(tags::DOCUMENT);
        let tags =
            tags.iter().map(|(key, value)| built(&doing, Tag::builder().key(key).value(value).build())).collect::<Outcome<Vec<_>>>()?;
        let call = self.aws.scheduler.get_schedule_group().name(group);
        match found(doing.clone(), call.send().await, &["ResourceNotFoundException"])? {
            None => {
                let call = self.aws.scheduler.create_schedule_group().name(group).set_tags(Some(tags));
                done_or(doing, call.send().await, &["ConflictException"])
            }
            Some(there) => {
                let arn = there.arn().unwrap_or_default();
                let listed = done(doing.clone(), self.aws.scheduler.list_tags_for_resource().resource_arn(arn).send().await)?;
                let seen: Tags = listed.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
                if !tags::ours(&self.aws.stack, &seen) && !meta.adopts() {
                    return Err(tags::foreign(Self::NAME, meta, &seen));
                }
                done(doing, self.aws.scheduler.tag_resource().resource_arn(arn).set_tags(Some(tags)).send().await).map(drop)
            }
        }
    }

    async fn create(&self, meta: &Meta, want: &ScheduleSpec, group: &str) -> Outcome<()> {
        let settled = settled(want);
        let when = settled.when()?;
        let call = self.aws.scheduler.create_schedule().name(&meta.name).group_name(group).state(target::state(want));
        let call = call.schedule_expression(&when.cron).set_schedule_expression_timezone(when.timezone.clone());
        let call = call.flexible_time_window(target::window(want)?).set_description(want.description.clone());
        let call = call.target(target::target(&self.aws, want, &settled).await?);
        match call.send().await {
            // Another run was faster, or the answer to our own call got lost: the next look tells.
            Err(error) if error::is(&error, &["ConflictException"]) => Ok(()),
            answer => answer.map(drop).map_err(|error| failure(format!("create schedule {}", meta.name), error)),
        }
    }

    /// The call replaces everything: what the wish leaves open is sent as it is.
    async fn update(&self, meta: &Meta, want: &ScheduleSpec, group: &str) -> Outcome<()> {
        let Some(there) = self.find(meta, group).await? else { return Ok(()) };
        let want = &want.clone().keeping(target::read(&self.aws, want, &there).await?);
        let settled = settled(want);
        let when = settled.when()?;
        let call = self.aws.scheduler.update_schedule().name(&meta.name).group_name(group).state(target::state(want));
        let call = call.schedule_expression(&when.cron).set_schedule_expression_timezone(when.timezone.clone());
        let call = call.flexible_time_window(target::window(want)?).set_description(want.description.clone());
        let call = call.target(target::target(&self.aws, want, &settled).await?);
        call.send().await.map(drop).map_err(|error| failure(format!("update schedule {}", meta.name), error))
    }
}

fn settled(want: &ScheduleSpec) -> ScheduleSpec {
    let mut settled = want.clone();
    settled.settle();
    settled
}

/// A role that was just made cannot be assumed yet: that passes.
fn failure<E>(doing: String, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let said = match &error {
        SdkError::ServiceError(answer) => answer.err().message().unwrap_or_default(),
        _ => "",
    };
    let propagates =
        error::is(&error, &["ValidationException"]) && said.contains("must allow AWS EventBridge Scheduler to assume the role");
    let failure = error::failure(doing, error);
    if !propagates {
        return failure;
    }
    let hint = "the role was made a moment ago, or does not trust scheduler.amazonaws.com";
    Failure { class: Class::Transient, ..failure }.hint(hint)
}
