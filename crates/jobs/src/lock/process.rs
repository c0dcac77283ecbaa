//! Which process holds a lock, told so exactly that its end can be proved by another process of the same machine.

use serde::{Deserialize, Serialize};

/// A process of one boot of one machine, in one PID namespace: a number alone is used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The machine's boot, `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// The PID namespace, `/proc/self/ns/pid`: containers count for themselves.
    pub namespace: String,
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc_pid_stat(5)).
    pub started: u64,
}

impl Process {
    /// This process; `None` where the system has no `/proc`.
    pub fn own() -> Option<Process> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned();
        let pid = std::process::id();
        Some(Process { boot, namespace, pid, started: started(pid)? })
    }

    /// Whether it is certain that this process has ended. Of another machine, boot or container nothing is certain.
    pub fn has_ended(&self, own: Option<&Process>) -> bool {
        let here = own.is_some_and(|own| own.boot == self.boot && own.namespace == self.namespace);
        here && started(self.pid) != Some(self.started)
    }
}

fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    field_22(&stat)
}

/// The second field is the program's name in brackets, which may itself hold spaces and brackets. A process that ended and was
/// not yet collected by its parent (state `Z`) counts as gone.
fn field_22(stat: &str) -> Option<u64> {
    let mut rest = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    if rest.next()? == "Z" {
        return None;
    }
    // `rest` is now at field 4.
    rest.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(field_22(&format!("12 (a) b (c)) {rest}")), Some(4242));
        assert_eq!(field_22(&format!("12 (x) {}", rest.replacen('S', "Z", 1))), None);
        assert_eq!(field_22("12 (x"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_end_is_known_of_our_own_machine_only() {
        let own = Process::own().expect("Linux has /proc");
        assert!(!own.has_ended(Some(&own)), "this very test runs");
        let used_again = Process { started: own.started + 1, ..own.clone() };
        assert!(used_again.has_ended(Some(&own)));
        let elsewhere = Process { boot: "another".into(), ..used_again };
        assert!(!elsewhere.has_ended(Some(&own)) && !elsewhere.has_ended(None));
    }
}
