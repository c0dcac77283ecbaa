//! `completions` and `man`: the words of the command line for shells and readers.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use meteoctl_engine::failure::{Failure, Outcome};

use super::{DONE, Desk};
use crate::cli::Cli;

/// What completions takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The completion script of a shell.
pub fn completions(desk: &Desk<'_>, arguments: &Arguments) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "meteoctl", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    desk.view.result(&script, || script.clone());
    DONE
}

/// The manual page, in roff.
pub fn man(desk: &Desk<'_>) -> Outcome<u8> {
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
    written.map_err(|error| Failure::rejected("write the manual page").because(error))?;
    let page = String::from_utf8_lossy(&page).into_owned();
    desk.view.result(&page, || page.clone());
    Ok(DONE)
}
