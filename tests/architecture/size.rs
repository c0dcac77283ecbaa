//! At most 400 lines of code a file and 100 a function, unit tests not counted. The targets are 250 and 60.

use crate::source::Source;

const LARGEST_FILE: usize = 400;
const LARGEST_FUNCTION: usize = 100;

/// What is too large in a file, and by how much.
pub fn breaches(source: &Source) -> Vec<String> {
    if source.is_tests() {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    let lines = count(&source.code);
    if lines > LARGEST_FILE {
        breaches.push(format!("{}: {lines} lines of code, at most {LARGEST_FILE}", source.path));
    }
    for (name, at, body) in functions(&source.code) {
        let lines = count(body);
        if lines > LARGEST_FUNCTION {
            breaches.push(format!("{}:{}: fn {name} has {lines} lines, at most {LARGEST_FUNCTION}", source.path, source.line_of(at)));
        }
    }
    breaches
}

/// Lines that are neither blank nor comment.
fn count(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Name, place and text of every function with a body, those within others included.
fn functions(code: &str) -> Vec<(&str, usize, &str)> {
    code.match_indices("fn ").filter(|&(at, _)| starts_word(code, at)).filter_map(|(at, _)| function(code, at)).collect()
}

fn starts_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
}

fn function(code: &str, at: usize) -> Option<(&str, usize, &str)> {
    let text = &code[at..];
    let named = text["fn ".len()..].trim_start();
    let name = named.split(|character: char| !(character.is_alphanumeric() || character == '_')).next().filter(|name| !name.is_empty())?;
    let mut depth = 0_i32;
    let mut in_body = false;
    for (offset, character) in text.char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' => {
                in_body |= depth == 0;
                depth += 1;
            }
            '}' => {
                depth -= 1;
                if in_body && depth == 0 {
                    return Some((name, at, &text[..=offset]));
                }
            }
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn a_long_function_and_a_long_file_are_named() {
    let long = format!("\nfn small() {{}}\nimpl X {{\n  pub async fn long(a: [u8; 3]) -> X {{\n{}  }}\n}}\n", "    call();\n".repeat(100));
    assert_eq!(breaches(&Source::new("src/a.rs", &long)), ["src/a.rs:4: fn long has 102 lines, at most 100"]);
    assert_eq!(breaches(&Source::new("src/a.rs", &long.replacen("    call();\n    call();\n", "\n// one\n", 1))), [""; 0]);
    let file = "use a;\n".repeat(401);
    assert_eq!(breaches(&Source::new("src/a.rs", &file)), ["src/a.rs: 401 lines of code, at most 400"]);
    assert_eq!(breaches(&Source::new("src/a/tests.rs", &file)), [""; 0]);
}

#[test]
fn a_declaration_is_no_function() {
    let found = |code: &'static str| functions(code).into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(found("trait T { fn a(&self); fn b() { c(|| { 1; }); } }"), ["b"]);
    assert_eq!(found("type F = fn (u8); fn outer() { fn inner() {} }"), ["outer", "inner"]);
}
