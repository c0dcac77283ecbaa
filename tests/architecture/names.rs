//! Names that belong to one room: the cloud's, the database's, the terminal's, the environment's.

use crate::source::Source;

/// A name, why it stays in its room, and where that is. A room is a path or the beginning of one.
struct Rule {
    names: &'static [&'static str],
    rooms: &'static [&'static str],
    why: &'static str,
}

/// xtask works from outside on whatever there is: it has its own command line, environment and output.
const CHORES: &str = "crates/xtask/";

const RULES: [Rule; 6] = [
    Rule { names: &["clap::", "clap_complete::", "clap_mangen::"], rooms: &["src/", CHORES], why: "only the binary knows a command line" },
    Rule {
        names: &["aws_sdk_", "aws_config::", "aws_smithy_", "aws_types::", "aws_credential_types::"],
        rooms: &["crates/aws/", "crates/jobs/src/s3_store"],
        why: "only the AWS kinds and the S3 store speak AWS",
    },
    Rule { names: &["mongodb::"], rooms: &["crates/data/src/mongo"], why: "only crates/data/src/mongo names the driver" },
    Rule {
        names: &["tokio::spawn", "task::spawn("],
        rooms: &[
            "crates/engine/src/run",
            // The data pipeline's own stages.
            "crates/data/src/backup/",
            "crates/data/src/collect/",
            "crates/data/src/import/",
            "crates/data/src/pipeline",
            "crates/data/src/quality/",
            "crates/data/src/restore/",
            "crates/data/src/transform",
            CHORES,
        ],
        why: "what runs beside what is decided by the engine's run and by the data pipeline's stages",
    },
    Rule {
        names: &["std::env", "env::var", "env::args", "env::temp_dir"],
        rooms: &["src/config.rs", CHORES],
        why: "only src/config.rs reads the environment",
    },
    Rule {
        names: &["println!", "print!", "eprintln!", "eprint!", "dbg!", "stdout()", "stderr()"],
        rooms: &["src/view", CHORES],
        why: "only src/view prints",
    },
];

/// Names of a file that belong elsewhere.
pub fn breaches(source: &Source) -> Vec<String> {
    if source.is_tests() {
        return Vec::new();
    }
    let strange = RULES.iter().filter(|rule| !rule.rooms.iter().any(|room| source.path.starts_with(room)));
    let found = strange.flat_map(|rule| rule.names.iter().flat_map(|name| occurrences(source, name, rule.why)));
    found.collect()
}

fn occurrences(source: &Source, name: &str, why: &str) -> Vec<String> {
    let whole = |&(at, _): &(usize, &str)| !source.code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
    let told = |(at, _)| format!("{}:{}: {name} ({why})", source.path, source.line_of(at));
    source.code.match_indices(name).filter(whole).map(told).collect()
}

/// Attributes that switch a lint off and do not say why.
pub fn exceptions_without_reason(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for word in ["allow(", "expect("] {
        for (at, _) in source.code.match_indices(word) {
            let before = source.code[..at].trim_end();
            if !(before.ends_with("#[") || before.ends_with("#![")) {
                continue;
            }
            let attribute = source.code[at..].split(']').next().unwrap_or_default();
            if !attribute.contains("reason") {
                breaches.push(format!("{}:{}: {}", source.path, source.line_of(at), attribute.replace('\n', " ")));
            }
        }
    }
    breaches
}

#[cfg(test)]
fn found(path: &str, text: &str) -> usize {
    breaches(&Source::new(path, text)).len()
}

#[test]
fn every_rule_finds_its_breach() {
    for rule in &RULES {
        for name in rule.names {
            let text = format!("fn a() {{ {name}x; }}\n");
            assert_eq!(found("crates/engine/src/step.rs", &text), 1, "{name}");
            for room in rule.rooms {
                assert_eq!(found(&format!("{room}x.rs"), &text), 0, "{name} in {room}");
            }
        }
    }
}

#[test]
fn a_breach_says_where_and_why() {
    let source =
        Source::new("crates/data/src/import/load.rs", "//! mongodb:: in prose\nfn a() {\n    mongodb::Client::new(\"println!\");\n}\n");
    assert_eq!(breaches(&source), ["crates/data/src/import/load.rs:3: mongodb:: (only crates/data/src/mongo names the driver)"]);
}

#[test]
fn a_name_within_a_name_is_no_breach() {
    assert_eq!(found("crates/jobs/src/a.rs", "use meteoctl_data::mongo; my_println!(); let x = my_mongodb::y;"), 0);
    assert_eq!(found("crates/jobs/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n println!(); }\n"), 0);
    assert_eq!(found("crates/jobs/src/tests.rs", "println!();"), 0);
}

#[test]
fn an_exception_needs_a_reason() {
    let source = |text: &str| exceptions_without_reason(&Source::new("src/a.rs", text)).len();
    assert_eq!(source("#[allow(dead_code)]\nfn a() { b.expect(\"x\"); }"), 1);
    assert_eq!(source("#![expect(clippy::x)]"), 1);
    assert_eq!(source("#[expect(clippy::x, reason = \"because\")]"), 0);
}
