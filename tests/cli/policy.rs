//! What the house refuses, and what a document is allowed all the same: with a reason, until a day.

use super::{STACK, with_stack};

/// One breach of every rule; `METADATA` stands for more metadata.
const BREACHES: [(&str, &str); 4] = [
    ("public-bucket", "kind: Bucket\nmetadata: {name: p8-meteo METADATA}\nspec: {publicAccess: Allowed}\n"),
    (
        "open-ingress",
        "kind: SecurityGroup\nmetadata: {name: sg METADATA}\nspec: {description: d, ingress: [{protocol: tcp, port: 27017, cidr: 0.0.0.0/0}]}\n",
    ),
    (
        "untagged-image",
        "kind: TaskDefinition\nmetadata: {name: t METADATA}\nspec: {cpu: 256, memory: 512, containers: [{name: m, image: mongo}]}\n",
    ),
    (
        "literal-secret",
        "kind: TaskDefinition\nmetadata: {name: t METADATA}\nspec: {cpu: 256, memory: 512, containers: [{name: m, image: \"mongo:7.0\", environment: {DB_PASSWORD: hunter2}}]}\n",
    ),
];

fn validate(document: &str, metadata: &str) -> String {
    with_stack(&document.replace(" METADATA", metadata)).run(&["validate", "-f", "wish.yaml"])
}

#[test]
fn every_rule_refuses_unless_an_exception_still_holds() {
    for (rule, document) in BREACHES {
        let refused = validate(document, "");
        assert!(refused.starts_with("exit 3\n") && refused.contains(&format!("error[{rule}]")), "{rule}: {refused}");
        assert!(!refused.contains("hunter2"), "a secret was shown: {refused}");
        let exception = |expires: &str| format!(", exceptions: [{{rule: {rule}, reason: agreed with the owner, expires: {expires}}}]");
        let held = validate(document, &exception("2999-12-31"));
        assert!(held.starts_with("exit 0\n"), "{rule}: {held}");
        let expired = validate(document, &exception("2020-01-01"));
        assert!(expired.starts_with("exit 3\n") && expired.contains("expired on 2020-01-01"), "{rule}: {expired}");
        let other = validate(document, ", exceptions: [{rule: something-else, reason: agreed, expires: 2999-12-31}]");
        assert!(other.starts_with("exit 3\n"), "{rule}: {other}");
    }
}

#[test]
fn an_exception_without_a_reason_is_none() {
    let document = BREACHES[0].1;
    for metadata in [
        ", exceptions: [{rule: public-bucket, reason: \"\", expires: 2999-12-31}]",
        ", exceptions: [{rule: public-bucket, expires: 2999-12-31}]",
        ", exceptions: [{rule: public-bucket, reason: agreed}]",
        ", exceptions: [{rule: public-bucket, reason: agreed, expires: some day}]",
    ] {
        let told = validate(document, metadata);
        assert!(told.starts_with("exit 1\n"), "{metadata}: {told}");
    }
}

#[test]
fn an_ignore_rule_names_a_field_by_its_pointer() {
    let desk =
        with_stack("kind: Bucket\nmetadata:\n  name: p8-meteo\n  ignore:\n    - {field: versioning, reason: known, expires: 2999-12-31}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @r"
    exit 1
    --- stdout
    --- stderr
    error: `versioning` names no field
      --> wish.yaml:10:15
       |
    10 |     - {field: versioning, reason: known, expires: 2999-12-31}
       |               ^^^^^^^^^^
       = help: write it as plan shows it: /versioning

    1 fault
    ");
}

#[test]
fn permissions_of_a_writing_run_include_its_lock() {
    let desk = super::Desk::with(&format!("{STACK}---\nkind: Bucket\nmetadata: {{name: p8-meteo}}\n"));
    let policy = |purpose: &str| desk.run(&["iam-policy", "--for", purpose, "-f", "wish.yaml"]);
    for purpose in ["apply", "jobs", "destroy"] {
        assert!(policy(purpose).contains("arn:aws:s3:::p8-meteo/.meteoctl/p8/*"), "{purpose}: {}", policy(purpose));
    }
    assert!(!policy("plan").contains("s3:PutObject"), "a plan writes nothing: {}", policy("plan"));
    assert!(
        policy("destroy").contains("s3:DeleteObjectVersion") && policy("destroy").contains("tag:GetResources"),
        "{}",
        policy("destroy")
    );
}

#[test]
fn a_picture_is_drawn() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: aaa}\n---\nkind: Bucket\nmetadata: {name: bbb, after: [Bucket/aaa]}\n");
    let told = desk.run(&["graph", "-f", "wish.yaml", "--format", "svg"]);
    assert!(told.starts_with("exit 0\n--- stdout\n<svg ") && told.contains(">Bucket/bbb</text>"), "{told}");
}
