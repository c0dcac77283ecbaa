//! The browser that the quality page is tested in: the machine's own Chromium, or one from npm where there is none.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::say::step;
use crate::steps::run_logged;
use crate::workspace::{Workspace, make_folder, remove_folder};

/// Where distributions put it.
const INSTALLED: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// What of `localstack/browser` says which browser is fetched and how it is unpacked.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "unpack.mjs"];

/// The browser that is there; nothing is fetched.
///
/// # Errors
/// When `METEOCTL_STACK_CHROMIUM` names what is not a file.
pub fn find(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if let Some(given) = std::env::var_os("METEOCTL_STACK_CHROMIUM") {
        let given = PathBuf::from(given);
        if !given.is_file() {
            bail!("METEOCTL_STACK_CHROMIUM names {}, which is not a file", given.display());
        }
        return Ok(Some(given));
    }
    let fetched = fetched(workspace);
    let is_whole = std::fs::read_to_string(stamp_file(workspace)).is_ok_and(|found| stamp(workspace).is_ok_and(|stamp| found == stamp));
    Ok(INSTALLED.map(PathBuf::from).into_iter().find(|path| path.is_file()).or_else(|| is_whole.then_some(fetched)))
}

/// The browser that is there, or else one from npm, as `localstack/browser` pins it.
///
/// # Errors
/// When there is none and none can be fetched; the message says what is missing.
pub fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(found) = find(workspace)? {
        return Ok(found);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("no Chromium is installed, and npm has one for x86-64 Linux alone");
    }
    if !answers("node") || !answers("npm") {
        bail!("no Chromium is installed, nor Node.js with npm to fetch one (Debian, Ubuntu: apt-get install chromium)");
    }
    let (install, program) = (folder(workspace).join("install"), folder(workspace).join("program"));
    remove_folder(&install)?;
    remove_folder(&program)?;
    make_folder(&install)?;
    make_folder(&workspace.stack.join("logs"))?;
    for name in FILES {
        std::fs::copy(source(workspace, name), install.join(name)).with_context(|| format!("copying {name} to {}", install.display()))?;
    }
    step("browser", format!("making {} (70 MB to fetch, 230 MB on disk, once)", workspace.show(&program)));
    let log = workspace.log("npm");
    let mut fetch = Command::new("npm");
    fetch.current_dir(&install).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    run_logged("browser", fetch, &log, "fetching the packages of localstack/browser")?;
    let mut unpack = Command::new("node");
    unpack.current_dir(&install).arg("unpack.mjs").arg(&program);
    run_logged("browser", unpack, &log, "unpacking the browser")?;
    remove_folder(&install)?;
    if !answers(fetched(workspace)) {
        bail!("the browser from npm does not run on this machine; install one (Debian, Ubuntu: apt-get install chromium)");
    }
    let stamp_file = stamp_file(workspace);
    std::fs::write(&stamp_file, stamp(workspace)?).with_context(|| format!("writing {}", stamp_file.display()))?;
    Ok(fetched(workspace))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.stack.join("browser")
}

fn fetched(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("program/chromium")
}

fn source(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.root.join("localstack/browser").join(name)
}

/// Written last: where it stands, the program is whole. It holds all that the program was made from.
fn stamp_file(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("program/installed.txt")
}

fn stamp(workspace: &Workspace) -> Result<String> {
    let read = |name| {
        let file = source(workspace, name);
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    };
    FILES.into_iter().map(read).collect()
}

fn answers(program: impl AsRef<OsStr>) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
