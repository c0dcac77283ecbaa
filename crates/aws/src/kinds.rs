//! One file a kind. [`all`] is the list of them, [`actions`] the permissions each needs.

use std::sync::Arc;

use meteoctl_engine::kind::AnyKind;

use crate::client::Aws;
use crate::policy::Action;

pub mod alarm;
pub mod bucket;
pub mod cluster;
pub mod file_system;
pub mod log_group;
pub mod repository;
pub mod role;
pub mod schedule;
pub mod secret;
pub mod security_group;
pub mod service;
pub mod stack;
pub mod task_definition;

/// All AWS kinds over one set of clients. A Service is ready when its task runs.
pub fn all(aws: &Arc<Aws>) -> Vec<Arc<dyn AnyKind>> {
    all_with_probe(aws, None)
}

/// The same; with a probe, a Service is ready only when what runs in it answers.
pub fn all_with_probe(aws: &Arc<Aws>, probe: Option<service::Probe>) -> Vec<Arc<dyn AnyKind>> {
    vec![
        Arc::new(alarm::Alarm { aws: aws.clone() }),
        Arc::new(bucket::Bucket { aws: aws.clone() }),
        Arc::new(cluster::Cluster { aws: aws.clone() }),
        Arc::new(file_system::FileSystem { aws: aws.clone() }),
        Arc::new(log_group::LogGroup { aws: aws.clone() }),
        Arc::new(repository::Repository { aws: aws.clone() }),
        Arc::new(role::Role { aws: aws.clone() }),
        Arc::new(schedule::Schedule { aws: aws.clone() }),
        Arc::new(secret::Secret { aws: aws.clone() }),
        Arc::new(security_group::SecurityGroup::new(aws.clone())),
        Arc::new(match probe {
            Some(probe) => service::Service::new(aws.clone()).with_probe(probe),
            None => service::Service::new(aws.clone()),
        }),
        Arc::new(stack::Stack { aws: aws.clone() }),
        Arc::new(task_definition::TaskDefinition { aws: aws.clone() }),
    ]
}

/// Which permission every call of a kind needs.
pub fn actions(kind: &str) -> &'static [Action] {
    match kind {
        "Alarm" => alarm::ACTIONS,
        "Bucket" => bucket::ACTIONS,
        "Cluster" => cluster::ACTIONS,
        "FileSystem" => file_system::ACTIONS,
        "LogGroup" => log_group::ACTIONS,
        "Repository" => repository::ACTIONS,
        "Role" => role::ACTIONS,
        "Schedule" => schedule::ACTIONS,
        "Secret" => secret::ACTIONS,
        "SecurityGroup" => security_group::ACTIONS,
        "Service" => service::ACTIONS,
        "Stack" => stack::ACTIONS,
        "TaskDefinition" => task_definition::ACTIONS,
        _ => &[],
    }
}
