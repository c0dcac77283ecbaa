//! Tables for people.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use meteoctl_engine::report::Line;

use super::human::seconds;
use crate::commands::status::{Promise, Status, standing};

/// One line below the header and nothing else: rows are short, and the eye needs no help.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Every document, then the project's promises.
pub fn status(status: &Status) -> String {
    let mut documents = table(["document", "standing", "since", "note"]);
    documents.add_rows(status.report.lines.iter().map(document));
    let mut promises = table(["promise", "kept", "evidence"]);
    promises.add_rows(status.acceptance.iter().map(promise));
    let receipt = &status.report.receipt;
    let (documents, promises) = (trimmed(&documents), trimmed(&promises));
    format!("{documents}\n{promises}\nSeen at {} in {}; all times are UTC.\n", receipt.finished_at, seconds(receipt.millis))
}

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

/// Without the blanks that fill up the last column: they would wrap on a narrow terminal.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn document(line: &Line) -> [String; 4] {
    let since = line.since.map(|since| since.format("%Y-%m-%d %H:%M").to_string());
    [line.id.to_string(), standing(&line.fate), since.unwrap_or_default(), line.note.clone().unwrap_or_default()]
}

fn promise(promise: &Promise) -> [String; 3] {
    let kept = match promise.kept {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    [promise.promise.to_owned(), kept.to_owned(), promise.evidence.clone()]
}
