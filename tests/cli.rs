//! What people and machines see: stdout, stderr and exit code of the binary, without any stack.

use std::path::Path;
use std::process::{Command, Output};

/// A folder of documents and the binary run in it, in an empty environment.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("wish.yaml"), text).expect("the documents are written");
        Desk { folder }
    }

    fn run(&self, arguments: &[&str]) -> String {
        told(&self.command(arguments).output().expect("the binary starts"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meteoctl"));
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path()).args(arguments);
        command
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("exit {}\n--- stdout\n{}--- stderr\n{}", output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

const STACK: &str = "apiVersion: meteoctl/v1\nkind: Stack\nmetadata: {name: p8}\nspec: {region: eu-west-3}\n";

fn with_stack(rest: &str) -> Desk {
    Desk::with(&format!("{STACK}---\n{rest}"))
}

#[test]
fn documents_without_fault() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo}\nspec: {versioning: Enabled}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @"");
}

#[test]
fn an_unknown_field() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo}\nspec: {versionning: Enabled}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @"");
}

#[test]
fn several_faults_at_once() {
    let desk = with_stack(
        "kind: Bucket\nmetadata: {name: p8-meteo}\nspec:\n  versioning: 3\n  colour: red\n---\nkind: Bukket\nmetadata: {name: x}\n",
    );
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @"");
}

#[test]
fn a_missing_reference() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo, after: [Bucket/p8-metoe]}\nspec: {}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @"");
}

#[test]
fn a_circle() {
    let desk = with_stack(
        "kind: Bucket\nmetadata: {name: aaa, after: [Bucket/bbb]}\n---\nkind: Bucket\nmetadata: {name: bbb, after: [Bucket/aaa]}\n",
    );
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @"");
}

#[test]
fn what_policy_refuses() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo}\nspec: {publicAccess: Allowed}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @"");
}

#[test]
fn broken_yaml() {
    insta::assert_snapshot!(Desk::with("kind: [Stack\nmetadata: x\n").run(&["validate", "-f", "wish.yaml"]), @"");
}

#[test]
fn faults_for_machines() {
    let desk = with_stack("kind: Bukket\nmetadata: {name: x}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml", "--output", "json"]), @"");
}

#[test]
fn a_folder_that_is_not_there() {
    insta::assert_snapshot!(Desk::with("").run(&["plan", "-f", "nowhere"]), @"");
}

#[test]
fn a_word_that_is_no_verb() {
    insta::assert_snapshot!(Desk::with("").run(&["aply"]), @"");
}

#[test]
fn nobody_to_confirm() {
    insta::assert_snapshot!(Desk::with(STACK).run(&["apply", "-f", "wish.yaml"]), @"");
}

#[test]
fn formats_of_drift_only() {
    insta::assert_snapshot!(Desk::with(STACK).run(&["plan", "-f", "wish.yaml", "--output", "sarif"]), @"");
}

#[test]
fn help() {
    insta::assert_snapshot!(Desk::with("").run(&["--help"]), @"");
}

#[test]
fn a_drawing() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: aaa}\n---\nkind: Bucket\nmetadata: {name: bbb, after: [Bucket/aaa]}\n");
    insta::assert_snapshot!(desk.run(&["graph", "-f", "wish.yaml"]), @"");
    insta::assert_snapshot!(desk.run(&["graph", "-f", "wish.yaml", "--format", "dot"]), @"");
}

#[test]
fn a_starter_is_valid_and_never_overwritten() {
    let desk = Desk::with("");
    insta::assert_snapshot!(desk.run(&["init", "--name", "p9"]), @"");
    assert!(desk.run(&["validate"]).starts_with("exit 0\n"), "{}", desk.run(&["validate"]));
    std::fs::write(desk.path().join("desired-state/stack.yaml"), "mine").expect("written");
    assert!(desk.run(&["init"]).starts_with("exit 1\n"));
    assert_eq!(std::fs::read_to_string(desk.path().join("desired-state/stack.yaml")).expect("read"), "mine");
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Desk::with("").command(&["completions", shell]).output().expect("the binary starts");
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("restore"), "{shell}");
    }
}

#[test]
fn values_of_variables_are_never_shown() {
    let desk = with_stack("kind: Bukket\nmetadata: {name: x}\n");
    let mut command = desk.command(&["validate", "-f", "wish.yaml", "-vv"]);
    let output = command.env("MONGO_URI", "mongodb://u:hush-hush@h/").output().expect("the binary starts");
    assert!(!told(&output).contains("hush-hush"));
}
