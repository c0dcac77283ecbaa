//! Role: an IAM role, who may assume it and what it may do.

mod look;
mod write;

use std::sync::Arc;
use std::time::Duration;

use meteoctl_engine::diff::{self, Diff};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::fixed;
use crate::client::Aws;
use crate::policy::Action;
use crate::tags::{self, Tags};
use crate::{arn, exact, iam_document};

const ROLE: &str = "arn:{partition}:iam::{account}:role{/path|/}{name}";

/// What each call needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("iam:GetRole", ROLE),
    Action::plan("iam:ListAttachedRolePolicies", ROLE).when("/managedPolicies"),
    Action::plan("iam:ListRolePolicies", ROLE).when("/inlinePolicies"),
    Action::plan("iam:GetRolePolicy", ROLE).when("/inlinePolicies"),
    Action::apply("iam:CreateRole", ROLE),
    Action::apply("iam:TagRole", ROLE),
    Action::apply("iam:UpdateRole", ROLE),
    Action::apply("iam:UpdateAssumeRolePolicy", ROLE),
    Action::apply("iam:AttachRolePolicy", ROLE).when("/managedPolicies"),
    Action::apply("iam:DetachRolePolicy", ROLE).when("/managedPolicies"),
    Action::apply("iam:PutRolePolicy", ROLE).when("/inlinePolicies"),
    Action::apply("iam:DeleteRolePolicy", ROLE).when("/inlinePolicies"),
    Action::apply("iam:PutRolePermissionsBoundary", ROLE).when("/permissionsBoundary"),
    Action::apply("iam:DeleteRolePermissionsBoundary", ROLE).when("/permissionsBoundary"),
    Action::delete("iam:ListAttachedRolePolicies", ROLE),
    Action::delete("iam:ListRolePolicies", ROLE),
    Action::delete("iam:ListInstanceProfilesForRole", ROLE),
    Action::delete("iam:DetachRolePolicy", ROLE),
    Action::delete("iam:DeleteRolePolicy", ROLE),
    Action::delete("iam:DeleteRole", ROLE),
];

/// An IAM role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RoleSpec {
    /// Who may assume the role: a service (`ecs-tasks.amazonaws.com`), several of them, or a whole trust policy.
    pub assumed_by: Trust,
    /// What the role is for, at most 1000 characters.
    pub description: Option<String>,
    /// Path of the role, for example `/p8/`. Fixed at creation; left out = `/`.
    pub path: Option<String>,
    /// How long a session may last, 3600 to 43200 seconds.
    pub max_session_seconds: Option<i32>,
    /// All managed policies of the role: ARNs, or names of AWS's own (`service-role/AmazonECSTaskExecutionRolePolicy`).
    /// `[]` = none.
    pub managed_policies: Option<Vec<Link>>,
    /// All inline policies of the role. `[]` = none.
    pub inline_policies: Option<Vec<InlinePolicy>>,
    /// ARN of the managed policy that bounds what the role can ever do; `none` = no bound.
    pub permissions_boundary: Option<Link>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// Who may assume a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a service such as ecs-tasks.amazonaws.com, a list of services, or a trust policy with `Statement`")]
pub enum Trust {
    /// One service.
    Service(String),
    /// Several services.
    Services(Vec<String>),
    /// A trust policy.
    Document(TrustDocument),
}

/// A trust policy in AWS's own grammar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustDocument {
    /// Version of the policy language.
    #[serde(rename = "Version", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The statements.
    #[serde(rename = "Statement")]
    pub statements: Vec<Value>,
}

/// An inline policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InlinePolicy {
    /// Name, unique in the role.
    pub name: String,
    /// Statements in the grammar of IAM. A value may be a reference: `Resource: {ref: Secret/p8/mongodb}` stands for its
    /// ARN, `{ref: Bucket/p8-meteo, key: objectsArn}` for another output.
    pub statements: Vec<Value>,
}

impl Trust {
    /// The statements of the trust policy.
    pub fn statements(&self) -> Vec<Value> {
        let services = |names: Value| vec![json!({"Effect": "Allow", "Principal": {"Service": names}, "Action": "sts:AssumeRole"})];
        match self {
            Trust::Service(name) => services(json!(name)),
            Trust::Services(names) => services(json!(names)),
            Trust::Document(document) => document.statements.clone(),
        }
    }

    /// One spelling: a policy that only names services is told by their names.
    fn canonical(&self) -> Self {
        let mut statements = self.statements();
        iam_document::canonical(&mut statements);
        match plain_services(&statements) {
            Some(names) => match names.as_slice() {
                [one] => Trust::Service(one.clone()),
                _ => Trust::Services(names),
            },
            None => Trust::Document(TrustDocument { version: None, statements }),
        }
    }
}

fn plain_services(statements: &[Value]) -> Option<Vec<String>> {
    let [statement] = statements else { return None };
    let names = statement.get("Principal")?.get("Service")?.as_array()?;
    let mut plain = Trust::Services(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()).statements();
    iam_document::canonical(&mut plain);
    (plain == statements).then(|| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// The kind.
pub struct Role {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for Role {
    const NAME: &'static str = "Role";
    const ABOUT: &'static str = "An IAM role: who may assume it, and what it may do.";
    const LOOKS_ALONE: bool = true;
    /// IAM is copied to every region; that takes up to two minutes.
    const GRACE: Duration = Duration::from_secs(120);
    type Spec = RoleSpec;

    fn check(&self, meta: &Meta, spec: &RoleSpec) -> Vec<Fault> {
        let mut faults = Vec::new();
        let fits = |text: &str, limit: usize| {
            !text.is_empty() && text.len() <= limit && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
        };
        if !fits(&meta.name, 64) {
            faults.push(
                Fault::wrong("", format!("`{}` cannot be the name of a role", meta.name)).hint("1 to 64 letters, digits and + = , . @ _ -"),
            );
        }
        if spec.path.as_ref().is_some_and(|path| !path.starts_with('/') || !path.ends_with('/') || path.len() > 512) {
            faults.push(Fault::wrong("/path", "a path begins and ends with a slash"));
        }
        if spec.max_session_seconds.is_some_and(|seconds| !(3600..=43200).contains(&seconds)) {
            faults.push(Fault::wrong("/maxSessionSeconds", "IAM takes 3600 to 43200 seconds"));
        }
        if let Trust::Document(document) = &spec.assumed_by {
            faults.extend(iam_document::check("/assumedBy/Statement", &document.statements));
        }
        let inline = spec.inline_policies.as_deref().unwrap_or_default();
        for (index, policy) in inline.iter().enumerate() {
            if !fits(&policy.name, 128) || inline.iter().take(index).any(|other| other.name == policy.name) {
                faults.push(
                    Fault::wrong(format!("/inlinePolicies/{index}/name"), format!("`{}` cannot be the name of this policy", policy.name))
                        .hint("1 to 128 letters, digits and + = , . @ _ -, each name once"),
                );
            }
            faults.extend(iam_document::check(&format!("/inlinePolicies/{index}/statements"), &policy.statements));
        }
        faults.extend(tags::check(spec.tags.as_ref()));
        faults
    }

    fn predicted(&self, meta: &Meta, spec: &RoleSpec) -> Outputs {
        let mut outputs = Outputs::from_iter([("name".to_owned(), meta.name.as_str().into())]);
        if let Some(account) = self.aws.known_account() {
            let path = spec.path.as_deref().unwrap_or("/");
            outputs.insert("arn".into(), format!("arn:{}:iam::{}:role{path}{}", account.partition, account.id, meta.name).into());
        }
        outputs
    }

    async fn observe(&self, meta: &Meta, want: &RoleSpec) -> Outcome<Option<Observed<RoleSpec>>> {
        let Some(seen) = look::role(&self.aws, &meta.name, want).await? else { return Ok(None) };
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &seen.tags)?;
        let path = seen.spec.path.clone().unwrap_or_else(|| "/".into());
        fixed(&format!("role {}", meta.name), "the path", want.path.as_ref(), &path)?;
        let mut observed = Observed::new(seen.spec).output("name", meta.name.as_str()).output("arn", seen.arn).since(seen.since);
        observed.work = due;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &RoleSpec, change: &Change) -> Outcome<()> {
        let wanted_tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let pen = write::Pen { aws: &self.aws, role: &meta.name };
        match change {
            Change::Create => pen.create(want, &wanted_tags).await?,
            Change::Update(_) => pen.update(want, change, &wanted_tags).await?,
        }
        if let Some(policies) = want.managed_policies.as_ref().filter(|_| change.touches("/managedPolicies")) {
            let wanted = policies.iter().map(|policy| policy_arn(self.aws.region(), policy)).collect::<Outcome<Vec<_>>>()?;
            pen.attach(&wanted, matches!(change, Change::Create)).await?;
        }
        if let Some(policies) = want.inline_policies.as_ref().filter(|_| change.touches("/inlinePolicies")) {
            pen.inline(policies, matches!(change, Change::Create)).await?;
        }
        Ok(())
    }

    fn canonical(&self, spec: &mut RoleSpec) {
        spec.assumed_by = spec.assumed_by.canonical();
        if let Some(policies) = &mut spec.managed_policies {
            for policy in policies.iter_mut() {
                if let Ok(arn) = policy_arn(self.aws.region(), policy) {
                    *policy = Link::literal(arn);
                }
            }
            policies.sort_by_cached_key(|policy| policy.output("arn").unwrap_or_default());
            policies.dedup();
        }
        if let Some(policies) = &mut spec.inline_policies {
            policies.iter_mut().for_each(|policy| iam_document::canonical(&mut policy.statements));
            policies.sort_by(|a, b| a.name.cmp(&b.name));
        }
        if let Some(boundary) = &mut spec.permissions_boundary {
            boundary.settle("arn");
        }
        spec.path = None;
        spec.tags = None;
    }

    fn diff(&self, want: &RoleSpec, seen: &Observed<RoleSpec>) -> Diff {
        let mut diff = diff::fields(want, &seen.spec);
        exact::surplus(&mut diff, "/assumedBy", &Some(&want.assumed_by), &Some(&seen.spec.assumed_by));
        exact::surplus(&mut diff, "/inlinePolicies", &want.inline_policies, &seen.spec.inline_policies);
        diff
    }

    async fn delete(&self, meta: &Meta, _: &RoleSpec) -> Outcome<()> {
        write::Pen { aws: &self.aws, role: &meta.name }.delete().await
    }
}

/// The ARN of a managed policy; a name without `arn:` is one of AWS's own.
fn policy_arn(region: &str, policy: &Link) -> Outcome<String> {
    let name = policy.output("arn")?;
    Ok(if name.starts_with("arn:") { name } else { format!("arn:{}:iam::aws:policy/{name}", arn::partition(region)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_policy_that_names_services_is_told_by_them() {
        let service: Trust = serde_json::from_value(json!("ecs-tasks.amazonaws.com")).expect("trust");
        let document: Trust = serde_json::from_value(json!({"Version": "2012-10-17", "Statement": [{"Sid": "", "Effect": "Allow",
            "Principal": {"Service": ["ecs-tasks.amazonaws.com"]}, "Action": ["sts:AssumeRole"]}]}))
        .expect("trust");
        assert_eq!(document.canonical(), service);
        let narrower: Trust = serde_json::from_value(json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}]}))
        .expect("trust");
        assert!(matches!(narrower.canonical(), Trust::Document(_)));
        assert_eq!(narrower.canonical().canonical(), narrower.canonical());
    }

    #[test]
    fn short_names_are_policies_of_aws() {
        let arn = |region: &str, name: &str| policy_arn(region, &Link::literal(name)).expect("an arn");
        assert_eq!(arn("eu-west-3", "service-role/X"), "arn:aws:iam::aws:policy/service-role/X");
        assert_eq!(arn("cn-north-1", "X"), "arn:aws-cn:iam::aws:policy/X");
        assert_eq!(arn("eu-west-3", "arn:aws:iam::1:policy/Y"), "arn:aws:iam::1:policy/Y");
    }
}
