//! `graph`: who needs whom, as Mermaid, DOT or SVG.

mod svg;

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use meteoctl_engine::document::Document;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::graph::{Graph, STACK};
use serde_json::json;

use super::{DONE, Desk, drift::DATA_KINDS};

/// What graph takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The language of the drawing
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Language,
}

/// A language for drawings.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Language {
    /// Drawn by GitHub and GitLab
    Mermaid,
    /// Drawn by Graphviz
    Dot,
    /// Drawn already: a picture for browsers
    Svg,
}

/// Draws the documents. An arrow goes from what is needed to what needs it.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let documents = match desk.read().await {
        Ok(checked) => checked.documents,
        Err(code) => return Ok(code),
    };
    let arrows = arrows(&documents);
    let names: Vec<String> = documents.iter().map(|document| document.id.to_string()).collect();
    let named: Vec<_> = arrows.iter().map(|(from, to)| json!({"from": names.get(*from), "to": names.get(*to)})).collect();
    desk.view.result(&json!({"documents": names, "needs": named}), || match arguments.format {
        Language::Mermaid => mermaid(&documents, &arrows),
        Language::Dot => dot(&documents, &arrows),
        Language::Svg => svg::draw(&names, &documents.iter().map(is_data).collect::<Vec<_>>(), &arrows),
    });
    Ok(DONE)
}

/// All arrows but those from the Stack, which everything needs.
fn arrows(documents: &[Document]) -> Vec<(usize, usize)> {
    let graph = Graph::new(documents);
    let is_stack = |index: &usize| documents.get(*index).is_some_and(|document| document.id.kind == STACK);
    let needs = |to: usize| graph.needs(to).filter(|from| !is_stack(from)).map(move |from| (from, to)).collect::<Vec<_>>();
    (0..documents.len()).flat_map(needs).collect()
}

fn is_data(document: &Document) -> bool {
    DATA_KINDS.contains(&document.id.kind.as_str())
}

fn mermaid(documents: &[Document], arrows: &[(usize, usize)]) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (index, document) in documents.iter().enumerate() {
        let label = document.id.to_string().replace('"', "#quot;");
        let (open, close) = if is_data(document) { ("([", "])") } else { ("[", "]") };
        let _ = writeln!(text, "  n{index}{open}\"{label}\"{close}");
    }
    text + &arrows.iter().map(|(from, to)| format!("  n{from} --> n{to}\n")).collect::<String>()
}

fn dot(documents: &[Document], arrows: &[(usize, usize)]) -> String {
    let mut text = "digraph meteoctl {\n  rankdir=LR;\n".to_owned();
    for (index, document) in documents.iter().enumerate() {
        let shape = if is_data(document) { "ellipse" } else { "box" };
        let _ = writeln!(text, "  n{index} [label={:?}, shape={shape}];", document.id.to_string());
    }
    text + &arrows.iter().map(|(from, to)| format!("  n{from} -> n{to};\n")).collect::<String>() + "}\n"
}
