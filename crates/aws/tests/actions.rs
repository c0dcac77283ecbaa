//! Every call of the SDK in this crate has its line in the table of permissions, and no line is without its call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use meteoctl_aws::kinds;
use meteoctl_aws::owned;
use meteoctl_aws::policy::Action;

/// Field of `Aws` → prefix of the operations.
const CLIENTS: [(&str, &str); 12] = [
    ("cloudwatch", "cloudwatch"),
    ("ec2", "ec2"),
    ("ecr", "ecr"),
    ("ecs", "ecs"),
    ("efs", "elasticfilesystem"),
    ("iam", "iam"),
    ("logs", "logs"),
    ("s3", "s3"),
    ("scheduler", "scheduler"),
    ("secrets", "secretsmanager"),
    ("sts", "sts"),
    ("tagging", "tag"),
];

/// Files that serve several kinds: their calls must stand in some table.
fn kind_of(path: &Path) -> Option<String> {
    let within = path.strip_prefix(source().join("kinds")).ok()?;
    let first = within.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs");
    Some(first.split('_').map(capital).collect())
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Operations called in a text, as `service:Operation`.
fn calls(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let dense: String = lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace()).collect();
    let mut found = BTreeSet::new();
    for (field, prefix) in CLIENTS {
        for (at, _) in dense.match_indices(&format!("{field}.")) {
            let before = dense[..at].chars().next_back();
            let rest = &dense[at + field.len() + 1..];
            let name: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
            let is_call = rest[name.len()..].starts_with("()") && name.contains('_');
            if is_call && !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                found.insert(format!("{prefix}:{}", name.split('_').map(capital).collect::<String>()));
            }
        }
    }
    found
}

fn tables() -> BTreeMap<String, Vec<Action>> {
    let mut paths = Vec::new();
    files(&source().join("kinds"), &mut paths);
    let mut tables: BTreeMap<String, Vec<Action>> =
        paths.iter().filter_map(|path| kind_of(path)).map(|kind| (kind.clone(), kinds::actions(&kind).to_vec())).collect();
    tables.insert("owned".to_owned(), owned::ACTIONS.to_vec());
    tables
}

#[test]
fn every_call_has_its_permission() {
    let tables = tables();
    let known: BTreeSet<&str> = tables.values().flatten().map(|action| action.operation).collect();
    let mut paths = Vec::new();
    files(&source(), &mut paths);
    let (mut missing, mut seen) = (BTreeSet::new(), 0);
    for path in paths {
        let kind = kind_of(&path);
        for call in calls(&std::fs::read_to_string(&path).expect("a text")) {
            seen += 1;
            let stands = match &kind {
                Some(kind) => tables[kind].iter().any(|action| action.operation == call),
                None => known.contains(call.as_str()),
            };
            if !stands {
                missing.insert(format!("{call} of {}", kind.clone().unwrap_or_else(|| path.display().to_string())));
            }
        }
    }
    assert!(seen > 100, "only {seen} calls were found: the search itself is broken");
    assert!(missing.is_empty(), "calls without a permission: {missing:#?}");
}

#[test]
fn no_permission_is_without_its_call() {
    let mut paths = Vec::new();
    files(&source(), &mut paths);
    let called: BTreeSet<String> = paths.iter().flat_map(|path| calls(&std::fs::read_to_string(path).expect("a text"))).collect();
    let idle: BTreeSet<String> = tables()
        .into_iter()
        .flat_map(|(kind, actions)| actions.into_iter().map(move |action| format!("{}: {kind}", action.operation)))
        .filter(|line| !called.contains(line.split(": ").next().unwrap_or_default()))
        .collect();
    assert!(idle.is_empty(), "permissions that nothing needs: {idle:#?}");
}

#[test]
fn every_kind_has_a_table() {
    let empty: Vec<String> = tables().into_iter().filter(|(_, actions)| actions.is_empty()).map(|(kind, _)| kind).collect();
    assert!(empty.is_empty(), "kinds without permissions: {empty:?}");
}
