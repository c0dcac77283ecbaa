//! What carries our tags: the list that pruning starts from.

use std::collections::BTreeMap;

use aws_sdk_resourcegroupstagging::types::TagFilter;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::reference::Id;
use serde_json::{Value, json};

use crate::answer::{done, found};
use crate::client::Aws;
use crate::policy::Action;
use crate::tags::{DOCUMENT, STACK, Tags};

/// What the list needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("tag:GetResources", "*"),
    Action::plan("iam:ListRoles", "*"),
    Action::plan("iam:ListRoleTags", "*"),
    Action::plan("ec2:DescribeSecurityGroups", "*"),
    Action::plan("scheduler:ListScheduleGroups", "*"),
    Action::plan("scheduler:ListTagsForResource", "*"),
    Action::plan("scheduler:ListSchedules", "*"),
];

/// Roles and schedule groups are asked for their tags so many at a time.
const AT_ONCE: usize = 8;

/// A thing that carries this stack's tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owned {
    /// The document it was made for.
    pub document: Id,
    /// Its ARN.
    pub arn: String,
}

/// Everything in the region (and every role) that carries the tags of this stack, sorted.
///
/// AWS's tagging API knows no roles: they are listed and asked one by one, AWS's own left out. Schedules carry no tags: those in a
/// group of ours are ours. It may take a moment until the API shows what was made or removed: look at a thing itself before acting
/// on it.
///
/// # Errors
/// Whatever a call says.
pub async fn owned(aws: &Aws) -> Outcome<Vec<Owned>> {
    let (mut all, roles, schedules) = tokio::try_join!(tagged(aws), roles(aws), schedules(aws))?;
    all.extend(roles);
    all.extend(schedules);
    all.sort();
    all.dedup();
    Ok(all)
}

async fn tagged(aws: &Aws) -> Outcome<Vec<Owned>> {
    let ours = TagFilter::builder().key(STACK).values(&aws.stack.name).build();
    let mut pages = aws.tagging.get_resources().tag_filters(ours).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        for resource in done("list what carries the tags of this stack", page)?.resource_tag_mapping_list() {
            let tags = resource.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
            all.extend(resource.resource_arn().and_then(|arn| of_tags(aws, arn, &tags)));
        }
    }
    Ok(all)
}

async fn roles(aws: &Aws) -> Outcome<Vec<Owned>> {
    let mut pages = aws.iam.list_roles().into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = done("list the roles of the account", page)?;
        let own =
            page.roles().iter().filter(|role| !role.path().starts_with("/aws-service-role/") && !role.path().starts_with("/aws-reserved/"));
        names.extend(own.map(|role| (role.role_name().to_owned(), role.arn().to_owned())));
    }
    let asked = stream::iter(names).map(|(name, arn)| async move {
        let tags = role_tags(aws, &name).await?;
        Ok(of_tags(aws, &arn, &tags))
    });
    let found: Vec<Option<Owned>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn role_tags(aws: &Aws, name: &str) -> Outcome<Tags> {
    let mut pages = aws.iam.list_role_tags().role_name(name).into_paginator().send();
    let mut tags = BTreeMap::new();
    while let Some(page) = pages.next().await {
        // A role may go while the list is made.
        match found(format!("look at the tags of role {name}"), page, &["NoSuchEntity"])? {
            Some(page) => tags.extend(page.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned()))),
            None => break,
        }
    }
    Ok(tags)
}

async fn schedules(aws: &Aws) -> Outcome<Vec<Owned>> {
    let mut pages = aws.scheduler.list_schedule_groups().into_paginator().send();
    let mut groups = Vec::new();
    while let Some(page) = pages.next().await {
        let page = done("list the schedule groups", page)?;
        // AWS's own group takes no tags.
        let own = page.schedule_groups().iter().filter(|group| group.name() != Some("default"));
        groups.extend(own.filter_map(|group| Some((group.name()?.to_owned(), group.arn()?.to_owned()))));
    }
    let asked = stream::iter(groups).map(|(name, arn)| async move {
        let answer = aws.scheduler.list_tags_for_resource().resource_arn(arn).send().await;
        let Some(answer) = found(format!("look at the tags of schedule group {name}"), answer, &["ResourceNotFoundException"])? else {
            return Ok(Vec::new());
        };
        let tags: Tags = answer.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        if crate::tags::ours(&aws.stack, &tags) { schedules_of(aws, &name).await } else { Ok(Vec::new()) }
    });
    let found: Vec<Vec<Owned>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn schedules_of(aws: &Aws, group: &str) -> Outcome<Vec<Owned>> {
    let mut pages = aws.scheduler.list_schedules().group_name(group).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let Some(page) = found(format!("list the schedules of group {group}"), page, &["ResourceNotFoundException"])? else { break };
        let named = page.schedules().iter().filter_map(|schedule| Some((schedule.name()?, schedule.arn()?)));
        all.extend(named.map(|(name, arn)| Owned { document: Id::new("Schedule", name), arn: arn.to_owned() }));
    }
    Ok(all)
}

/// The least spec by which the thing's kind finds and removes it: what was fixed at its creation, and what stands in its ARN.
/// `None` for kinds that are not removed by themselves.
///
/// # Errors
/// Whatever a call says.
pub async fn spec(aws: &Aws, thing: &Owned) -> Outcome<Option<Value>> {
    let resource = thing.arn.splitn(6, ':').nth(5).unwrap_or_default();
    Ok(match thing.document.kind.as_str() {
        "Bucket" | "Cluster" | "FileSystem" | "LogGroup" | "Repository" => Some(json!({})),
        "Alarm" => Some(json!({"namespace": "-", "metric": "-", "statistic": "Sum", "periodSeconds": 60, "evaluationPeriods": 1,
            "comparison": "GreaterThanThreshold", "threshold": 0.0})),
        "Role" => Some(json!({"assumedBy": "ecs-tasks.amazonaws.com"})),
        "Schedule" => resource.split('/').nth(1).map(|group| {
            let when = json!({"cron": "rate(1 day)"});
            json!({"group": group, "cluster": "-", "taskDefinition": "-", "role": "-", "schedule": when})
        }),
        "Secret" => Some(json!({"generate": {"username": "-"}})),
        "SecurityGroup" => security_group(aws, resource).await?,
        "Service" => service(resource),
        "TaskDefinition" => Some(json!({"cpu": 256, "memory": 512, "containers": [{"name": "-", "image": "-"}]})),
        _ => None,
    })
}

/// `security-group/sg-…`. Name, network and description tell a group from others.
async fn security_group(aws: &Aws, resource: &str) -> Outcome<Option<Value>> {
    let Some(id) = resource.strip_prefix("security-group/") else { return Ok(None) };
    let answer = aws.ec2.describe_security_groups().group_ids(id).send().await;
    let answer = found(format!("look at security group {id}"), answer, &["InvalidGroup.NotFound"])?;
    let group = answer.as_ref().and_then(|answer| answer.security_groups().first());
    Ok(group.map(|group| json!({"description": group.description(), "vpc": group.vpc_id()})))
}

/// `task/cluster/id` or `service/cluster/name`.
fn service(resource: &str) -> Option<Value> {
    let mut parts = resource.split('/');
    let launch = parts.next().filter(|launch| ["task", "service"].contains(launch))?;
    let cluster = parts.next()?;
    let rest = json!({"taskDefinition": "-", "subnets": [], "securityGroups": [], "storage": "ephemeral"});
    let mut spec = json!({"cluster": cluster, "launch": launch});
    spec.as_object_mut()?.extend(rest.as_object()?.clone());
    Some(spec)
}

fn of_tags(aws: &Aws, arn: &str, tags: &Tags) -> Option<Owned> {
    if !crate::tags::ours(&aws.stack, tags) {
        return None;
    }
    let document = tags.get(DOCUMENT)?.parse().ok()?;
    Some(Owned { document, arn: arn.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_found_again_in_its_cluster() {
        let spec = |resource| service(resource).map(|spec| (spec["cluster"].clone(), spec["launch"].clone()));
        assert_eq!(spec("task/p8-cluster/0123"), Some((json!("p8-cluster"), json!("task"))));
        assert_eq!(spec("service/p8-cluster/mongodb"), Some((json!("p8-cluster"), json!("service"))));
        assert_eq!(spec("cluster/p8-cluster"), None);
    }
}
