//! The TaskDefinition kind.

use aws_sdk_ecs::types::{
    ContainerDefinition, EfsAuthorizationConfig, EfsAuthorizationConfigIam, EfsVolumeConfiguration, HealthCheck, KeyValuePair,
    TaskDefinition as EcsTaskDefinition, TaskDefinitionField, Volume,
};
use meteoctl_aws::client::Aws;
use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::compute::{FAMILY, task_definition, task_definition_spec};
use crate::support::{Backend, Subject, aws};

#[tokio::test]
async fn converges_on_moto() {
    converges(Backend::Moto).await;
}

#[tokio::test]
async fn converges_on_localstack() {
    converges(Backend::LocalStack).await;
}

/// Registers the latest revision once more, changed, as somebody would in the console.
async fn register_by_hand(aws: &Aws, change: impl FnOnce(&mut EcsTaskDefinition), tagged: bool) {
    let answer = aws.ecs.describe_task_definition().task_definition(FAMILY).include(TaskDefinitionField::Tags).send().await.expect("there");
    let mut found = answer.task_definition().expect("a revision").clone();
    change(&mut found);
    aws.ecs
        .register_task_definition()
        .family(FAMILY)
        .set_requires_compatibilities(found.requires_compatibilities)
        .set_network_mode(found.network_mode)
        .set_cpu(found.cpu)
        .set_memory(found.memory)
        .set_execution_role_arn(found.execution_role_arn)
        .set_task_role_arn(found.task_role_arn)
        .set_volumes(found.volumes)
        .set_ephemeral_storage(found.ephemeral_storage)
        .set_runtime_platform(found.runtime_platform)
        .set_container_definitions(found.container_definitions)
        .set_tags(tagged.then(|| answer.tags.unwrap_or_default()).filter(|tags| !tags.is_empty()))
        .send()
        .await
        .expect("registered");
}

fn mongodb(found: &mut EcsTaskDefinition) -> &mut ContainerDefinition {
    let mut all = found.container_definitions.iter_mut().flatten();
    all.find(|container| container.name.as_deref() == Some("mongodb")).expect("the container")
}

async fn converges(backend: Backend) {
    const REGISTER: &[&str] = &["ECS:RegisterTaskDefinition"];
    let Some(aws) = aws(backend).await else { return };
    let subject = task_definition(&aws);
    assert!(matches!(subject.look().await.standing, Standing::Absent));
    let sight = subject.converge().await;
    assert_eq!((&sight.outputs["family"], &sight.outputs["revision"]), (&json!(FAMILY), &json!(1)));
    assert!(sight.outputs["arn"].as_str().is_some_and(|arn| arn.ends_with("task-definition/p8-mongodb-task:1")), "{:?}", sight.outputs);
    assert_eq!(sight.outputs["fileSystems"], json!([]));
    subject.rests().await;
    assert_eq!(subject.writes().values().sum::<u64>(), 1, "twenty applies, one revision");

    register_by_hand(&aws, |found| found.memory = Some("1024".into()), false).await;
    subject.repairs(&["/memory"], REGISTER).await;
    register_by_hand(&aws, |found| mongodb(found).image = Some("mongo:6.0".into()), true).await;
    subject.repairs(&["/containers/mongodb/image"], REGISTER).await;
    register_by_hand(&aws, |found| mongodb(found).secrets.as_mut().expect("secrets").truncate(1), true).await;
    subject.repairs(&["/containers/mongodb/secrets/MONGO_INITDB_ROOT_USERNAME"], REGISTER).await;
    register_by_hand(&aws, |found| mongodb(found).log_configuration = None, true).await;
    subject.repairs(&["/containers/mongodb/logs"], REGISTER).await;
    let extra = KeyValuePair::builder().name("EXTRA").value("1").build();
    register_by_hand(&aws, |found| mongodb(found).environment = Some(vec![extra]), false).await;
    subject.repairs(&["/revision"], REGISTER).await;
    subject.rests().await;

    let sight = subject.look().await;
    let arn = sight.outputs["arn"].as_str().expect("an ARN");
    aws.ecs.untag_resource().resource_arn(arn).tag_keys("project").send().await.expect("untagged");
    subject.repairs(&["/tags/project"], &["ECS:TagResource"]).await;
    aws.ecs.deregister_task_definition().task_definition(arn).send().await.expect("deregistered");
    subject.converge().await;
    subject.remove().await;
}

#[tokio::test]
async fn every_field_survives_the_way_there_and_back() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let subject = Subject::new(&aws, "TaskDefinition", FAMILY, everything());
    let sight = subject.converge().await;
    assert_eq!(sight.outputs["fileSystems"], json!(["fs-0123", "fs-0124"]));
    subject.rests().await;
    assert_eq!(subject.writes().values().sum::<u64>(), 1);
}

/// A task definition that declares every field there is.
fn everything() -> Value {
    let mut spec = task_definition_spec();
    spec["taskRole"] = json!("arn:aws:iam::123456789012:role/p8-task");
    spec["architecture"] = json!("ARM64");
    spec["ephemeralStorage"] = json!(30);
    spec["volumes"] = json!([
        {"name": "scratch"},
        {"name": "data", "fileSystem": "fs-0123", "accessPoint": "fsap-0123", "iam": true},
        {"name": "old", "fileSystem": "fs-0124", "rootDirectory": "/archive"},
    ]);
    spec["tags"] = json!({"owner": "data"});
    let container = &mut spec["containers"][0];
    container["essential"] = json!(true);
    container["memory"] = json!(256);
    container["cpu"] = json!(128);
    container["environment"] = json!({"TZ": "Europe/Paris", "A": ""});
    container["entryPoint"] = json!(["docker-entrypoint.sh"]);
    container["command"] = json!(["mongod", "--bind_ip_all"]);
    container["user"] = json!("999:999");
    container["workingDirectory"] = json!("/data/db");
    container["readonlyRootFilesystem"] = json!(true);
    container["stopTimeout"] = json!(90);
    container["healthCheck"] =
        json!({"command": ["CMD-SHELL", "mongosh --eval 1"], "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 60});
    container["mountPoints"] = json!([{"volume": "data", "path": "/data/db", "readOnly": false}, {"volume": "scratch", "path": "/tmp"}]);
    container["logs"]["mode"] = json!("non-blocking");
    container["dependsOn"] = json!([{"container": "init", "condition": "SUCCESS"}]);
    let init = json!({"name": "init", "image": {"ref": "Repository/p8", "key": "1.0", "outputs": {"uri": "123456789012.dkr.ecr.eu-west-3.amazonaws.com/p8"}}, "essential": false});
    spec["containers"].as_array_mut().expect("a list").push(init);
    spec
}

/// Changes one thing of the latest revision by hand; exactly `path` differs, and one new revision mends it.
async fn spoil(subject: &Subject, path: &str, change: impl FnOnce(&mut EcsTaskDefinition)) {
    register_by_hand(&subject.aws, change, true).await;
    assert!(matches!(subject.look().await.standing, Standing::Drifted(_)), "{path} was changed by hand, and nothing differs");
    subject.repairs(&[path], &["ECS:RegisterTaskDefinition"]).await;
}

#[tokio::test]
async fn each_field_changed_by_hand_is_named_alone() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let it = &Subject::new(&aws, "TaskDefinition", FAMILY, everything());
    it.converge().await;
    let role = || Some("arn:aws:iam::123456789012:role/other".to_owned());
    spoil(it, "/cpu", |found| found.cpu = Some("512".into())).await;
    spoil(it, "/memory", |found| found.memory = Some("1024".into())).await;
    spoil(it, "/executionRole", |found| found.execution_role_arn = role()).await;
    spoil(it, "/taskRole", |found| found.task_role_arn = role()).await;
    spoil(it, "/architecture", |found| found.runtime_platform = None).await;
    spoil(it, "/ephemeralStorage", |found| found.ephemeral_storage.as_mut().expect("storage").size_in_gib = 40).await;
    let volume = |found: &mut EcsTaskDefinition, change: fn(&mut EfsVolumeConfiguration)| {
        let volumes = found.volumes.as_mut().expect("volumes");
        change(volumes.iter_mut().find_map(|volume| volume.efs_volume_configuration.as_mut()).expect("a volume on EFS"));
    };
    spoil(it, "/volumes/data/fileSystem", |found| volume(found, |efs| efs.file_system_id = "fs-9".into())).await;
    let authorization = |efs: &mut EfsVolumeConfiguration, point: &str, iam: EfsAuthorizationConfigIam| {
        efs.authorization_config = Some(EfsAuthorizationConfig::builder().access_point_id(point).iam(iam).build());
    };
    let in_volume = |found: &mut EcsTaskDefinition, point: &str, iam: EfsAuthorizationConfigIam| {
        let volumes = found.volumes.as_mut().expect("volumes");
        authorization(volumes.iter_mut().find_map(|volume| volume.efs_volume_configuration.as_mut()).expect("on EFS"), point, iam);
    };
    spoil(it, "/volumes/data/accessPoint", |found| in_volume(found, "fsap-9", EfsAuthorizationConfigIam::Enabled)).await;
    spoil(it, "/volumes/data/iam", |found| in_volume(found, "fsap-0123", EfsAuthorizationConfigIam::Disabled)).await;
    let archive = |found: &mut EcsTaskDefinition, change: &dyn Fn(&mut Volume)| {
        let volumes = found.volumes.as_mut().expect("volumes");
        change(volumes.iter_mut().find(|volume| volume.name.as_deref() == Some("old")).expect("the old one"));
    };
    spoil(it, "/volumes/old/rootDirectory", |found| {
        archive(found, &|volume| volume.efs_volume_configuration.as_mut().expect("EFS").root_directory = Some("/".into()));
    })
    .await;
    spoil(it, "/volumes/scratch", |found| {
        found.volumes.as_mut().expect("volumes").retain(|volume| volume.name.as_deref() != Some("scratch"));
    })
    .await;
    in_the_container(it).await;
    it.rests().await;
}

async fn in_the_container(it: &Subject) {
    let pair = |name: &str, value: &str| KeyValuePair::builder().name(name).value(value).build();
    spoil(it, "/containers/mongodb/essential", |found| mongodb(found).essential = Some(false)).await;
    spoil(it, "/containers/mongodb/memory", |found| mongodb(found).memory = Some(300)).await;
    spoil(it, "/containers/mongodb/cpu", |found| mongodb(found).cpu = 64).await;
    spoil(it, "/containers/mongodb/environment/TZ", |found| mongodb(found).environment = Some(vec![pair("TZ", "UTC"), pair("A", "")]))
        .await;
    spoil(it, "/containers/mongodb/entryPoint", |found| mongodb(found).entry_point = Some(vec!["sh".into()])).await;
    spoil(it, "/containers/mongodb/command", |found| mongodb(found).command = Some(vec!["mongod".into()])).await;
    spoil(it, "/containers/mongodb/user", |found| mongodb(found).user = Some("root".into())).await;
    spoil(it, "/containers/mongodb/workingDirectory", |found| mongodb(found).working_directory = Some("/".into())).await;
    spoil(it, "/containers/mongodb/readonlyRootFilesystem", |found| mongodb(found).readonly_root_filesystem = Some(false)).await;
    spoil(it, "/containers/mongodb/stopTimeout", |found| mongodb(found).stop_timeout = Some(30)).await;
    spoil(it, "/containers/mongodb/dependsOn", |found| mongodb(found).depends_on = Some(Vec::new())).await;
    let health =
        |found: &mut EcsTaskDefinition, change: fn(&mut HealthCheck)| change(mongodb(found).health_check.as_mut().expect("a check"));
    spoil(it, "/containers/mongodb/healthCheck/command", |found| health(found, |check| check.command = vec!["NONE".into()])).await;
    spoil(it, "/containers/mongodb/healthCheck/interval", |found| health(found, |check| check.interval = Some(60))).await;
    spoil(it, "/containers/mongodb/healthCheck/timeout", |found| health(found, |check| check.timeout = Some(9))).await;
    spoil(it, "/containers/mongodb/healthCheck/retries", |found| health(found, |check| check.retries = Some(5))).await;
    spoil(it, "/containers/mongodb/healthCheck/startPeriod", |found| health(found, |check| check.start_period = Some(90))).await;
    spoil(it, "/containers/mongodb/ports", |found| mongodb(found).port_mappings = Some(Vec::new())).await;
    spoil(it, "/containers/mongodb/mountPoints", |found| {
        mongodb(found).mount_points.as_mut().expect("mounts").truncate(1);
    })
    .await;
    let option = |found: &mut EcsTaskDefinition, key: &str, value: &str| {
        let options = mongodb(found).log_configuration.as_mut().and_then(|logs| logs.options.as_mut()).expect("options");
        options.insert(key.to_owned(), value.to_owned());
    };
    spoil(it, "/containers/mongodb/logs/group", |found| option(found, "awslogs-group", "/other")).await;
    spoil(it, "/containers/mongodb/logs/streamPrefix", |found| option(found, "awslogs-stream-prefix", "other")).await;
    spoil(it, "/containers/mongodb/logs/mode", |found| option(found, "mode", "blocking")).await;
    spoil(it, "/containers/init", |found| {
        found.container_definitions.as_mut().expect("containers").retain(|container| container.name.as_deref() == Some("mongodb"))
    })
    .await;
}

#[tokio::test]
async fn a_field_taken_out_of_the_document_makes_a_revision() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let mut subject = task_definition(&aws);
    subject.spec["containers"][0]["command"] = json!(["mongod"]);
    subject.converge().await;
    subject.spec = task_definition_spec();
    subject.repairs(&["/revision"], &["ECS:RegisterTaskDefinition"]).await;
    subject.rests().await;
}

#[tokio::test]
async fn what_is_not_known_yet_is_waited_for() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let mut subject = task_definition(&aws);
    subject.spec["executionRole"] = json!({"ref": "Role/p8-task-execution"});
    assert!(matches!(subject.look().await.standing, Standing::Absent), "looking needs no role");
    let failure = subject.kind.apply(&subject.meta, &subject.spec, &meteoctl_engine::kind::Change::Create).await.expect_err("no role yet");
    assert_eq!(failure.to_string(), "known after Role/p8-task-execution");
}
