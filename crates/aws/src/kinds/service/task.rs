//! `launch: task`: one task started with RunTask, found again by `startedBy`.

use std::collections::BTreeMap;
use std::time::Instant;

use aws_sdk_ecs::types::{DesiredStatus, LaunchType, Task};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Meta, Observed};

use super::network::{self, Interface};
use super::spec::{Launch, ServiceSpec, Subnets};
use super::starts::Verdict;
use super::tasks::{self, Of};
use super::{Service, explain, ready, same};
use crate::ecs;
use crate::error::{self, Cause};
use crate::tags;

/// How often RunTask is asked when a token turns out to be used up by a task that has stopped.
const TOKENS: usize = 4;

/// What is known about the live tasks of a document.
struct Live {
    chosen: Task,
    others: usize,
    interface: Option<Interface>,
    spec: ServiceSpec,
}

/// The tasks of a document that run, with their network interfaces.
pub(super) struct Running {
    tasks: Vec<Task>,
    interfaces: BTreeMap<String, Interface>,
}

/// Fetches what runs.
pub(super) async fn fetch(kind: &Service, meta: &Meta, want: &ServiceSpec) -> Outcome<Running> {
    let cluster = want.cluster.output("name")?;
    let tasks = tasks::find(&kind.aws, &cluster, Of::StartedBy(&kind.marker(meta)), DesiredStatus::Running).await?;
    let interfaces = network::interfaces(&kind.aws, &tasks).await?;
    Ok(Running { tasks, interfaces })
}

pub(super) async fn observe(
    kind: &Service,
    meta: &Meta,
    want: &ServiceSpec,
    running: Option<Running>,
) -> Outcome<Option<Observed<ServiceSpec>>> {
    let cluster = want.cluster.output("name")?;
    let marker = kind.marker(meta);
    let running = match running {
        Some(running) => running,
        None => fetch(kind, meta, want).await?,
    };
    let Some(live) = live(kind, want, running) else { return none_live(kind, meta, want, &cluster, &marker).await };
    let key = key(&marker, tasks::revision(&live.chosen));
    let seen_tags = ecs::tags(live.chosen.tags());
    let mut observed = Observed::new(live.spec.clone());
    // `startedBy` proves that the task is ours, whatever became of its tags.
    let own = Meta { annotations: [("adopt".to_owned(), "true".to_owned())].into(), ..meta.clone() };
    observed.work = tags::due(&kind.aws.stack, super::NAME, &own, want.tags.as_ref(), &seen_tags)?;
    if live.others > 0 {
        observed = observed.work("/tasks", format!("stop {} of {} tasks: one is wanted", live.others, live.others + 1));
    }
    let differs = !observed.work.is_empty() || !same(want, &live.spec);
    let observed = ready::describe(observed, want, &live.chosen, live.interface.as_ref());
    if differs {
        return Ok(Some(observed));
    }
    let settling = ready::settling(kind, want, &live.chosen, live.interface.as_ref()).await;
    if settling.is_none() {
        kind.starts.runs(&key);
    }
    Ok(Some(observed.settling(settling)))
}

fn key(marker: &str, revision: &str) -> String {
    format!("{marker} {revision}")
}

/// Chooses the task that counts: one that needs no change if there is one. Among equals one that carries our tags comes
/// first, then the oldest, then the smallest ARN, so that every look chooses the same one.
fn live(kind: &Service, want: &ServiceSpec, running: Running) -> Option<Live> {
    let Running { mut tasks, interfaces } = running;
    let others = tasks.len().saturating_sub(1);
    // A stable sort: what `find` ordered by start and ARN stays so.
    tasks.sort_by_key(|task| !tags::ours(&kind.aws.stack, &ecs::tags(task.tags())));
    let mut first = None;
    for task in tasks {
        let interface = tasks::detail(&task, "networkInterfaceId").and_then(|id| interfaces.get(id)).cloned();
        let spec = spec(want, &task, interface.as_ref());
        let good = same(want, &spec);
        let found = Live { chosen: task, others, interface, spec };
        if good {
            return Some(found);
        }
        first.get_or_insert(found);
    }
    first
}

/// The task in the words of the wish. What cannot be seen yet (no interface so far) is taken as wished.
fn spec(want: &ServiceSpec, task: &Task, interface: Option<&Interface>) -> ServiceSpec {
    let subnets = match (&want.subnets, tasks::detail(task, "subnetId")) {
        (Subnets::Ids(ids), Some(subnet)) if !ids.iter().any(|id| id == subnet) => Subnets::Ids(vec![subnet.to_owned()]),
        (wished, _) => wished.clone(),
    };
    let public_ip = interface.is_some_and(|interface| interface.public_ip.is_some());
    // A public address may come late, but never goes away by itself.
    let assigned = if want.public() { want.assign_public_ip } else { want.assign_public_ip.map(|_| public_ip) };
    ServiceSpec {
        cluster: meteoctl_engine::reference::Link::literal(task.cluster_arn().unwrap_or_default()),
        task_definition: meteoctl_engine::reference::Link::literal(task.task_definition_arn().unwrap_or_default()),
        launch: Launch::Task,
        subnets,
        security_groups: interface.map_or_else(|| want.security_groups.clone(), |interface| network::literals(&interface.groups)),
        assign_public_ip: assigned,
        ..want.clone()
    }
}

/// No task runs: one may be stopping, or have failed to start.
async fn none_live(kind: &Service, meta: &Meta, want: &ServiceSpec, cluster: &str, marker: &str) -> Outcome<Option<Observed<ServiceSpec>>> {
    let stopped = tasks::find(&kind.aws, cluster, Of::StartedBy(marker), DesiredStatus::Stopped).await?;
    if let Some(task) = stopped.iter().find(|task| task.last_status() != Some("STOPPED")) {
        let why = format!("task {} is stopping ({})", tasks::id(task), task.last_status().unwrap_or_default());
        return Ok(Some(Observed::new(want.clone()).settling(Some(why))));
    }
    let now = Instant::now();
    for (index, task) in stopped.iter().enumerate() {
        let reason = explain::reason(task);
        let key = key(marker, tasks::revision(task));
        let equal = in_a_row(stopped.get(..=index).unwrap_or_default());
        if let Verdict::Failed(equal) = kind.starts.stopped(&key, task.task_arn().unwrap_or_default(), &reason, equal, now) {
            return Err(explain::failure(&kind.aws, task, equal).await);
        }
        if let Some(last) = kind.starts.ended(&key, now) {
            return Err(Failure::rejected(format!("start {}/{}", super::NAME, meta.name))
                .because(Cause(format!("three tasks in a row stopped for the same reason: {last}")))
                .hint("a new revision of the task definition is tried at once, the same one again after 15 minutes"));
        }
    }
    Ok(None)
}

/// How many of the last tasks of the last one's revision stopped for the same reason; ECS lists them for an hour at least.
fn in_a_row(stopped: &[Task]) -> usize {
    let Some(last) = stopped.last() else { return 0 };
    let of_revision = stopped.iter().rev().filter(|task| task.task_definition_arn() == last.task_definition_arn());
    of_revision.take_while(|task| explain::reason(task) == explain::reason(last)).count()
}

pub(super) async fn apply(kind: &Service, meta: &Meta, want: &ServiceSpec, change: &Change) -> Outcome<()> {
    let cluster = want.cluster.output("name")?;
    let marker = kind.marker(meta);
    let running = fetch(kind, meta, want).await?;
    let found = running.tasks.clone();
    let doing = format!("start {}/{}", super::NAME, meta.name);
    let revision = want.task_definition.output("arn")?;
    let keep = live(kind, want, running).filter(|live| same(want, &live.spec)).map(|live| live.chosen);
    let mut stopped = 0;
    for task in found.iter().filter(|task| keep.as_ref().is_none_or(|keep| keep.task_arn() != task.task_arn())) {
        let reason = format!("meteoctl: replaced by {}", ecs::short(&revision));
        tasks::stop(&kind.aws, &cluster, task, &reason).await?;
        stopped += 1;
    }
    match keep {
        Some(task) if change.touches("/tags") && *change != Change::Create => tag(kind, meta, want, &task).await,
        Some(_) => Ok(()),
        // The old task must have stopped before the new one starts: the next look waits for it.
        None if stopped > 0 => Err(Failure::transient(doing).because(Cause("the task of the old revision has to stop first".into()))),
        None => run(kind, meta, want, &cluster, &marker).await,
    }
}

async fn tag(kind: &Service, meta: &Meta, want: &ServiceSpec, task: &Task) -> Outcome<()> {
    let tags = tags::wanted(&kind.aws.stack, super::NAME, meta, want.tags.as_ref());
    let call = kind.aws.ecs.tag_resource().set_resource_arn(task.task_arn.clone()).set_tags(Some(ecs::tag_list(&tags)));
    call.send().await.map_err(|error| ecs::failure(format!("tag task {}", tasks::id(task)), error))?;
    Ok(())
}

/// Starts one task. The token follows from everything that is asked for and from the tasks that have stopped, so that
/// a call repeated after a crash starts no second one.
async fn run(kind: &Service, meta: &Meta, want: &ServiceSpec, cluster: &str, marker: &str) -> Outcome<()> {
    let doing = format!("start {}/{}", super::NAME, meta.name);
    super::leave_other_launch(kind, meta, want, cluster).await?;
    let revision = want.task_definition.output("arn")?;
    let network = network::configuration(&kind.aws, want).await?;
    let stopped = tasks::find(&kind.aws, cluster, Of::StartedBy(marker), DesiredStatus::Stopped).await?;
    let generation: Vec<&str> = stopped.iter().map(tasks::id).collect();
    let mut token = tasks::hex(&[marker, &revision, &format!("{network:?}"), &generation.join(" ")]);
    let tags = tags::wanted(&kind.aws.stack, super::NAME, meta, want.tags.as_ref());
    for _ in 0..TOKENS {
        let call = kind.aws.ecs.run_task().cluster(cluster).task_definition(&revision).launch_type(LaunchType::Fargate);
        let call = call.count(1).started_by(marker).client_token(&token).network_configuration(network.clone());
        let answer = match call.set_tags(Some(ecs::tag_list(&tags))).send().await {
            Ok(answer) => answer,
            Err(error) if error::is(&error, &["ConflictException"]) => {
                return Err(Failure { class: meteoctl_engine::failure::Class::Transient, ..ecs::failure(doing, error) });
            }
            Err(error) => return Err(ecs::failure(doing, error)),
        };
        if let Some(failure) = ecs::refused(doing.clone(), answer.failures()) {
            return Err(failure);
        }
        let Some(task) = answer.tasks().first() else {
            return Err(Failure::transient(doing).because(Cause("ECS named neither a task nor a reason".into())));
        };
        if task.desired_status() != Some("STOPPED") {
            kind.starts.started(&key(marker, ecs::short(&revision)), task.task_arn().unwrap_or_default());
            return Ok(());
        }
        // This token belongs to a task that has stopped and that the list did not show any more.
        token = tasks::hex(&[&token, tasks::id(task)]);
    }
    Err(Failure::transient(doing).because(Cause("ECS keeps naming tasks that have stopped".into())))
}

/// Stops every task of the document.
pub(super) async fn delete(kind: &Service, meta: &Meta, cluster: &str) -> Outcome<usize> {
    let found = tasks::find(&kind.aws, cluster, Of::StartedBy(&kind.marker(meta)), DesiredStatus::Running).await?;
    for task in &found {
        tasks::stop(&kind.aws, cluster, task, "meteoctl: removed").await?;
    }
    Ok(found.len())
}
