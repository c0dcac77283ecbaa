//! Where things lie: the workspace and its `.stack` folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders and files that chores work on. Everything a chore writes lies under `.stack`, besides cargo's own `target`.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The folder with the workspace's Cargo.toml.
    pub root: PathBuf,
    /// `.stack` in the root: virtual environment, state, logs and data of the development stack.
    pub stack: PathBuf,
}

impl Workspace {
    /// Finds the workspace that cargo runs this chore for.
    ///
    /// Cargo's variable is asked first: the path known at build time is another checkout's when several share a target folder.
    ///
    /// # Errors
    /// When the folder two levels above this crate cannot be resolved.
    pub fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let above = manifest.join("../..");
        let root = above.canonicalize().with_context(|| format!("looking for the workspace at {}", above.display()))?;
        let stack = root.join(".stack");
        Ok(Self { root, stack })
    }

    /// The pinned Python packages of the stack.
    pub fn requirements(&self) -> PathBuf {
        self.root.join("localstack/requirements.txt")
    }

    /// The virtual environment that carries all three servers.
    pub fn venv(&self) -> PathBuf {
        self.stack.join("venv")
    }

    /// The log of one server or step.
    pub fn log(&self, name: &str) -> PathBuf {
        self.stack.join("logs").join(format!("{name}.log"))
    }

    /// `path` as a person in the workspace would write it.
    pub fn show(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// Makes a folder and all above it.
///
/// # Errors
/// When the file system refuses; the message names the folder.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("making the folder {}", path.display()))
}

/// Removes a folder and all in it; one that is not there is no failure.
///
/// # Errors
/// When the file system refuses; the message names the folder.
pub fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(|| format!("removing {}", path.display())),
        _ => Ok(()),
    }
}
