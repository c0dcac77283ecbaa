//! Subnets and network interfaces of tasks.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, NetworkInterface};
use aws_sdk_ecs::types::{AssignPublicIp, AwsVpcConfiguration, NetworkConfiguration, Task};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Link;

use super::spec::{NamedSubnets, ServiceSpec, Subnets};
use super::tasks;
use crate::client::Aws;
use crate::error::{self, Cause};

/// A task's network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Public IPv4 address, once there is one.
    pub public_ip: Option<String>,
    /// Private IPv4 address.
    pub private_ip: Option<String>,
    /// Ids of its security groups.
    pub groups: Vec<String>,
}

/// The interface with this id; `None` while EC2 does not know it (yet, or any more).
pub async fn interface(aws: &Aws, id: &str) -> Outcome<Option<Interface>> {
    let doing = format!("look at network interface {id}");
    match aws.ec2.describe_network_interfaces().network_interface_ids(id).send().await {
        Ok(answer) => Ok(answer.network_interfaces().first().map(read)),
        Err(error) if error::is(&error, &["InvalidNetworkInterfaceID.NotFound"]) => Ok(None),
        Err(error) => Err(error::failure(doing, error)),
    }
}

/// The interfaces of these tasks by id, asked for all at once; those that EC2 does not know are left out.
pub async fn interfaces(aws: &Aws, tasks: &[Task]) -> Outcome<BTreeMap<String, Interface>> {
    let ids: BTreeSet<&str> = tasks.iter().filter_map(|task| tasks::detail(task, "networkInterfaceId")).collect();
    let asked = ids.into_iter().map(|id| async move { Ok((id.to_owned(), interface(aws, id).await?)) });
    let found: Vec<(String, Option<Interface>)> = futures_util::future::try_join_all(asked).await?;
    Ok(found.into_iter().filter_map(|(id, interface)| Some((id, interface?))).collect())
}

fn read(found: &NetworkInterface) -> Interface {
    let public_ip = found.association().and_then(|association| association.public_ip()).filter(|ip| !ip.is_empty());
    Interface {
        public_ip: public_ip.map(str::to_owned),
        private_ip: found.private_ip_address().map(str::to_owned),
        groups: found.groups().iter().filter_map(|group| group.group_id().map(str::to_owned)).collect(),
    }
}

/// The ids of the wished subnets, sorted.
pub async fn subnets(aws: &Aws, wish: &Subnets) -> Outcome<Vec<String>> {
    match wish {
        Subnets::Ids(ids) => {
            let mut ids = ids.clone();
            ids.sort_unstable();
            Ok(ids)
        }
        Subnets::Named(NamedSubnets::DefaultPublic) => default_subnets(aws).await,
    }
}

async fn default_subnets(aws: &Aws) -> Outcome<Vec<String>> {
    let doing = "look for the default subnets of the default VPC";
    let filter = Filter::builder().name("default-for-az").values("true").build();
    let mut pages = aws.ec2.describe_subnets().filters(filter).into_paginator().items().send();
    let mut ids = Vec::new();
    while let Some(subnet) = pages.next().await {
        ids.extend(subnet.map_err(|error| error::failure(doing, error))?.subnet_id);
    }
    if ids.is_empty() {
        return Err(Failure::rejected(doing)
            .because(Cause(format!("{} has none", aws.region())))
            .hint("list the ids under `subnets`, or make a default VPC: aws ec2 create-default-vpc"));
    }
    ids.sort_unstable();
    Ok(ids)
}

/// What RunTask and CreateService take.
pub async fn configuration(aws: &Aws, want: &ServiceSpec) -> Outcome<NetworkConfiguration> {
    let groups: Vec<String> = want.security_groups.iter().map(|group| group.output("id")).collect::<Outcome<_>>()?;
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(subnets(aws, &want.subnets).await?))
        .set_security_groups(Some(groups))
        .assign_public_ip(if want.public() { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled })
        .build()
        .map_err(|error| Failure::rejected("write down the network configuration for ECS").because(error))?;
    Ok(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
}

/// Ids as the wish would name them.
pub fn literals(ids: &[String]) -> Vec<Link> {
    ids.iter().map(Link::literal).collect()
}
