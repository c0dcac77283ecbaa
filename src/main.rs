//! meteoctl: infrastructure, weather data and backups as one desired state.
//!
//! Words in, words out: `cli` reads them, one file in `commands` carries out each verb, `view` says what came of it.

mod app;
mod cli;
mod commands;
mod config;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    keep_memory_private();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(view::usage(&error)),
    };
    let config = config::Config::read();
    let view = view::View::new(&cli.global, &config);
    ExitCode::from(commands::run(cli, &config, &view))
}

/// No core dump and no reading by other processes of the same user: passwords and keys are in this memory.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::debug!(%error, "the kernel would still dump this process");
    }
}
