//! Chores: the development stack, the demo, the tests, the benchmarks. Start one with `cargo xtask`.
//!
//! Must not know: the crates of the product. A chore builds and runs them from outside, as a person would, so that this
//! crate stays quick to build and starts before anything else is there.

mod bench;
mod checks;
mod demo;
mod http;
mod process;
mod record;
mod samples;
mod say;
mod stack;
mod steps;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::stack::env::{Backend, Format};
use self::workspace::Workspace;

/// Chores of the meteoctl workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// The development stack: LocalStack, Moto and MongoDB on this machine, without a container engine.
    #[command(subcommand)]
    Stack(StackVerb),
    /// The whole job on the development stack: apply the reference desired state, show where it stands, show that the second
    /// plan is empty.
    Demo(demo::Options),
    /// Write small sample sources into a folder, the same bytes each time.
    Samples {
        /// The folder; made when it is not there.
        folder: PathBuf,
    },
    /// Formatting, lints, documentation and all tests, the stack brought up for them.
    Test(checks::Options),
    /// The benchmarks, with a release build.
    Bench(bench::Options),
}

#[derive(Debug, Subcommand)]
enum StackVerb {
    /// Install what is missing, start what does not run, wait until all is ready.
    Up,
    /// End what `up` started.
    Down,
    /// Show every server; exit code 1 when one is not ready.
    Status {
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Print the variables that point programs to the stack: `eval "$(cargo xtask stack env)"`.
    Env {
        /// Which emulator serves AWS.
        #[arg(long, value_enum, default_value_t = Backend::Localstack)]
        backend: Backend,
        /// How the variables are written.
        #[arg(long, value_enum, default_value_t = Format::Shell)]
        format: Format,
        /// Also what the tests that need the stack look for.
        #[arg(long)]
        tests: bool,
    },
    /// Empty every server: a new account, a new database.
    Reset,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match chore {
        Chore::Stack(verb) => return run_stack(&workspace, verb),
        Chore::Demo(options) => demo::show(&workspace, &options)?,
        Chore::Samples { folder } => demo::write_samples(&folder)?,
        Chore::Test(options) => checks::take(&workspace, &options)?,
        Chore::Bench(options) => bench::measure(&workspace, &options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_stack(workspace: &Workspace, verb: StackVerb) -> Result<ExitCode> {
    match verb {
        StackVerb::Up => {
            stack::up(workspace)?;
            say::step("stack", "up; `eval \"$(cargo xtask stack env)\"` points this shell to it");
        }
        StackVerb::Down => stack::down(workspace, &stack::Server::ALL)?,
        StackVerb::Status { json } => return show_status(workspace, json),
        StackVerb::Env { backend, format, tests } => {
            let ports = stack::ports(workspace)?;
            let mut variables = stack::env::variables(ports, backend);
            if tests {
                variables.extend(stack::env::test_variables(workspace, ports)?);
            }
            say::result(stack::env::show(&variables, format)?);
        }
        StackVerb::Reset => stack::reset(workspace, &[])?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show_status(workspace: &Workspace, json: bool) -> Result<ExitCode> {
    let standings = stack::status(workspace)?;
    if json {
        say::result(serde_json::to_string_pretty(&standings)?);
    } else {
        for standing in &standings {
            let process = standing.pid.map(|pid| format!("process {pid}")).unwrap_or_default();
            say::result(format!("{:<11} {:<9} {:<30} {process}", standing.server, standing.state, standing.url.as_deref().unwrap_or("-")));
        }
    }
    Ok(if standings.iter().all(|standing| standing.state == "ready") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
