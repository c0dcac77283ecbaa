//! YAML text → nodes that know their place.
//!
//! YAML 1.2 core schema: `no` and `22:30` are strings. Anchors, aliases and tags are refused (a wish is read by
//! people first), duplicate keys too; depth and size are bounded, so no text can exhaust memory or stack.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span};

/// Deepest nesting accepted.
const MAX_DEPTH: usize = 64;
/// Most nodes accepted in one file.
const MAX_NODES: usize = 200_000;

/// A value and the bytes it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Byte range in the file.
    pub range: Range<usize>,
    /// The value.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Null, boolean, number or string.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in order; each key with its own range.
    Map(Vec<(String, Range<usize>, Node)>),
}

/// A text that is not YAML as we accept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Byte range of the offence.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Node {
    /// The value without places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            NodeKind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, _, node)| (key.clone(), node.to_value())).collect::<Map<_, _>>())
            }
        }
    }

    /// The entry of a mapping: range of the key, and the node.
    pub fn get(&self, key: &str) -> Option<(&Range<usize>, &Node)> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|(name, _, _)| name == key).map(|(_, range, node)| (range, node)),
            _ => None,
        }
    }

    /// The range to point at for a JSON pointer: the value's where it has one, else that of the nearest ancestor's key.
    pub fn locate(&self, pointer: &str) -> Range<usize> {
        let mut node = self;
        let mut best = self.range.clone();
        for segment in pointer.split('/').skip(1) {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                NodeKind::Map(entries) => entries.iter().find(|(key, _, _)| *key == name).map(|(_, key, inner)| (key.clone(), inner)),
                NodeKind::List(items) => {
                    name.parse::<usize>().ok().and_then(|index| items.get(index)).map(|inner| (inner.range.clone(), inner))
                }
                NodeKind::Scalar(_) => None,
            };
            let Some((key, inner)) = next else { break };
            best = match inner.kind {
                NodeKind::Scalar(_) if !inner.range.is_empty() => inner.range.clone(),
                _ => key,
            };
            node = inner;
        }
        best
    }
}

/// Reads every document of a text. The first offence ends the reading, since nothing behind it can be trusted.
pub fn parse(text: &str) -> Result<Vec<Node>, Fault> {
    let mut reader = Reader { text, parser: Parser::new_from_str(text), nodes: 0 };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => documents.push(reader.node(event, &span, 0)?),
        }
    }
    Ok(documents)
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, serde_yaml::granit_parser::StrInput<'t>>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Fault> {
        match self.parser.find(|item| !matches!(item, Ok((Event::Comment(..), _)))) {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span))),
            Some(Err(error)) => {
                let at = self.byte(error.marker());
                Err(fault(at..at, format!("not valid YAML: {}", error.info()), None))
            }
        }
    }

    fn byte(&self, marker: &serde_yaml::granit_parser::Marker) -> usize {
        let offset =
            marker.byte_offset().unwrap_or_else(|| self.text.char_indices().nth(marker.index()).map_or(self.text.len(), |(at, _)| at));
        offset.min(self.text.len())
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(&span.start);
        start..self.byte(&span.end).max(start)
    }

    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Node, Fault> {
        let range = self.range(span);
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(fault(range, "too large or too deeply nested".to_owned(), Some("split the file".to_owned())));
        }
        let kind = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(anchor, tag.is_some(), &range)?;
                NodeKind::Scalar(if style == ScalarStyle::Plain { plain(&text) } else { Value::String(text.into_owned()) })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse(anchor, tag.is_some(), &range)?;
                NodeKind::List(self.list(depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse(anchor, tag.is_some(), &range)?;
                NodeKind::Map(self.map(depth)?)
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => return Err(no_anchors(range)),
            _ => NodeKind::Scalar(Value::Null),
        };
        Ok(Node { range, kind })
    }

    fn refuse(&self, anchor: usize, tag: bool, range: &Range<usize>) -> Result<(), Fault> {
        match (anchor, tag) {
            (0, false) => Ok(()),
            (0, true) => Err(fault(range.clone(), "tags (`!…`) are not accepted".to_owned(), Some("write the plain value".to_owned()))),
            _ => Err(no_anchors(range.clone())),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
        Ok(items)
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, Range<usize>, Node)>, Fault> {
        let mut entries: Vec<(String, Range<usize>, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, &span, depth + 1)?;
            let name = match key.kind {
                NodeKind::Scalar(Value::String(name)) => name,
                NodeKind::Scalar(other) => other.to_string(),
                _ => return Err(fault(key.range, "a key must be a plain word".to_owned(), None)),
            };
            if !seen.insert(name.clone()) {
                return Err(fault(key.range, format!("the key `{name}` is given twice"), Some("keep one of the two".to_owned())));
            }
            let Some((event, span)) = self.next()? else { break };
            let node = self.node(event, &span, depth + 1)?;
            entries.push((name, key.range, node));
        }
        Ok(entries)
    }
}

fn fault(range: Range<usize>, message: String, hint: Option<String>) -> Fault {
    Fault { range, message, hint }
}

fn no_anchors(range: Range<usize>) -> Fault {
    fault(
        range,
        "anchors and aliases are not accepted".to_owned(),
        Some("write the value out, or refer to a document with {ref: Kind/name}".to_owned()),
    )
}

/// A plain scalar by the YAML 1.2 core schema (section 10.3.2).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // A leading zero means an identifier (station 07015), which a number would damage.
        let identifier = digits.len() > 1 && digits.starts_with('0');
        return match text.trim_start_matches('+').parse::<i64>() {
            Ok(number) if !identifier => Value::from(number),
            _ => Value::String(text.to_owned()),
        };
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(number) = text.strip_prefix(prefix).and_then(|rest| i64::from_str_radix(rest, radix).ok()) {
            return Value::from(number);
        }
    }
    let float_like =
        digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.bytes().all(|byte| b"0123456789.eE+-".contains(&byte));
    match text.parse::<f64>().ok().filter(|_| float_like).and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn one(text: &str) -> Value {
        parse(text).expect("YAML").first().expect("a document").to_value()
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let value = one("{a: no, b: 22:30, c: 1, d: -2.5, e: ~, f: \"1\", g: true, h: 07015, i: 2024-10-01, j: 1e3, k: 0x1F, l: 51.092}");
        assert_eq!(
            value,
            json!({"a": "no", "b": "22:30", "c": 1, "d": -2.5, "e": null, "f": "1", "g": true, "h": "07015", "i": "2024-10-01", "j": 1000.0, "k": 31, "l": 51.092})
        );
    }

    #[test]
    fn places_are_found_by_pointer() {
        let text = "kind: Bucket\nspec:\n  rules:\n    - {id: a, days: soon}\n";
        let node = parse(text).expect("YAML").remove(0);
        assert_eq!(&text[node.locate("/spec/rules/0/days")], "soon");
        assert_eq!(&text[node.locate("/spec/rules")], "rules");
        assert_eq!(&text[node.locate("/spec/missing")], "spec");
    }

    #[test]
    fn what_is_refused_says_where_and_why() {
        let cases = [("a: &x 1\nb: *x", "anchors"), ("a: 1\na: 2", "given twice"), ("a: !!int 1", "tags"), ("a: [1, 2", "not valid YAML")];
        for (text, word) in cases {
            let fault = parse(text).expect_err(text);
            assert!(fault.message.contains(word), "{text}: {}", fault.message);
            assert!(fault.range.end <= text.len());
        }
        assert_eq!(parse("a: 1\na: 2").expect_err("twice").range, 5..6);
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn several_documents_are_several_nodes() {
        assert_eq!(parse("---\na: 1\n---\nb: 2\n...\n").expect("YAML").len(), 2);
        assert!(parse("# only a comment\n").expect("YAML").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ \\n\\t:\\-\\[\\]{}&*!|>'\"#a-c0-9,é]{0,80}") {
            for node in parse(&text).unwrap_or_default() {
                prop_assert!(node.locate("/a/0/b").end <= text.len());
            }
        }
    }
}
