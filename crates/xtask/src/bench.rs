//! The benchmarks: the data pipeline's own, the transform beside other tools, how long plan and apply wait for AWS, and how long
//! `meteoctl --help` takes from start to end.

mod compare;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::say;
use crate::stack::{self, env};
use crate::steps::run;
use crate::workspace::Workspace;

/// Starts of each program; the median of so many does not move with a single busy moment of the machine.
const STARTS: usize = 50;

/// What may be chosen.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Measure the start of meteoctl alone.
    #[arg(long)]
    pub start: bool,
    /// Measure the transform beside Polars, DuckDB and plain Python alone.
    #[arg(long, conflicts_with = "start")]
    pub compare: bool,
    /// Measure alone the transform from S3 to S3 beside moving the same bytes; brings the stack up.
    #[arg(long, conflicts_with_all = ["start", "compare", "waiting"])]
    pub bytes: bool,
    /// Measure alone how long plan and first apply wait when every AWS call takes 50 ms longer; brings the stack up.
    #[arg(long, conflicts_with_all = ["start", "compare"])]
    pub waiting: bool,
    /// Handed to the benchmarks: a filter of their names.
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<String>,
}

/// Runs all benchmarks, the release build included.
///
/// # Errors
/// When something does not build or a benchmark fails.
pub fn measure(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.compare {
        return compare::measure(workspace);
    }
    if options.waiting {
        return on_the_stack(workspace, "the_benchmark_of_waiting");
    }
    if options.bytes {
        return on_the_stack(workspace, "the_benchmark_of_bytes");
    }
    if !options.start {
        let mut command = Command::new("cargo");
        command.current_dir(&workspace.root).args(["bench", "--package", "meteoctl-data", "--"]).args(&options.arguments);
        run("bench", &mut command)?;
        compare::measure(workspace)?;
        on_the_stack(workspace, "the_benchmark_of_waiting")?;
        on_the_stack(workspace, "the_benchmark_of_bytes")?;
    }
    run("build", Command::new("cargo").current_dir(&workspace.root).args(["build", "--release", "--package", "meteoctl"]))?;
    let binary = release_binary(workspace)?;
    // What any program costs here, so that the figure can be compared between machines.
    let nothing = median_of_starts(Path::new("true"), &[])?;
    let help = median_of_starts(&binary, &["--help"])?;
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    say::result(format!("start of `true`             {:>7.2} ms, median of {STARTS}", millis(nothing)));
    say::result(format!("start of `meteoctl --help`  {:>7.2} ms, median of {STARTS}", millis(help)));
    Ok(())
}

/// A benchmark that lies among the journeys because it needs the stack. It compares two times of one build, so it needs no release build.
fn on_the_stack(workspace: &Workspace, name: &str) -> Result<()> {
    let started = stack::up(workspace)?;
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root);
    env::clean(&mut command);
    command.envs(env::test_variables(workspace, stack::ports(workspace)?)?);
    command.args(["test", "--workspace", "--quiet", "--test", "stack", "--"]).args(["--ignored", "--nocapture", name]);
    let measured = run("bench", &mut command);
    stack::down(workspace, &started)?;
    measured
}

/// Asks cargo where it builds to.
fn release_binary(workspace: &Workspace) -> Result<std::path::PathBuf> {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root).args(["metadata", "--format-version", "1", "--no-deps"]);
    let output = command.output().context("asking cargo for its target folder")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("reading cargo's answer")?;
    let Some(target) = metadata.get("target_directory").and_then(serde_json::Value::as_str) else {
        bail!("cargo metadata names no target folder");
    };
    Ok(Path::new(target).join("release").join(format!("meteoctl{}", std::env::consts::EXE_SUFFIX)))
}

fn median_of_starts(program: &Path, arguments: &[&str]) -> Result<Duration> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begin = Instant::now();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().with_context(|| format!("starting {}", program.display()))?;
        times.push(begin.elapsed());
        if !status.success() {
            bail!("{} failed ({status})", program.display());
        }
    }
    Ok(median(times))
}

/// The middle of the sorted times, the upper one of two.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_start_does_not_move_the_median() {
        let times = [3, 1, 2, 900, 2].map(Duration::from_millis).into();
        assert_eq!(median(times), Duration::from_millis(2));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
