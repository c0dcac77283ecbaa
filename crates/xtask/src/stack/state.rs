//! What the stack remembers between two chores: which servers it started, and on which ports.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::workspace::{Workspace, make_folder};

/// `.stack/state.json`: the servers that this checkout started, by name. A server that is not in it is not ours to end.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Servers by name: `localstack`, `moto`, `mongodb`.
    pub servers: BTreeMap<String, Running>,
}

/// One server that was started and not yet ended by us. It may have died since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The process, told apart from a later one with its number.
    #[serde(flatten)]
    pub process: Process,
}

impl State {
    /// Reads the state; a stack that was never started has an empty one.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood.
    pub fn load(workspace: &Workspace) -> Result<Self> {
        let path = file(workspace);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let advice = || format!("understanding {}; end the servers named in it by hand, then remove it", path.display());
        serde_json::from_str(&text).with_context(advice)
    }

    /// Writes the state whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, workspace: &Workspace) -> Result<()> {
        let path = file(workspace);
        let doing = || format!("writing {}", path.display());
        let fresh = path.with_extension("json.new");
        let text = serde_json::to_string_pretty(self).with_context(doing)?;
        std::fs::write(&fresh, text + "\n").with_context(doing)?;
        std::fs::rename(&fresh, &path).with_context(doing)
    }
}

/// Keeps a second chore of the same checkout from changing the stack at the same time; released when dropped.
///
/// # Errors
/// When the lock's file cannot be made.
pub fn lock(workspace: &Workspace) -> Result<File> {
    make_folder(&workspace.stack)?;
    let path = workspace.stack.join("lock");
    let doing = || format!("locking {}", path.display());
    let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(doing)?;
    if file.try_lock().is_err() {
        crate::say::step("stack", "another chore is changing the stack, waiting for it");
        file.lock().with_context(doing)?;
    }
    Ok(file)
}

fn file(workspace: &Workspace) -> PathBuf {
    workspace.stack.join("state.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let workspace = Workspace { root: folder.path().to_owned(), stack: folder.path().to_owned() };
        assert_eq!(State::load(&workspace).expect("loads"), State::default());
        let mut state = State::default();
        let process = Process { pid: 7, started: "boot/9".to_owned() };
        state.servers.insert("moto".to_owned(), Running { port: 5000, process });
        state.save(&workspace).expect("saves");
        assert_eq!(State::load(&workspace).expect("loads"), state);
    }

    #[test]
    fn a_broken_state_says_what_to_do() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let workspace = Workspace { root: folder.path().to_owned(), stack: folder.path().to_owned() };
        std::fs::write(folder.path().join("state.json"), "{").expect("writes");
        let error = State::load(&workspace).expect_err("is broken");
        assert!(error.to_string().ends_with("end the servers named in it by hand, then remove it"), "{error}");
    }
}
