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
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(view::usage(&error)),
    };
    let config = config::Config::read();
    let view = view::View::new(&cli.global, &config);
    ExitCode::from(commands::run(cli, &config, &view))
}
