//! Processes that outlive the chore that started them: found again for certain, and ended with all their children.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A process, told apart from any later one that gets the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The process id; also the id of its process group.
    pub pid: u32,
    /// When it was started, in the system's own words: boot id and clock ticks on Linux, `ps`'s start time elsewhere.
    pub started: String,
}

impl Process {
    /// Tells whether exactly this process still runs. A zombie does not run.
    pub fn is_alive(&self) -> bool {
        start_of(self.pid).is_some_and(|started| started == self.started)
    }

    /// Ends the process and its whole group: asks first, forces after `patience`. Does nothing to a process that is not ours.
    ///
    /// # Errors
    /// When it still runs after being forced.
    pub fn end(&self, patience: Duration) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        signal_group(self.pid, "TERM");
        if self.wait_for_end(patience) {
            // What is left of the group are children that did not listen; their leader is gone, they are ours.
            signal_group(self.pid, "KILL");
            return Ok(());
        }
        signal_group(self.pid, "KILL");
        if self.wait_for_end(Duration::from_secs(5)) {
            return Ok(());
        }
        bail!("process {} does not end, not even by force", self.pid)
    }

    fn wait_for_end(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !self.is_alive() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        !self.is_alive()
    }
}

/// Starts a server as the leader of its own process group, both outputs appended to `log`.
///
/// # Errors
/// When the log cannot be written or the program cannot be started.
pub fn start(mut command: Command, log: &Path) -> Result<(Child, Process)> {
    let output = File::options().create(true).append(true).open(log).with_context(|| format!("opening {}", log.display()))?;
    let errors = output.try_clone().with_context(|| format!("opening {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("starting {program}"))?;
    let pid = child.id();
    let Some(started) = start_of(pid) else {
        let status = child.wait().with_context(|| format!("waiting for {program}"))?;
        bail!("{program} ended at once ({status}); see {}", log.display());
    };
    Ok((child, Process { pid, started }))
}

/// The last `count` lines of a log, for messages.
pub fn tail(log: &Path, count: usize) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.iter().skip(lines.len().saturating_sub(count)).map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

/// The moment a process was started; `None` when it does not run.
fn start_of(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        return start_in_stat(&stat).map(|ticks| format!("{}/{ticks}", boot.trim()));
    }
    let ps = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let line = String::from_utf8_lossy(&ps.stdout).trim().to_owned();
    let (state, started) = line.split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)); the name in field 2 may hold blanks and brackets, so counting starts after it.
fn start_in_stat(stat: &str) -> Option<&str> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)
}

/// Signals a process group by the shell's own `kill`, which is there even where the program `kill` is not.
fn signal_group(group: u32, signal: &str) {
    let script = format!("kill -s {signal} -- -{group}");
    let _ = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(script: &str) -> (Child, Process, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let (child, process) = start(command, &folder.path().join("log")).expect("starts");
        (child, process, folder)
    }

    #[test]
    fn the_start_is_found_behind_a_difficult_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 9 9";
        assert_eq!(start_in_stat(stat), Some("777"));
        assert_eq!(start_in_stat(&stat.replace(") S", ") Z")), None);
        assert_eq!(start_in_stat("42 nonsense"), None);
    }

    #[test]
    fn a_process_is_ended_with_its_children() {
        let (mut child, process, folder) = sleeper("sleep 600 & echo $!; wait");
        assert!(process.is_alive());
        let log = folder.path().join("log");
        while std::fs::read_to_string(&log).expect("reads").is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let grandchild: u32 = std::fs::read_to_string(&log).expect("reads").trim().parse().expect("a number");
        process.end(Duration::from_secs(10)).expect("ends");
        assert!(!process.is_alive());
        assert_eq!(start_of(grandchild), None);
        child.wait().expect("is reaped");
    }

    #[test]
    fn a_process_that_does_not_listen_is_forced() {
        let (mut child, process, folder) = sleeper("trap '' TERM; echo ready; while :; do sleep 0.05; done");
        while std::fs::read_to_string(folder.path().join("log")).expect("reads").is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        process.end(Duration::from_millis(200)).expect("ends");
        assert!(!process.is_alive());
        child.wait().expect("is reaped");
    }

    #[test]
    fn a_reused_number_is_left_alone() {
        let (mut child, process, _folder) = sleeper("sleep 600");
        let stranger = Process { started: "another boot/1".to_owned(), ..process.clone() };
        assert!(!stranger.is_alive());
        stranger.end(Duration::from_millis(100)).expect("does nothing");
        assert!(process.is_alive());
        process.end(Duration::from_secs(10)).expect("ends");
        child.wait().expect("is reaped");
    }
}
