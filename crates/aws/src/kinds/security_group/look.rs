//! Looking at security groups.

use aws_sdk_ec2::types::{self as ec2, Filter};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Link;

use super::rule::{ALL, Rule};
use crate::answer::done;
use crate::client::Aws;
use crate::error::Cause;
use crate::tags::Tags;

/// A group as EC2 shows it: id, description, tags, and its rules split one by one.
#[derive(Debug, Clone)]
pub struct Standing {
    pub id: String,
    pub vpc: String,
    pub description: String,
    pub tags: Tags,
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
}

/// Id of the region's default VPC.
pub async fn default_vpc(aws: &Aws) -> Outcome<String> {
    const DOING: &str = "find the default VPC";
    let default = Filter::builder().name("is-default").values("true").build();
    let mut pages = aws.ec2.describe_vpcs().filters(default).into_paginator().send();
    while let Some(page) = pages.next().await {
        if let Some(id) = done(DOING, page)?.vpcs().first().and_then(ec2::Vpc::vpc_id) {
            return Ok(id.to_owned());
        }
    }
    Err(Failure::rejected(DOING)
        .because(Cause(format!("region {} has none", aws.region())))
        .hint("write the id of a VPC into `vpc`, or have AWS make a default one: aws ec2 create-default-vpc"))
}

/// All groups of this name in all VPCs: a name is unique only within one.
pub async fn groups(aws: &Aws, name: &str) -> Outcome<Vec<Standing>> {
    let by_name = Filter::builder().name("group-name").values(name).build();
    let mut pages = aws.ec2.describe_security_groups().filters(by_name).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = done(format!("look at security group {name}"), page)?;
        found.extend(page.security_groups().iter().filter(|group| group.group_name() == Some(name)).map(standing));
    }
    Ok(found)
}

fn standing(group: &ec2::SecurityGroup) -> Standing {
    let id = group.group_id().unwrap_or_default().to_owned();
    let tags = group.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect();
    let split = |permissions: &[ec2::IpPermission]| permissions.iter().flat_map(|permission| rules(permission, &id)).collect();
    Standing {
        vpc: group.vpc_id().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        tags,
        ingress: split(group.ip_permissions()),
        egress: split(group.ip_permissions_egress()),
        id,
    }
}

/// EC2 gathers the peers of one protocol and port range; a rule has one peer.
fn rules(permission: &ec2::IpPermission, own: &str) -> Vec<Rule> {
    let base = Rule {
        protocol: permission.ip_protocol().unwrap_or(ALL).to_owned(),
        port: permission.from_port(),
        to_port: permission.to_port(),
        ..Rule::default()
    };
    let text = |text: Option<&str>| text.map(str::to_owned);
    let v4 = permission.ip_ranges().iter().map(|range| (text(range.cidr_ip()), None, None, range.description()));
    let v6 = permission.ipv6_ranges().iter().map(|range| (text(range.cidr_ipv6()), None, None, range.description()));
    let lists = permission.prefix_list_ids().iter().map(|list| (None, text(list.prefix_list_id()), None, list.description()));
    let groups = permission.user_id_group_pairs().iter().map(|pair| (None, None, pair.group_id().map(Link::literal), pair.description()));
    v4.chain(v6)
        .chain(lists)
        .chain(groups)
        .map(|(cidr, prefix_list, group, description)| {
            let mut rule = Rule { cidr, prefix_list, group, description: text(description), ..base.clone() };
            rule.canonical(Some(own), None);
            rule
        })
        .collect()
}

/// A rule and the id it is changed by.
#[derive(Debug, Clone)]
pub struct Numbered {
    pub id: String,
    pub rule: Rule,
}

/// The rules of a group with their ids: ingress, egress.
pub async fn numbered(aws: &Aws, group: &str) -> Outcome<(Vec<Numbered>, Vec<Numbered>)> {
    let of_group = Filter::builder().name("group-id").values(group).build();
    let mut pages = aws.ec2.describe_security_group_rules().filters(of_group).into_paginator().send();
    let (mut ingress, mut egress) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = done(format!("look at the rules of security group {group}"), page)?;
        for found in page.security_group_rules() {
            let mut rule = Rule {
                protocol: found.ip_protocol().unwrap_or(ALL).to_owned(),
                port: found.from_port(),
                to_port: found.to_port(),
                cidr: found.cidr_ipv4().or(found.cidr_ipv6()).map(str::to_owned),
                prefix_list: found.prefix_list_id().map(str::to_owned),
                group: found.referenced_group_info().and_then(|info| info.group_id()).map(Link::literal),
                description: found.description().map(str::to_owned),
            };
            rule.canonical(Some(group), None);
            let id = found.security_group_rule_id().unwrap_or_default().to_owned();
            let side = if found.is_egress() == Some(true) { &mut egress } else { &mut ingress };
            side.push(Numbered { id, rule });
        }
    }
    Ok((ingress, egress))
}
