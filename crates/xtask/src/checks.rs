//! Everything that must hold before a change lands; what continuous integration runs.

use std::process::{Command, Stdio};

use anyhow::Result;
use clap::ValueEnum;

use crate::stack::{self, env};
use crate::steps::{Ledger, run};
use crate::workspace::Workspace;

/// One step of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// The formatting.
    Fmt,
    /// The lints; a warning fails.
    Clippy,
    /// The documentation; a warning fails.
    Doc,
    /// Every test, the development stack's included.
    Test,
    /// Licences, advisories and sources of all dependencies, where cargo-deny is installed.
    Deny,
}

/// What may be chosen.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Take these steps alone, in this order.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEPS", default_value = "fmt,clippy,doc,test,deny")]
    pub only: Vec<Step>,
    /// Handed to `cargo test`: a filter of test names, `-- --nocapture`, `--package NAME`.
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub test: Vec<String>,
}

/// Takes the steps, all of them even when one fails, and shows the time of each.
///
/// # Errors
/// When a step failed; the message names all that did.
pub fn take(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut ledger = Ledger::default();
    for chosen in &options.only {
        match chosen {
            Step::Fmt => ledger.take("fmt", || cargo(workspace, "fmt", &["fmt", "--all", "--check"])),
            Step::Clippy => {
                ledger
                    .take("clippy", || cargo(workspace, "clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]));
            }
            Step::Doc => ledger.take("doc", || doc(workspace)),
            Step::Test => test(workspace, &options.test, &mut ledger),
            Step::Deny if has_deny() => ledger.take("deny", || cargo(workspace, "deny", &["deny", "--workspace", "check"])),
            Step::Deny => ledger.leave_out("deny", "cargo-deny is not installed (cargo install --locked cargo-deny)"),
        }
    }
    ledger.close()
}

fn cargo(workspace: &Workspace, about: &str, arguments: &[&str]) -> Result<()> {
    run(about, Command::new("cargo").current_dir(&workspace.root).args(arguments))
}

fn doc(workspace: &Workspace) -> Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root).args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    run("doc", command.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Builds the tests, then brings the stack up and runs them; servers that were up before stay up.
fn test(workspace: &Workspace, arguments: &[String], ledger: &mut Ledger) {
    ledger.take("build", || cargo(workspace, "build", &["test", "--workspace", "--no-run"]));
    let mut started = Vec::new();
    ledger.take("stack up", || {
        started = stack::up(workspace)?;
        Ok(())
    });
    ledger.take("test", || {
        let variables = env::test_variables(workspace, stack::ports(workspace)?)?;
        let mut command = Command::new("cargo");
        env::clean(&mut command);
        command.current_dir(&workspace.root).envs(variables).args(["test", "--workspace", "--no-fail-fast"]).args(arguments);
        run("test", &mut command)
    });
    ledger.take("stack down", || stack::down(workspace, &started));
}

fn has_deny() -> bool {
    let mut command = Command::new("cargo");
    command.args(["deny", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
