//! Rust files of the product, split into code and what is not code.

use std::path::Path;

/// One file under `src/` or `crates/*/src/`.
#[derive(Debug)]
pub struct Source {
    /// Relative to the workspace, with `/` on every system.
    pub path: String,
    /// The text as written.
    pub text: String,
    /// The text up to the unit tests, line for line: comments are blanks, what strings hold is `~`.
    pub code: String,
}

impl Source {
    /// Splits a text.
    pub fn new(path: &str, text: &str) -> Self {
        let stripped = strip(text);
        let lines: Vec<&str> = stripped.lines().collect();
        let tests = lines.iter().enumerate().position(|(at, line)| {
            let next = lines.iter().skip(at + 1).find(|next| !next.trim_start().starts_with("#["));
            line.trim() == "#[cfg(test)]" && next.is_some_and(|next| next.trim_start().starts_with("mod ") && next.contains('{'))
        });
        let code = lines.iter().take(tests.unwrap_or(lines.len())).map(|line| format!("{line}\n")).collect();
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// Every file of the product; integration tests, benchmarks and build scripts are not of it.
    pub fn all(root: &Path) -> Vec<Self> {
        let mut paths = Vec::new();
        collect(&root.join("src"), &mut paths);
        for entry in std::fs::read_dir(root.join("crates")).expect("the folder crates can be read").flatten() {
            collect(&entry.path().join("src"), &mut paths);
        }
        paths.sort();
        let relative = |path: &Path| path.strip_prefix(root).expect("lies under the root").to_string_lossy().replace('\\', "/");
        paths.iter().map(|path| Self::new(&relative(path), &std::fs::read_to_string(path).expect("a source can be read"))).collect()
    }

    /// The documentation at the head of the file.
    pub fn head(&self) -> String {
        let is_head = |line: &&str| line.starts_with("//!") || line.trim().is_empty();
        self.text.lines().take_while(is_head).collect::<Vec<_>>().join("\n")
    }

    /// Tells whether the file holds tests only: its parent names it behind `#[cfg(test)]`.
    pub fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The line of the code that holds a byte, counted from 1.
    pub fn line_of(&self, at: usize) -> usize {
        self.code.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
    }
}

fn collect(folder: &Path, paths: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Blanks comments and fills strings, so that neither a word in prose nor a bracket in a string is taken for code.
pub fn strip(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let (length, filler) = if after_word { (0, ' ') } else { literal(rest) };
        let (length, filler) = if length > 0 { (length, filler) } else { comment_or_quote(rest) };
        if length == 0 {
            code.push(first);
            after_word = first.is_alphanumeric() || first == '_';
            rest = &rest[first.len_utf8()..];
            continue;
        }
        code.extend(rest[..length].chars().map(|character| if character == '\n' { '\n' } else { filler }));
        after_word = false;
        rest = &rest[length..];
    }
    code
}

/// The length of a raw or byte string that starts here; 0 when none does. These start with a letter, so not within a word.
fn literal(text: &str) -> (usize, char) {
    let prefix = text.len() - text.trim_start_matches(['b', 'c', 'r']).len();
    if prefix == 0 || prefix > 2 {
        return (0, ' ');
    }
    let (letters, rest) = text.split_at(prefix);
    if letters.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        if rest[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[hashes + 1..];
            let length = body.find(&end).map_or(body.len(), |at| at + end.len());
            return (prefix + hashes + 1 + length, '~');
        }
    }
    let quoted = if rest.starts_with('"') { string(rest) } else { 0 };
    if quoted == 0 { (0, ' ') } else { (prefix + quoted, '~') }
}

fn comment_or_quote(text: &str) -> (usize, char) {
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), ' ');
    }
    if text.starts_with("/*") {
        return (block_comment(text), ' ');
    }
    if text.starts_with('"') {
        return (string(text), '~');
    }
    (if text.starts_with('\'') { character(text) } else { 0 }, '~')
}

fn block_comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => text[3.min(text.len())..].find('\'').map_or(0, |at| at + 4),
        Some(_) => characters.next().filter(|&(_, second)| second == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

#[test]
fn only_code_is_left() {
    assert_eq!(strip("a // println!\nb"), "a            \nb");
    assert_eq!(strip("a /* x /* y */ z */ b"), "a                   b");
    assert_eq!(strip(r#"f("{ \" }", b"{", c)"#), "f(~~~~~~~~, ~~~~, c)");
    assert_eq!(strip("r#\"a \" {\"# + var\"x\""), "~~~~~~~~~~ + var~~~");
    assert_eq!(strip("'{' '\\'' 'a: &'static str"), "~~~ ~~~~ 'a: &'static str");
    assert_eq!(strip("\"é\nü\" x"), "~~\n~~ x");
}

#[test]
fn unit_tests_at_the_foot_are_cut_off() {
    let source = Source::new("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
    assert_eq!(source.code, "fn a() {}\n");
    let elsewhere = Source::new("src/a.rs", "#[cfg(test)]\nmod tests;\nfn a() {}\n");
    assert!(elsewhere.code.contains("fn a"), "tests in a file of their own cut nothing off");
}

#[test]
fn the_head_ends_where_the_code_begins() {
    assert_eq!(Source::new("src/lib.rs", "//! Must not know: x.\nmod a;\n//! late").head(), "//! Must not know: x.");
}
