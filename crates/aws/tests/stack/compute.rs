//! What the compute kinds need around them: a network, a cluster, a task definition.

use std::sync::Arc;

use aws_sdk_ec2::types::Filter;
use meteoctl_aws::client::Aws;
use meteoctl_engine::kind::Sight;
use serde_json::{Value, json};

use crate::support::Subject;

pub const CLUSTER: &str = "p8-mongodb-cluster-v2";
pub const FAMILY: &str = "p8-mongodb-task";

/// A reference with the outputs that the engine would have put there.
pub fn linked(target: &str, sight: &Sight) -> Value {
    json!({"ref": target, "outputs": sight.outputs})
}

/// The default security group of the default VPC: it is there in every account.
pub async fn security_group(aws: &Aws, name: &str) -> String {
    let vpcs = aws.ec2.describe_vpcs().filters(Filter::builder().name("is-default").values("true").build()).send().await.expect("vpcs");
    let vpc = vpcs.vpcs().first().and_then(|vpc| vpc.vpc_id()).expect("a default VPC").to_owned();
    let made = aws.ec2.create_security_group().group_name(name).description("test").vpc_id(vpc).send().await.expect("a group");
    made.group_id().expect("an id").to_owned()
}

pub fn cluster(aws: &Arc<Aws>) -> Subject {
    Subject::new(aws, "Cluster", CLUSTER, json!({"capacityProviders": ["FARGATE"]}))
}

/// The reference stack's task definition.
pub fn task_definition_spec() -> Value {
    json!({
        "cpu": 256,
        "memory": 512,
        "executionRole": {"ref": "Role/p8-task-execution", "outputs": {"arn": "arn:aws:iam::123456789012:role/p8-task-execution"}},
        "containers": [{
            "name": "mongodb",
            "image": "mongo:7.0",
            "ports": [27017],
            "secrets": {
                "MONGO_INITDB_ROOT_USERNAME": secret("username"),
                "MONGO_INITDB_ROOT_PASSWORD": secret("password"),
            },
            "logs": {"group": {"ref": "LogGroup//ecs/mongodb-task-p8", "outputs": {"name": "/ecs/mongodb-task-p8"}}, "streamPrefix": "mongo"},
        }],
    })
}

fn secret(key: &str) -> Value {
    let arn = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:p8/mongodb-AbCdEf";
    json!({"ref": "Secret/p8/mongodb", "key": key, "outputs": {"arn": arn}})
}

pub fn task_definition(aws: &Arc<Aws>) -> Subject {
    Subject::new(aws, "TaskDefinition", FAMILY, task_definition_spec())
}
