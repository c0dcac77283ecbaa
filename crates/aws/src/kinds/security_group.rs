//! SecurityGroup: a group and its rules as two sets.

mod look;
mod rule;
mod write;

use std::sync::Arc;

use meteoctl_engine::diff::{self, Diff};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

pub use self::rule::Rule;
use self::write::Side;
use crate::answer::fixed;
use crate::client::Aws;
use crate::error::Cause;
use crate::operator_ip;
use crate::policy::Action;
use crate::tags::{self, Tags};

const GROUPS: &str = "arn:{partition}:ec2:{region}:{account}:security-group/*";
const VPCS: &str = "arn:{partition}:ec2:{region}:{account}:vpc/*";

/// What each call needs. EC2 knows no resource for looking.
pub const ACTIONS: &[Action] = &[
    Action::plan("ec2:DescribeSecurityGroups", "*"),
    Action::plan("ec2:DescribeVpcs", "*"),
    Action::apply("ec2:DescribeSecurityGroupRules", "*"),
    Action::apply("ec2:CreateSecurityGroup", GROUPS),
    Action::apply("ec2:CreateSecurityGroup", VPCS),
    Action::apply("ec2:CreateTags", GROUPS),
    Action::apply("ec2:AuthorizeSecurityGroupIngress", GROUPS).when("/ingress"),
    Action::apply("ec2:RevokeSecurityGroupIngress", GROUPS).when("/ingress"),
    Action::apply("ec2:UpdateSecurityGroupRuleDescriptionsIngress", GROUPS).when("/ingress"),
    Action::apply("ec2:AuthorizeSecurityGroupEgress", GROUPS).when("/egress"),
    Action::apply("ec2:RevokeSecurityGroupEgress", GROUPS).when("/egress"),
    Action::apply("ec2:UpdateSecurityGroupRuleDescriptionsEgress", GROUPS).when("/egress"),
    Action::delete("ec2:DeleteSecurityGroup", GROUPS),
    Action::delete("ec2:DescribeNetworkInterfaces", "*"),
];

/// A security group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecurityGroupSpec {
    /// What the group is for, at most 255 characters. Fixed at creation.
    pub description: String,
    /// Id of the VPC, or `default` (also when left out). Fixed at creation.
    pub vpc: Option<String>,
    /// Rules for traffic that comes in. `[]` = none.
    pub ingress: Option<Vec<Rule>>,
    /// Rules for traffic that goes out. Left out = the rule that AWS gives every new group (everything may go out) is left
    /// alone; `[]` = nothing may go out.
    pub egress: Option<Vec<Rule>>,
    /// Whether rules that are not listed here are removed. Left out = exclusive.
    pub rules_mode: Option<RulesMode>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// What happens to rules that the document does not list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RulesMode {
    /// They are removed.
    #[default]
    Exclusive,
    /// They stay.
    Additive,
}

/// The kind.
pub struct SecurityGroup {
    /// The clients.
    pub aws: Arc<Aws>,
    default_vpc: OnceCell<String>,
}

impl SecurityGroup {
    /// The kind over one set of clients.
    pub fn new(aws: Arc<Aws>) -> Self {
        SecurityGroup { aws, default_vpc: OnceCell::new() }
    }
}

impl Kind for SecurityGroup {
    const NAME: &'static str = "SecurityGroup";
    const ABOUT: &'static str = "An EC2 security group: who may reach what, as two sets of rules.";
    const LOOKS_ALONE: bool = true;
    type Spec = SecurityGroupSpec;

    fn check(&self, meta: &Meta, spec: &SecurityGroupSpec) -> Vec<Fault> {
        let mut faults = Vec::new();
        if meta.name.len() > 255 || meta.name.to_ascii_lowercase().starts_with("sg-") || !meta.name.chars().all(rule::describes) {
            faults.push(
                Fault::wrong("", format!("`{}` cannot be the name of a security group", meta.name))
                    .hint("at most 255 letters, digits, blanks and . _ - : / ( ) # , @ [ ] + = & ; { } ! $ *, not beginning with sg-"),
            );
        }
        if spec.description.is_empty() || spec.description.len() > 255 || !spec.description.chars().all(rule::describes) {
            faults.push(Fault::wrong(
                "/description",
                "a description has 1 to 255 characters: letters, digits, blanks and . _ - : / ( ) # , @ [ ] + = & ; { } ! $ *",
            ));
        }
        if spec.vpc.as_ref().is_some_and(|vpc| vpc != "default" && !vpc.starts_with("vpc-")) {
            faults.push(Fault::wrong("/vpc", "write `default` or the id of a VPC (vpc-…)"));
        }
        for (side, rules, inward) in [("ingress", &spec.ingress, true), ("egress", &spec.egress, false)] {
            let rules = rules.iter().flatten().enumerate();
            faults.extend(rules.flat_map(|(index, rule)| rule.check(&format!("/{side}/{index}"), inward)));
        }
        faults.extend(tags::check(spec.tags.as_ref()));
        faults
    }

    fn predicted(&self, meta: &Meta, _: &SecurityGroupSpec) -> Outputs {
        Outputs::from_iter([("name".to_owned(), meta.name.as_str().into())])
    }

    async fn observe(&self, meta: &Meta, want: &SecurityGroupSpec) -> Outcome<Option<Observed<SecurityGroupSpec>>> {
        let asks_operator = want.ingress.iter().chain(&want.egress).flatten().any(|rule| rule.cidr.as_deref() == Some(operator_ip::WORD));
        let operator = async { if asks_operator { self.aws.operator_ip.network().await.map(drop) } else { Ok(()) } };
        let (group, ()) = tokio::try_join!(self.find(meta, want), operator)?;
        let Some(group) = group else { return Ok(None) };
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &group.tags)?;
        fixed(&format!("security group {}", meta.name), "the description", Some(&want.description), &group.description)?;
        let spec = SecurityGroupSpec {
            description: group.description,
            vpc: Some(group.vpc.clone()),
            ingress: Some(group.ingress),
            egress: Some(group.egress),
            rules_mode: want.rules_mode,
            tags: None,
        };
        let mut observed = Observed::new(spec).output("id", group.id).output("vpc", group.vpc).output("name", meta.name.as_str());
        observed.work = due;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &SecurityGroupSpec, change: &Change) -> Outcome<()> {
        let wanted_tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let id = match change {
            Change::Create => {
                let vpc = self.vpc(want).await?;
                write::create(&self.aws, &meta.name, &want.description, &vpc, &wanted_tags).await?
            }
            Change::Update(_) => match self.find(meta, want).await? {
                Some(group) => group.id,
                None => {
                    return Err(Failure::transient(format!("find security group {} again", meta.name)).because(Cause("it is gone".into())));
                }
            },
        };
        if matches!(change, Change::Update(_)) && change.touches("/tags") {
            write::tag(&self.aws, &id, &wanted_tags).await?;
        }
        if !change.touches("/ingress") && !change.touches("/egress") {
            return Ok(());
        }
        let mut spelled = want.clone();
        self.canonical(&mut spelled);
        let own = |rules: Option<Vec<Rule>>| {
            rules.map(|mut rules| {
                rules.iter_mut().for_each(|rule| rule.canonical(Some(&id), self.aws.operator_ip.known()));
                rules
            })
        };
        let ingress = own(spelled.ingress).filter(|_| change.touches("/ingress"));
        let egress = own(spelled.egress).filter(|_| change.touches("/egress"));
        let mode = want.rules_mode.unwrap_or_default();
        let (inward, outward) = write::deltas(&self.aws, &id, ingress.as_deref(), egress.as_deref(), mode).await?;
        write::rules(&self.aws, &id, Side::Ingress, &inward).await?;
        write::rules(&self.aws, &id, Side::Egress, &outward).await
    }

    fn canonical(&self, spec: &mut SecurityGroupSpec) {
        for rules in [&mut spec.ingress, &mut spec.egress].into_iter().flatten() {
            rules.iter_mut().for_each(|rule| rule.canonical(None, self.aws.operator_ip.known()));
            rules.sort_by_cached_key(Rule::key);
            rules.dedup_by_key(|rule| rule.key());
        }
        // Where the group stands was settled by finding it there.
        spec.vpc = None;
        spec.tags = None;
    }

    fn diff(&self, want: &SecurityGroupSpec, seen: &Observed<SecurityGroupSpec>) -> Diff {
        let own = seen.outputs.get("id").and_then(serde_json::Value::as_str);
        let mut want = want.clone();
        for rules in [&mut want.ingress, &mut want.egress].into_iter().flatten() {
            rules.iter_mut().for_each(|rule| rule.canonical(own, self.aws.operator_ip.known()));
            rules.sort_by_cached_key(Rule::key);
        }
        let mut seen = seen.spec.clone();
        if want.rules_mode == Some(RulesMode::Additive) {
            leave_others(&want.ingress, &mut seen.ingress);
            leave_others(&want.egress, &mut seen.egress);
        }
        diff::fields(&want, &seen)
    }

    async fn delete(&self, meta: &Meta, want: &SecurityGroupSpec) -> Outcome<()> {
        match self.find(meta, want).await? {
            Some(group) => write::delete(&self.aws, &group.id).await,
            None => Ok(()),
        }
    }
}

impl SecurityGroup {
    async fn vpc(&self, want: &SecurityGroupSpec) -> Outcome<String> {
        match want.vpc.as_deref() {
            None | Some("default") => self.default_vpc.get_or_try_init(|| look::default_vpc(&self.aws)).await.cloned(),
            Some(id) => Ok(id.to_owned()),
        }
    }

    /// The group of this name in the VPC of the wish.
    async fn find(&self, meta: &Meta, want: &SecurityGroupSpec) -> Outcome<Option<look::Standing>> {
        let (vpc, groups) = tokio::try_join!(self.vpc(want), look::groups(&self.aws, &meta.name))?;
        Ok(groups.into_iter().find(|group| group.vpc == vpc))
    }
}

/// In additive mode rules that the wish does not know are none of our business.
fn leave_others(want: &Option<Vec<Rule>>, seen: &mut Option<Vec<Rule>>) {
    if let (Some(want), Some(seen)) = (want, seen) {
        seen.retain(|rule| want.iter().any(|wanted| wanted.key() == rule.key()));
    }
}
