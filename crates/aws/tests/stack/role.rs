//! The Role kind.

use serde_json::{Value, json};

use crate::support::{Backend, Subject, aws};

const EXECUTION: &str = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";

fn reference() -> Value {
    json!({
        "assumedBy": "ecs-tasks.amazonaws.com",
        "description": "pulls images, writes logs",
        "maxSessionSeconds": 3600,
        "permissionsBoundary": "none",
        "managedPolicies": ["service-role/AmazonECSTaskExecutionRolePolicy"],
        "inlinePolicies": [{"name": "read-secret", "statements": [{
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": {"ref": "Secret/p8/mongodb", "outputs": {"arn": "arn:aws:secretsmanager:eu-west-3:123456789012:secret:p8/mongodb-AbCdEf"}},
        }]}],
        "tags": {"owner": "data"},
    })
}

#[tokio::test]
async fn converges_on_moto() {
    converges(Backend::Moto).await;
}

#[tokio::test]
async fn converges_on_localstack() {
    converges(Backend::LocalStack).await;
}

async fn converges(backend: Backend) {
    let Some(aws) = aws(backend).await else { return };
    let name = "p8-task-execution";
    let role = Subject::new(&aws, "Role", name, reference());
    let sight = role.converge().await;
    assert!(sight.outputs["arn"].as_str().is_some_and(|arn| arn.ends_with(":role/p8-task-execution")), "{:?}", sight.outputs);
    role.rests().await;
    let iam = &aws.iam;

    iam.detach_role_policy().role_name(name).policy_arn(EXECUTION).send().await.expect("detached");
    role.repairs(&["/managedPolicies"], &["IAM:AttachRolePolicy"]).await;
    iam.attach_role_policy().role_name(name).policy_arn("arn:aws:iam::aws:policy/AdministratorAccess").send().await.expect("attached");
    role.repairs(&["/managedPolicies"], &["IAM:DetachRolePolicy"]).await;

    let wide = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}).to_string();
    iam.put_role_policy().role_name(name).policy_name("read-secret").policy_document(&wide).send().await.expect("written");
    role.repairs(&["/inlinePolicies/read-secret/statements"], &["IAM:PutRolePolicy"]).await;
    iam.put_role_policy().role_name(name).policy_name("theirs").policy_document(&wide).send().await.expect("written");
    role.repairs(&["/inlinePolicies/theirs"], &["IAM:DeleteRolePolicy"]).await;

    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    iam.update_assume_role_policy().role_name(name).policy_document(trust.to_string()).send().await.expect("written");
    role.repairs(&["/assumedBy"], &["IAM:UpdateAssumeRolePolicy"]).await;

    iam.update_role().role_name(name).description("else").max_session_duration(3600).send().await.expect("written");
    role.repairs(&["/description"], &["IAM:UpdateRole"]).await;
    iam.update_role().role_name(name).description("pulls images, writes logs").max_session_duration(7200).send().await.expect("written");
    role.repairs(&["/maxSessionSeconds"], &["IAM:UpdateRole"]).await;
    iam.put_role_permissions_boundary().role_name(name).permissions_boundary(EXECUTION).send().await.expect("bounded");
    role.repairs(&["/permissionsBoundary"], &["IAM:DeleteRolePermissionsBoundary"]).await;
    iam.untag_role().role_name(name).tag_keys("owner").send().await.expect("untagged");
    role.repairs(&["/tags/owner"], &["IAM:TagRole"]).await;
    role.rests().await;
    role.remove().await;
}

#[tokio::test]
async fn a_secret_that_is_not_there_yet_is_waited_for() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let mut spec = reference();
    spec["inlinePolicies"][0]["statements"][0]["Resource"] = json!({"ref": "Secret/p8/mongodb"});
    let role = Subject::new(&aws, "Role", "waiting", spec);
    // The look needs nothing from the secret.
    assert!(matches!(role.look().await.standing, meteoctl_engine::kind::Standing::Absent));
}
