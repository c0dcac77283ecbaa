//! A file that no `mod` line names is not compiled, and nobody notices.

use crate::source::Source;

/// Files that are not reached from their parent.
pub fn files(sources: &[Source]) -> Vec<String> {
    let is_forgotten = |source: &&Source| {
        let Some(parents) = parents(&source.path) else { return false };
        let line = format!("mod {};", name(&source.path));
        let is_it = |text: &str| text.trim().strip_suffix(&line).is_some_and(|before| before.is_empty() || before.starts_with("pub"));
        let names_it = |parent: &Source| parent.code.lines().any(is_it);
        !sources.iter().any(|parent| parents.contains(&parent.path) && names_it(parent))
    };
    sources.iter().filter(is_forgotten).map(|source| source.path.clone()).collect()
}

/// The name of the module that a file holds.
fn name(path: &str) -> &str {
    let path = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// Files that may name the module; `None` for the root of a crate and for programs of their own.
fn parents(path: &str) -> Option<Vec<String>> {
    let module = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs"))?;
    let (folder, name) = module.rsplit_once('/')?;
    let is_source_folder = folder == "src" || folder.ends_with("/src");
    if folder.ends_with("/bin") || folder == "src/bin" || (is_source_folder && (name == "lib" || name == "main")) {
        return None;
    }
    if is_source_folder {
        return Some(vec![format!("{folder}/lib.rs"), format!("{folder}/main.rs")]);
    }
    Some(vec![format!("{folder}.rs"), format!("{folder}/mod.rs")])
}

#[test]
fn a_forgotten_file_is_found() {
    let sources = [
        Source::new("crates/aws/src/lib.rs", "pub mod kinds;\n// mod orphan;\nmod orphanage;\n"),
        Source::new("crates/aws/src/kinds.rs", "pub(crate) mod bucket;\nmod policy;\n"),
        Source::new("crates/aws/src/kinds/bucket.rs", ""),
        Source::new("crates/aws/src/kinds/policy/mod.rs", "mod statement;"),
        Source::new("crates/aws/src/kinds/policy/statement.rs", ""),
        Source::new("crates/aws/src/kinds/role.rs", ""),
        Source::new("crates/aws/src/orphan.rs", ""),
        Source::new("crates/aws/src/orphanage.rs", ""),
        Source::new("src/main.rs", "mod commands;"),
        Source::new("src/commands/mod.rs", ""),
        Source::new("src/commands/plan.rs", ""),
    ];
    assert_eq!(files(&sources), ["crates/aws/src/kinds/role.rs", "crates/aws/src/orphan.rs", "src/commands/plan.rs"]);
}
