//! ECS as it is: tasks and services, and what it says when they do not stay.

use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::ecs::tags;
use crate::replay::{Answer, Canned, on, passing, refused};

const ARN: &str = "arn:aws:ecs:eu-west-3:123456789012";

pub fn service(launch: &str) -> Value {
    json!({
        "cluster": {"ref": "Cluster/c", "outputs": {"name": "c", "arn": format!("{ARN}:cluster/c")}},
        "taskDefinition": {"ref": "TaskDefinition/t", "outputs": {"arn": format!("{ARN}:task-definition/t:1")}},
        "launch": launch, "subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": true, "storage": "ephemeral",
    })
}

fn task(id: &str, status: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut task = json!({
        "taskArn": format!("{ARN}:task/c/{id}"), "clusterArn": format!("{ARN}:cluster/c"), "launchType": "FARGATE",
        "taskDefinitionArn": format!("{ARN}:task-definition/t:1"), "lastStatus": status, "desiredStatus": "RUNNING",
        "createdAt": 1_760_000_000.5, "startedBy": "x", "group": "family:t", "healthStatus": "UNKNOWN", "tags": tags("Service/mongodb"),
        "attachments": [{"id": "a", "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": [
            {"name": "subnetId", "value": "subnet-1"}, {"name": "networkInterfaceId", "value": "eni-1"}]}],
        "containers": [{"name": "mongodb", "lastStatus": status}],
    });
    change(&mut task);
    task
}

/// A task that stopped because its container was killed.
fn killed(id: &str) -> Value {
    task(id, "STOPPED", |task| {
        task["desiredStatus"] = json!("STOPPED");
        task["stopCode"] = json!("EssentialContainerExited");
        task["stoppedReason"] = json!("Essential container in task exited");
        task["containers"][0] = json!({"name": "mongodb", "lastStatus": "STOPPED", "exitCode": 137,
            "reason": "OutOfMemoryError: Container killed due to memory usage"});
    })
}

fn listed(status: &str, ids: &[&str]) -> Answer {
    let arns: Vec<String> = ids.iter().map(|id| format!("{ARN}:task/c/{id}")).collect();
    let words = if status == "STOPPED" { "ListTasks \"desiredStatus\":\"STOPPED\"" } else { "ListTasks \"desiredStatus\":\"RUNNING\"" };
    on(words).body(json!({"taskArns": arns}))
}

fn described(tasks: &[Value]) -> Answer {
    on("DescribeTasks").body(json!({"tasks": tasks, "failures": []}))
}

fn no_service() -> Answer {
    on("DescribeServices").body(json!({"services": [], "failures": [{"arn": format!("{ARN}:service/c/mongodb"), "reason": "MISSING"}]}))
}

fn interface(address: &str) -> Answer {
    on("DescribeNetworkInterfaces").body(format!(
        "<DescribeNetworkInterfacesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><networkInterfaceSet><item>\
         <networkInterfaceId>eni-1</networkInterfaceId><privateIpAddress>172.31.0.9</privateIpAddress>\
         <groupSet><item><groupId>sg-1</groupId></item></groupSet>{address}</item></networkInterfaceSet></DescribeNetworkInterfacesResponse>"
    ))
}

fn canned(launch: &str, answers: Vec<Answer>) -> Canned {
    Canned::new("Service", "mongodb", service(launch), answers)
}

#[tokio::test]
async fn running_is_not_ready_before_the_address_is_there() {
    let with = |address| canned("task", vec![listed("RUNNING", &["t1"]), described(&[task("t1", "RUNNING", |_| {})]), interface(address)]);
    let sight = with("<association><publicIp>203.0.113.9</publicIp></association>").in_sync().await;
    assert_eq!(sight.outputs["endpoint"], "203.0.113.9:27017");
    let Standing::Settling(why) = with("").look().await.standing else { panic!("no address yet") };
    assert_eq!(why, "RUNNING, without a public address so far");
    let fresh = canned(
        "task",
        vec![listed("RUNNING", &["t1"]), described(&[task("t1", "PROVISIONING", |task| task["attachments"][0]["details"] = json!([]))])],
    );
    assert!(matches!(fresh.look().await.standing, Standing::Settling(why) if why.starts_with("PROVISIONING")));
    let lost = on("DescribeNetworkInterfaces").ec2_error(400, "InvalidNetworkInterfaceID.NotFound");
    let early = canned("task", vec![listed("RUNNING", &["t1"]), described(&[task("t1", "RUNNING", |_| {})]), lost]);
    assert!(matches!(early.look().await.standing, Standing::Settling(_)), "EC2 learns of an interface later than ECS");
}

#[tokio::test]
async fn tasks_come_from_every_page_and_may_be_gone_by_then() {
    let second =
        on("ListTasks \"desiredStatus\":\"RUNNING\" \"nextToken\":\"more\"").body(json!({"taskArns": [format!("{ARN}:task/c/t2")]}));
    let first = on("ListTasks \"desiredStatus\":\"RUNNING\"").body(json!({"nextToken": "more", "taskArns": [format!("{ARN}:task/c/t1")]}));
    let gone = json!([{"arn": format!("{ARN}:task/c/t1"), "reason": "MISSING"}]);
    let answer = on("DescribeTasks t1 t2").body(json!({"tasks": [task("t2", "RUNNING", |_| {})], "failures": gone}));
    let found = canned("task", vec![second, first, answer, interface("<association><publicIp>203.0.113.9</publicIp></association>")]);
    assert_eq!(found.in_sync().await.outputs["taskArn"], format!("{ARN}:task/c/t2"));

    let odd = json!([{"arn": format!("{ARN}:task/c/t1"), "reason": "ACCESS_DENIED"}]);
    let odd = on("DescribeTasks").body(json!({"tasks": [], "failures": odd}));
    let failure = canned("task", vec![listed("RUNNING", &["t1"]), odd]).try_look().await.expect_err("a failure in a success");
    assert!(failure.causes()[0].contains("ACCESS_DENIED"), "{:?}", failure.causes());
    let no_cluster = canned("task", vec![on("ListTasks").ecs_error("ClusterNotFoundException", "Cluster not found.")]);
    assert!(matches!(no_cluster.look().await.standing, Standing::Absent));
}

fn start(answer: Answer) -> Canned {
    canned("task", vec![listed("STOPPED", &[]), listed("RUNNING", &[]), no_service(), answer])
}

#[tokio::test]
async fn a_start_that_fails_within_a_success_is_a_failure() {
    let failures = |reason: &str| on("RunTask").body(json!({"tasks": [], "failures": [{"reason": reason}]}));
    passing(
        start(failures("Capacity is unavailable at this time. Please try again later or in a different availability zone")).create().await,
    );
    refused(start(failures("RESOURCE:MEMORY")).create().await);
    passing(start(on("RunTask").body(json!({"tasks": [], "failures": []}))).create().await);
}

#[tokio::test]
async fn only_known_complaints_about_roles_pass() {
    let says = |message: &str| start(on("RunTask").ecs_error("ClientException", message));
    passing(says("ECS was unable to assume the role 'arn:aws:iam::123456789012:role/r' that was provided for this task.").create().await);
    passing(says("Unable to assume the service linked role. Please verify that the ECS service linked role exists.").create().await);
    refused(says("TaskDefinition is inactive").create().await);
    let denied = start(on("RunTask").ecs_error("AccessDeniedException", "User is not authorized to perform: iam:PassRole"));
    assert!(refused(denied.create().await).contains("iam-policy"));
}

/// What is known of the container's log, and its last line.
fn log() -> [Answer; 2] {
    let definition = json!({"taskDefinition": {"family": "t", "revision": 1, "containerDefinitions": [{"name": "mongodb", "image": "mongo:7.0",
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/m", "awslogs-stream-prefix": "mongo"}}}]}});
    let events = json!({"events": [{"timestamp": 1, "message": "WiredTiger error: out of memory"}], "nextForwardToken": "f/1"});
    [on("DescribeTaskDefinition").body(definition), on("GetLogEvents").body(events)]
}

#[tokio::test]
async fn a_task_that_does_not_stay_explains_itself_and_the_third_time_is_the_last() {
    // Stopped tasks as they are listed: before and after each of three starts.
    let stopped: [&[&str]; 6] = [&[], &["t1"], &["t1"], &["t1", "t2"], &["t1", "t2"], &["t1", "t2", "t3"]];
    let mut answers: Vec<Answer> = stopped.iter().map(|ids| listed("STOPPED", ids)).collect();
    answers.extend([listed("RUNNING", &[]), no_service()]);
    answers.extend(stopped.iter().filter(|ids| !ids.is_empty()).map(|ids| described(&ids.iter().map(|id| killed(id)).collect::<Vec<_>>())));
    answers.extend(["t1", "t2", "t3"].map(|id| on("RunTask").body(json!({"tasks": [task(id, "PROVISIONING", |_| {})], "failures": []}))));
    answers.extend(log());
    let service = canned("task", answers);
    for time in 1..=3 {
        service.create().await.expect("started");
        let failure = service.try_look().await.expect_err("it stopped");
        let told = failure.causes().join("\n");
        for words in ["EssentialContainerExited", "exit code 137", "OutOfMemoryError", "last 1 lines of its log", "WiredTiger error"] {
            assert!(told.contains(words), "`{words}` is missing: {told}");
        }
        assert_eq!(told.contains(&format!("for the {time}. time for the same reason")), time > 1, "{told}");
        assert!(failure.hint.as_deref().unwrap_or_default().contains("raise `memory`"), "{failure:?}");
    }
    let asked = service.replay.requests("GetLogEvents");
    assert!(asked[0].contains("\"limit\":20") && asked[0].contains("mongo/mongodb/t1"), "{asked:?}");
    let failure = service.try_look().await.expect_err("it is given up");
    assert!(failure.causes()[0].contains("three tasks in a row stopped for the same reason"), "{:?}", failure.causes());
    assert_eq!(service.replay.requests("RunTask").len(), 3);
}

#[tokio::test]
async fn starts_of_earlier_runs_are_counted_from_what_ecs_still_lists() {
    // Two failed starts of runs that have ended, then a third one of this run.
    let tasks: Vec<Value> = ["t1", "t2", "t3"].map(killed).to_vec();
    let mut answers = vec![listed("STOPPED", &["t1", "t2"]), listed("STOPPED", &["t1", "t2", "t3"]), listed("RUNNING", &[]), no_service()];
    answers.extend([described(&tasks[..2]), described(&tasks)]);
    answers.push(on("RunTask").body(json!({"tasks": [task("t3", "PROVISIONING", |_| {})], "failures": []})));
    answers.extend(log());
    let service = canned("task", answers);
    service.create().await.expect("a person asked for it, so it is tried");
    let failure = service.try_look().await.expect_err("it stopped");
    assert!(failure.causes()[0].contains("for the 3. time for the same reason"), "{:?}", failure.causes());
    let failure = service.try_look().await.expect_err("it is given up");
    assert!(failure.causes()[0].contains("three tasks in a row stopped for the same reason"), "{:?}", failure.causes());
}

/// Every likely cause of the issue that users meet, with ECS's own words and codes.
#[tokio::test]
async fn each_known_reason_is_told_with_its_code_and_its_likely_cause() {
    let cases = [
        (
            "TaskFailedToStart",
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/library/mong:7.0: docker.io/library/mong:7.0: not found",
            "check name, tag",
        ),
        ("EssentialContainerExited", "OutOfMemoryError: Container killed due to memory usage", "raise `memory`"),
        (
            "TaskFailedToStart",
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
            "log group",
        ),
        (
            "TaskFailedToStart",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue",
            "may not read the secret",
        ),
        (
            "TaskFailedToStart",
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
            "no room in these zones",
        ),
    ];
    for (code, reason, cause) in cases {
        let stopped = task("t1", "STOPPED", |task| {
            task["desiredStatus"] = json!("STOPPED");
            task["stopCode"] = json!(code);
            task["stoppedReason"] = json!(reason);
        });
        let mut answers =
            vec![listed("STOPPED", &[]), listed("STOPPED", &["t1"]), listed("RUNNING", &[]), no_service(), described(&[stopped])];
        answers.push(on("RunTask").body(json!({"tasks": [task("t1", "PROVISIONING", |_| {})], "failures": []})));
        answers.extend(log());
        let service = canned("task", answers);
        service.create().await.expect("started");
        let failure = service.try_look().await.expect_err("it stopped");
        let (told, hint) = (failure.causes().join("\n"), failure.hint.clone().unwrap_or_default());
        assert!(told.contains(code) && told.contains(reason) && told.contains("WiredTiger error"), "{told}");
        assert!(hint.contains(cause), "{reason}: {hint}");
    }
}

#[tokio::test]
async fn deployment_rules_changed_by_hand_are_set_back() {
    let mut spec = service("service");
    spec["deployment"] = json!({"minimumHealthyPercent": 0, "maximumPercent": 200, "circuitBreaker": true, "rollback": true});
    let running = task("t1", "RUNNING", |task| task["group"] = json!("service:mongodb"));
    let answers = vec![
        managed("ACTIVE", &in_progress()),
        listed("RUNNING", &["t1"]),
        described(&[running]),
        interface("<association><publicIp>203.0.113.9</publicIp></association>"),
        on("UpdateService").body(json!({"service": {}})),
    ];
    let service = Canned::new("Service", "mongodb", spec, answers);
    let Standing::Drifted(diff) = service.look().await.standing else { panic!("the rules differ") };
    assert_eq!(diff.paths(), ["/deployment/maximumPercent", "/deployment/rollback"]);
    service.update().await.expect("changed");
    let sent = &service.replay.requests("UpdateService")[0];
    assert!(sent.contains("\"maximumPercent\":200") && sent.contains("\"rollback\":true"), "{sent}");
    assert!(!sent.contains("desiredCount") && !sent.contains("networkConfiguration"), "what does not differ is not sent: {sent}");
}

fn managed(status: &str, deployment: &Value) -> Answer {
    on("DescribeServices").body(json!({"failures": [], "services": [{
        "serviceArn": format!("{ARN}:service/c/mongodb"), "serviceName": "mongodb", "clusterArn": format!("{ARN}:cluster/c"), "status": status,
        "desiredCount": 1, "runningCount": 0, "pendingCount": 1, "launchType": "FARGATE", "taskDefinition": format!("{ARN}:task-definition/t:1"),
        "deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 0, "deploymentCircuitBreaker": {"enable": true, "rollback": false}},
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}},
        "deployments": [deployment], "events": [], "tags": tags("Service/mongodb"), "schedulingStrategy": "REPLICA"}]}))
}

fn in_progress() -> Value {
    json!({"id": "ecs-svc/1", "status": "PRIMARY", "desiredCount": 1, "pendingCount": 1, "runningCount": 0, "rolloutState": "IN_PROGRESS",
        "rolloutStateReason": "ECS deployment ecs-svc/1 in progress."})
}

#[tokio::test]
async fn a_service_that_drains_or_is_gone_is_told_apart() {
    let with = |status| canned("service", vec![managed(status, &in_progress()), listed("RUNNING", &[]), listed("STOPPED", &[])]);
    assert!(matches!(with("INACTIVE").look().await.standing, Standing::Absent));
    let Standing::Settling(why) = with("DRAINING").look().await.standing else { panic!("on its way out") };
    assert!(why.starts_with("DRAINING"), "{why}");
    let Standing::Settling(why) = with("ACTIVE").look().await.standing else { panic!("on its way") };
    assert!(why.contains("in progress"), "{why}");
    let drains = "Unable to Start a service that is still Draining.";
    let again =
        canned("service", vec![no_service(), listed("RUNNING", &[]), on("CreateService").ecs_error("InvalidParameterException", drains)]);
    passing(again.create().await);
}

#[tokio::test]
async fn a_deployment_whose_tasks_stop_three_times_for_the_same_reason_is_ended() {
    let of_deployment = |id: &str| {
        let mut task = killed(id);
        task["startedBy"] = json!("ecs-svc/1");
        task
    };
    let with = |ids: &[&str], deployment: &Value| {
        let tasks: Vec<Value> = ids.iter().map(|id| of_deployment(id)).collect();
        let mut answers = vec![managed("ACTIVE", deployment), listed("RUNNING", &[]), listed("STOPPED", ids), described(&tasks)];
        answers.extend(log());
        canned("service", answers)
    };
    assert!(matches!(with(&["t1", "t2"], &in_progress()).look().await.standing, Standing::Settling(_)), "twice may be chance");
    let failure = with(&["t1", "t2", "t3"], &in_progress()).try_look().await.expect_err("three times");
    assert!(failure.causes()[0].contains("for the 3. time for the same reason"), "{:?}", failure.causes());
    let mut given_up = in_progress();
    given_up["rolloutState"] = json!("FAILED");
    let failure = with(&["t1"], &given_up).try_look().await.expect_err("ECS has given up");
    assert!(failure.causes()[0].contains("WiredTiger error"), "{:?}", failure.causes());
}
