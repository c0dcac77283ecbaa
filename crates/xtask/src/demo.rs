//! The product doing its whole job, from an empty account to a plan that finds nothing to do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::record::Recording;
use crate::samples;
use crate::say::{self, step};
use crate::stack::env::{Backend, clean, variables};
use crate::stack::{self, Server};
use crate::steps::run;
use crate::workspace::{Workspace, make_folder};

/// The desired state that is shown, and the file names under which it wants its sources.
const DESIRED: &str = "desired-state/p8";

/// Name in the desired state, name among the vendors' files.
const VENDOR_FILES: [(&str, &str); 3] = [
    ("infoclimat.json", "infoclimat_2024-10-05_2024-10-07.json"),
    ("ichtegem.xlsx", "weather_underground_ichtegem_be.xlsx"),
    ("la_madeleine.xlsx", "weather_underground_la_madeleine_fr.xlsx"),
];

/// What may be chosen.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A folder with the vendors' files; without it small samples are generated.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Leave the stack up, with everything the demo made in it.
    #[arg(long)]
    pub keep: bool,
    /// Which emulator serves AWS.
    #[arg(long, value_enum, default_value_t = Backend::Localstack)]
    pub backend: Backend,
    /// Also write a picture (SVG) of what the commands said; the README shows it.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// Builds meteoctl, brings the stack up empty, applies the desired state, shows where it stands and that nothing is left to do.
///
/// # Errors
/// When any of that fails, or the plan after the apply is not empty. The stack is ended in that case too, unless it is kept.
pub fn show(workspace: &Workspace, options: &Options) -> Result<()> {
    let folder = prepare(workspace, options.data.as_deref())?;
    step("build", "meteoctl; the first time takes some ten minutes, nearly all of it for the AWS SDK");
    run("build", Command::new("cargo").current_dir(&workspace.root).args(["build", "--package", "meteoctl"]))?;
    let started = stack::up(workspace)?;
    let shown = stack::reset(workspace, &started).and_then(|()| play(workspace, options, &folder));
    if options.keep {
        step("stack", "stays up; `eval \"$(cargo xtask stack env)\"` points this shell to it");
        return shown;
    }
    let ended = stack::down(workspace, &started);
    shown.and(ended)
}

/// Puts desired state and sources into a folder of their own, so that the demo leaves the checkout as it is.
fn prepare(workspace: &Workspace, data: Option<&Path>) -> Result<PathBuf> {
    let folder = workspace.stack.join("demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    copy_folder(&workspace.root.join(DESIRED), &folder)?;
    let sources = folder.join("sources");
    make_folder(&sources)?;
    let Some(data) = data else {
        samples::write(&sources)?;
        step("data", format!("samples for {} documents in {}", samples::DOCUMENTS, workspace.show(&sources)));
        return Ok(folder);
    };
    for (name, vendor) in VENDOR_FILES {
        let from = data.join(vendor);
        std::fs::copy(&from, sources.join(name)).with_context(|| format!("copying {}", from.display()))?;
    }
    step("data", format!("the vendors' files from {}", data.display()));
    Ok(folder)
}

/// The three commands of the demo, as a person types them.
fn play(workspace: &Workspace, options: &Options, folder: &Path) -> Result<()> {
    let ports = stack::ports(workspace)?;
    let mut recording = options.record.as_ref().map(|_| Recording::default());
    let mut meteoctl = |arguments: &[&str]| -> Result<Option<i32>> {
        let mut command = Command::new(binary()?);
        clean(&mut command);
        command.envs(variables(ports, options.backend)).current_dir(&workspace.root);
        command.args(arguments).arg("-f").arg(folder);
        step("demo", format!("meteoctl {} -f {}", arguments.join(" "), workspace.show(folder)));
        if let Some(recording) = &mut recording {
            return recording.run(&format!("meteoctl {} -f {DESIRED}", arguments.join(" ")), &mut command);
        }
        Ok(command.status().context("starting meteoctl")?.code())
    };
    expect("apply", meteoctl(&["apply", "--yes"])?)?;
    expect("status", meteoctl(&["status"])?)?;
    match meteoctl(&["plan", "--detailed-exitcode"])? {
        Some(0) => {}
        Some(2) => bail!("the plan after the apply is not empty: what was applied does not stay as it was declared"),
        other => return expect("plan", other),
    }
    if let (Some(recording), Some(path)) = (&recording, &options.record) {
        recording.write(path)?;
        step("demo", format!("{} shows it", path.display()));
    }
    step("demo", format!("the second plan is empty; MongoDB was at {}", Server::MongoDb.url(ports.mongodb)));
    Ok(())
}

fn expect(verb: &str, code: Option<i32>) -> Result<()> {
    match code {
        Some(0) => Ok(()),
        Some(code) => bail!("meteoctl {verb} ended with exit code {code}"),
        None => bail!("meteoctl {verb} was ended by a signal"),
    }
}

/// The meteoctl that was just built lies beside this program: same workspace, same target folder, same profile.
pub fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe().context("looking for the folder that cargo builds into")?;
    Ok(own.with_file_name(format!("meteoctl{}", std::env::consts::EXE_SUFFIX)))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("copying {} to {}", from.display(), to.display());
    make_folder(to)?;
    for entry in std::fs::read_dir(from).with_context(doing)? {
        let entry = entry.with_context(doing)?;
        let target = to.join(entry.file_name());
        if entry.file_type().with_context(doing)?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(doing)?;
        }
    }
    Ok(())
}

/// Writes the samples alone, for tests and for people.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_samples(folder: &Path) -> Result<()> {
    samples::write(folder)?;
    say::result(format!("{}: samples for {} documents", folder.display(), samples::DOCUMENTS));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(folder: &Path) -> Workspace {
        std::fs::create_dir_all(folder.join(DESIRED).join("deep")).expect("makes folders");
        std::fs::write(folder.join(DESIRED).join("deep/bucket.yaml"), "kind: Bucket\n").expect("writes");
        Workspace { root: folder.to_owned(), stack: folder.join(".stack") }
    }

    #[test]
    fn the_demo_has_its_own_copy_with_sources() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let demo = prepare(&workspace(folder.path()), None).expect("prepares");
        assert!(demo.join("deep/bucket.yaml").is_file());
        for (name, _) in VENDOR_FILES {
            assert!(demo.join("sources").join(name).is_file(), "{name}");
        }
    }

    #[test]
    fn a_missing_vendor_file_is_named() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let error = prepare(&workspace(folder.path()), Some(folder.path())).expect_err("has no files");
        assert!(error.to_string().ends_with("infoclimat_2024-10-05_2024-10-07.json"), "{error}");
    }
}
