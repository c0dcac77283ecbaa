//! Looking at a role: the role itself, and what it may do where the wish declares it.

use chrono::{DateTime, Utc};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::reference::Link;

use super::{InlinePolicy, RoleSpec, Trust, TrustDocument};
use crate::answer::{self, done, found};
use crate::client::Aws;
use crate::iam_document;
use crate::tags::Tags;

const GONE: &str = "NoSuchEntity";

/// A role as it stands.
pub struct Seen {
    pub spec: RoleSpec,
    pub tags: Tags,
    pub arn: String,
    pub since: Option<DateTime<Utc>>,
}

/// The role, or `None` when there is none of this name.
pub async fn role(aws: &Aws, name: &str, want: &RoleSpec) -> Outcome<Option<Seen>> {
    let doing = format!("look at role {name}");
    let (role, managed_policies, inline_policies) = tokio::try_join!(
        async { found(doing.clone(), aws.iam.get_role().role_name(name).send().await, &[GONE]) },
        async { if want.managed_policies.is_some() { attached(aws, name).await.map(Some) } else { Ok(None) } },
        async { if want.inline_policies.is_some() { inline(aws, name).await.map(Some) } else { Ok(None) } },
    )?;
    let Some(role) = role.and_then(|answer| answer.role) else { return Ok(None) };
    let statements = iam_document::statements(&doing, role.assume_role_policy_document().unwrap_or("{}"))?;
    let boundary = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn()).unwrap_or("none");
    let spec = RoleSpec {
        assumed_by: Trust::Document(TrustDocument { version: None, statements }),
        description: Some(role.description().unwrap_or_default().to_owned()),
        path: Some(role.path().to_owned()),
        max_session_seconds: role.max_session_duration(),
        managed_policies: managed_policies.map(|arns| arns.into_iter().map(Link::Literal).collect()),
        inline_policies,
        permissions_boundary: Some(Link::literal(boundary)),
        tags: None,
    };
    let tags = role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    Ok(Some(Seen { spec, tags, arn: role.arn().to_owned(), since: answer::time(Some(role.create_date())) }))
}

/// ARNs of the attached managed policies.
pub async fn attached(aws: &Aws, name: &str) -> Outcome<Vec<String>> {
    let mut pages = aws.iam.list_attached_role_policies().role_name(name).into_paginator().send();
    let mut arns = Vec::new();
    while let Some(page) = pages.next().await {
        match found(format!("look at the managed policies of role {name}"), page, &[GONE])? {
            Some(page) => arns.extend(page.attached_policies().iter().filter_map(|policy| policy.policy_arn().map(str::to_owned))),
            None => break,
        }
    }
    Ok(arns)
}

/// Names of the inline policies.
pub async fn inline_names(aws: &Aws, name: &str) -> Outcome<Vec<String>> {
    let mut pages = aws.iam.list_role_policies().role_name(name).into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        match found(format!("look at the inline policies of role {name}"), page, &[GONE])? {
            Some(page) => names.extend(page.policy_names().iter().cloned()),
            None => break,
        }
    }
    Ok(names)
}

/// The inline policies.
pub async fn inline(aws: &Aws, name: &str) -> Outcome<Vec<InlinePolicy>> {
    let names = inline_names(aws, name).await?;
    let read = names.iter().map(|policy| async move {
        let doing = format!("look at inline policy {policy} of role {name}");
        let answer = done(doing.clone(), aws.iam.get_role_policy().role_name(name).policy_name(policy).send().await)?;
        Ok(InlinePolicy { name: policy.clone(), statements: iam_document::statements(&doing, answer.policy_document())? })
    });
    futures_util::future::try_join_all(read).await
}
