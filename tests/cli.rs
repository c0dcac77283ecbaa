//! What people and machines see: stdout, stderr and exit code of the binary, without any stack.

#[path = "cli/policy.rs"]
mod policy;

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
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @r"
    exit 0
    --- stdout
    2 documents, no fault.
    --- stderr
    ");
}

#[test]
fn an_unknown_field() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo}\nspec: {versionning: Enabled}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @r"
    exit 1
    --- stdout
    --- stderr
    error: unknown field `versionning`
     --> wish.yaml:8:8
      |
    8 | spec: {versionning: Enabled}
      |        ^^^^^^^^^^^
      = help: did you mean `versioning`?

    1 fault
    ");
}

#[test]
fn several_faults_at_once() {
    let desk = with_stack(
        "kind: Bucket\nmetadata: {name: p8-meteo}\nspec:\n  versioning: 3\n  colour: red\n---\nkind: Bukket\nmetadata: {name: x}\n",
    );
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @r"
    exit 1
    --- stdout
    --- stderr
    error: invalid type: integer `3`, expected string or map
     --> wish.yaml:9:15
      |
    9 |   versioning: 3
      |               ^

    error: unknown field `colour`
      --> wish.yaml:10:3
       |
    10 |   colour: red
       |   ^^^^^^
       = help: the fields are versioning, encryption, publicAccess, ownership, lifecycle, policy, tags

    error: there is no kind `Bukket`
      --> wish.yaml:12:7
       |
    12 | kind: Bukket
       |       ^^^^^^
       = help: did you mean `Bucket`?

    3 faults
    ");
}

#[test]
fn a_missing_reference() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo, after: [Bucket/p8-metoe]}\nspec: {}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @r"
    exit 1
    --- stdout
    --- stderr
    error: refers to Bucket/p8-metoe, which no document declares
     --> wish.yaml:7:36
      |
    7 | metadata: {name: p8-meteo, after: [Bucket/p8-metoe]}
      |                                    ^^^^^^^^^^^^^^^
      = help: did you mean `Bucket/p8-meteo`?

    1 fault
    ");
}

#[test]
fn a_circle() {
    let desk = with_stack(
        "kind: Bucket\nmetadata: {name: aaa, after: [Bucket/bbb]}\n---\nkind: Bucket\nmetadata: {name: bbb, after: [Bucket/aaa]}\n",
    );
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @r"
    exit 1
    --- stdout
    --- stderr
    error: documents need each other in a circle: Bucket/aaa → Bucket/bbb → Bucket/aaa
     --> wish.yaml:6:1
      |
    6 | kind: Bucket
      | ^^^^
      = help: take one of these references out

    1 fault
    ");
}

#[test]
fn what_policy_refuses() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo}\nspec: {publicAccess: Allowed}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml"]), @r"
    exit 3
    --- stdout
    --- stderr
    error[public-bucket]: the bucket could be made public
     --> wish.yaml:8:22
      |
    8 | spec: {publicAccess: Allowed}
      |                      ^^^^^^^
      = help: write `publicAccess: Blocked`; if it must be, add metadata.exceptions: [{rule: public-bucket, reason: …, expires: YYYY-MM-DD}]

    1 fault, refused by policy
    ");
}

#[test]
fn broken_yaml() {
    insta::assert_snapshot!(Desk::with("kind: [Stack\nmetadata: x\n").run(&["validate", "-f", "wish.yaml"]), @r"
    exit 1
    --- stdout
    --- stderr
    error: not valid YAML: illegal placement of ':' indicator
     --> wish.yaml:2:9
      |
    2 | metadata: x
      |         ^

    1 fault
    ");
}

#[test]
fn faults_for_machines() {
    let desk = with_stack("kind: Bukket\nmetadata: {name: x}\n");
    insta::assert_snapshot!(desk.run(&["validate", "-f", "wish.yaml", "--output", "json"]), @r#"
    exit 1
    --- stdout
    {
      "valid": false,
      "faults": [
        {
          "message": "there is no kind `Bukket`",
          "rule": null,
          "file": "wish.yaml",
          "line": 6,
          "column": 7,
          "hint": "did you mean `Bucket`?"
        }
      ]
    }
    --- stderr
    "#);
}

#[test]
fn a_folder_that_is_not_there() {
    insta::assert_snapshot!(Desk::with("").run(&["plan", "-f", "nowhere"]), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot read nowhere: No such file or directory (os error 2)
      = help: check the path given with -f, and that it is UTF-8 text

    1 fault
    ");
}

#[test]
fn a_word_that_is_no_verb() {
    insta::assert_snapshot!(Desk::with("").run(&["aply"]), @r"
    exit 64
    --- stdout
    --- stderr
    error: unrecognized subcommand 'aply'

      tip: a similar subcommand exists: 'apply'

    Usage: meteoctl [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn nobody_to_confirm() {
    insta::assert_snapshot!(Desk::with(STACK).run(&["apply", "-f", "wish.yaml"]), @r"
    exit 64
    --- stdout
    --- stderr
    error: cannot apply
      cause: nobody is there to confirm the plan
      next: look at `meteoctl plan`, then run apply with --yes
    ");
}

#[test]
fn formats_of_drift_only() {
    insta::assert_snapshot!(Desk::with(STACK).run(&["plan", "-f", "wish.yaml", "--output", "sarif"]), @r"
    exit 64
    --- stdout
    --- stderr
    error: cannot write the result
      cause: this format is made by `meteoctl drift` only
      next: use --output text or --output json
    ");
}

#[test]
fn help() {
    insta::assert_snapshot!(Desk::with("").run(&["--help"]), @r"
    exit 0
    --- stdout
    Infrastructure, weather data and MongoDB backups as one desired state

    Usage: meteoctl [OPTIONS] <COMMAND>

    Commands:
      validate     Tell every fault of the documents at once; needs no credentials
      plan         Show what apply would do, field by field
      apply        Make it so, until one fresh look finds nothing left to do
      drift        Tell what is no longer as declared; exit code 2 when anything is
      status       Show where every document stands, and whether the project's promises are kept
      run          Run one job now
      restore      Bring a backup back, checked before anything is written
      destroy      Remove everything, in reverse order; things that hold data only when confirmed by
                   name
      prune        List what carries the stack's tags but has no document any more; remove it with --yes
      lock         Show who holds the stack's lock, or free it
      logs         Show what the task writes to its log
      operate      Keep it so: look, repair and prove at every interval, until asked to stop
      graph        Draw who needs whom
      explain      Say what a kind is and what its fields mean
      iam-policy   Write the least IAM policy for exactly these documents
      schema       Write the JSON Schema of all documents, for editors
      init         Write a starter folder
      completions  Write the completion script of a shell
      man          Write the manual page

    Options:
      -f, --file <PATH>
              File or folder with documents; may be given several times [default: desired-state/]

          --output <FORMAT>
              How the result is written on stdout

              Possible values:
              - text:   For people
              - json:   For machines
              - sarif:  For code scanning (drift only)
              - junit:  For test reports (drift only)
              - github: For annotations in a GitHub workflow (drift only)
              
              [default: text]

          --log-format <FORMAT>
              How the story is written on stderr

              Possible values:
              - text: For people
              - json: For collectors: one object a line
              
              [default: text]

      -v, --verbose...
              Tell more; twice for the engine's own log

      -q, --quiet
              Tell failures only

          --timeout <TIME>
              When to stop waiting for anything: 90s, 30m, 2h
              
              [default: 30m]

          --concurrency <N>
              Most documents in hand at once
              
              [default: 32]

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Exit codes: 0 done or in sync · 1 error · 2 changes or drift · 3 refused by policy · 4 locked by
    another run · 5 quality gate failed · 6 saved plan is stale · 64 usage
    --- stderr
    ");
}

#[test]
fn a_drawing() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: aaa}\n---\nkind: Bucket\nmetadata: {name: bbb, after: [Bucket/aaa]}\n");
    insta::assert_snapshot!(desk.run(&["graph", "-f", "wish.yaml"]), @r#"
    exit 0
    --- stdout
    flowchart LR
      n0["Stack/p8"]
      n1["Bucket/aaa"]
      n2["Bucket/bbb"]
      n1 --> n2
    --- stderr
    "#);
    insta::assert_snapshot!(desk.run(&["graph", "-f", "wish.yaml", "--format", "dot"]), @r#"
    exit 0
    --- stdout
    digraph meteoctl {
      rankdir=LR;
      n0 [label="Stack/p8", shape=box];
      n1 [label="Bucket/aaa", shape=box];
      n2 [label="Bucket/bbb", shape=box];
      n1 -> n2;
    }
    --- stderr
    "#);
}

#[test]
fn a_starter_is_valid_and_never_overwritten() {
    let desk = Desk::with("");
    insta::assert_snapshot!(desk.run(&["init", "--name", "p9"]), @r"
    exit 0
    --- stdout
    Wrote desired-state/stack.yaml, desired-state/bucket.yaml.
    Next: meteoctl validate -f desired-state
    --- stderr
    ");
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

#[test]
fn an_option_of_another_job() {
    let desk = with_stack("kind: Bucket\nmetadata: {name: p8-meteo}\nspec: {versioning: Enabled}\n");
    insta::assert_snapshot!(desk.run(&["run", "quality", "--replay", "-f", "wish.yaml"]), @r"
    exit 64
    --- stdout
    --- stderr
    error: cannot run quality
      cause: --replay belongs to `run transform`
      next: leave it out
    ");
}

#[test]
fn the_examples_of_the_guide_have_no_fault() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = assert_cmd::Command::cargo_bin("meteoctl").expect("the binary");
    command.arg("validate").arg("-f").arg(root.join("desired-state/p8")).arg("-f").arg(root.join("docs/examples"));
    command.assert().success();
}
