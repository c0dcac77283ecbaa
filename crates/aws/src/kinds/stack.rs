//! Stack: identity, defaults and guards of everything else. Nothing to create.

use std::sync::Arc;

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn;
use crate::client::Aws;
use crate::error::Cause;
use crate::policy::Action;
use crate::tags::{self, Tags};

/// Exit code of a guard that refuses.
const REFUSED: u8 = 3;

/// What a look at the identity needs. AWS lets every caller do this; it is listed so that the table is complete.
pub const ACTIONS: &[Action] = &[Action::plan("sts:GetCallerIdentity", "*")];

/// Where the stack lives and what all its things carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StackSpec {
    /// Region of everything in the stack, for example eu-west-3. Left out = what the environment or profile says.
    pub region: Option<String>,
    /// The only account this stack may touch, as 12 digits in quotes. Any other one is refused.
    pub account_id: Option<String>,
    /// Tags that everything in the stack carries besides the tags of ownership.
    pub tags: Option<Tags>,
}

/// The kind.
pub struct Stack {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for Stack {
    const NAME: &'static str = "Stack";
    const ABOUT: &'static str = "Identity of a stack: its region, the account it may touch, the tags everything in it carries.";
    const LOOKS_ALONE: bool = true;
    type Spec = StackSpec;

    fn check(&self, _: &Meta, spec: &StackSpec) -> Vec<Fault> {
        let wrong = |id: &String| id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit());
        let account = spec.account_id.as_ref().filter(|id| wrong(id)).map(|id| {
            Fault::wrong("/accountId", format!("`{id}` is not an AWS account id")).hint("write the 12 digits in quotes: \"123456789012\"")
        });
        account.into_iter().chain(tags::check(spec.tags.as_ref())).collect()
    }

    fn predicted(&self, _: &Meta, spec: &StackSpec) -> Outputs {
        let region = spec.region.as_deref().unwrap_or(self.aws.region());
        let mut outputs = Outputs::new();
        outputs.insert("region".into(), region.into());
        outputs.insert("partition".into(), arn::partition(region).into());
        if let Some(account) = &spec.account_id {
            outputs.insert("account".into(), account.as_str().into());
        }
        outputs
    }

    /// In a wrong account nothing is even looked at.
    fn guards(&self, spec: &StackSpec) -> bool {
        spec.account_id.is_some()
    }

    async fn observe(&self, meta: &Meta, want: &StackSpec) -> Outcome<Option<Observed<StackSpec>>> {
        let account = self.aws.account().await?;
        if let Some(wanted) = want.account_id.as_ref().filter(|wanted| **wanted != account.id) {
            return Err(Failure::rejected(format!("work on stack {} in account {}", meta.name, account.id))
                .because(Cause(format!("the stack belongs to account {wanted}; the credentials are those of {}", account.caller)))
                .hint("choose the profile or role of the right account, or correct `accountId`")
                .exit(REFUSED));
        }
        if let Some(wanted) = want.region.as_ref().filter(|wanted| *wanted != self.aws.region()) {
            return Err(Failure::rejected(format!("work on stack {} in region {}", meta.name, self.aws.region()))
                .because(Cause(format!("the stack belongs to region {wanted}")))
                .hint("one run works in one region: give each region its own Stack and its own run")
                .exit(REFUSED));
        }
        let spec = StackSpec { region: Some(self.aws.region().to_owned()), account_id: Some(account.id.clone()), tags: want.tags.clone() };
        Ok(Some(
            Observed::new(spec)
                .output("account", account.id.as_str())
                .output("region", self.aws.region())
                .output("partition", account.partition.as_str())
                .note(format!("account {}, {}", account.id, self.aws.region())),
        ))
    }

    /// Never called: a stack that can be looked at is in sync.
    async fn apply(&self, _: &Meta, _: &StackSpec, _: &Change) -> Outcome<()> {
        Ok(())
    }

    /// Nothing exists beyond the documents; removing it is done at once.
    async fn delete(&self, _: &Meta, _: &StackSpec) -> Outcome<()> {
        Ok(())
    }
}
