//! The rules of the house, kept by a test: who may import whom, what is named only where it belongs, how large a file and a
//! function may grow, and that no file is forgotten.
//!
//! It reads the workspace as text, with nothing but the standard library. Every checker is tried on text that breaks its rule.

#[path = "architecture/forgotten.rs"]
mod forgotten;
#[path = "architecture/manifest.rs"]
mod manifest;
#[path = "architecture/names.rs"]
mod names;
#[path = "architecture/size.rs"]
mod size;
#[path = "architecture/source.rs"]
mod source;

use std::path::PathBuf;

use source::Source;

/// The folder with the workspace's Cargo.toml.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Fails with every breach at once: one run shows all there is to do.
fn expect_none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

#[test]
fn crates_import_only_what_lies_below_them() {
    let breaches: Vec<String> = manifest::ALLOWED.iter().flat_map(|allowed| manifest::breaches(&root(), allowed)).collect();
    expect_none("dependencies that point upwards or sideways", &breaches);
}

#[test]
fn every_crate_stands_in_the_map() {
    expect_none("crates without a rule in tests/architecture/manifest.rs", &manifest::unknown_crates(&root()));
}

#[test]
fn names_stay_where_they_belong() {
    let sources = Source::all(&root());
    let breaches: Vec<String> = sources.iter().flat_map(names::breaches).collect();
    expect_none("names outside their room", &breaches);
}

#[test]
fn lint_exceptions_carry_a_reason() {
    let breaches: Vec<String> = Source::all(&root()).iter().flat_map(names::exceptions_without_reason).collect();
    expect_none("lint exceptions without `reason = \"…\"`", &breaches);
}

#[test]
fn files_and_functions_stay_small() {
    let breaches: Vec<String> = Source::all(&root()).iter().flat_map(size::breaches).collect();
    expect_none("too large", &breaches);
}

#[test]
fn no_file_is_forgotten() {
    expect_none("files that no `mod` line names", &forgotten::files(&Source::all(&root())));
}

#[test]
fn every_crate_says_what_it_must_not_know() {
    let silent: Vec<String> = Source::all(&root())
        .iter()
        .filter(|source| source.path.ends_with("src/lib.rs") && !source.head().contains("Must not know"))
        .map(|source| source.path.clone())
        .collect();
    expect_none("crates whose head does not say \"Must not know\"", &silent);
}

#[test]
fn the_workspace_was_really_read() {
    let sources = Source::all(&root());
    for path in ["src/main.rs", "crates/engine/src/lib.rs", "crates/aws/src/lib.rs", "crates/data/src/lib.rs", "crates/jobs/src/lib.rs"] {
        assert!(sources.iter().any(|source| source.path == path), "{path} was not found from {}", root().display());
    }
}
