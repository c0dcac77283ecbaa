//! Every call of the SDK in this crate has its line in the table of permissions, and no line is without its call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meteoctl_aws::client::{Aws, StackIdentity};
use meteoctl_aws::kinds;
use meteoctl_aws::owned;
use meteoctl_aws::policy::Action;
use meteoctl_engine::tally::Tally;

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

/// Operations called in a file, as `service:Operation`.
fn calls(path: &Path) -> BTreeSet<String> {
    let mut text = std::fs::read_to_string(path).expect("a text");
    if path == source().join("client.rs") {
        text = text.replace("self\n            .", "self.").replace("self.", "aws.");
    }
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let dense: String = lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace()).collect();
    let mut found = BTreeSet::new();
    for (field, prefix) in CLIENTS {
        // A client is always called by its full name, `aws.s3.…()`: one that hides behind a variable shows as an idle line.
        let client = format!("aws.{field}.");
        for (at, _) in dense.match_indices(&client) {
            let rest = &dense[at + client.len()..];
            let name: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
            if rest[name.len()..].starts_with("()") {
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
        for call in calls(&path) {
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
    let called: BTreeSet<String> = paths.iter().flat_map(|path| calls(path)).collect();
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

#[tokio::test]
async fn every_kind_is_registered_once() {
    let config = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let aws = Arc::new(Aws::new(&config, StackIdentity::default(), Tally::new()));
    let names: Vec<&str> = kinds::all(&aws).iter().map(|kind| kind.name()).collect();
    let mut sorted: Vec<String> = tables().into_keys().filter(|name| name != "owned").collect();
    sorted.sort();
    assert_eq!(names, sorted);
}
