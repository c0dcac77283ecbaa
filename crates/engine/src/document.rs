//! Documents: one wish each, with the place it came from.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::kind::Meta;
use crate::reference::Id;
use crate::yaml::{self, Node, NodeKind};

/// The one version of the documents' language.
pub const API_VERSION: &str = "meteoctl/v1";

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the user gave it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Bytes within its text.
    pub range: Range<usize>,
}

impl Place {
    /// Line and column, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.file.text.get(..self.range.start).unwrap_or(&self.file.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        (line, column)
    }

    /// The line itself, without its end.
    pub fn line_text(&self) -> &str {
        let (line, _) = self.line_column();
        self.file.text.lines().nth(line - 1).unwrap_or_default()
    }
}

impl std::fmt::Display for Place {
    /// `file:line:column`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.file.name)
    }
}

/// A fault in what the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// Where; `None` where no text was read at all.
    pub place: Option<Place>,
    /// What to write instead.
    pub hint: Option<String>,
    /// The policy rule that refuses it; `None` = simply wrong.
    pub rule: Option<&'static str>,
}

impl Diagnostic {
    /// A fault at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Diagnostic { message: message.into(), place: Some(place), hint: None, rule: None }
    }

    /// A fault without a place.
    pub fn general(message: impl Into<String>) -> Self {
        Diagnostic { message: message.into(), place: None, hint: None, rule: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One wish.
#[derive(Debug, Clone)]
pub struct Document {
    /// `Kind/name`.
    pub id: Id,
    /// Its metadata.
    pub meta: Meta,
    /// Its spec, as JSON.
    pub spec: Value,
    /// Where the document begins.
    pub place: Place,
    node: Node,
}

impl Document {
    /// The place of a JSON pointer within the spec.
    pub fn locate(&self, pointer: &str) -> Place {
        Place { file: self.place.file.clone(), range: self.node.locate(&format!("/spec{pointer}")) }
    }

    /// The place of the entry `key` of the mapping at `pointer` (the key itself).
    pub fn locate_key(&self, pointer: &str, key: &str) -> Place {
        let mut node = self.node.get("spec").map(|(_, node)| node);
        for segment in pointer.split('/').skip(1) {
            node = node.and_then(|inner| match &inner.kind {
                NodeKind::List(items) => segment.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => inner.get(&segment.replace("~1", "/").replace("~0", "~")).map(|(_, node)| node),
            });
        }
        match node.and_then(|node| node.get(key)) {
            Some((range, _)) => Place { file: self.place.file.clone(), range: range.clone() },
            None => self.locate(pointer),
        }
    }

    /// The place of a JSON pointer within the whole document (`/metadata/name`).
    pub fn locate_in_whole(&self, pointer: &str) -> Place {
        Place { file: self.place.file.clone(), range: self.node.locate(pointer) }
    }
}

/// Everything that was read, faults included.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The documents, in the order of files and lines.
    pub documents: Vec<Document>,
    /// All faults of all files.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads files and folders (`*.yaml`, `*.yml`, recursively, by name).
pub fn load(paths: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    for path in paths {
        let before = loaded.documents.len() + loaded.diagnostics.len();
        load_path(path, true, &mut loaded);
        if path.is_dir() && before == loaded.documents.len() + loaded.diagnostics.len() {
            loaded.diagnostics.push(
                Diagnostic::general(format!("no documents in {}: it holds no *.yaml or *.yml file", path.display()))
                    .hint("give the folder with your desired state: -f FOLDER"),
            );
        }
    }
    loaded
}

fn load_path(path: &Path, asked: bool, loaded: &mut Loaded) {
    if path.is_dir() {
        match std::fs::read_dir(path) {
            Ok(entries) => {
                let mut inner: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
                inner.sort();
                inner.iter().for_each(|path| load_path(path, false, loaded));
            }
            Err(error) => loaded.diagnostics.push(Diagnostic::general(format!("cannot read the folder {}: {error}", path.display()))),
        }
    } else if asked || path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
        match std::fs::read_to_string(path) {
            Ok(text) => read(&path.display().to_string(), text, path.parent().unwrap_or(Path::new("")), loaded),
            Err(error) => loaded.diagnostics.push(
                Diagnostic::general(format!("cannot read {}: {error}", path.display()))
                    .hint("check the path given with -f, and that it is UTF-8 text"),
            ),
        }
    }
}

/// Reads the documents of one text.
pub fn read(name: &str, text: String, folder: &Path, loaded: &mut Loaded) {
    let file = Arc::new(SourceFile { name: name.to_owned(), text });
    let nodes = match yaml::parse(&file.text) {
        Ok(nodes) => nodes,
        Err(fault) => {
            let place = Place { file: file.clone(), range: fault.range };
            loaded.diagnostics.push(Diagnostic { message: fault.message, place: Some(place), hint: fault.hint, rule: None });
            return;
        }
    };
    let mut version_given = false;
    for node in nodes {
        if node.kind == NodeKind::Scalar(Value::Null) {
            continue;
        }
        match document(&file, node, folder, &mut version_given) {
            Ok(document) => loaded.documents.push(document),
            Err(faults) => loaded.diagnostics.extend(faults),
        }
    }
}

fn document(file: &Arc<SourceFile>, node: Node, folder: &Path, version_given: &mut bool) -> Result<Document, Vec<Diagnostic>> {
    let place = |range: &Range<usize>| Place { file: file.clone(), range: range.clone() };
    let NodeKind::Map(entries) = &node.kind else {
        return Err(vec![Diagnostic::at(place(&node.range), "a document must be a mapping with `kind`, `metadata` and `spec`")]);
    };
    let start = entries.first().map_or(node.range.clone(), |(_, key, _)| key.clone());
    let mut faults = Vec::new();
    for (key, range, _) in entries {
        if !["apiVersion", "kind", "metadata", "spec"].contains(&key.as_str()) {
            faults.push(
                Diagnostic::at(place(range), format!("unknown field `{key}`"))
                    .hint("a document has `apiVersion`, `kind`, `metadata` and `spec`; the thing's own fields belong under `spec`"),
            );
        }
    }
    faults.extend(version_fault(file, &node, &start, version_given));
    let kind = match node.get("kind").map(|(_, node)| node) {
        Some(Node { kind: NodeKind::Scalar(Value::String(kind)), .. }) => Some(kind.clone()),
        Some(other) => {
            faults.push(Diagnostic::at(place(&other.range), "`kind` must be a word, for example Bucket"));
            None
        }
        None => {
            faults.push(Diagnostic::at(place(&start), "`kind` is missing").hint("add for example `kind: Bucket`"));
            None
        }
    };
    let meta = match node.get("metadata") {
        Some((_, metadata)) => metadata_of(file, metadata, folder).map_err(|fault| faults.push(fault)).ok(),
        None => {
            faults.push(Diagnostic::at(place(&start), "`metadata` is missing").hint("add `metadata: {name: …}`"));
            None
        }
    };
    let spec = node.get("spec").map_or(Value::Object(serde_json::Map::new()), |(_, spec)| spec.to_value());
    match (kind, meta) {
        (Some(kind), Some(meta)) if faults.is_empty() => Ok(Document {
            id: Id::new(kind, meta.name.clone()),
            meta,
            spec: if spec.is_null() { serde_json::json!({}) } else { spec },
            place: place(&start),
            node,
        }),
        _ => Err(faults),
    }
}

fn version_fault(file: &Arc<SourceFile>, node: &Node, start: &Range<usize>, given: &mut bool) -> Option<Diagnostic> {
    let place = |range: &Range<usize>| Place { file: file.clone(), range: range.clone() };
    match node.get("apiVersion") {
        Some((_, Node { kind: NodeKind::Scalar(Value::String(version)), .. })) if version == API_VERSION => {
            *given = true;
            None
        }
        Some((_, other)) => {
            Some(Diagnostic::at(place(&other.range), "unknown apiVersion").hint(format!("write `apiVersion: {API_VERSION}`")))
        }
        None if *given => None,
        None => {
            *given = true;
            Some(
                Diagnostic::at(place(start), "`apiVersion` is missing")
                    .hint(format!("the first document of a file says `apiVersion: {API_VERSION}`")),
            )
        }
    }
}

fn metadata_of(file: &Arc<SourceFile>, node: &Node, folder: &Path) -> Result<Meta, Diagnostic> {
    let value = node.to_value();
    let mut meta: Meta = serde_path_to_error::deserialize(&value).map_err(|error| {
        let message = error.inner().to_string();
        let unknown = message.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`')).and_then(|(key, _)| node.get(key));
        let pointer: String = error.path().to_string().split('.').filter(|part| !part.is_empty()).map(|part| format!("/{part}")).collect();
        let range = unknown.map_or_else(|| node.locate(&pointer), |(key, _)| key.clone());
        Diagnostic::at(Place { file: file.clone(), range }, format!("metadata: {message}"))
    })?;
    if meta.name.is_empty() {
        return Err(Diagnostic::at(Place { file: file.clone(), range: node.range.clone() }, "metadata: `name` is empty"));
    }
    meta.folder = folder.to_path_buf();
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Loaded {
        let mut loaded = Loaded::default();
        read("test.yaml", text.to_owned(), Path::new("desired"), &mut loaded);
        loaded
    }

    #[test]
    fn all_faults_of_a_file_are_told_at_once() {
        let loaded =
            load_text("apiVersion: meteoctl/v1\nkind: Bucket\nmetadata: {name: a}\ncolour: red\n---\nmetadata: {nam: b}\n---\n- 1\n");
        let told: Vec<String> =
            loaded.diagnostics.iter().map(|fault| format!("{} {}", fault.place.as_ref().expect("a place"), fault.message)).collect();
        assert_eq!(
            told,
            [
                "test.yaml:4:1 unknown field `colour`",
                "test.yaml:6:1 `kind` is missing",
                "test.yaml:6:12 metadata: unknown field `nam`, expected one of `name`, `annotations`, `after`, `exceptions`, `ignore`",
                "test.yaml:8:1 a document must be a mapping with `kind`, `metadata` and `spec`",
            ]
        );
    }

    #[test]
    fn the_version_is_said_once_a_file() {
        assert!(
            load_text("apiVersion: meteoctl/v1\nkind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {name: b}\n").diagnostics.is_empty()
        );
        assert_eq!(load_text("kind: A\nmetadata: {name: a}\n").diagnostics.len(), 1);
        assert_eq!(load_text("apiVersion: v1\nkind: A\nmetadata: {name: a}\n").diagnostics.len(), 1);
    }

    #[test]
    fn a_document_knows_its_places() {
        let text = "apiVersion: meteoctl/v1\nkind: Bucket\nmetadata: {name: é}\nspec:\n  versioning: On\n";
        let loaded = load_text(text);
        let document = loaded.documents.first().expect("a document");
        assert_eq!(document.locate("/versioning").to_string(), "test.yaml:5:15");
        assert_eq!(document.locate("/versioning").line_text(), "  versioning: On");
        assert_eq!(document.locate_key("", "versioning").to_string(), "test.yaml:5:3");
    }
}
