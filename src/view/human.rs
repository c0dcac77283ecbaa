//! Reports in words.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use meteoctl_engine::diff::{Diff, Field};
use meteoctl_engine::report::{Counts, Fate, Line, Report, Trouble};
use serde_json::Value;

const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Most characters of a value that are shown.
const MOST_OF_A_VALUE: usize = 100;

/// What would be done, a document a line, its fields below it.
pub fn plan(report: &Report, verbose: bool) -> String {
    let mut text = lines(report, verbose);
    let counts = report.counts();
    let removed = if counts.delete > 0 { format!(", {} to remove", counts.delete) } else { String::new() };
    let _ = writeln!(
        text,
        "{BOLD}Plan: {} to create, {} to change{removed}, {} failed{}, {} in sync.{BOLD:#}",
        counts.create,
        counts.update,
        counts.failed,
        blocked(&counts),
        counts.in_sync
    );
    text
}

/// What was done, whether it holds, and the receipt.
pub fn result(report: &Report, verbose: bool) -> String {
    let mut text = lines(report, verbose);
    let counts = report.counts();
    let removed = if counts.delete > 0 { format!(", {} removed", counts.delete) } else { String::new() };
    let _ = writeln!(
        text,
        "{BOLD}Done: {} created, {} changed{removed}, {} failed{}, {} in sync.{BOLD:#}",
        counts.create,
        counts.update,
        counts.failed,
        blocked(&counts),
        counts.in_sync
    );
    let _ = match report.converged {
        Some(true) => writeln!(text, "{GREEN}Converged: a fresh look at everything found nothing to do.{GREEN:#}"),
        Some(false) if report.has_failures() => writeln!(text, "{RED}Not converged: see what failed above, then run apply again.{RED:#}"),
        Some(false) => writeln!(text, "{RED}Not converged: there is still something to do; run apply again.{RED:#}"),
        None => Ok(()),
    };
    let receipt = &report.receipt;
    let digest = receipt.spec_digest.get(..12).unwrap_or(&receipt.spec_digest);
    let (reads, writes) = (receipt.calls.read_count(), receipt.calls.write_count());
    let locking = receipt.lock.read_count() + receipt.lock.write_count();
    let locking = if locking > 0 { format!(", {locking} for the lock") } else { String::new() };
    let time = seconds(receipt.millis);
    let _ = writeln!(text, "{DIM}Receipt: spec {digest}, {reads} reading and {writes} writing calls{locking}, {time}{DIM:#}");
    text
}

/// A failure: what we were doing, why it failed, what to do next.
pub fn failure(trouble: &Trouble) -> String {
    format!("{RED}error{RED:#}: cannot {}\n{}", trouble.doing, reasons(trouble, "  "))
}

/// `1.2 s`, `340 ms`.
pub fn seconds(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

fn blocked(counts: &Counts) -> String {
    if counts.blocked > 0 { format!(", {} blocked", counts.blocked) } else { String::new() }
}

/// A line for each document that is worth one.
pub fn lines(report: &Report, verbose: bool) -> String {
    let told = report.lines.iter().filter(|line| verbose || !is_quiet(line));
    told.map(|line| document(line, verbose)).collect()
}

/// In sync, and nothing about it is worth a line.
fn is_quiet(line: &Line) -> bool {
    matches!(line.fate, Fate::InSync | Fate::Gone) && line.ignored.is_empty()
}

fn document(line: &Line, verbose: bool) -> String {
    let (style, mark, verb) = sign(&line.fate);
    let mut text = match verb {
        "" => format!("{style}{mark}{style:#} {}", line.id),
        verb => format!("{style}{mark} {verb}{style:#} {}", line.id),
    };
    if verbose && let Some(note) = &line.note {
        let _ = write!(text, "  {DIM}{note}{DIM:#}");
    }
    match &line.fate {
        Fate::Later { after } => _ = writeln!(text, "  after {after}"),
        Fate::Blocked { by } => _ = writeln!(text, "  by {by}"),
        Fate::Settling { why } => _ = writeln!(text, "  {why}"),
        Fate::Failed { trouble } => {
            let _ = writeln!(text, "  cannot {}", trouble.doing);
            text.push_str(&reasons(trouble, "    "));
            let _ = writeln!(text, "    {DIM}declared in {}{DIM:#}", line.place);
        }
        Fate::WouldUpdate { diff } | Fate::Updated { diff } => _ = writeln!(text, "\n{}", fields(diff).trim_end_matches('\n')),
        _ => text.push('\n'),
    }
    for path in &line.ignored {
        let _ = writeln!(text, "    {DIM}{path}: differs, ignored by its document{DIM:#}");
    }
    text
}

fn sign(fate: &Fate) -> (Style, char, &'static str) {
    match fate {
        Fate::InSync => (DIM, '=', "in sync"),
        Fate::Gone => (DIM, '=', "not there"),
        Fate::WouldCreate => (GREEN, '+', "create"),
        Fate::Created => (GREEN, '+', "created"),
        Fate::WouldUpdate { .. } => (YELLOW, '~', "update"),
        Fate::Updated { .. } => (YELLOW, '~', "updated"),
        Fate::WouldDelete => (RED, '-', "remove"),
        Fate::Deleted => (RED, '-', "removed"),
        Fate::Later { .. } => (YELLOW, '?', ""),
        Fate::Settling { .. } => (YELLOW, '…', "settling"),
        Fate::Failed { .. } => (RED, '!', "failed"),
        Fate::Blocked { .. } => (RED, '✗', "blocked"),
    }
}

fn fields(diff: &Diff) -> String {
    diff.fields.iter().map(field).collect()
}

fn field(field: &Field) -> String {
    let path = &field.path;
    match (&field.have, &field.want) {
        // Work that is due, and fields that are not set yet: there is nothing to show on the left.
        (Value::Null, want) => format!("    {path}: {}\n", value(want)),
        (have, Value::Null) => format!("    {path}: {} → none\n", value(have)),
        (have, want) => format!("    {path}: {} → {}\n", value(have), value(want)),
    }
}

fn value(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.replace('\n', "⏎");
    match text.char_indices().nth(MOST_OF_A_VALUE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

fn reasons(trouble: &Trouble, indent: &str) -> String {
    let causes = trouble.causes.iter().map(|cause| format!("{indent}cause: {cause}\n"));
    let hint = trouble.hint.iter().map(|hint| format!("{indent}next: {hint}\n"));
    causes.chain(hint).collect()
}

#[cfg(test)]
#[path = "human/tests.rs"]
mod tests;
