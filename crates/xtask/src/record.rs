//! What a terminal shows, as a picture: commands and their real output, colours included.

use std::path::Path;
use std::process::{Command, Stdio};

use anstyle_svg::Term;
use anyhow::{Context, Result};

use crate::workspace::make_folder;

/// Columns of the pictured terminal; longer lines are cut, as a terminal without wrapping would.
const COLUMNS: usize = 132;

/// What lines across the page are made of: nothing is lost when one is cut.
const RULE: char = '─';

/// A terminal session that is being recorded.
#[derive(Debug, Default)]
pub struct Recording {
    text: String,
}

impl Recording {
    /// Runs a command, shows its result here as well, and keeps both under the words a person would have typed.
    ///
    /// Only stdout, the result, is kept: the story on stderr goes to this terminal alone.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn run(&mut self, words: &str, command: &mut Command) -> Result<Option<i32>> {
        command.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR").stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("starting {words}"))?;
        let output = child.wait_with_output().with_context(|| format!("reading what {words} says"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        crate::say::result(said.trim_end());
        self.keep(words, &said);
        Ok(output.status.code())
    }

    fn keep(&mut self, words: &str, said: &str) {
        self.text.push_str(&format!("\u{1b}[1m$ {words}\u{1b}[0m\n"));
        for line in said.lines() {
            self.text.push_str(&cut(line));
            self.text.push('\n');
        }
        self.text.push('\n');
    }

    /// Writes the picture.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        std::fs::write(path, self.svg()).with_context(|| format!("writing {}", path.display()))
    }

    fn svg(&self) -> String {
        Term::new().render_svg(self.text.trim_end())
    }
}

/// A line as wide as the terminal; escape sequences take no room.
fn cut(line: &str) -> String {
    let (mut kept, mut width, mut inside) = (String::new(), 0, false);
    for letter in line.chars() {
        inside |= letter == '\u{1b}';
        if inside {
            kept.push(letter);
            inside = letter != 'm';
            continue;
        }
        width += 1;
        match width {
            ..COLUMNS => kept.push(letter),
            COLUMNS => kept.push(if letter == RULE { RULE } else { '…' }),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_and_its_colours_end() {
        let line = format!("\u{1b}[32m{}\u{1b}[0m", "é".repeat(COLUMNS + 7));
        let kept = cut(&line);
        assert!(kept.starts_with("\u{1b}[32mé") && kept.ends_with("…\u{1b}[0m"), "{kept}");
        assert_eq!(kept.chars().filter(|letter| *letter == 'é').count(), COLUMNS - 1);
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn a_picture_holds_the_command_and_what_it_said() {
        let mut recording = Recording::default();
        let code = recording.run("say hello", Command::new("sh").args(["-c", "echo '<hello>'; exit 2"])).expect("runs");
        assert_eq!(code, Some(2));
        let svg = recording.svg();
        assert!(svg.starts_with("<svg") && svg.contains("$ say hello") && svg.contains("&lt;hello&gt;"), "{svg}");
    }
}
