//! The transform beside what else people would use: Polars, DuckDB, and a Python script without libraries.
//!
//! All of them read the same raw files and write one document a line; each tells the seconds it took itself, its own start
//! not included. A tool limited to one thread is also kept on one processor where the system can do that.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::say;
use crate::steps::run;
use crate::workspace::{Workspace, make_folder};

/// Raw records, in MB.
const MEGABYTES: u32 = 200;
/// The best of so many runs counts: what else runs on the machine only ever makes one slower.
const RUNS: usize = 3;
const THREADS: [usize; 2] = [1, 2];

/// The scripts, with the names people know the tools by.
const RIVALS: [(&str, &str, &str); 3] = [
    ("Polars", "with_polars.py", include_str!("with_polars.py")),
    ("DuckDB", "with_duckdb.py", include_str!("with_duckdb.py")),
    ("Python", "plain.py", include_str!("plain.py")),
];

/// What one run says of itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Told {
    seconds: f64,
    documents: u64,
    peak_mb: u64,
    version: String,
}

/// Makes the raw files and measures everything on them, one after the other.
///
/// # Errors
/// When something does not build, install or run, or when two tools make another number of documents.
pub fn measure(workspace: &Workspace) -> Result<()> {
    let python = prepare(workspace)?;
    let folder = workspace.stack.join("bench");
    make_folder(&folder)?;
    let mut build = cargo(workspace);
    run("bench", build.arg("--no-run"))?;
    for threads in THREADS {
        let ours = best(&[(); RUNS].map(|()| ours(workspace, &folder, threads)))?;
        show("meteoctl", threads, &ours, ours.seconds);
        for (name, file, text) in RIVALS {
            // The script uses one thread; a second would tell nothing, and it takes long enough once.
            if name == "Python" && threads > 1 {
                continue;
            }
            let script = folder.join(file);
            std::fs::write(&script, text).with_context(|| format!("writing {}", script.display()))?;
            let runs = if name == "Python" { 1 } else { RUNS };
            let told: Vec<Result<Told>> = (0..runs).map(|_| rival(&python, &script, &folder, threads)).collect();
            let told = best(&told)?;
            show(&format!("{name} {}", told.version), threads, &told, ours.seconds);
            // The hour that a clock lives twice is told apart by ours alone.
            if told.documents.abs_diff(ours.documents) * 1_000 > ours.documents {
                bail!("{name} made {} documents, meteoctl {}: they did not do the same work", told.documents, ours.documents);
            }
        }
    }
    std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
}

/// An environment with the pinned packages; made once.
fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    let venv = workspace.stack.join("bench-venv");
    let python = venv.join("bin/python");
    let requirements = workspace.root.join("localstack/bench-requirements.txt");
    if !python.exists() {
        make_folder(&workspace.stack)?;
        run("python", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    run("python", &mut install)?;
    Ok(python)
}

fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root).args(["bench", "--package", "meteoctl-data", "--bench", "transform"]);
    command
}

fn ours(workspace: &Workspace, folder: &Path, threads: usize) -> Result<Told> {
    let mut bench = cargo(workspace);
    bench.arg("--").arg(MEGABYTES.to_string()).arg(folder).args(["--once", "--output", "weather.jsonl", "--threads", &threads.to_string()]);
    told_by(pinned(bench, threads), "meteoctl")
}

fn rival(python: &Path, script: &Path, folder: &Path, threads: usize) -> Result<Told> {
    let made = folder.join("rival.jsonl");
    // As with ours: taking away what an earlier run made is no part of making it.
    let _ = std::fs::remove_file(&made);
    let mut command = Command::new(python);
    command.arg(script).arg(folder.join("raw")).arg(made).arg(threads.to_string());
    told_by(pinned(command, threads), &script.display().to_string())
}

/// The same command on as many processors as it has threads, where `taskset` is there.
fn pinned(command: Command, threads: usize) -> Command {
    let there = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        return command;
    }
    let mut pinned = Command::new("taskset");
    pinned.arg("--cpu-list").arg(if threads == 1 { "0".to_owned() } else { format!("0-{}", threads - 1) });
    pinned.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        pinned.current_dir(folder);
    }
    pinned
}

fn told_by(mut command: Command, name: &str) -> Result<Told> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        bail!("{name} failed ({})", output.status);
    }
    last_line(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("reading what {name} measured"))
}

fn last_line(output: &str) -> Result<Told> {
    let line = output.lines().rev().find(|line| line.starts_with('{')).context("no line of JSON")?;
    Ok(serde_json::from_str(line)?)
}

/// The fastest run; the first failure where one failed.
fn best(runs: &[Result<Told>]) -> Result<Told> {
    let mut best: Option<&Told> = None;
    for told in runs {
        match told {
            Ok(told) if best.is_none_or(|best| told.seconds < best.seconds) => best = Some(told),
            Ok(_) => {}
            Err(error) => bail!("{error:#}"),
        }
    }
    best.cloned().context("no run")
}

fn show(name: &str, threads: usize, told: &Told, ours: f64) {
    let rate = f64::from(MEGABYTES) / told.seconds;
    let times = told.seconds / ours;
    say::result(format!(
        "{name:<16} {threads} thread{} {:>8.2} s {rate:>7.0} MB/s {times:>6.1} × ours {:>6} MB at most, {} documents",
        if threads == 1 { " " } else { "s" },
        told.seconds,
        told.peak_mb,
        told.documents
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_run_counts_and_a_failure_is_told() {
        let told = |seconds| Told { seconds, documents: 1, peak_mb: 1, version: String::new() };
        assert_eq!(best(&[Ok(told(2.0)), Ok(told(1.0)), Ok(told(3.0))]).expect("has runs").seconds, 1.0);
        assert!(best(&[Ok(told(2.0)), Err(anyhow::anyhow!("broken"))]).is_err());
        assert!(best(&[]).is_err());
    }

    #[test]
    fn what_a_run_measured_stands_in_its_last_line_of_json() {
        let output = "200 MB of raw records\n{\"seconds\":0.5,\"documents\":7,\"peak_mb\":30,\"version\":\"1\"}\n";
        assert_eq!(last_line(output).expect("is there").documents, 7);
        assert!(last_line("nothing\n").is_err());
    }
}
