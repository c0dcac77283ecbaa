//! The Service kind.

use std::sync::Arc;

use aws_sdk_ecs::types::{AssignPublicIp, AwsVpcConfiguration, DesiredStatus, LaunchType, NetworkConfiguration};
use meteoctl_aws::client::Aws;
use meteoctl_aws::kinds::service::Service;
use meteoctl_engine::failure::Failure;
use meteoctl_engine::kind::{Sight, Standing};
use serde_json::{Value, json};

use crate::compute::{CLUSTER, FAMILY, cluster, linked, security_group, task_definition};
use crate::support::{Backend, Subject, aws};

struct Scene {
    aws: Arc<Aws>,
    definition: Subject,
    service: Subject,
}

async fn scene(backend: Backend, launch: &str) -> Option<Scene> {
    let aws = aws(backend).await?;
    let cluster = cluster(&aws).converge().await;
    let definition = task_definition(&aws);
    let revision = definition.converge().await;
    let group = security_group(&aws, "mongodb-sg").await;
    let spec = json!({
        "cluster": linked(&format!("Cluster/{CLUSTER}"), &cluster),
        "taskDefinition": linked(&format!("TaskDefinition/{FAMILY}"), &revision),
        "launch": launch,
        "subnets": "default-public",
        "securityGroups": [{"ref": "SecurityGroup/mongodb-sg", "outputs": {"id": group}}],
        "assignPublicIp": true,
        "storage": "ephemeral",
    });
    let service = Subject::new(&aws, "Service", "mongodb", spec);
    Some(Scene { aws, definition, service })
}

impl Scene {
    async fn running(&self) -> Vec<String> {
        let listed = self.aws.ecs.list_tasks().cluster(CLUSTER).desired_status(DesiredStatus::Running).send().await.expect("listed");
        listed.task_arns().to_vec()
    }

    async fn stop(&self, task: &str) {
        self.aws.ecs.stop_task().cluster(CLUSTER).task(task).reason("by hand").send().await.expect("stopped");
    }

    async fn new_revision(&mut self) {
        self.definition.spec["containers"][0]["image"] = json!("mongo:7.0.14");
        let sight = self.definition.converge().await;
        self.service.spec["taskDefinition"] = linked(&format!("TaskDefinition/{FAMILY}"), &sight);
    }
}

fn text<'a>(sight: &'a Sight, output: &str) -> &'a str {
    sight.outputs.get(output).and_then(Value::as_str).unwrap_or_else(|| panic!("no {output}: {:?}", sight.outputs))
}

#[tokio::test]
async fn a_task_converges_on_moto() {
    a_task_converges(Backend::Moto).await;
}

#[tokio::test]
async fn a_task_converges_on_localstack() {
    a_task_converges(Backend::LocalStack).await;
}

async fn a_task_converges(backend: Backend) {
    let Some(mut scene) = scene(backend, "task").await else { return };
    assert!(matches!(scene.service.look().await.standing, Standing::Absent));
    let sight = scene.service.converge().await;
    assert_eq!(text(&sight, "endpoint"), format!("{}:27017", text(&sight, "publicIp")));
    assert!(sight.note.as_deref().is_some_and(|note| note.contains("RUNNING, p8-mongodb-task:1") && note.contains("ephemeral")));
    let first = text(&sight, "taskArn").to_owned();
    scene.service.rests().await;
    assert_eq!(scene.running().await, std::slice::from_ref(&first), "twenty applies, one task");

    let ecs = &scene.aws.ecs;
    ecs.untag_resource().resource_arn(&first).tag_keys("project").tag_keys("meteoctl:document").send().await.expect("untagged");
    scene.service.repairs(&["/tags/meteoctl:document", "/tags/project"], &["ECS:TagResource"]).await;
    assert_eq!(scene.running().await, std::slice::from_ref(&first), "a tag is mended on the task that runs");

    // Stopped by hand: another one.
    scene.stop(&first).await;
    let sight = scene.service.converge().await;
    let second = text(&sight, "taskArn").to_owned();
    assert_ne!(first, second);
    assert_eq!(scene.running().await, std::slice::from_ref(&second));

    // A new revision: the old task goes first.
    scene.new_revision().await;
    assert_eq!(scene.service.drift().await.paths(), ["/taskDefinition"]);
    let sight = scene.service.converge().await;
    let third = text(&sight, "taskArn").to_owned();
    assert_ne!(second, third);
    assert_eq!(scene.running().await, std::slice::from_ref(&third));

    // Another port of call: security groups cannot be changed on a running task.
    let other = security_group(&scene.aws, "other-sg").await;
    scene.service.spec["securityGroups"] = json!([other]);
    assert_eq!(scene.service.drift().await.paths(), ["/securityGroups", "/securityGroups"][..1]);
    scene.service.converge().await;
    assert_eq!(scene.running().await.len(), 1);
    scene.service.rests().await;
    scene.service.remove().await;
    assert!(scene.running().await.is_empty());
}

#[tokio::test]
async fn a_second_task_is_stopped_and_the_first_stays() {
    let Some(scene) = scene(Backend::Moto, "task").await else { return };
    let sight = scene.service.converge().await;
    let task = text(&sight, "taskArn").to_owned();
    let found = scene.aws.ecs.describe_tasks().cluster(CLUSTER).tasks(&task).send().await.expect("described");
    let marker = found.tasks().first().and_then(|task| task.started_by()).expect("a marker").to_owned();
    run_by_hand(&scene, &marker, None).await;
    scene.service.repairs(&["/tasks"], &["ECS:StopTask"]).await;
    assert_eq!(scene.running().await, std::slice::from_ref(&task), "the one that carries our tags stays");
    scene.service.rests().await;
}

/// Starts a task of the wished revision beside meteoctl.
async fn run_by_hand(scene: &Scene, started_by: &str, group: Option<&str>) {
    let subnets = scene.aws.ec2.describe_subnets().send().await.expect("subnets");
    let network = AwsVpcConfiguration::builder()
        .subnets(subnets.subnets().first().and_then(|subnet| subnet.subnet_id()).expect("a subnet"))
        .security_groups(scene.service.spec["securityGroups"][0]["outputs"]["id"].as_str().expect("a group"))
        .assign_public_ip(AssignPublicIp::Enabled)
        .build()
        .expect("a configuration");
    let call = scene.aws.ecs.run_task().cluster(CLUSTER).task_definition(FAMILY).launch_type(LaunchType::Fargate);
    let call = call.started_by(started_by).set_group(group.map(str::to_owned));
    call.network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build()).send().await.expect("a task");
}

#[tokio::test]
async fn ready_means_that_the_probe_passes() {
    let Some(scene) = scene(Backend::Moto, "task").await else { return };
    let task = scene.service.converge().await;
    let expected = text(&task, "endpoint").to_owned();
    let probe = move |endpoint: String| {
        let right = endpoint == expected;
        let answer = Err(Failure::transient("MongoDB does not answer yet").because("connection refused"));
        let future: meteoctl_engine::kind::BoxFuture<'static, _> = Box::pin(async move { if right { answer } else { Ok(()) } });
        future
    };
    let kind = Service::new(scene.aws.clone()).with_probe(Arc::new(probe));
    let probed =
        Subject { kind: Arc::new(kind), aws: scene.aws.clone(), meta: scene.service.meta.clone(), spec: scene.service.spec.clone() };
    match probed.look().await.standing {
        Standing::Settling(why) => assert_eq!(why, "RUNNING, but MongoDB does not answer yet: connection refused"),
        other => panic!("should be on its way: {other:?}"),
    }
}

#[tokio::test]
async fn a_service_converges_on_moto() {
    a_service_converges(Backend::Moto).await;
}

#[tokio::test]
async fn a_service_converges_on_localstack() {
    a_service_converges(Backend::LocalStack).await;
}

async fn a_service_converges(backend: Backend) {
    let Some(mut scene) = scene(backend, "service").await else { return };
    let change = meteoctl_engine::kind::Change::Create;
    scene.service.kind.apply(&scene.service.meta, &scene.service.spec, &change).await.expect("created");
    // The emulator starts no task for a service.
    run_by_hand(&scene, "ecs-svc/1", Some("service:mongodb")).await;
    let sight = scene.service.converge().await;
    assert_eq!(text(&sight, "endpoint"), format!("{}:27017", text(&sight, "publicIp")));
    scene.service.rests().await;

    let ecs = &scene.aws.ecs;
    ecs.update_service().cluster(CLUSTER).service("mongodb").desired_count(0).send().await.expect("written");
    scene.service.repairs(&["/desiredCount"], &["ECS:UpdateService"]).await;
    let by_hand = || ecs.update_service().cluster(CLUSTER).service("mongodb");
    let group = scene.service.spec["securityGroups"][0]["outputs"]["id"].as_str().expect("a group").to_owned();
    let network = |subnets: Vec<String>, group: &str, public: AssignPublicIp| {
        let vpc = AwsVpcConfiguration::builder().set_subnets(Some(subnets)).security_groups(group).assign_public_ip(public);
        NetworkConfiguration::builder().awsvpc_configuration(vpc.build().expect("a configuration")).build()
    };
    let described = scene.aws.ec2.describe_subnets().send().await.expect("subnets");
    let subnets: Vec<String> = described.subnets().iter().filter_map(|subnet| subnet.subnet_id().map(str::to_owned)).collect();
    let one = network(subnets[..1].to_vec(), &group, AssignPublicIp::Enabled);
    by_hand().network_configuration(one).send().await.expect("written");
    scene.service.repairs(&["/subnets"], &["ECS:UpdateService"]).await;
    let another = network(subnets.clone(), "sg-0", AssignPublicIp::Enabled);
    by_hand().network_configuration(another).send().await.expect("written");
    scene.service.repairs(&["/securityGroups"], &["ECS:UpdateService"]).await;
    by_hand().network_configuration(network(subnets, &group, AssignPublicIp::Disabled)).send().await.expect("written");
    scene.service.repairs(&["/assignPublicIp"], &["ECS:UpdateService"]).await;
    let arn = text(&sight, "arn").to_owned();
    ecs.untag_resource().resource_arn(&arn).tag_keys("project").send().await.expect("untagged");
    scene.service.repairs(&["/tags/project"], &["ECS:TagResource"]).await;
    scene.new_revision().await;
    assert_eq!(scene.service.drift().await.paths(), ["/taskDefinition"]);
    scene.service.remove().await;
}

#[tokio::test]
async fn changing_the_launch_never_leaves_two() {
    let Some(mut scene) = scene(Backend::Moto, "task").await else { return };
    scene.service.converge().await;
    scene.service.spec["launch"] = json!("service");
    let change = meteoctl_engine::kind::Change::Create;
    assert!(matches!(scene.service.look().await.standing, Standing::Absent));
    let failure = scene.service.kind.apply(&scene.service.meta, &scene.service.spec, &change).await.expect_err("the task first");
    assert!(failure.is_transient(), "{failure}");
    assert!(scene.running().await.is_empty());
    scene.service.kind.apply(&scene.service.meta, &scene.service.spec, &change).await.expect("now");
}
