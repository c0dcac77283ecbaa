//! A task kept running on Fargate: by meteoctl (`launch: task`) or by an ECS service (`launch: service`).

mod explain;
mod managed;
pub(crate) mod network;
mod ready;
mod spec;
mod starts;
mod task;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use meteoctl_engine::ahead::Ahead;
use meteoctl_engine::diff;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{BoxFuture, Change, Fault, Kind, Meta, Observed};

pub use self::spec::{Deployment, Durable, Launch, NamedStorage, NamedSubnets, ServiceSpec, Storage, Subnets};
use self::starts::Starts;
use crate::client::Aws;
use crate::error::Cause;
use crate::policy::Action;

/// Asks what runs in the task, at `host:port`, whether it answers. The failure says what was asked:
/// `MongoDB does not answer yet`.
pub type Probe = Arc<dyn Fn(String) -> BoxFuture<'static, Outcome<()>> + Send + Sync>;

const NAME: &str = "Service";

const TASKS: &str = "arn:{partition}:ecs:{region}:{account}:task/{/cluster}/*";
const SERVICE: &str = "arn:{partition}:ecs:{region}:{account}:service/{/cluster}/{name}";

/// What each call needs. RunTask and CreateService pass the roles of the task definition, which grants that itself.
pub const ACTIONS: &[Action] = &[
    Action::plan("ecs:ListTasks", "*"),
    Action::plan("ecs:DescribeTasks", TASKS),
    Action::plan("ecs:DescribeServices", SERVICE),
    Action::plan("ecs:DescribeTaskDefinition", "*"),
    Action::plan("ec2:DescribeNetworkInterfaces", "*"),
    Action::plan("ec2:DescribeSubnets", "*"),
    Action::plan("logs:GetLogEvents", "arn:{partition}:logs:{region}:{account}:log-group:*"),
    Action::apply("ecs:RunTask", "arn:{partition}:ecs:{region}:{account}:task-definition/{/taskDefinition}:*"),
    Action::apply("ecs:StopTask", TASKS),
    Action::apply("ecs:CreateService", SERVICE),
    Action::apply("ecs:UpdateService", SERVICE),
    Action::apply("ecs:DeleteService", SERVICE),
    Action::apply("ecs:TagResource", TASKS),
    Action::apply("ecs:TagResource", SERVICE),
    Action::delete("ecs:StopTask", TASKS),
    Action::delete("ecs:DeleteService", SERVICE),
];

/// Tasks kept running.
pub struct Service {
    aws: Arc<Aws>,
    probe: Option<Probe>,
    starts: Starts,
}

impl Service {
    /// Services that count as ready when their task runs and has its address.
    pub fn new(aws: Arc<Aws>) -> Self {
        Service { aws, probe: None, starts: Starts::default() }
    }

    /// Services that count as ready when, on top of that, the probe passes.
    #[must_use]
    pub fn with_probe(self, probe: Probe) -> Self {
        Service { probe: Some(probe), ..self }
    }

    /// The value of `startedBy` of this document's tasks.
    fn marker(&self, meta: &Meta) -> String {
        tasks::marker(&self.aws.stack.name, NAME, &meta.name)
    }
}

impl Kind for Service {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "A task kept running on Fargate, with the address where it answers.";
    // Pulling an image and starting a database may take minutes.
    const GRACE: Duration = Duration::from_secs(600);
    const HOLDS_DATA: bool = true;

    type Spec = ServiceSpec;

    fn check(&self, meta: &Meta, spec: &ServiceSpec) -> Vec<Fault> {
        spec::faults(meta, spec)
    }

    async fn observe(&self, meta: &Meta, want: &ServiceSpec) -> Outcome<Option<Observed<ServiceSpec>>> {
        self.observe_from(meta, want, Ahead::nothing()).await
    }

    /// What runs can be seen without knowing what should run.
    async fn ahead(&self, meta: &Meta, want: &ServiceSpec) -> Outcome<Ahead> {
        match want.launch {
            Launch::Task => task::fetch(self, meta, want).await.map(Ahead::of),
            Launch::Service => managed::fetch(self, meta, want).await.map(Ahead::of),
        }
    }

    async fn observe_from(&self, meta: &Meta, want: &ServiceSpec, ahead: Ahead) -> Outcome<Option<Observed<ServiceSpec>>> {
        match want.launch {
            Launch::Task => task::observe(self, meta, want, ahead.take()).await,
            Launch::Service => managed::observe(self, meta, want, ahead.take()).await,
        }
    }

    async fn apply(&self, meta: &Meta, want: &ServiceSpec, change: &Change) -> Outcome<()> {
        storage_fits(meta, want)?;
        match want.launch {
            Launch::Task => task::apply(self, meta, want, change).await,
            Launch::Service => managed::apply(self, meta, want, change).await,
        }
    }

    fn canonical(&self, spec: &mut ServiceSpec) {
        spec.settle();
    }

    async fn delete(&self, meta: &Meta, spec: &ServiceSpec) -> Outcome<()> {
        let cluster = spec.cluster.output("name")?;
        managed::delete(self, meta, &cluster).await?;
        task::delete(self, meta, &cluster).await.map(drop)
    }
}

/// Whether nothing differs between the wish and what is there.
fn same(want: &ServiceSpec, seen: &ServiceSpec) -> bool {
    let (mut want, mut seen) = (want.clone(), seen.clone());
    want.settle();
    seen.settle();
    diff::fields(&want, &seen).is_empty()
}

/// Before anything starts the one way, what was started the other way has to be gone: two databases must never run.
async fn leave_other_launch(kind: &Service, meta: &Meta, want: &ServiceSpec, cluster: &str) -> Outcome<()> {
    let there = match want.launch {
        Launch::Task => managed::delete(kind, meta, cluster).await?,
        Launch::Service => task::delete(kind, meta, cluster).await? > 0,
    };
    if !there {
        return Ok(());
    }
    let doing = format!("start {NAME}/{} with `launch: {}`", meta.name, if want.launch == Launch::Task { "task" } else { "service" });
    Err(Failure::transient(doing).because(Cause("what was launched the other way has to stop first".into())))
}

/// The storage that the wish states must be the one that the task definition mounts.
fn storage_fits(meta: &Meta, want: &ServiceSpec) -> Outcome<()> {
    let Ok(mounted) = want.task_definition.value("fileSystems") else { return Ok(()) };
    let Some(mounted) = mounted.as_array() else { return Ok(()) };
    let trouble = match &want.storage {
        Storage::Named(NamedStorage::Ephemeral) if !mounted.is_empty() => {
            "it says `ephemeral`, but the task definition mounts a file system"
        }
        Storage::Durable(durable) if !mounted.contains(&durable.file_system.output("id")?.into()) => {
            "it names a file system, but the task definition does not mount it"
        }
        _ => return Ok(()),
    };
    let failure = Failure::rejected(format!("check the storage of {NAME}/{}", meta.name)).because(Cause(trouble.into()));
    Err(failure.hint("let `storage` say what the volumes of the task definition do"))
}
