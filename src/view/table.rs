//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};
use meteoctl_engine::report::Line;

use super::human::seconds;
use crate::commands::status::{Promise, Status, standing};

/// Every document, then the project's promises.
pub fn status(status: &Status) -> String {
    let mut documents = table(["document", "standing", "note"]);
    documents.add_rows(status.report.lines.iter().map(document));
    let mut promises = table(["promise", "kept", "evidence"]);
    promises.add_rows(status.acceptance.iter().map(promise));
    let receipt = &status.report.receipt;
    format!("{documents}\n\n{promises}\n\nSeen at {} in {}.\n", receipt.finished_at, seconds(receipt.millis))
}

fn table(header: [&str; 3]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

fn document(line: &Line) -> [String; 3] {
    [line.id.to_string(), standing(&line.fate), line.note.clone().unwrap_or_default()]
}

fn promise(promise: &Promise) -> [String; 3] {
    let kept = match promise.kept {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    [promise.promise.to_owned(), kept.to_owned(), promise.evidence.clone()]
}
