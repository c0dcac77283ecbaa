//! Role: an IAM role with its trust, its managed policies and its inline policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_iam::types::Tag;
use futures_util::try_join;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{built, done, done_or, found};
use crate::client::Aws;
use crate::iam_document;
use crate::policy::Action;
use crate::tags::{self, Tags};

const ARN: &str = "arn:{partition}:iam::{account}:role/*{name}";
/// What IAM says when there is no such thing.
const ABSENT: &[&str] = &["NoSuchEntity"];

/// The permissions this kind needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("iam:GetRole", ARN),
    Action::plan("iam:ListAttachedRolePolicies", ARN).when("/managedPolicies"),
    Action::plan("iam:ListRolePolicies", ARN).when("/inlinePolicies"),
    Action::plan("iam:GetRolePolicy", ARN).when("/inlinePolicies"),
    Action::apply("iam:CreateRole", ARN),
    Action::apply("iam:TagRole", ARN),
    Action::apply("iam:UpdateRole", ARN),
    Action::apply("iam:UpdateAssumeRolePolicy", ARN),
    Action::apply("iam:AttachRolePolicy", ARN).when("/managedPolicies"),
    Action::apply("iam:DetachRolePolicy", ARN).when("/managedPolicies"),
    Action::apply("iam:PutRolePolicy", ARN).when("/inlinePolicies"),
    Action::apply("iam:DeleteRolePolicy", ARN).when("/inlinePolicies"),
    Action::delete("iam:DeleteRole", ARN),
];

/// An IAM role.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RoleSpec {
    /// The service that may assume the role, for example `ecs-tasks.amazonaws.com`.
    pub assumed_by: Option<String>,
    /// The whole trust policy's statements, where one service is not enough.
    pub trust: Option<Vec<Value>>,
    /// Path of the role; it cannot be changed later. `/` where left out.
    pub path: Option<String>,
    /// What the role is for.
    pub description: Option<String>,
    /// All attached policies: AWS's own by their short name (`service-role/AmazonECSTaskExecutionRolePolicy`), others by ARN. `[]` = none.
    pub managed_policies: Option<Vec<String>>,
    /// All inline policies by name, each a list of statements. `{}` = none.
    pub inline_policies: Option<BTreeMap<String, Vec<Value>>>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

impl RoleSpec {
    fn trust(&self) -> Vec<Value> {
        match (&self.trust, &self.assumed_by) {
            (Some(trust), _) => trust.clone(),
            (None, Some(service)) => vec![json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})],
            (None, None) => Vec::new(),
        }
    }
}

/// The kind.
pub struct Role {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Role {
    /// A managed policy's ARN from its short name.
    fn policy_arn(&self, name: &str) -> String {
        if name.starts_with("arn:") { name.to_owned() } else { format!("arn:{}:iam::aws:policy/{name}", crate::arn::partition(self.aws.region())) }
    }

    async fn attached(&self, name: &str) -> Outcome<Vec<String>> {
        let doing = format!("list the policies attached to role {name}");
        let pages = self.aws.iam.list_attached_role_policies().role_name(name).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        Ok(found(doing, pages, ABSENT)?.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn).collect())
    }

    async fn inline(&self, name: &str) -> Outcome<BTreeMap<String, Vec<Value>>> {
        let doing = format!("read the inline policies of role {name}");
        let names = self.aws.iam.list_role_policies().role_name(name).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let mut policies = BTreeMap::new();
        for policy in found(doing.clone(), names, ABSENT)?.unwrap_or_default() {
            let answer = self.aws.iam.get_role_policy().role_name(name).policy_name(&policy).send().await;
            if let Some(answer) = found(doing.clone(), answer, ABSENT)? {
                policies.insert(policy, iam_document::statements(&doing, answer.policy_document())?);
            }
        }
        Ok(policies)
    }

    async fn create(&self, meta: &Meta, want: &RoleSpec, wanted: &Tags) -> Outcome<()> {
        let trust = iam_document::document(&iam_document::resolved(&want.trust())?);
        let request = self.aws.iam.create_role().role_name(&meta.name).assume_role_policy_document(trust.to_string());
        let request = request.set_path(want.path.clone()).set_description(want.description.clone()).set_tags(Some(sdk_tags(wanted)?));
        done_or(format!("create role {}", meta.name), request.send().await, &["EntityAlreadyExists"])
    }

    async fn attach(&self, meta: &Meta, want: &[String]) -> Outcome<()> {
        let seen = self.attached(&meta.name).await?;
        let want: Vec<String> = want.iter().map(|name| self.policy_arn(name)).collect();
        for arn in want.iter().filter(|arn| !seen.contains(arn)) {
            let request = self.aws.iam.attach_role_policy().role_name(&meta.name).policy_arn(arn);
            done(format!("attach {arn} to role {}", meta.name), request.send().await)?;
        }
        for arn in seen.iter().filter(|arn| !want.contains(arn)) {
            let request = self.aws.iam.detach_role_policy().role_name(&meta.name).policy_arn(arn);
            done_or(format!("detach {arn} from role {}", meta.name), request.send().await, ABSENT)?;
        }
        Ok(())
    }

    async fn write_inline(&self, meta: &Meta, want: &BTreeMap<String, Vec<Value>>, change: &Change) -> Outcome<()> {
        let pointer = |name: &str| format!("/inlinePolicies/{}", meteoctl_engine::reference::escape(name));
        for (name, statements) in want.iter().filter(|(name, _)| change.touches(&pointer(name))) {
            let document = iam_document::document(&iam_document::resolved(statements)?).to_string();
            let request = self.aws.iam.put_role_policy().role_name(&meta.name).policy_name(name).policy_document(document);
            done(format!("write the policy {name} of role {}", meta.name), request.send().await)?;
        }
        for name in self.inline(&meta.name).await?.keys().filter(|name| !want.contains_key(*name)) {
            let request = self.aws.iam.delete_role_policy().role_name(&meta.name).policy_name(name);
            done_or(format!("remove the policy {name} of role {}", meta.name), request.send().await, ABSENT)?;
        }
        Ok(())
    }
}

fn sdk_tags(wanted: &Tags) -> Outcome<Vec<Tag>> {
    wanted.iter().map(|(key, value)| built("write a tag", Tag::builder().key(key).value(value).build())).collect()
}

impl Kind for Role {
    const NAME: &'static str = "Role";
    const ABOUT: &'static str = "An IAM role: who may assume it, and what it may do.";
    const GRACE: Duration = Duration::from_secs(120);
    type Spec = RoleSpec;

    fn check(&self, _: &Meta, spec: &RoleSpec) -> Vec<Fault> {
        let mut faults = tags::check(spec.tags.as_ref());
        if spec.trust.is_some() == spec.assumed_by.is_some() {
            faults.push(Fault::wrong("/assumedBy", "a role needs either `assumedBy` or `trust`").hint("for a task: assumedBy: ecs-tasks.amazonaws.com"));
        }
        faults.extend(spec.trust.iter().flat_map(|trust| iam_document::check("/trust", trust)));
        for (name, statements) in spec.inline_policies.iter().flatten() {
            faults.extend(iam_document::check(&format!("/inlinePolicies/{}", meteoctl_engine::reference::escape(name)), statements));
        }
        faults
    }

    fn predicted(&self, meta: &Meta, _: &RoleSpec) -> meteoctl_engine::kind::Outputs {
        meteoctl_engine::kind::Outputs::from_iter([("name".to_owned(), Value::from(meta.name.as_str()))])
    }

    async fn observe(&self, meta: &Meta, want: &RoleSpec) -> Outcome<Option<Observed<RoleSpec>>> {
        let doing = format!("look at role {}", meta.name);
        let answer = self.aws.iam.get_role().role_name(&meta.name).send().await;
        let Some(role) = found(doing.clone(), answer, ABSENT)?.and_then(|answer| answer.role) else { return Ok(None) };
        let attached = async { Ok(if want.managed_policies.is_some() { Some(self.attached(&meta.name).await?) } else { None }) };
        let inline = async { Ok(if want.inline_policies.is_some() { Some(self.inline(&meta.name).await?) } else { None }) };
        let (managed_policies, inline_policies) = try_join!(attached, inline)?;
        let carried: Tags = role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        let spec = RoleSpec {
            assumed_by: None,
            trust: Some(iam_document::statements(&doing, role.assume_role_policy_document().unwrap_or_default())?),
            path: Some(role.path().to_owned()),
            description: Some(role.description().unwrap_or_default().to_owned()),
            managed_policies,
            inline_policies,
            tags: None,
        };
        let mut observed = Observed::new(spec).output("arn", role.arn()).output("name", meta.name.as_str());
        observed.work = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &carried)?;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &RoleSpec, change: &Change) -> Outcome<()> {
        let wanted = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        if matches!(change, Change::Create) {
            self.create(meta, want, &wanted).await?;
        } else {
            if change.touches("/trust") {
                let trust = iam_document::document(&iam_document::resolved(&want.trust())?).to_string();
                let request = self.aws.iam.update_assume_role_policy().role_name(&meta.name).policy_document(trust);
                done(format!("write the trust of role {}", meta.name), request.send().await)?;
            }
            if change.touches("/description") {
                let request = self.aws.iam.update_role().role_name(&meta.name).set_description(want.description.clone());
                done(format!("describe role {}", meta.name), request.send().await)?;
            }
            if change.touches("/tags") {
                let request = self.aws.iam.tag_role().role_name(&meta.name).set_tags(Some(sdk_tags(&wanted)?));
                done(format!("tag role {}", meta.name), request.send().await)?;
            }
        }
        if let Some(policies) = want.managed_policies.as_ref().filter(|_| change.touches("/managedPolicies")) {
            self.attach(meta, policies).await?;
        }
        match &want.inline_policies {
            Some(policies) if change.touches("/inlinePolicies") => self.write_inline(meta, policies, change).await,
            _ => Ok(()),
        }
    }

    fn canonical(&self, spec: &mut RoleSpec) {
        let mut trust = spec.trust();
        iam_document::canonical(&mut trust);
        spec.trust = Some(trust);
        spec.assumed_by = None;
        if let Some(policies) = &mut spec.managed_policies {
            policies.iter_mut().for_each(|name| *name = self.policy_arn(name));
            policies.sort();
            policies.dedup();
        }
        spec.inline_policies.iter_mut().flatten().for_each(|(_, statements)| iam_document::canonical(statements));
        spec.tags = None;
    }

    fn diff(&self, want: &RoleSpec, seen: &Observed<RoleSpec>) -> meteoctl_engine::diff::Diff {
        let mut diff = meteoctl_engine::diff::fields(want, &seen.spec);
        crate::exact::surplus(&mut diff, "/inlinePolicies", &want.inline_policies, &seen.spec.inline_policies);
        crate::exact::surplus(&mut diff, "/trust", &want.trust, &seen.spec.trust);
        diff
    }

    async fn delete(&self, meta: &Meta, _: &RoleSpec) -> Outcome<()> {
        self.attach(meta, &[]).await?;
        self.write_inline(meta, &BTreeMap::new(), &Change::Create).await?;
        let request = self.aws.iam.delete_role().role_name(&meta.name);
        done_or(format!("remove role {}", meta.name), request.send().await, ABSENT)
    }
}
