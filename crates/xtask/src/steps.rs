//! Commands run one after the other, with the time each took.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::tail;
use crate::say::step;

/// Runs a command with this terminal's input and output.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(about: &str, command: &mut Command) -> Result<()> {
    let words = shown(command);
    step(about, &words);
    let status = command.status().with_context(|| format!("starting {words}"))?;
    if !status.success() {
        bail!("{words} failed ({status})");
    }
    Ok(())
}

/// Runs a command with its output in `log`, and says every ten seconds that it still runs.
///
/// # Errors
/// When it cannot be started or does not succeed; the message holds the end of the log.
pub fn run_logged(about: &str, mut command: Command, log: &Path, doing: &str) -> Result<()> {
    let output = File::options().create(true).append(true).open(log).with_context(|| format!("opening {}", log.display()))?;
    let errors = output.try_clone().with_context(|| format!("opening {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let begin = Instant::now();
    let mut child = command.spawn().with_context(|| doing.to_owned())?;
    let mut told = 0;
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| doing.to_owned())? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(200));
        let seconds = begin.elapsed().as_secs();
        if seconds >= told + 10 {
            told = seconds;
            step(about, format!("{doing}: {seconds} s"));
        }
    };
    if !status.success() {
        bail!("{doing} failed ({status}); the end of {}:\n{}", log.display(), tail(log, 15));
    }
    step(about, format!("{doing}: done in {:.0} s", begin.elapsed().as_secs_f64()));
    Ok(())
}

/// A command as a person types it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Steps that were taken, each with its time; one that fails does not keep the later ones from being taken.
#[derive(Debug, Default)]
pub struct Ledger {
    taken: Vec<(String, Duration, Outcome)>,
}

#[derive(Debug)]
enum Outcome {
    Passed,
    LeftOut(String),
    Failed(String),
}

impl Ledger {
    /// Takes a step and keeps what came of it.
    pub fn take(&mut self, name: &str, action: impl FnOnce() -> Result<()>) {
        let begin = Instant::now();
        let outcome = match action() {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        self.taken.push((name.to_owned(), begin.elapsed(), outcome));
    }

    /// Notes a step that was not taken, and why.
    pub fn leave_out(&mut self, name: &str, why: &str) {
        self.taken.push((name.to_owned(), Duration::ZERO, Outcome::LeftOut(why.to_owned())));
    }

    /// Shows every step with its time.
    ///
    /// # Errors
    /// When a step failed; the message names all that did.
    pub fn close(self) -> Result<()> {
        let mut failed = Vec::new();
        for (name, time, outcome) in &self.taken {
            let words = match outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::LeftOut(why) => format!("left out: {why}"),
                Outcome::Failed(why) => {
                    failed.push(name.as_str());
                    format!("FAILED: {why}")
                }
            };
            step(name, format!("{:>7.1} s  {words}", time.as_secs_f64()));
        }
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_whole_but_hides_nothing() {
        let mut ledger = Ledger::default();
        let mut later = false;
        ledger.take("fmt", || bail!("not formatted"));
        ledger.leave_out("deny", "not installed");
        ledger.take("test", || {
            later = true;
            Ok(())
        });
        assert!(later);
        assert_eq!(ledger.close().expect_err("one failed").to_string(), "failed: fmt");
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run("try", Command::new("sh").args(["-c", "exit 3"])).expect_err("fails");
        assert!(error.to_string().starts_with("sh -c exit 3 failed"), "{error}");
    }

    #[test]
    fn a_failed_step_shows_the_end_of_its_log() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let log = folder.path().join("pip.log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo first; echo 'no such package' >&2; exit 3"]);
        let error = run_logged("python", command, &log, "installing").expect_err("fails");
        assert!(error.to_string().contains("  | no such package"), "{error}");
    }
}
