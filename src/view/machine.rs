//! Drift for machines: SARIF, JUnit, GitHub annotations.

use std::fmt::Write as _;

use meteoctl_engine::report::{Fate, Line, Report};
use serde_json::{Value, json};

use crate::commands::status::standing;

/// One `::warning` or `::error` per document that is not as declared.
pub fn github(report: &Report) -> String {
    told(report)
        .map(|line| {
            let (file, row, column) = place(line);
            let level = if failed(line) { "error" } else { "warning" };
            let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
            format!(
                "::{level} file={},line={row},col={column},title={}::{}\n",
                property(file),
                property(&line.id.to_string()),
                data(&words(line))
            )
        })
        .collect()
}

/// A test suite with a case per document; what is not as declared fails.
pub fn junit(report: &Report) -> String {
    let failures = told(report).filter(|line| !failed(line)).count();
    let errors = told(report).filter(|line| failed(line)).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{}\">\n",
        xml(&report.stack),
        report.lines.len(),
        time(report.receipt.millis)
    );
    for line in &report.lines {
        let head =
            format!("  <testcase classname=\"{}\" name=\"{}\" time=\"{}\"", xml(&line.id.kind), xml(&line.id.name), time(line.millis));
        let _ = match (line.fate == Fate::InSync, failed(line)) {
            (true, _) => writeln!(text, "{head}/>"),
            (false, error) => {
                let tag = if error { "error" } else { "failure" };
                writeln!(text, "{head}>\n    <{tag} message=\"{}\"/>\n  </testcase>", xml(&words(line)))
            }
        };
    }
    text + "</testsuite>\n"
}

/// SARIF 2.1.0: a result per document that is not as declared, at its place in the documents.
pub fn sarif(report: &Report) -> Value {
    let results: Vec<Value> = told(report).map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "meteoctl",
                "version": report.receipt.tool_version,
                "rules": [
                    {"id": "drift", "shortDescription": {"text": "A thing is not as its document declares"}},
                    {"id": "failed", "shortDescription": {"text": "A thing could not be looked at"}},
                ],
            }},
            "results": results,
        }],
    })
}

fn result(line: &Line) -> Value {
    let (file, row, column) = place(line);
    let (rule, level) = if failed(line) { ("failed", "error") } else { ("drift", "warning") };
    json!({
        "ruleId": rule,
        "level": level,
        "message": {"text": format!("{}: {}", line.id, words(line))},
        "partialFingerprints": {"document/v1": line.id},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": file.replace(' ', "%20")},
            "region": {"startLine": row, "startColumn": column},
        }}],
    })
}

fn told(report: &Report) -> impl Iterator<Item = &Line> {
    report.lines.iter().filter(|line| !matches!(line.fate, Fate::InSync | Fate::Gone))
}

fn failed(line: &Line) -> bool {
    matches!(line.fate, Fate::Failed { .. } | Fate::Blocked { .. } | Fate::Settling { .. })
}

/// File, line and column of `file:line:column`; the file may itself hold colons.
fn place(line: &Line) -> (&str, u64, u64) {
    let mut parts = line.place.rsplitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(1);
    let (column, row) = (number(), number());
    (parts.next().unwrap_or(&line.place), row, column)
}

fn words(line: &Line) -> String {
    match &line.fate {
        Fate::WouldUpdate { diff } => {
            let show = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let fields =
                diff.fields.iter().map(|field| format!("{}: wanted {}, found {}", field.path, show(&field.want), show(&field.have)));
            fields.collect::<Vec<_>>().join("; ")
        }
        Fate::Failed { trouble } => {
            std::iter::once(&format!("cannot {}", trouble.doing)).chain(&trouble.causes).cloned().collect::<Vec<_>>().join(": ")
        }
        fate => standing(fate),
    }
}

/// GitHub's escapes of a workflow command's data.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn xml(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\n' => "&#10;".to_owned(),
        // Characters that XML 1.0 does not allow at all.
        c if c < ' ' && c != '\t' => "\u{fffd}".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn time(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
