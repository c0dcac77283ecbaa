//! `iam-policy`: the least privilege for exactly these documents.

use clap::{Args, ValueEnum};
use meteoctl_engine::failure::Outcome;

use super::{DONE, Desk};
use crate::app::{self, Purpose};

/// What iam-policy takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What the policy is to allow
    #[arg(long = "for", value_enum, default_value = "apply", value_name = "PURPOSE")]
    purpose: Wanted,
    /// The account, where the Stack document does not say it; left out = any
    #[arg(long, value_name = "12 DIGITS")]
    account: Option<String>,
}

/// What a policy is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Wanted {
    /// plan, drift, status
    Plan,
    /// apply, jobs included
    Apply,
    /// run and restore
    Jobs,
    /// destroy
    Destroy,
}

/// Shows the policy document. It is JSON in either format: that is what IAM reads.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let purpose = match arguments.purpose {
        Wanted::Plan => Purpose::Plan,
        Wanted::Apply => Purpose::Apply,
        Wanted::Jobs => Purpose::Jobs,
        Wanted::Destroy => Purpose::Destroy,
    };
    let policy = app::policy(&checked.documents, purpose, arguments.account.as_deref()).await;
    if !policy.unknown.is_empty() {
        desk.view.story(&format!("warning: the calls of these kinds are not covered: {}\n", policy.unknown.join(", ")));
    }
    desk.view.result(&policy.document, || format!("{:#}\n", policy.document));
    Ok(DONE)
}
