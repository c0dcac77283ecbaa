//! One file a kind; `all` is the list.

pub mod cluster;
pub mod service;
pub mod task_definition;

use std::sync::Arc;

use meteoctl_engine::kind::AnyKind;

use crate::client::Aws;

/// All AWS kinds over one set of clients.
pub fn all(aws: &Arc<Aws>) -> Vec<Arc<dyn AnyKind>> {
    vec![
        Arc::new(cluster::Cluster { aws: aws.clone() }),
        Arc::new(service::Service::new(aws.clone())),
        Arc::new(task_definition::TaskDefinition { aws: aws.clone() }),
    ]
}
