//! Changing a security group: only the rules that differ, by their ids.

use aws_sdk_ec2::types::{self as ec2, Filter, IpPermission, TagSpecification};
use meteoctl_engine::failure::{Failure, Outcome};

use super::RulesMode;
use super::look::{self, Numbered};
use super::rule::{ALL, Rule, SELF};
use crate::answer::{done, done_or};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::tags::Tags;

/// A group that was made a moment ago may not be known everywhere yet.
const NOT_YET: [&str; 2] = ["InvalidGroup.NotFound", "InvalidGroupId.NotFound"];

/// Which way traffic goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ingress,
    Egress,
}

/// What has to be done so that the rules of one side are as wished.
#[derive(Debug, Default, PartialEq)]
pub struct Delta {
    /// Rules to let in.
    pub authorize: Vec<Rule>,
    /// Ids of rules to take away.
    pub revoke: Vec<String>,
    /// Rules that stand and are to be described so.
    pub describe: Vec<Rule>,
}

/// The smallest change. Both sides are canonical.
pub fn delta(want: &[Rule], standing: &[Numbered], mode: RulesMode) -> Delta {
    let mut delta = Delta::default();
    for rule in want {
        match standing.iter().find(|stands| stands.rule.key() == rule.key()) {
            None => delta.authorize.push(rule.clone()),
            Some(stands) if rule.description.is_some() && stands.rule.description != rule.description => {
                delta.describe.push(rule.clone());
            }
            Some(_) => {}
        }
    }
    if mode == RulesMode::Exclusive {
        let unwanted = |stands: &&Numbered| !want.iter().any(|rule| rule.key() == stands.rule.key());
        delta.revoke = standing.iter().filter(unwanted).map(|stands| stands.id.clone()).collect();
    }
    delta
}

/// Creates the group with its tags in the same call: by them it is found again, whatever happens after.
pub async fn create(aws: &Aws, name: &str, description: &str, vpc: &str, tags: &Tags) -> Outcome<String> {
    let doing = format!("create security group {name}");
    let tags = TagSpecification::builder().resource_type(ec2::ResourceType::SecurityGroup).set_tags(Some(ec2_tags(tags))).build();
    let request = aws.ec2.create_security_group().group_name(name).description(description).vpc_id(vpc).tag_specifications(tags);
    match request.send().await {
        Ok(answer) => answer.group_id().map(str::to_owned).ok_or_else(|| Failure::transient(doing).because(Cause("EC2 told no id".into()))),
        // A lost answer, or somebody else: the next look tells.
        Err(error) if error::is(&error, &["InvalidGroup.Duplicate"]) => {
            Err(Failure::transient(doing).because(Cause("it exists by now".into())))
        }
        Err(error) => Err(error::failure(doing, error)),
    }
}

/// Tags the group.
pub async fn tag(aws: &Aws, id: &str, tags: &Tags) -> Outcome<()> {
    let answer = aws.ec2.create_tags().resources(id).set_tags(Some(ec2_tags(tags))).send().await;
    done(format!("tag security group {id}"), answer).map(drop)
}

/// Makes one side of a group as wished. What is let in comes first, so that nobody is shut out in between.
pub async fn rules(aws: &Aws, id: &str, side: Side, delta: &Delta) -> Outcome<()> {
    if !delta.authorize.is_empty() {
        authorize(aws, id, side, &delta.authorize).await?;
    }
    if !delta.describe.is_empty() {
        describe(aws, id, side, &delta.describe).await?;
    }
    if !delta.revoke.is_empty() {
        revoke(aws, id, side, &delta.revoke).await?;
    }
    Ok(())
}

async fn authorize(aws: &Aws, id: &str, side: Side, rules: &[Rule]) -> Outcome<()> {
    let doing = format!("add {} to security group {id}", count(rules.len()));
    let permissions: Vec<IpPermission> = rules.iter().map(|rule| permission(rule, id)).collect::<Outcome<_>>()?;
    let (failure, code) = match side {
        Side::Ingress => match aws.ec2.authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(permissions)).send().await {
            Ok(_) => return Ok(()),
            Err(error) => (error::code(&error).unwrap_or_default().to_owned(), error::failure(doing, error)),
        },
        Side::Egress => match aws.ec2.authorize_security_group_egress().group_id(id).set_ip_permissions(Some(permissions)).send().await {
            Ok(_) => return Ok(()),
            Err(error) => (error::code(&error).unwrap_or_default().to_owned(), error::failure(doing, error)),
        },
    };
    Err(explained(failure.as_str(), code))
}

/// What the codes of EC2 ask for.
fn explained(code: &str, mut failure: Failure) -> Failure {
    match code {
        "RulesPerSecurityGroupLimitExceeded" => failure.hint(
            "the account's quota \"Inbound or outbound rules per security group\" (60 by default) is used up: gather networks in a prefix list, remove rules, or ask AWS for a higher quota",
        ),
        // The rule is there already, or the group not yet: the next look knows better.
        "InvalidPermission.Duplicate" => {
            failure.class = meteoctl_engine::failure::Class::Transient;
            failure
        }
        code if NOT_YET.contains(&code) => {
            failure.class = meteoctl_engine::failure::Class::Transient;
            failure
        }
        _ => failure,
    }
}

async fn revoke(aws: &Aws, id: &str, side: Side, rules: &[String]) -> Outcome<()> {
    let doing = format!("take {} from security group {id}", count(rules.len()));
    let ids = Some(rules.to_vec());
    const GONE: [&str; 2] = ["InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound"];
    match side {
        Side::Ingress => {
            let request = aws.ec2.revoke_security_group_ingress().group_id(id).set_security_group_rule_ids(ids);
            done_or(doing, request.send().await, &GONE)
        }
        Side::Egress => {
            let request = aws.ec2.revoke_security_group_egress().group_id(id).set_security_group_rule_ids(ids);
            done_or(doing, request.send().await, &GONE)
        }
    }
}

async fn describe(aws: &Aws, id: &str, side: Side, rules: &[Rule]) -> Outcome<()> {
    let doing = format!("describe {} of security group {id}", count(rules.len()));
    let permissions = Some(rules.iter().map(|rule| permission(rule, id)).collect::<Outcome<Vec<_>>>()?);
    match side {
        Side::Ingress => {
            let request = aws.ec2.update_security_group_rule_descriptions_ingress().group_id(id).set_ip_permissions(permissions);
            done(doing, request.send().await).map(drop)
        }
        Side::Egress => {
            let request = aws.ec2.update_security_group_rule_descriptions_egress().group_id(id).set_ip_permissions(permissions);
            done(doing, request.send().await).map(drop)
        }
    }
}

fn count(rules: usize) -> String {
    if rules == 1 { "one rule".to_owned() } else { format!("{rules} rules") }
}

fn permission(rule: &Rule, own: &str) -> Outcome<IpPermission> {
    let protocol = if rule.protocol == ALL { "-1" } else { rule.protocol.as_str() };
    let description = rule.description.clone();
    let mut permission = IpPermission::builder().ip_protocol(protocol).set_from_port(rule.port).set_to_port(rule.to_port);
    if let Some(cidr) = &rule.cidr {
        permission = if cidr.contains(':') {
            permission.ipv6_ranges(ec2::Ipv6Range::builder().cidr_ipv6(cidr).set_description(description.clone()).build())
        } else {
            permission.ip_ranges(ec2::IpRange::builder().cidr_ip(cidr).set_description(description.clone()).build())
        };
    }
    if let Some(list) = &rule.prefix_list {
        permission =
            permission.prefix_list_ids(ec2::PrefixListId::builder().prefix_list_id(list).set_description(description.clone()).build());
    }
    if let Some(group) = &rule.group {
        let group = group.output("id")?;
        let group = if group == SELF { own.to_owned() } else { group };
        permission = permission.user_id_group_pairs(ec2::UserIdGroupPair::builder().group_id(group).set_description(description).build());
    }
    Ok(permission.build())
}

fn ec2_tags(tags: &Tags) -> Vec<ec2::Tag> {
    tags.iter().map(|(key, value)| ec2::Tag::builder().key(key).value(value).build()).collect()
}

/// Deletes the group, or says what holds it.
pub async fn delete(aws: &Aws, id: &str) -> Outcome<()> {
    let doing = format!("delete security group {id}");
    match aws.ec2.delete_security_group().group_id(id).send().await {
        Err(error) if error::is(&error, &["DependencyViolation", "InvalidGroup.InUse"]) => Err(blocked(aws, id, doing).await?),
        other => done_or(doing, other, &NOT_YET),
    }
}

/// Network interfaces go by themselves once their task is gone; a rule of another group stays until somebody removes it.
async fn blocked(aws: &Aws, id: &str, doing: String) -> Outcome<Failure> {
    let of_group = |name: &str| Filter::builder().name(name).values(id).build();
    let mut pages = aws.ec2.describe_network_interfaces().filters(of_group("group-id")).into_paginator().send();
    while let Some(page) = pages.next().await {
        if let Some(interface) = done(format!("find what holds security group {id}"), page)?.network_interfaces().first() {
            return Ok(Failure::transient(doing).because(Cause(format!(
                "network interface {} still uses it ({}; made by {})",
                interface.network_interface_id().unwrap_or("?"),
                interface.description().filter(|text| !text.is_empty()).unwrap_or("no description"),
                interface.requester_id().or(interface.owner_id()).unwrap_or("?"),
            ))));
        }
    }
    let mut pages = aws.ec2.describe_security_groups().filters(of_group("ip-permission.group-id")).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = done(format!("find what holds security group {id}"), page)?;
        if let Some(other) = page.security_groups().iter().find(|group| group.group_id() != Some(id)) {
            let name = other.group_name().unwrap_or("?");
            return Ok(Failure::rejected(doing)
                .because(Cause(format!("a rule of security group {name} ({}) refers to it", other.group_id().unwrap_or("?"))))
                .hint(format!("remove that rule from {name}, then run again")));
        }
    }
    Ok(Failure::transient(doing).because(Cause("EC2 says that something still uses it, and names nothing".into())))
}

/// The rules of both sides that have to change, fresh from EC2.
pub async fn deltas(aws: &Aws, id: &str, ingress: Option<&[Rule]>, egress: Option<&[Rule]>, mode: RulesMode) -> Outcome<(Delta, Delta)> {
    let (standing_in, standing_out) = look::numbered(aws, id).await?;
    let of = |want: Option<&[Rule]>, standing: &[Numbered]| want.map(|want| delta(want, standing, mode)).unwrap_or_default();
    Ok((of(ingress, &standing_in), of(egress, &standing_out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(port: i32, description: &str) -> Rule {
        let mut rule = Rule {
            protocol: "tcp".into(),
            port: Some(port),
            cidr: Some("203.0.113.7/32".into()),
            description: Some(description.into()),
            ..Rule::default()
        };
        rule.canonical(None, None);
        rule
    }

    fn stands(id: &str, rule: Rule) -> Numbered {
        Numbered { id: id.into(), rule }
    }

    #[test]
    fn only_what_differs_is_touched() {
        let want = [rule(1, "kept"), rule(2, "renamed"), rule(3, "new")];
        let standing = [stands("a", rule(1, "kept")), stands("b", rule(2, "old")), stands("c", rule(9, "theirs"))];
        let exclusive = delta(&want, &standing, RulesMode::Exclusive);
        let expected = Delta { authorize: vec![rule(3, "new")], revoke: vec!["c".into()], describe: vec![rule(2, "renamed")] };
        assert_eq!(exclusive, expected);
        let additive = delta(&want, &standing, RulesMode::Additive);
        assert_eq!(additive, Delta { revoke: vec![], ..expected });
    }
}
