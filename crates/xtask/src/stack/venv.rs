//! The virtual environment that carries all three servers.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::say::step;
use crate::steps::run_logged;
use crate::workspace::{Workspace, make_folder, remove_folder};

/// Older Pythons cannot install the pinned packages.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// Programs that may be a fitting Python, in the order they are tried.
const PYTHONS: [&str; 7] = ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python3.14", "python"];

/// Prints version and missing modules: `3 11`, `3 11 venv`, `3 11 ensurepip`.
const QUESTION: &str =
    "import sys, importlib.util as u; print(*sys.version_info[:2], *[m for m in ('venv', 'ensurepip') if not u.find_spec(m)])";

/// Makes the virtual environment hold exactly the packages of `localstack/requirements.txt`; does nothing when it does.
///
/// # Errors
/// When there is no fitting Python, or the packages cannot be installed.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    let requirements = workspace.requirements();
    let wanted = std::fs::read_to_string(&requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let venv = workspace.venv();
    // The stamp holds the packages themselves and the place: an environment that was moved no longer finds its programs.
    let stamp_file = venv.join("installed.txt");
    let stamp = format!("# in {}\n{wanted}", venv.display());
    if std::fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) && venv.join("bin/python").exists() {
        return Ok(());
    }
    let python = find_python()?;
    remove_folder(&venv)?;
    remove_folder(&workspace.stack.join("home"))?;
    step("python", format!("{python}: making {} (about 50 s and 660 MB, once)", workspace.show(&venv)));
    make_folder(&workspace.stack.join("logs"))?;
    let log = workspace.log("pip");
    let mut make = Command::new(&python);
    make.args(["-m", "venv"]).arg(&venv);
    run_logged("python", make, &log, "making the virtual environment")?;
    let mut install = Command::new(venv.join("bin/python"));
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--requirement"]).arg(&requirements);
    run_logged("python", install, &log, "installing the packages of localstack/requirements.txt")?;
    std::fs::write(&stamp_file, stamp).with_context(|| format!("writing {}", stamp_file.display()))
}

fn find_python() -> Result<String> {
    if let Ok(given) = std::env::var("METEOCTL_STACK_PYTHON") {
        return match ask_python(&given) {
            Verdict::Fits => Ok(given),
            verdict => bail!("METEOCTL_STACK_PYTHON={given}: {}", verdict.words()),
        };
    }
    let mut verdicts = Vec::new();
    for python in PYTHONS {
        match ask_python(python) {
            Verdict::Fits => return Ok(python.to_owned()),
            Verdict::NotThere => {}
            verdict => verdicts.push(format!("\n  {python}: {}", verdict.words())),
        }
    }
    let (major, minor) = OLDEST_PYTHON;
    let found = if verdicts.is_empty() { "\n  none was found on the PATH".to_owned() } else { verdicts.concat() };
    bail!(
        "the development stack needs Python {major}.{minor} or later with venv and pip:{found}\n\
         Install it (Debian, Ubuntu: apt-get install python3 python3-venv; Fedora: dnf install python3; macOS: brew install python),\n\
         or point METEOCTL_STACK_PYTHON to one"
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fits,
    NotThere,
    TooOld(u32, u32),
    Lacks(String),
}

impl Verdict {
    fn words(&self) -> String {
        match self {
            Self::Fits => "fits".to_owned(),
            Self::NotThere => "cannot be run".to_owned(),
            Self::TooOld(major, minor) => format!("version {major}.{minor} is too old"),
            Self::Lacks(modules) => format!("lacks {modules} (Debian, Ubuntu: apt-get install python3-venv)"),
        }
    }
}

fn ask_python(program: &str) -> Verdict {
    let answer = Command::new(program).args(["-c", QUESTION]).stdin(Stdio::null()).output();
    match answer {
        Ok(output) if output.status.success() => judge(&String::from_utf8_lossy(&output.stdout)),
        _ => Verdict::NotThere,
    }
}

fn judge(answer: &str) -> Verdict {
    let mut words = answer.split_ascii_whitespace();
    let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (number(), number()) else { return Verdict::NotThere };
    if (major, minor) < OLDEST_PYTHON {
        return Verdict::TooOld(major, minor);
    }
    let missing: Vec<&str> = words.collect();
    if missing.is_empty() { Verdict::Fits } else { Verdict::Lacks(missing.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_is_judged_by_version_and_modules() {
        assert_eq!(judge("3 11\n"), Verdict::Fits);
        assert_eq!(judge("3 10"), Verdict::Fits);
        assert_eq!(judge("3 9 venv"), Verdict::TooOld(3, 9));
        assert_eq!(judge("2 7"), Verdict::TooOld(2, 7));
        assert_eq!(judge("3 12 venv ensurepip"), Verdict::Lacks("venv and ensurepip".to_owned()));
        assert_eq!(judge("hello"), Verdict::NotThere);
    }
}
