//! `launch: service`: an ECS service that keeps the task running by itself.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{
    Deployment as EcsDeployment, DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentRolloutState, DesiredStatus, LaunchType,
    PropagateTags, Service as EcsService, ServiceField, Task,
};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Meta, Observed};
use meteoctl_engine::reference::Link;

use super::network::{self, Interface};
use super::spec::{Deployment, Launch, NamedSubnets, ServiceSpec, Subnets};
use super::tasks::{self, Of};
use super::{Service, explain, ready};
use crate::ecs;
use crate::error::{self, Cause};
use crate::tags;

/// Tasks that stopped for the same reason and end the waiting.
const ENOUGH: usize = 3;

/// The service, if ECS has one of this name that is not INACTIVE.
pub(super) async fn find(kind: &Service, cluster: &str, name: &str) -> Outcome<Option<EcsService>> {
    let doing = format!("look at ECS service {name}");
    let call = kind.aws.ecs.describe_services().cluster(cluster).services(name).include(ServiceField::Tags);
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) if error::is(&error, &["ClusterNotFoundException"]) => return Ok(None),
        Err(error) => return Err(ecs::failure(doing, error)),
    };
    if let Some(found) = answer.services().first() {
        return Ok((found.status() != Some("INACTIVE")).then(|| found.clone()));
    }
    if answer.failures().iter().any(ecs::missing) {
        return Ok(None);
    }
    let nothing = || Failure::transient(doing.clone()).because(Cause("ECS named neither the service nor a reason".into()));
    Err(ecs::refused(doing.clone(), answer.failures()).unwrap_or_else(nothing))
}

/// The service, its tasks that run, and their network interfaces.
pub(super) struct Running {
    service: Option<EcsService>,
    tasks: Vec<Task>,
    interfaces: BTreeMap<String, Interface>,
}

/// Fetches the service and what it runs.
pub(super) async fn fetch(kind: &Service, meta: &Meta, want: &ServiceSpec) -> Outcome<Running> {
    let cluster = want.cluster.output("name")?;
    let tasks = async {
        let tasks = tasks::find(&kind.aws, &cluster, Of::Service(&meta.name), DesiredStatus::Running).await?;
        let interfaces = network::interfaces(&kind.aws, &tasks).await?;
        Ok((tasks, interfaces))
    };
    let (service, (tasks, interfaces)) = tokio::try_join!(find(kind, &cluster, &meta.name), tasks)?;
    Ok(Running { service, tasks, interfaces })
}

pub(super) async fn observe(
    kind: &Service,
    meta: &Meta,
    want: &ServiceSpec,
    running: Option<Running>,
) -> Outcome<Option<Observed<ServiceSpec>>> {
    let cluster = want.cluster.output("name")?;
    let Running { service, tasks: running, interfaces } = match running {
        Some(running) => running,
        None => fetch(kind, meta, want).await?,
    };
    let Some(found) = service else { return Ok(None) };
    if found.status() == Some("DRAINING") {
        return Ok(Some(Observed::new(want.clone()).settling(Some("DRAINING: its task is stopping".into()))));
    }
    let work = tags::due(&kind.aws.stack, super::NAME, meta, want.tags.as_ref(), &ecs::tags(found.tags()))?;
    let spec = spec(kind, want, &found).await?;
    let task = newest_of(&running, &found, &meta.name);
    let interface = task.and_then(|task| tasks::detail(task, "networkInterfaceId")).and_then(|id| interfaces.get(id)).cloned();
    let mut observed = Observed::new(spec).output("arn", found.service_arn().unwrap_or_default());
    observed.work = work;
    match task {
        Some(task) => observed = ready::describe(observed, want, task, interface.as_ref()),
        None => observed = observed.note(format!("no task runs; {}", want.storage_note())),
    }
    if found.desired_count() == 0 && want.desired_count == Some(0) {
        return Ok(Some(observed));
    }
    let settling = match failed(kind, &cluster, &found, &meta.name, task).await? {
        Some(why) => Some(why),
        None => match task {
            Some(task) => ready::settling(kind, want, task, interface.as_ref()).await,
            None => Some("no task of this revision so far".to_owned()),
        },
    };
    // What differs is to be changed, not waited for.
    let settling = settling.filter(|_| observed.work.is_empty() && super::same(want, &observed.spec));
    Ok(Some(observed.settling(settling)))
}

/// The newest task of the service that has the service's revision.
fn newest_of<'a>(tasks: &'a [Task], found: &EcsService, name: &str) -> Option<&'a Task> {
    let group = format!("service:{name}");
    tasks.iter().rev().find(|task| task.group() == Some(&group) && task.task_definition_arn() == found.task_definition())
}

/// The service in the words of the wish.
async fn spec(kind: &Service, want: &ServiceSpec, found: &EcsService) -> Outcome<ServiceSpec> {
    let vpc = found.network_configuration().and_then(|network| network.awsvpc_configuration());
    let mut ids: Vec<String> = vpc.map(|vpc| vpc.subnets().to_vec()).unwrap_or_default();
    ids.sort_unstable();
    let subnets = match want.subnets {
        Subnets::Named(NamedSubnets::DefaultPublic) if network::subnets(&kind.aws, &want.subnets).await? == ids => want.subnets.clone(),
        _ => Subnets::Ids(ids),
    };
    let public = vpc.and_then(|vpc| vpc.assign_public_ip()).is_some_and(|assign| assign.as_str() == "ENABLED");
    // Every real answer carries the deployment rules; one that does not says nothing about them.
    let deployment = found.deployment_configuration().map(deployment).or_else(|| want.deployment.clone());
    Ok(ServiceSpec {
        cluster: Link::literal(found.cluster_arn().unwrap_or_default()),
        task_definition: Link::literal(found.task_definition().unwrap_or_default()),
        launch: Launch::Service,
        subnets,
        security_groups: network::literals(vpc.map(|vpc| vpc.security_groups()).unwrap_or_default()),
        assign_public_ip: want.assign_public_ip.map(|_| public),
        desired_count: u32::try_from(found.desired_count()).ok(),
        deployment,
        ..want.clone()
    })
}

fn deployment(found: &DeploymentConfiguration) -> Deployment {
    let breaker = found.deployment_circuit_breaker();
    Deployment {
        minimum_healthy_percent: found.minimum_healthy_percent().and_then(|percent| u16::try_from(percent).ok()).unwrap_or(100),
        maximum_percent: found.maximum_percent().and_then(|percent| u16::try_from(percent).ok()).unwrap_or(200),
        circuit_breaker: breaker.is_some_and(DeploymentCircuitBreaker::enable),
        rollback: breaker.is_some_and(DeploymentCircuitBreaker::rollback),
    }
}

/// Whether the deployment has failed (an error that explains itself), or why it goes on.
async fn failed(kind: &Service, cluster: &str, found: &EcsService, name: &str, task: Option<&Task>) -> Outcome<Option<String>> {
    let Some(primary) = found.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY")) else { return Ok(None) };
    let up = task.is_some_and(|task| task.last_status() == Some("RUNNING"));
    let given_up = primary.rollout_state() == Some(&DeploymentRolloutState::Failed);
    if given_up || !up {
        let stopped = tasks::find(&kind.aws, cluster, Of::Service(name), DesiredStatus::Stopped).await?;
        if let Some((task, equal)) = repeated(&stopped, primary.id().unwrap_or_default(), given_up) {
            return Err(explain::failure(&kind.aws, task, equal).await);
        }
    }
    if given_up {
        let reason = primary.rollout_state_reason().unwrap_or("ECS gives no reason").to_owned();
        return Err(Failure::rejected(format!("deploy ECS service {name}")).because(Cause(reason)));
    }
    let moving = found.deployments().len() > 1 || primary.rollout_state() == Some(&DeploymentRolloutState::InProgress);
    Ok((moving && !up).then(|| format!("the deployment is in progress{}", last_event(found, primary))))
}

/// The last of the deployment's tasks that stopped for the same reason often enough (once, when ECS has given up).
fn repeated<'a>(stopped: &'a [Task], deployment: &str, given_up: bool) -> Option<(&'a Task, usize)> {
    let mut by_reason: BTreeMap<String, Vec<&Task>> = BTreeMap::new();
    for task in stopped.iter().filter(|task| task.started_by() == Some(deployment)) {
        by_reason.entry(explain::reason(task)).or_default().push(task);
    }
    let most = by_reason.into_values().max_by_key(Vec::len)?;
    let enough = most.len() >= ENOUGH || given_up;
    most.last().filter(|_| enough).map(|task| (*task, most.len()))
}

/// What ECS said last about the service, when it is a complaint and younger than the deployment.
fn last_event(found: &EcsService, primary: &EcsDeployment) -> String {
    let event = found.events().iter().find(|event| event.created_at() >= primary.created_at());
    match event.and_then(|event| event.message()).filter(|message| message.contains("unable") || message.contains("failed")) {
        Some(message) => format!(": {message}"),
        None => String::new(),
    }
}

pub(super) async fn apply(kind: &Service, meta: &Meta, want: &ServiceSpec, change: &Change) -> Outcome<()> {
    let cluster = want.cluster.output("name")?;
    match change {
        Change::Create => create(kind, meta, want, &cluster).await,
        Change::Update(_) => update(kind, meta, want, &cluster, change).await,
    }
}

async fn create(kind: &Service, meta: &Meta, want: &ServiceSpec, cluster: &str) -> Outcome<()> {
    super::leave_other_launch(kind, meta, want, cluster).await?;
    let tags = tags::wanted(&kind.aws.stack, super::NAME, meta, want.tags.as_ref());
    let call = kind.aws.ecs.create_service().cluster(cluster).service_name(&meta.name).launch_type(LaunchType::Fargate);
    let call = call.task_definition(want.task_definition.output("arn")?).desired_count(count(want));
    let call = call.network_configuration(network::configuration(&kind.aws, want).await?);
    let call = call.deployment_configuration(rules(want)).propagate_tags(PropagateTags::Service);
    let call = call.set_tags(Some(ecs::tag_list(&tags)));
    call.send().await.map_err(|error| ecs::failure(format!("create ECS service {}", meta.name), error))?;
    Ok(())
}

async fn update(kind: &Service, meta: &Meta, want: &ServiceSpec, cluster: &str, change: &Change) -> Outcome<()> {
    let fields = ["/taskDefinition", "/desiredCount", "/subnets", "/securityGroups", "/assignPublicIp", "/deployment"];
    let network = fields.iter().skip(2).take(3).any(|field| change.touches(field));
    if fields.iter().any(|field| change.touches(field)) {
        let mut call = kind.aws.ecs.update_service().cluster(cluster).service(&meta.name);
        if change.touches("/taskDefinition") {
            call = call.task_definition(want.task_definition.output("arn")?);
        }
        if change.touches("/desiredCount") {
            call = call.desired_count(count(want));
        }
        if network {
            call = call.network_configuration(network::configuration(&kind.aws, want).await?);
        }
        if change.touches("/deployment") {
            call = call.deployment_configuration(rules(want));
        }
        call.send().await.map_err(|error| ecs::failure(format!("update ECS service {}", meta.name), error))?;
    }
    if change.touches("/tags") {
        let Some(found) = find(kind, cluster, &meta.name).await? else { return Ok(()) };
        let tags = tags::wanted(&kind.aws.stack, super::NAME, meta, want.tags.as_ref());
        let call = kind.aws.ecs.tag_resource().set_resource_arn(found.service_arn).set_tags(Some(ecs::tag_list(&tags)));
        call.send().await.map_err(|error| ecs::failure(format!("tag ECS service {}", meta.name), error))?;
    }
    Ok(())
}

fn count(want: &ServiceSpec) -> i32 {
    i32::from(want.desired_count != Some(0))
}

fn rules(want: &ServiceSpec) -> DeploymentConfiguration {
    let wish = want.deployment.clone().unwrap_or_default();
    DeploymentConfiguration::builder()
        .minimum_healthy_percent(i32::from(wish.minimum_healthy_percent))
        .maximum_percent(i32::from(wish.maximum_percent))
        .deployment_circuit_breaker(DeploymentCircuitBreaker::builder().enable(wish.circuit_breaker).rollback(wish.rollback).build())
        .build()
}

/// Removes the service with its task. Whether there was one.
pub(super) async fn delete(kind: &Service, meta: &Meta, cluster: &str) -> Outcome<bool> {
    let Some(found) = find(kind, cluster, &meta.name).await? else { return Ok(false) };
    let seen = ecs::tags(found.tags());
    if !tags::ours(&kind.aws.stack, &seen) {
        return Err(tags::foreign(super::NAME, meta, &seen));
    }
    if found.status() == Some("DRAINING") {
        return Ok(true);
    }
    match kind.aws.ecs.delete_service().cluster(cluster).service(&meta.name).force(true).send().await {
        Ok(_) => Ok(true),
        Err(error) if error::is(&error, &["ServiceNotFoundException", "ServiceNotActiveException"]) => Ok(false),
        Err(error) => Err(ecs::failure(format!("delete ECS service {}", meta.name), error)),
    }
}
