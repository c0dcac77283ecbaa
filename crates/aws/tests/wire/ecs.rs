//! ECS as it is: clusters and task definitions.

use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::replay::{Answer, Canned, on, passing, refused};

const ARN: &str = "arn:aws:ecs:eu-west-3:123456789012";

pub fn definition() -> Value {
    json!({"cpu": 256, "memory": 512, "containers": [{"name": "mongodb", "image": "mongo:7.0", "ports": [27017]}]})
}

pub fn tags(document: &str) -> Value {
    json!([{"key": "meteoctl:stack", "value": "proof"}, {"key": "meteoctl:document", "value": document}])
}

fn cluster(status: &str) -> Answer {
    on("DescribeClusters").body(json!({"failures": [], "clusters": [{
        "clusterArn": format!("{ARN}:cluster/c"), "clusterName": "c", "status": status, "registeredContainerInstancesCount": 0,
        "runningTasksCount": 1, "pendingTasksCount": 0, "activeServicesCount": 0, "statistics": [], "tags": tags("Cluster/c"),
        "settings": [{"name": "containerInsights", "value": "disabled"}], "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        "defaultCapacityProviderStrategy": []}]}))
}

fn failed(reason: &str) -> Answer {
    on("DescribeClusters").body(json!({"clusters": [], "failures": [{"arn": format!("{ARN}:cluster/c"), "reason": reason}]}))
}

fn look_at(answer: Answer) -> Canned {
    Canned::new("Cluster", "c", json!({"capacityProviders": ["FARGATE_SPOT", "FARGATE"], "containerInsights": "disabled"}), vec![answer])
}

#[tokio::test]
async fn a_cluster_is_there_only_while_ecs_does_not_say_otherwise() {
    look_at(cluster("ACTIVE")).in_sync().await;
    assert!(matches!(look_at(cluster("INACTIVE")).look().await.standing, Standing::Absent), "a deleted one is shown for some time");
    assert!(matches!(look_at(failed("MISSING")).look().await.standing, Standing::Absent));
    for on_its_way in ["PROVISIONING", "DEPROVISIONING"] {
        let Standing::Settling(why) = look_at(cluster(on_its_way)).look().await.standing else { panic!("{on_its_way} settles") };
        assert_eq!(why, on_its_way);
    }
}

#[tokio::test]
async fn an_answer_that_names_neither_cluster_nor_reason_decides_nothing() {
    let failure = look_at(on("DescribeClusters").body(json!({"clusters": [], "failures": []}))).try_look().await.expect_err("unclear");
    assert!(failure.is_transient(), "{failure}");
    let failure = look_at(failed("ACCESS_DENIED")).try_look().await.expect_err("a reason");
    assert!(!failure.is_transient() && failure.causes()[0].contains("ACCESS_DENIED"), "{:?}", failure.causes());
}

#[tokio::test]
async fn a_change_that_meets_another_one_passes() {
    let create = |code: &str, message: &str| Canned::new("Cluster", "c", json!({}), vec![on("CreateCluster").ecs_error(code, message)]);
    let role = "Unable to assume the service linked role. Please verify that the ECS service linked role exists.";
    passing(create("InvalidParameterException", role).create().await);
    refused(create("InvalidParameterException", "Cluster name can't be blank.").create().await);
    let providers = Canned::new(
        "Cluster",
        "c",
        json!({"capacityProviders": ["FARGATE"]}),
        vec![
            cluster("ACTIVE"),
            on("PutClusterCapacityProviders")
                .ecs_error("UpdateInProgressException", "There's already a current Amazon ECS update in progress."),
        ],
    );
    passing(providers.update().await);
}

#[tokio::test]
async fn a_cluster_that_still_holds_tasks_says_so() {
    let held = Canned::new(
        "Cluster",
        "c",
        json!({}),
        vec![
            cluster("ACTIVE"),
            on("DeleteCluster").ecs_error("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."),
        ],
    );
    let failure = held.delete().await.expect_err("held");
    assert!(failure.hint.as_deref().unwrap_or_default().contains("1 tasks are still in cluster c"), "{failure:?}");
    passing(Err(failure));
}

/// What DescribeTaskDefinition tells, with everything ECS fills in by itself.
fn revision(number: u32, status: &str, tags: Value) -> Value {
    json!({"tags": tags, "taskDefinition": {
        "taskDefinitionArn": format!("{ARN}:task-definition/t:{number}"), "family": "t", "revision": number, "status": status,
        "networkMode": "awsvpc", "cpu": "256", "memory": "512", "volumes": [], "placementConstraints": [],
        "requiresAttributes": [{"name": "ecs.capability.task-eni"}], "compatibilities": ["EC2", "FARGATE"],
        "requiresCompatibilities": ["FARGATE"], "registeredAt": 1_760_000_000.5, "registeredBy": "arn:aws:iam::123456789012:root",
        "containerDefinitions": [{
            "name": "mongodb", "image": "mongo:7.0", "cpu": 0, "essential": true, "environment": [], "mountPoints": [], "volumesFrom": [],
            "systemControls": [], "portMappings": [{"containerPort": 27017, "hostPort": 27017, "protocol": "tcp"}]}],
    }})
}

fn latest(answer: &Value) -> Answer {
    on("DescribeTaskDefinition \"taskDefinition\":\"t\"").body(answer)
}

fn task_definition(answers: Vec<Answer>) -> Canned {
    Canned::new("TaskDefinition", "t", definition(), answers)
}

#[tokio::test]
async fn what_ecs_fills_in_is_no_difference() {
    let ours = tags("TaskDefinition/t");
    let first = task_definition(vec![latest(&revision(3, "ACTIVE", ours.clone()))]).look().await;
    let Standing::Drifted(diff) = first.standing else { panic!("nothing tells what it was registered from") };
    assert_eq!(diff.paths(), ["/revision"], "no field differs");
    let mut complete = ours;
    complete.as_array_mut().expect("a list").push(json!({"key": "meteoctl:digest", "value": first.outputs["digest"]}));
    let sight = task_definition(vec![latest(&revision(3, "ACTIVE", complete))]).in_sync().await;
    assert_eq!((sight.outputs["revision"].clone(), sight.outputs["fileSystems"].clone()), (json!(3), json!([])));
}

#[tokio::test]
async fn only_active_revisions_count() {
    let unknown = |message: &str| on("DescribeTaskDefinition").ecs_error("ClientException", message);
    let none = task_definition(vec![unknown("Unable to describe task definition.")]);
    assert!(matches!(none.look().await.standing, Standing::Absent));
    task_definition(vec![unknown("Tags is invalid.")]).try_look().await.expect_err("another complaint");

    let gone = revision(4, "INACTIVE", tags("TaskDefinition/t"));
    let none = task_definition(vec![latest(&gone), on("ListTaskDefinitions").body(json!({"taskDefinitionArns": []}))]);
    assert!(matches!(none.look().await.standing, Standing::Absent), "a family of deregistered revisions is not there");
    let earlier = task_definition(vec![
        latest(&gone),
        on("ListTaskDefinitions \"nextToken\":\"more\"").body(json!({"taskDefinitionArns": [format!("{ARN}:task-definition/t:2")]})),
        on("ListTaskDefinitions").body(json!({"nextToken": "more", "taskDefinitionArns": [format!("{ARN}:task-definition/t-other:9")]})),
        on("DescribeTaskDefinition task-definition/t:2").body(revision(2, "ACTIVE", tags("TaskDefinition/t"))),
    ]);
    assert_eq!(earlier.look().await.outputs["revision"], 2, "the newest ACTIVE one, from whichever page");
}

#[tokio::test]
async fn removing_a_family_of_ours_takes_along_what_was_registered_by_hand() {
    let arn = |number: u32| format!("{ARN}:task-definition/t:{number}");
    let theirs = json!([{"key": "meteoctl:stack", "value": "other"}]);
    let family = task_definition(vec![
        on("ListTaskDefinitions").body(json!({"taskDefinitionArns": [arn(3), arn(2), arn(1)]})),
        on("DescribeTaskDefinition task-definition/t:3").body(revision(3, "ACTIVE", json!([]))),
        on("DescribeTaskDefinition task-definition/t:2").body(revision(2, "ACTIVE", theirs)),
        on("DescribeTaskDefinition task-definition/t:1").body(revision(1, "ACTIVE", tags("TaskDefinition/t"))),
        on("DeregisterTaskDefinition").body(json!({})),
    ]);
    family.delete().await.expect("removed");
    let removed = family.replay.requests("DeregisterTaskDefinition");
    assert!(
        removed.len() == 2 && removed[0].contains("t:3") && removed[1].contains("t:1"),
        "ours last, another stack's never: {removed:?}"
    );
}
