//! Where words go: results on stdout, the story on stderr.
//!
//! A closed pipe (`cargo xtask stack env | head -1`) is not a failure of the chore, so write errors are dropped here
//! and nowhere else.

use std::fmt::Display;
use std::io::Write;

/// Writes one line of the result to stdout.
pub fn result(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes one line of the story to stderr, with the thing it is about in a first column of eleven characters.
pub fn step(about: &str, line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{about:<11} {line}");
}

/// Writes `error: …` with the whole chain of causes to stderr.
pub fn error(error: &anyhow::Error) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(stderr, "  because: {cause}");
    }
}
