//! An ECS task definition: a family whose latest ACTIVE revision is what the document says.

mod check;
mod read;
mod register;
mod spec;

use std::sync::Arc;

use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::types::{Compatibility, EphemeralStorage, NetworkMode, SortOrder, TaskDefinitionField, TaskDefinitionStatus};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use meteoctl_engine::ahead::Ahead;
use meteoctl_engine::diff;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, Work};

pub use self::check::{LITERAL_SECRET, UNTAGGED_IMAGE};
pub use self::spec::{Architecture, Container, HealthCheck, Logs, MountPoint, TaskDefinitionSpec, Volume};
use crate::answer;
use crate::client::Aws;
use crate::ecs;
use crate::error::{self, Cause};
use crate::policy::Action;
use crate::tags::{self, Tags};

/// Tag that holds the digest of the wish a revision was registered from.
const DIGEST: &str = "meteoctl:digest";
/// How many revisions back we look for one of ours when the latest carries no tags.
const LOOK_BACK: usize = 10;

const REVISIONS: &str = "arn:{partition}:ecs:{region}:{account}:task-definition/{name}:*";

/// What each call needs. Looking at and deregistering task definitions know no resource in IAM.
pub const ACTIONS: &[Action] = &[
    Action::plan("ecs:DescribeTaskDefinition", "*"),
    Action::plan("ecs:ListTaskDefinitions", "*"),
    Action::apply("ecs:RegisterTaskDefinition", REVISIONS),
    Action::apply("ecs:RegisterTaskDefinition", "arn:{partition}:iam::{account}:role/{/executionRole}")
        .needs("iam:PassRole")
        .when("/executionRole"),
    Action::apply("ecs:RegisterTaskDefinition", "arn:{partition}:iam::{account}:role/{/taskRole}").needs("iam:PassRole").when("/taskRole"),
    Action::apply("ecs:TagResource", REVISIONS),
    Action::delete("ecs:DeregisterTaskDefinition", "*"),
];

/// ECS task definitions.
pub struct TaskDefinition {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for TaskDefinition {
    const NAME: &'static str = "TaskDefinition";
    const ABOUT: &'static str = "What an ECS task consists of: containers, size, roles, volumes. A change registers a new revision.";

    type Spec = TaskDefinitionSpec;

    fn check(&self, meta: &Meta, spec: &TaskDefinitionSpec) -> Vec<Fault> {
        check::faults(meta, spec)
    }

    fn predicted(&self, meta: &Meta, _: &TaskDefinitionSpec) -> Outputs {
        Outputs::from_iter([("family".to_owned(), meta.name.clone().into())])
    }

    async fn observe(&self, meta: &Meta, want: &TaskDefinitionSpec) -> Outcome<Option<Observed<TaskDefinitionSpec>>> {
        self.observe_from(meta, want, Ahead::nothing()).await
    }

    async fn ahead(&self, meta: &Meta, _: &TaskDefinitionSpec) -> Outcome<Ahead> {
        self.latest(meta).await.map(Ahead::of)
    }

    async fn observe_from(&self, meta: &Meta, want: &TaskDefinitionSpec, ahead: Ahead) -> Outcome<Option<Observed<TaskDefinitionSpec>>> {
        let latest = match ahead.take::<Option<DescribeTaskDefinitionOutput>>() {
            Some(latest) => latest,
            None => self.latest(meta).await?,
        };
        let Some(answer) = latest else { return Ok(None) };
        let Some(found) = answer.task_definition() else { return Err(unclear(meta)) };
        let seen_tags = ecs::tags(answer.tags());
        let due = self.due(meta, want, &seen_tags).await?;
        let spec = read::spec(found, want.tags.clone());
        let revision = found.revision();
        let settled = settled(want);
        let digest = register::digest(&settled);
        let work = work_due(&settled, &spec, due, seen_tags.get(DIGEST) == Some(&digest), revision);
        let file_systems: Vec<String> = found
            .volumes()
            .iter()
            .filter_map(|volume| volume.efs_volume_configuration().map(|efs| efs.file_system_id().to_owned()))
            .collect();
        let mut observed = Observed::new(spec)
            .output("arn", found.task_definition_arn().unwrap_or_default())
            .output("family", meta.name.as_str())
            .output("revision", revision)
            .output("digest", digest)
            .output("fileSystems", file_systems)
            .note(format!("revision {revision}"))
            .since(answer::time(found.registered_at()));
        observed.work = work;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &TaskDefinitionSpec, change: &Change) -> Outcome<()> {
        match change {
            Change::Update(diff) if diff.fields.iter().all(|field| diff::covers("/tags", &field.path)) => self.tag(meta, want).await,
            _ => self.register(meta, want).await,
        }
    }

    fn canonical(&self, spec: &mut TaskDefinitionSpec) {
        spec.settle();
    }

    /// Deregisters every ACTIVE revision of a family that is ours, those registered by hand within it included, and leaves
    /// alone what carries another stack's tag. Ours go last: until then a rerun knows whose the family is.
    async fn delete(&self, meta: &Meta, _: &TaskDefinitionSpec) -> Outcome<()> {
        let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
        for arn in self.revisions(meta).await? {
            let Some(answer) = self.describe(&arn).await?.filter(is_active) else { continue };
            let seen = ecs::tags(answer.tags());
            match tags::ours(&self.aws.stack, &seen) {
                true => ours.push(arn),
                false if !seen.contains_key(tags::STACK) => by_hand.push(arn),
                false => {}
            }
        }
        if ours.is_empty() {
            return Ok(());
        }
        for arn in by_hand.iter().chain(&ours) {
            let call = self.aws.ecs.deregister_task_definition().task_definition(arn);
            call.send().await.map_err(|error| ecs::failure(format!("deregister task definition {}", ecs::short(arn)), error))?;
        }
        Ok(())
    }
}

impl TaskDefinition {
    /// The latest ACTIVE revision. ECS answers a family's name with it; where the answer is a deregistered revision
    /// nevertheless, the list of the ACTIVE ones decides: a family without any is not there.
    async fn latest(&self, meta: &Meta) -> Outcome<Option<DescribeTaskDefinitionOutput>> {
        let Some(answer) = self.describe(&meta.name).await? else { return Ok(None) };
        if answer.task_definition().is_none_or(|found| found.status().is_none_or(|status| *status == TaskDefinitionStatus::Active)) {
            return Ok(Some(answer));
        }
        for arn in self.revisions(meta).await? {
            // One that was deregistered between the two calls is passed over.
            let answer = self.describe(&arn).await?;
            if answer.as_ref().is_some_and(is_active) {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// The revision named, or the latest one of a family. `None` on ECS's word that there is none.
    async fn describe(&self, name: &str) -> Outcome<Option<DescribeTaskDefinitionOutput>> {
        let doing = format!("look at task definition {}", ecs::short(name));
        let call = self.aws.ecs.describe_task_definition().task_definition(name).include(TaskDefinitionField::Tags);
        match call.send().await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error::is(&error, &["ClientException"]) && says_unknown(error.message()) => Ok(None),
            Err(error) => Err(ecs::failure(doing, error)),
        }
    }

    /// Tags that are missing. A latest revision without our tags was registered by somebody else; where an earlier one
    /// is ours, the family is ours and a revision of ours has to follow.
    async fn due(&self, meta: &Meta, want: &TaskDefinitionSpec, seen: &Tags) -> Outcome<Vec<Work>> {
        match tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), seen) {
            Ok(due) => Ok(due),
            Err(foreign) => {
                if seen.contains_key(tags::STACK) {
                    return Err(foreign);
                }
                for arn in self.revisions(meta).await?.iter().skip(1).take(LOOK_BACK) {
                    let answer = self.describe(arn).await?;
                    if answer.is_some_and(|answer| tags::ours(&self.aws.stack, &ecs::tags(answer.tags()))) {
                        return Ok(vec![Work {
                            path: "/revision".into(),
                            summary: "the latest revision is not ours: register one".into(),
                        }]);
                    }
                }
                Err(foreign)
            }
        }
    }

    /// ARNs of the family's ACTIVE revisions, newest first.
    async fn revisions(&self, meta: &Meta) -> Outcome<Vec<String>> {
        let doing = format!("list the revisions of task definition {}", meta.name);
        let call = self.aws.ecs.list_task_definitions().family_prefix(&meta.name).status(TaskDefinitionStatus::Active);
        let mut pages = call.sort(SortOrder::Desc).into_paginator().items().send();
        let mut arns = Vec::new();
        while let Some(arn) = pages.next().await {
            arns.push(arn.map_err(|error| ecs::failure(doing.clone(), error))?);
        }
        // `familyPrefix` is compared as a whole by some, as a beginning by others.
        arns.retain(|arn| ecs::short(arn).split(':').next() == Some(meta.name.as_str()));
        arns.sort_by_key(|arn| std::cmp::Reverse(arn.rsplit(':').next().and_then(|revision| revision.parse::<u32>().ok())));
        Ok(arns)
    }

    async fn register(&self, meta: &Meta, want: &TaskDefinitionSpec) -> Outcome<()> {
        let settled = settled(want);
        let mut tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        tags.insert(DIGEST.to_owned(), register::digest(&settled));
        let storage = settled.ephemeral_storage.map(|size| EphemeralStorage::builder().size_in_gib(i32::from(size)).build());
        let call = self
            .aws
            .ecs
            .register_task_definition()
            .family(&meta.name)
            .requires_compatibilities(Compatibility::Fargate)
            .network_mode(NetworkMode::Awsvpc)
            .cpu(settled.cpu.to_string())
            .memory(settled.memory.to_string())
            .set_execution_role_arn(register::optional(settled.execution_role.as_ref())?)
            .set_task_role_arn(register::optional(settled.task_role.as_ref())?)
            .set_container_definitions(Some(register::containers(&settled, self.aws.region())?))
            .set_volumes(register::volumes(&settled)?)
            .set_ephemeral_storage(storage)
            .set_runtime_platform(register::platform(&settled))
            .set_tags(Some(ecs::tag_list(&tags)));
        call.send().await.map_err(|error| ecs::failure(format!("register task definition {}", meta.name), error))?;
        Ok(())
    }

    async fn tag(&self, meta: &Meta, want: &TaskDefinitionSpec) -> Outcome<()> {
        let Some(answer) = self.latest(meta).await? else { return Ok(()) };
        let arn = answer.task_definition().and_then(|found| found.task_definition_arn()).unwrap_or_default();
        let tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let call = self.aws.ecs.tag_resource().resource_arn(arn).set_tags(Some(ecs::tag_list(&tags)));
        call.send().await.map_err(|error| ecs::failure(format!("tag task definition {}", ecs::short(arn)), error))?;
        Ok(())
    }
}

fn settled(want: &TaskDefinitionSpec) -> TaskDefinitionSpec {
    let mut settled = want.clone();
    settled.settle();
    settled
}

fn is_active(answer: &DescribeTaskDefinitionOutput) -> bool {
    answer.task_definition().and_then(|found| found.status()) == Some(&TaskDefinitionStatus::Active)
}

fn says_unknown(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("Unable to describe task definition"))
}

fn unclear(meta: &Meta) -> Failure {
    Failure::transient(format!("look at task definition {}", meta.name)).because(Cause("ECS answered without a task definition".into()))
}

/// Work besides the fields. Where a field differs, a new revision is registered anyway, with the right tags and digest.
/// Where none differs, the digest tells whether something was taken out of the wish, or added to the revision by hand.
fn work_due(settled: &TaskDefinitionSpec, seen: &TaskDefinitionSpec, due: Vec<Work>, same: bool, revision: i32) -> Vec<Work> {
    let mut seen = seen.clone();
    seen.settle();
    if !diff::fields(settled, &seen).is_empty() {
        return Vec::new();
    }
    if same || due.iter().any(|work| work.path == "/revision") {
        return due;
    }
    let summary = format!("revision {revision} was not registered from this document: register one that is");
    vec![Work { path: "/revision".into(), summary }]
}
