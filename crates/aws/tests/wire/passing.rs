//! Throttling and breathlessness, in every service's own shape: all of it passes.

use serde_json::json;

use crate::replay::{Answer, Canned, on};

async fn passes(kind: &str, spec: serde_json::Value, answer: Answer) {
    let failure = Canned::new(kind, "name", spec, vec![answer]).try_look().await.expect_err("a failure");
    assert!(failure.is_transient(), "{kind}: {failure}: {:?}", failure.causes());
}

#[tokio::test]
async fn throttling_passes_in_every_shape() {
    passes("Bucket", json!({}), on("GET").s3_error(503, "SlowDown")).await;
    passes("Bucket", json!({}), on("GET").s3_error(503, "ServiceUnavailable")).await;
    passes("Bucket", json!({}), on("GET").s3_error(500, "InternalError")).await;
    passes("SecurityGroup", json!({"description": "x"}), on("POST").ec2_error(503, "RequestLimitExceeded")).await;
    passes("SecurityGroup", json!({"description": "x"}), on("POST").ec2_error(503, "Unavailable")).await;
    passes("Role", json!({"assumedBy": "x"}), on("POST").query_error(400, "Throttling", "Rate exceeded")).await;
    passes("Stack", json!({}), on("POST").query_error(400, "Throttling", "Rate exceeded")).await;
    passes("LogGroup", json!({}), on("POST").json_error(400, "ThrottlingException")).await;
    passes("LogGroup", json!({}), on("POST").json_error(400, "ServiceUnavailableException")).await;
    passes("Secret", json!({"generate": {}}), on("POST").json_error(400, "ThrottlingException")).await;
    passes("Secret", json!({"generate": {}}), on("POST").json_error(500, "InternalServiceError")).await;
    passes("Cluster", json!({}), on("POST").json_error(400, "ThrottlingException")).await;
    passes("Cluster", json!({}), on("POST").json_error(500, "ServerException")).await;
    passes("TaskDefinition", crate::ecs::definition(), on("POST").json_error(400, "ThrottlingException")).await;
    passes("Service", crate::ecs_tasks::service("task"), on("POST").json_error(400, "ThrottlingException")).await;
    passes("Service", crate::ecs_tasks::service("service"), on("POST").json_error(503, "ServiceUnavailableException")).await;
    passes("Schedule", crate::scheduler::nightly(), on("GET").rest_error(429, "ThrottlingException", "Rate exceeded")).await;
    passes("Schedule", crate::scheduler::nightly(), on("GET").rest_error(500, "InternalServerException", "try again")).await;
    let throttled = json!({"__type": "com.amazonaws.cloudwatch#ThrottlingException", "message": "Rate exceeded"});
    passes("Alarm", crate::cloudwatch::no_task(), on("POST").status(400).cbor(&throttled)).await;
    passes("Repository", json!({}), on("POST").json_error(400, "ThrottlingException")).await;
    passes("FileSystem", json!({}), on("GET").status(429).header("x-amzn-errortype", "TooManyRequests").body("{}")).await;
    passes("FileSystem", json!({}), on("GET").status(500).header("x-amzn-errortype", "InternalServerError").body("{}")).await;
}

#[tokio::test]
async fn a_permission_that_is_missing_does_not_pass() {
    for (kind, spec, answer) in [
        ("Role", json!({"assumedBy": "x"}), on("POST").query_error(403, "AccessDenied", "not authorized to perform: iam:GetRole")),
        ("SecurityGroup", json!({"description": "x"}), on("POST").ec2_error(403, "UnauthorizedOperation")),
        ("LogGroup", json!({}), on("POST").json_error(400, "AccessDeniedException")),
        ("Secret", json!({"generate": {}}), on("POST").json_error(400, "AccessDeniedException")),
    ] {
        let failure = Canned::new(kind, "name", spec, vec![answer]).try_look().await.expect_err("a failure");
        assert!(!failure.is_transient(), "{kind}: {failure}");
        assert!(failure.hint.as_deref().unwrap_or_default().contains("iam-policy"), "{kind}: {failure:?}");
    }
}
