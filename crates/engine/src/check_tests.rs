//! What `check` tells, word for word.

use std::path::Path;

use chrono::NaiveDate;

use crate::check::check;
use crate::document::{Loaded, read};
use crate::testkit::World;

fn told(text: &str) -> Vec<String> {
    let mut loaded = Loaded::default();
    read("f.yaml", format!("apiVersion: meteoctl/v1\n{text}"), Path::new(""), &mut loaded);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let day = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day");
    check(&loaded.documents, &World::default().registry(), day)
        .into_iter()
        .map(|fault| {
            let place = fault.place.map(|place| place.to_string()).unwrap_or_default();
            format!("{place} {} | {}", fault.message, fault.hint.unwrap_or_default())
        })
        .collect()
}

const STACK: &str = "kind: Stack\nmetadata: {name: s}\n---\n";

#[test]
fn every_fault_of_a_spec_is_told_with_its_place() {
    let text = format!("{STACK}kind: Thing\nmetadata: {{name: a}}\nspec:\n  size: lots\n  color: red\n  colour: 3\n");
    assert_eq!(
        told(&text),
        [
            "f.yaml:8:9 invalid type: string \"lots\", expected u32 | ",
            "f.yaml:9:3 unknown field `color` | did you mean `colour`?",
            "f.yaml:10:11 invalid type: integer `3`, expected a string | ",
        ]
    );
}

#[test]
fn kinds_references_and_identities() {
    let text = format!(
        "{STACK}kind: Thin\nmetadata: {{name: a}}\n---\nkind: Thing\nmetadata: {{name: b}}\nspec: {{on: {{ref: Thing/bb}}}}\n---\nkind: Thing\nmetadata: {{name: b}}\n"
    );
    assert_eq!(
        told(&text),
        [
            "f.yaml:13:18 Thing/b is declared twice | the first is at f.yaml:8:1",
            "f.yaml:5:7 there is no kind `Thin` | did you mean `Thing`?",
            "f.yaml:10:18 refers to Thing/bb, which no document declares | did you mean `Thing/b`?",
        ]
    );
    assert_eq!(
        told("kind: Thing\nmetadata: {name: b}\n"),
        [" there is no Stack document | add `kind: Stack` with a name: it says whose tags mark what is yours"]
    );
}

#[test]
fn a_circle_is_told_as_a_path() {
    let text = format!(
        "{STACK}kind: Thing\nmetadata: {{name: a}}\nspec: {{on: {{ref: Thing/b}}}}\n---\nkind: Thing\nmetadata: {{name: b}}\nspec: {{on: {{ref: Thing/a}}}}\n"
    );
    assert_eq!(
        told(&text),
        ["f.yaml:5:1 documents need each other in a circle: Thing/a → Thing/b → Thing/a | take one of these references out"]
    );
}

#[test]
fn leave_needs_a_reason_and_a_field_that_can_be_found() {
    let text = format!(
        "{STACK}kind: Thing\nmetadata:\n  name: a\n  exceptions: [{{rule: x, reason: ' ', expires: 2026-02-01}}]\n  ignore: [{{field: size, reason: known, expires: 2026-02-01}}]\n"
    );
    assert_eq!(
        told(&text),
        [
            "f.yaml:8:34 a reason is missing | say why it is right here",
            "f.yaml:9:20 `size` names no field | write it as plan shows it: /size"
        ]
    );
}
