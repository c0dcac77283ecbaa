//! Faults of documents: the message, the place, the line itself, what to write instead.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use meteoctl_engine::document::{Diagnostic, Place};
use serde_json::{Value, json};

const RED: Style = AnsiColor::Red.on_default().bold();
const BLUE: Style = AnsiColor::Blue.on_default().bold();
const BOLD: Style = Style::new().bold();

/// The rule about secrets in plain text.
const SECRET: &str = "literal-secret";

/// All faults, and how many they are.
pub fn text(faults: &[Diagnostic]) -> String {
    let mut text: String = faults.iter().map(one).collect();
    let count = faults.len();
    let refused = faults.iter().filter(|fault| fault.rule.is_some()).count();
    let _ = writeln!(
        text,
        "{RED}{count} {}{RED:#}{}",
        if count == 1 { "fault" } else { "faults" },
        match refused {
            0 => String::new(),
            refused if refused == count => ", refused by policy".to_owned(),
            refused => format!(", {refused} of them refused by policy"),
        }
    );
    text
}

/// A fault for machines.
pub fn json(fault: &Diagnostic) -> Value {
    let place = fault.place.as_ref();
    let (line, column) = place.map(Place::line_column).unzip();
    json!({
        "message": fault.message,
        "rule": fault.rule,
        "file": place.map(|place| place.file.name.as_str()),
        "line": line,
        "column": column,
        "hint": fault.hint,
    })
}

fn one(fault: &Diagnostic) -> String {
    let rule = fault.rule.map(|rule| format!("[{rule}]")).unwrap_or_default();
    let mut text = format!("{RED}error{rule}{RED:#}{BOLD}: {}{BOLD:#}\n", fault.message);
    let width = fault.place.as_ref().map_or(1, |place| place.line_column().0.to_string().len());
    match &fault.place {
        // The line holds the very secret that should not be there.
        Some(place) if fault.rule == Some(SECRET) => _ = writeln!(text, "{:width$}{BLUE}-->{BLUE:#} {place}", ""),
        Some(place) => text.push_str(&excerpt(place, width)),
        None => {}
    }
    if let Some(hint) = &fault.hint {
        let _ = writeln!(text, "{:width$} {BLUE}={BLUE:#} help: {hint}", "");
    }
    text.push('\n');
    text
}

/// The line with carets under the words that are meant.
fn excerpt(place: &Place, width: usize) -> String {
    let (number, column) = place.line_column();
    let line = place.line_text();
    let before: String = line.chars().take(column.saturating_sub(1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let meant = place.file.text.get(place.range.clone()).unwrap_or_default().lines().next().unwrap_or_default();
    let carets = "^".repeat(meant.trim_end().chars().count().max(1));
    let bar = format!("{BLUE}|{BLUE:#}");
    format!(
        "{:width$}{BLUE}-->{BLUE:#} {place}\n{:width$} {bar}\n{BLUE}{number}{BLUE:#} {bar} {line}\n{:width$} {bar} {before}{RED}{carets}{RED:#}\n",
        "", "", ""
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meteoctl_engine::document::SourceFile;

    use super::*;

    #[test]
    fn the_carets_stand_under_the_words_meant() {
        let file = Arc::new(SourceFile { name: "a.yaml".to_owned(), text: "kind: Bucket\nspec: {versionning: Enabled}\n".to_owned() });
        let place = Place { range: 20..31, file };
        let fault = Diagnostic::at(place, "unknown field `versionning`").hint("did you mean `versioning`?");
        let plain = anstream::adapter::strip_str(&text(&[fault])).to_string();
        insta::assert_snapshot!(plain, @r"
        error: unknown field `versionning`
         --> a.yaml:2:8
          |
        2 | spec: {versionning: Enabled}
          |        ^^^^^^^^^^^
          = help: did you mean `versioning`?

        1 fault
        ");
    }
}
