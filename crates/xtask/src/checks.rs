//! Everything that must hold before a change lands; what continuous integration runs.

use std::process::{Command, Stdio};

use anyhow::Result;
use clap::ValueEnum;

use crate::stack::{self, browser, env};
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
    /// Licences, bans and sources of all dependencies, where cargo-deny is installed. Advisories change without us: not here.
    Deny,
}

/// What may be chosen.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Take these steps alone, in this order.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEPS", default_value = "fmt,clippy,doc,test,deny")]
    pub only: Vec<Step>,
    /// Lint, document and test this package alone; may be given several times.
    #[arg(long, short, value_name = "NAME")]
    pub package: Vec<String>,
    /// Handed to `cargo test`: a filter of test names, or `--test stack`.
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
            Step::Fmt => ledger.take("fmt", || run("fmt", cargo(workspace).args(["fmt", "--all", "--check"]))),
            Step::Clippy => ledger.take("clippy", || clippy(workspace, options)),
            Step::Doc => ledger.take("doc", || doc(workspace, options)),
            Step::Test => test(workspace, options, &mut ledger),
            Step::Deny if has_deny() => {
                ledger.take("deny", || run("deny", cargo(workspace).args(["deny", "--workspace", "check", "bans", "licenses", "sources"])))
            }
            Step::Deny => ledger.leave_out("deny", "cargo-deny is not installed (cargo install --locked cargo-deny)"),
        }
    }
    ledger.close()
}

fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root);
    command
}

/// The words that say what of the workspace is meant.
fn packages(options: &Options) -> Vec<&str> {
    if options.package.is_empty() {
        return vec!["--workspace"];
    }
    options.package.iter().flat_map(|name| ["--package", name]).collect()
}

fn clippy(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut command = cargo(workspace);
    command.arg("clippy").args(packages(options)).args(["--all-targets", "--", "--deny", "warnings"]);
    run("clippy", &mut command)
}

fn doc(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut command = cargo(workspace);
    command.arg("doc").args(packages(options)).args(["--no-deps", "--document-private-items"]);
    run("doc", command.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Builds the tests, then brings the stack up and runs them; servers that were up before stay up.
fn test(workspace: &Workspace, options: &Options, ledger: &mut Ledger) {
    ledger.take("build", || run("build", cargo(workspace).arg("test").args(packages(options)).arg("--no-run")));
    let has_page = options.package.is_empty() || options.package.iter().any(|name| name == "meteoctl-data");
    if has_page && let Err(why) = browser::ensure(workspace) {
        ledger.leave_out("page", &format!("{why:#}"));
    }
    let mut started = Vec::new();
    ledger.take("stack up", || {
        started = stack::up(workspace)?;
        Ok(())
    });
    ledger.take("test", || {
        let variables = env::test_variables(workspace, stack::ports(workspace)?)?;
        let mut command = cargo(workspace);
        env::clean(&mut command);
        command.envs(variables).arg("test").args(packages(options)).arg("--no-fail-fast").args(&options.test);
        run("test", &mut command)
    });
    ledger.take("stack down", || stack::down(workspace, &started));
}

fn has_deny() -> bool {
    let mut command = Command::new("cargo");
    command.args(["deny", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
