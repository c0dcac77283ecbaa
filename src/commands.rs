//! One file per verb: arguments in, one result out, an exit code back.

pub mod apply;
pub mod destroy;
pub mod drift;
pub mod explain;
pub mod graph;
pub mod iam_policy;
pub mod init;
pub mod lock;
pub mod locked;
pub mod logs;
pub mod operate;
pub mod plan;
pub mod prune;
pub mod restore;
pub mod run;
pub mod saved;
pub mod schema;
pub mod select;
pub mod status;
pub mod validate;
pub mod words;

use std::path::PathBuf;

use meteoctl_engine::failure::{Failure, Outcome};

use crate::app::{self, App, Checked, Wishes};
use crate::cli::{Cli, Command, Format, Global};
use crate::config::Config;
use crate::view::View;

/// Done, or in sync.
pub const DONE: u8 = 0;
/// An error that has no code of its own.
pub const ERROR: u8 = 1;
/// There are changes, or drift.
pub const CHANGES: u8 = 2;
/// Refused by policy.
pub const POLICY: u8 = 3;
/// Locked by another run.
pub const LOCKED: u8 = 4;
/// The words on the command line are wrong.
pub const USAGE: u8 = 64;

/// What every verb works with.
pub struct Desk<'a> {
    /// Options that every verb takes.
    pub global: &'a Global,
    /// The environment.
    pub config: &'a Config,
    /// Where results and the story go.
    pub view: &'a View,
}

/// Carries out the verb; the exit code.
pub fn run(cli: Cli, config: &Config, view: &View) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return view.failure(&Failure::rejected("start the program's own threads").because(error)),
    };
    let desk = Desk { global: &cli.global, config, view };
    runtime.block_on(dispatch(cli.command, &desk)).unwrap_or_else(|failure| view.failure(&failure))
}

async fn dispatch(command: Command, desk: &Desk<'_>) -> Outcome<u8> {
    if !matches!(desk.global.output, Format::Text | Format::Json) && !matches!(command, Command::Drift(_)) {
        return Err(usage("write the result", "this format is made by `meteoctl drift` only", "use --output text or --output json"));
    }
    match command {
        Command::Validate => validate::run(desk).await,
        Command::Plan(arguments) => plan::run(desk, &arguments).await,
        Command::Apply(arguments) => apply::run(desk, &arguments).await,
        Command::Drift(arguments) => drift::run(desk, &arguments).await,
        Command::Status => status::run(desk).await,
        Command::Run(arguments) => run::run(desk, &arguments).await,
        Command::Restore(arguments) => restore::run(desk, &arguments).await,
        Command::Destroy(arguments) => destroy::run(desk, &arguments).await,
        Command::Prune(arguments) => prune::run(desk, &arguments).await,
        Command::Graph(arguments) => graph::run(desk, &arguments).await,
        Command::Explain(arguments) => explain::run(desk, &arguments).await,
        Command::Lock(arguments) => lock::run(desk, &arguments).await,
        Command::Logs(arguments) => logs::run(desk, &arguments).await,
        Command::Operate(arguments) => operate::run(desk, &arguments).await,
        Command::IamPolicy(arguments) => iam_policy::run(desk, &arguments).await,
        Command::Schema => schema::run(desk).await,
        Command::Init(arguments) => init::run(desk, &arguments).await,
        Command::Completions(arguments) => Ok(words::completions(desk, &arguments)),
        Command::Man => words::man(desk),
    }
}

impl Desk<'_> {
    /// The documents, checked; their faults are told and answered with an exit code.
    pub async fn read(&self) -> Result<Checked, u8> {
        self.read_from(&self.global.paths()).await
    }

    /// The documents of these files and folders, checked.
    pub async fn read_from(&self, paths: &[PathBuf]) -> Result<Checked, u8> {
        app::read(paths).await.map_err(|faults| {
            self.view.faults(&faults);
            if faults.iter().all(|fault| fault.rule.is_some()) { POLICY } else { ERROR }
        })
    }

    /// Prepares a run over these documents.
    pub async fn open(&self, checked: Checked, wishes: Wishes) -> App {
        app::open(checked, self.global, self.config, self.view.listener(), wishes).await
    }

    /// Prepares a run that only looks.
    pub async fn open_to_look(&self, checked: Checked, wishes: Wishes) -> App {
        app::open(checked, self.global, self.config, self.view.watcher(), wishes).await
    }
}

/// A failure of the words on the command line.
pub fn usage(doing: impl Into<String>, why: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::rejected(doing).because(why.into()).hint(hint).exit(USAGE)
}
