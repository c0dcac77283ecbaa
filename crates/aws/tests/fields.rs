//! Every field of every kind is changed behind the kind's back in some test, so that a new field cannot be forgotten.
//!
//! The schema says which fields there are; `tests/stack/KIND.rs` says, in `repairs(&["/field"], …)`, which of them are changed on the
//! emulators, seen alone and repaired alone. What cannot be shown there stands below, with where it is shown instead.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use meteoctl_aws::client::{Aws, StackIdentity};
use meteoctl_aws::kinds;
use meteoctl_engine::tally::Tally;
use serde_json::Value;

const FIXED: &str = "AWS fixes it at creation: another wish is refused, with the way out";
const IDENTITY: &str = "it says which thing is meant: another one is another thing";
const WORDS: &str = "it says how the document is meant; AWS keeps nothing of it";

/// Kind, field, and why no emulator can show its drift.
const ELSEWHERE: [(&str, &str, &str); 26] = [
    ("FileSystem", "/backup", "Moto has no backup policies: tests/wire/efs_ecr.rs"),
    ("FileSystem", "/encrypted", FIXED),
    ("FileSystem", "/kms", FIXED),
    ("FileSystem", "/performanceMode", FIXED),
    ("FileSystem", "/throughput", "Moto cannot change it: tests/wire/efs_ecr.rs"),
    ("LogGroup", "/class", FIXED),
    ("LogGroup", "/kms", "the emulators know no keys of log groups: tests/wire/logs_secrets.rs"),
    ("Repository", "/encryption", FIXED),
    ("Repository", "/scanOnPush", "Moto takes an answer of `false` for none: tests/wire/efs_ecr.rs"),
    ("Role", "/path", FIXED),
    ("Schedule", "/backup", "a backup gives its times alone, which are told as /schedule"),
    ("Schedule", "/group", IDENTITY),
    ("Secret", "/generate/passwordLength", WORDS),
    ("Secret", "/recoveryDays", WORDS),
    ("SecurityGroup", "/description", FIXED),
    ("SecurityGroup", "/rulesMode", WORDS),
    ("SecurityGroup", "/vpc", IDENTITY),
    ("Service", "/cluster", IDENTITY),
    ("Service", "/deployment", "Moto forgets the deployment rules: tests/wire/ecs_tasks.rs"),
    ("Service", "/launch", IDENTITY),
    ("Service", "/port", WORDS),
    ("Service", "/storage", WORDS),
    ("Stack", "/accountId", IDENTITY),
    ("Stack", "/region", IDENTITY),
    ("Stack", "/tags", "they are told as /tags of each document"),
    ("TaskDefinition", "/tags", "they are told as /tags/NAME: a tag of the revision"),
];

/// Pointers of all fields of a schema: names of maps and lists stand as `*`; a field with fields of its own is not told itself.
fn pointers(schema: &Value, root: &Value, at: &str, found: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str().and_then(|target| root.pointer(target.trim_start_matches('#'))) {
        return pointers(target, root, at, found);
    }
    let choices = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema[*key].as_array()).flatten();
    let choices: Vec<&Value> = choices.filter(|choice| choice["type"] != "null").collect();
    // Only one of several ways to write the same thing is followed: a field is told as a whole where there are more.
    if let [choice] = choices[..] {
        return pointers(choice, root, at, found);
    }
    match (schema["properties"].as_object(), &schema["additionalProperties"], &schema["items"]) {
        (Some(fields), _, _) if !fields.is_empty() => {
            fields.iter().for_each(|(name, field)| pointers(field, root, &format!("{at}/{name}"), found));
        }
        (_, more, _) if more.is_object() => pointers(more, root, &format!("{at}/*"), found),
        (_, _, items) if items.is_object() => pointers(items, root, &format!("{at}/*"), found),
        _ => _ = found.insert(at.to_owned()),
    }
}

/// Whether a change told as `told` shows the field: the field itself, one of its entries, or the whole that it belongs to.
fn shows(told: &str, field: &str) -> bool {
    let (told, field): (Vec<&str>, Vec<&str>) = (told.split('/').collect(), field.split('/').collect());
    told.iter().zip(&field).all(|(told, field)| told == field || *field == "*")
}

/// What the tests of a kind name in `repairs(&[…]` and in assertions on a drift's paths.
fn told(kind: &str) -> BTreeSet<String> {
    let file = kind.char_indices().map(|(at, letter)| match letter {
        _ if letter.is_ascii_uppercase() && at > 0 => format!("_{}", letter.to_ascii_lowercase()),
        _ => letter.to_ascii_lowercase().to_string(),
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack").join(file.collect::<String>() + ".rs");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| ["repairs(", "paths()", "let paths", "spoil("].iter().any(|word| line.contains(word))) {
        found.extend(line.split('"').filter(|word| word.starts_with('/')).map(str::to_owned));
    }
    found
}

#[tokio::test]
async fn every_field_is_changed_by_hand_in_some_test() {
    let config = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let aws = Arc::new(Aws::new(&config, StackIdentity::default(), Tally::new()));
    let (mut forgotten, mut fields, mut used) = (Vec::new(), 0, BTreeSet::<(&str, &str, &str)>::new());
    for kind in kinds::all(&aws) {
        let schema = kind.schema();
        let mut all = BTreeSet::new();
        pointers(&schema, &schema, "", &mut all);
        let told = told(kind.name());
        for field in all {
            fields += 1;
            let elsewhere = ELSEWHERE.iter().find(|(of, excused, _)| *of == kind.name() && shows(excused, &field));
            used.extend(elsewhere);
            if elsewhere.is_none() && !told.iter().any(|told| shows(told, &field)) {
                forgotten.push(format!("{}{field}", kind.name()));
            }
        }
    }
    assert!(fields > 100, "only {fields} fields were found: the search itself is broken");
    assert!(forgotten.is_empty(), "no test changes {forgotten:#?}");
    let idle: Vec<_> = ELSEWHERE.iter().filter(|excuse| !used.contains(excuse)).collect();
    assert!(idle.is_empty(), "excuses that nothing needs: {idle:#?}");
}

#[test]
fn a_whole_and_an_entry_show_a_field() {
    for (told, field) in
        [("/ingress", "/ingress/*/cidr"), ("/tags/owner", "/tags/*"), ("/containers/db/cpu", "/containers/*/cpu"), ("/cpu", "/cpu")]
    {
        assert!(shows(told, field), "{told} {field}");
    }
    for (told, field) in [("/cpu", "/memory"), ("/containers/db/cpu", "/containers/*/memory")] {
        assert!(!shows(told, field), "{told} {field}");
    }
}
