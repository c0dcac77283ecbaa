//! Changing a role.

use aws_sdk_iam::types as iam;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use meteoctl_engine::failure::{Class, Failure, Outcome};
use meteoctl_engine::kind::Change;
use serde_json::Value;

use super::{InlinePolicy, RoleSpec, look};
use crate::answer::{built, done, done_or};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::iam_document;
use crate::tags::Tags;

const GONE: [&str; 1] = ["NoSuchEntity"];

/// Writes to one role.
pub struct Pen<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// The role.
    pub role: &'a str,
}

impl Pen<'_> {
    /// Creates the role with its tags in the same call.
    pub async fn create(&self, want: &RoleSpec, tags: &Tags) -> Outcome<()> {
        let doing = format!("create role {}", self.role);
        let boundary = want.permissions_boundary.as_ref().map(|link| link.output("arn")).transpose()?.filter(|arn| arn != "none");
        let request = self
            .aws
            .iam
            .create_role()
            .role_name(self.role)
            .assume_role_policy_document(trust(want)?)
            .set_description(want.description.clone().filter(|text| !text.is_empty()))
            .set_path(want.path.clone())
            .set_max_session_duration(want.max_session_seconds)
            .set_permissions_boundary(boundary)
            .set_tags(Some(iam_tags(&doing, tags)?));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error::is(&error, &["EntityAlreadyExists"]) => {
                Err(Failure::transient(doing).because(Cause("it exists by now".into())))
            }
            Err(error) => Err(settling(doing, error)),
        }
    }

    /// Writes what the change concerns, policies apart.
    pub async fn update(&self, want: &RoleSpec, change: &Change, tags: &Tags) -> Outcome<()> {
        let doing = format!("change role {}", self.role);
        if change.touches("/tags") {
            let request = self.aws.iam.tag_role().role_name(self.role).set_tags(Some(iam_tags(&doing, tags)?));
            done(format!("tag role {}", self.role), request.send().await)?;
        }
        if change.touches("/assumedBy") {
            let request = self.aws.iam.update_assume_role_policy().role_name(self.role).policy_document(trust(want)?);
            request.send().await.map_err(|error| settling(format!("change who may assume role {}", self.role), error))?;
        }
        if change.touches("/description") || change.touches("/maxSessionSeconds") {
            let request = self.aws.iam.update_role().role_name(self.role).set_max_session_duration(want.max_session_seconds);
            done(doing, request.set_description(want.description.clone()).send().await)?;
        }
        if let Some(boundary) = want.permissions_boundary.as_ref().filter(|_| change.touches("/permissionsBoundary")) {
            self.bound(&boundary.output("arn")?).await?;
        }
        Ok(())
    }

    async fn bound(&self, boundary: &str) -> Outcome<()> {
        let doing = format!("set the permissions boundary of role {}", self.role);
        if boundary == "none" {
            return done_or(doing, self.aws.iam.delete_role_permissions_boundary().role_name(self.role).send().await, &GONE);
        }
        let request = self.aws.iam.put_role_permissions_boundary().role_name(self.role).permissions_boundary(boundary);
        done(doing, request.send().await).map(drop)
    }

    /// Attaches what is missing, then detaches what is not wished.
    pub async fn attach(&self, wanted: &[String], new: bool) -> Outcome<()> {
        let standing = if new { Vec::new() } else { look::attached(self.aws, self.role).await? };
        for arn in wanted.iter().filter(|arn| !standing.contains(arn)) {
            let request = self.aws.iam.attach_role_policy().role_name(self.role).policy_arn(arn);
            request.send().await.map_err(|error| settling(format!("attach {arn} to role {}", self.role), error))?;
        }
        for arn in standing.iter().filter(|arn| !wanted.contains(arn)) {
            self.detach(arn).await?;
        }
        Ok(())
    }

    async fn detach(&self, arn: &str) -> Outcome<()> {
        let request = self.aws.iam.detach_role_policy().role_name(self.role).policy_arn(arn);
        done_or(format!("detach {arn} from role {}", self.role), request.send().await, &GONE)
    }

    /// Writes inline policies that differ, removes those that are not wished.
    pub async fn inline(&self, wanted: &[InlinePolicy], new: bool) -> Outcome<()> {
        let standing = if new { Vec::new() } else { look::inline(self.aws, self.role).await? };
        for policy in wanted {
            let statements = iam_document::resolved(&policy.statements)?;
            let stands = standing.iter().any(|seen| seen.name == policy.name && spelled(&seen.statements) == spelled(&statements));
            if !stands {
                let text = iam_document::document(&statements).to_string();
                let request = self.aws.iam.put_role_policy().role_name(self.role).policy_name(&policy.name).policy_document(text);
                let doing = format!("write inline policy {} of role {}", policy.name, self.role);
                request.send().await.map_err(|error| settling(doing, error))?;
            }
        }
        for old in standing.iter().filter(|seen| !wanted.iter().any(|policy| policy.name == seen.name)) {
            self.forget(&old.name).await?;
        }
        Ok(())
    }

    async fn forget(&self, policy: &str) -> Outcome<()> {
        let request = self.aws.iam.delete_role_policy().role_name(self.role).policy_name(policy);
        done_or(format!("remove inline policy {policy} of role {}", self.role), request.send().await, &GONE)
    }

    /// Takes everything off the role, then removes it: IAM refuses to remove a role that still carries policies.
    pub async fn delete(&self) -> Outcome<()> {
        let doing = format!("delete role {}", self.role);
        let mut pages = self.aws.iam.list_instance_profiles_for_role().role_name(self.role).into_paginator().send();
        while let Some(page) = pages.next().await {
            let Some(page) = crate::answer::found(doing.clone(), page, &GONE)? else { return Ok(()) };
            if let Some(profile) = page.instance_profiles().first() {
                return Err(Failure::rejected(doing)
                    .because(Cause(format!("instance profile {} still uses it", profile.instance_profile_name())))
                    .hint("take the role out of that instance profile first: meteoctl did not put it there"));
            }
        }
        for arn in look::attached(self.aws, self.role).await? {
            self.detach(&arn).await?;
        }
        for policy in look::inline_names(self.aws, self.role).await? {
            self.forget(&policy).await?;
        }
        match self.aws.iam.delete_role().role_name(self.role).send().await {
            Err(error) if error::is(&error, &["DeleteConflict"]) => {
                Err(Failure::transient(doing).because(Cause("IAM still sees policies on it".into())))
            }
            other => done_or(doing, other, &GONE),
        }
    }
}

/// What IAM says while a role, or one that its trust policy names, is not known everywhere yet. Nothing else passes: a
/// policy that does not exist, a document with a fault in it, would be waited for in vain.
fn settling<E>(doing: String, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let said = match &error {
        SdkError::ServiceError(answer) => answer.err().message().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let unknown_role = error::is(&error, &GONE) && said.contains("The role with name");
    let unknown_principal = error::is(&error, &["MalformedPolicyDocument"]) && said.contains("Invalid principal in policy");
    let failure = error::failure(doing, error);
    if unknown_role || unknown_principal { Failure { class: Class::Transient, ..failure } } else { failure }
}

fn spelled(statements: &[Value]) -> Vec<Value> {
    let mut statements = statements.to_vec();
    iam_document::canonical(&mut statements);
    statements
}

fn trust(want: &RoleSpec) -> Outcome<String> {
    Ok(iam_document::document(&iam_document::resolved(&want.assumed_by.statements())?).to_string())
}

fn iam_tags(doing: &str, tags: &Tags) -> Outcome<Vec<iam::Tag>> {
    tags.iter().map(|(key, value)| built(doing, iam::Tag::builder().key(key).value(value).build())).collect()
}
