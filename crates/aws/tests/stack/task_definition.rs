//! The TaskDefinition kind.

use aws_sdk_ecs::types::{ContainerDefinition, KeyValuePair, TaskDefinition as EcsTaskDefinition, TaskDefinitionField};
use meteoctl_aws::client::Aws;
use meteoctl_engine::kind::Standing;
use serde_json::json;

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
        .set_container_definitions(found.container_definitions)
        .set_tags(tagged.then(|| answer.tags.unwrap_or_default()).filter(|tags| !tags.is_empty()))
        .send()
        .await
        .expect("registered");
}

fn first(found: &mut EcsTaskDefinition) -> &mut ContainerDefinition {
    found.container_definitions.as_mut().and_then(|all| all.first_mut()).expect("a container")
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
    register_by_hand(&aws, |found| first(found).image = Some("mongo:6.0".into()), true).await;
    subject.repairs(&["/containers/mongodb/image"], REGISTER).await;
    register_by_hand(&aws, |found| first(found).secrets.as_mut().expect("secrets").truncate(1), true).await;
    subject.repairs(&["/containers/mongodb/secrets/MONGO_INITDB_ROOT_USERNAME"], REGISTER).await;
    register_by_hand(&aws, |found| first(found).log_configuration = None, true).await;
    subject.repairs(&["/containers/mongodb/logs"], REGISTER).await;
    let extra = KeyValuePair::builder().name("EXTRA").value("1").build();
    register_by_hand(&aws, |found| first(found).environment = Some(vec![extra]), false).await;
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
    let mut spec = task_definition_spec();
    spec["taskRole"] = json!("arn:aws:iam::123456789012:role/p8-task");
    spec["architecture"] = json!("ARM64");
    spec["ephemeralStorage"] = json!(30);
    spec["volumes"] = json!([
        {"name": "scratch"},
        {"name": "data", "fileSystem": "fs-0123", "accessPoint": "fsap-0123", "iam": true},
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
    let subject = Subject::new(&aws, "TaskDefinition", FAMILY, spec);
    let sight = subject.converge().await;
    assert_eq!(sight.outputs["fileSystems"], json!(["fs-0123"]));
    subject.rests().await;
    assert_eq!(subject.writes().values().sum::<u64>(), 1);
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
