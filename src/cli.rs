//! The words a user may say, and exit code 64 for all others.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// The folder that is read when no `-f` is given.
const DEFAULT_FOLDER: &str = "desired-state";

/// Infrastructure, weather data and MongoDB backups as one desired state.
#[derive(Debug, Parser)]
#[command(name = "meteoctl", version, max_term_width = 100, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done or in sync · 1 error · 2 changes or drift · 3 refused by policy · 4 locked by another run \
· 5 quality gate failed · 6 saved plan is stale · 64 usage";

/// What every verb takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// File or folder with documents; may be given several times [default: desired-state/]
    #[arg(short, long = "file", value_name = "PATH", global = true)]
    files: Vec<PathBuf>,
    /// How the result is written on stdout
    #[arg(long, value_enum, default_value = "text", global = true, value_name = "FORMAT")]
    pub output: Format,
    /// How the story is written on stderr
    #[arg(long, value_enum, default_value = "text", global = true, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Tell more; twice for the engine's own log
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Tell failures only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// When to stop waiting for anything: 90s, 30m, 2h
    #[arg(long, default_value = "30m", value_parser = duration, global = true, value_name = "TIME")]
    pub timeout: Duration,
    /// Most documents in hand at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=100), global = true, value_name = "N")]
    pub concurrency: u16,
}

impl Global {
    /// The paths to read.
    pub fn paths(&self) -> Vec<PathBuf> {
        if self.files.is_empty() { vec![PathBuf::from(DEFAULT_FOLDER)] } else { self.files.clone() }
    }
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For machines
    Json,
    /// For code scanning (drift only)
    Sarif,
    /// For test reports (drift only)
    Junit,
    /// For annotations in a GitHub workflow (drift only)
    Github,
}

/// How the story is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For collectors: one object a line
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell every fault of the documents at once; needs no credentials
    Validate,
    /// Show what apply would do, field by field
    Plan(commands::plan::Arguments),
    /// Make it so, until one fresh look finds nothing left to do
    Apply(commands::apply::Arguments),
    /// Tell what is no longer as declared; exit code 2 when anything is
    Drift(commands::drift::Arguments),
    /// Show where every document stands, and whether the project's promises are kept
    Status,
    /// Run one job now
    Run(commands::run::Arguments),
    /// Bring a backup back, checked before anything is written
    Restore(commands::restore::Arguments),
    /// Remove everything, in reverse order; things that hold data only when confirmed by name
    Destroy(commands::destroy::Arguments),
    /// List what carries the stack's tags but has no document any more; remove it with --yes
    Prune(commands::prune::Arguments),
    /// Show who holds the stack's lock, or free it
    Lock(commands::lock::Arguments),
    /// Show what the task writes to its log
    Logs(commands::logs::Arguments),
    /// Keep it so: look, repair and prove at every interval, until asked to stop
    Operate(commands::operate::Arguments),
    /// Draw who needs whom
    Graph(commands::graph::Arguments),
    /// Say what a kind is and what its fields mean
    Explain(commands::explain::Arguments),
    /// Write the least IAM policy for exactly these documents
    IamPolicy(commands::iam_policy::Arguments),
    /// Write the JSON Schema of all documents, for editors
    Schema,
    /// Write a starter folder
    Init(commands::init::Arguments),
    /// Write the completion script of a shell
    Completions(commands::words::Arguments),
    /// Write the manual page
    Man,
}

/// Reads the command line.
pub fn parse() -> Result<Cli, clap::Error> {
    Cli::try_parse()
}

/// `90s`, `30m`, `2h`, or a number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is not a time: write for example 90s, 30m or 2h"))?;
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => return Err(format!("`{other}` is not a unit of time: write s, m, h or d")),
    };
    number.checked_mul(factor).map(Duration::from_secs).ok_or_else(|| format!("`{text}` is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_do_not_contradict_each_other() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read() {
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(duration("45"), Ok(Duration::from_secs(45)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert!(duration("h").is_err() && duration("3y").is_err() && duration("99999999999999999999d").is_err());
    }
}
