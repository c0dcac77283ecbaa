//! What people read, whole.

use meteoctl_engine::reference::{Id, Outputs};

use super::*;

fn line(kind: &str, name: &str, fate: Fate) -> Line {
    Line {
        id: Id::new(kind, name),
        place: "a.yaml:1:1".to_owned(),
        fate,
        note: None,
        since: None,
        ignored: Vec::new(),
        outputs: Outputs::new(),
        millis: 7,
    }
}

fn report(lines: Vec<Line>, converged: Option<bool>) -> Report {
    let receipt = meteoctl_engine::report::Receipt { spec_digest: "0123456789abcdef".to_owned(), millis: 61_500, ..Default::default() };
    Report { format_version: "1.0".to_owned(), verb: "plan".to_owned(), stack: "p8".to_owned(), lines, converged, receipt }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn trouble() -> Trouble {
    Trouble {
        doing: "read the bucket p8-meteo".to_owned(),
        causes: vec!["AccessDenied".to_owned(), "no policy allows it".to_owned()],
        hint: Some("see `meteoctl iam-policy`".to_owned()),
        transient: false,
        exit: None,
    }
}

#[test]
fn a_plan_names_every_field() {
    let mut diff = Diff::default();
    diff.push("/versioning", "Enabled", "Suspended");
    diff.push("/tags/team", Value::Null, "old");
    diff.push("/backup", "due since 2024-10-05 03:00", Value::Null);
    let mut ignored = line("Role", "p8", Fate::InSync);
    ignored.ignored.push("/description".to_owned());
    let lines = vec![
        line("Stack", "p8", Fate::InSync),
        line("Bucket", "p8-meteo", Fate::WouldUpdate { diff }),
        line("Cluster", "p8", Fate::WouldCreate),
        line("Collection", "weather", Fate::Later { after: "Service/mongodb".to_owned() }),
        line("LogGroup", "logs", Fate::Failed { trouble: trouble() }),
        line("Service", "mongodb", Fate::Blocked { by: Id::new("LogGroup", "logs") }),
        ignored,
    ];
    insta::assert_snapshot!(plain(&plan(&report(lines, None), false)), @r"
    ~ update Bucket/p8-meteo
        /versioning: Suspended → Enabled
        /tags/team: old → none
        /backup: due since 2024-10-05 03:00
    + create Cluster/p8
    ? Collection/weather  after Service/mongodb
    ! failed LogGroup/logs  cannot read the bucket p8-meteo
        cause: AccessDenied
        cause: no policy allows it
        next: see `meteoctl iam-policy`
        declared in a.yaml:1:1
    ✗ blocked Service/mongodb  by LogGroup/logs
    = in sync Role/p8
        /description: differs, ignored by its document
    Plan: 2 to create, 1 to change, 1 failed, 1 blocked, 2 in sync.
    ");
}

#[test]
fn a_result_carries_its_proof_and_its_receipt() {
    let lines = vec![line("Bucket", "p8-meteo", Fate::Created), line("Stack", "p8", Fate::InSync)];
    insta::assert_snapshot!(plain(&result(&report(lines, Some(true)), true)), @r"
    + created Bucket/p8-meteo
    = in sync Stack/p8
    Done: 1 created, 0 changed, 0 failed, 1 in sync.
    Converged: a fresh look at everything found nothing to do.
    Receipt: spec 0123456789ab, 0 reading and 0 writing calls, 1 min 1 s
    ");
}

#[test]
fn a_failure_says_what_why_and_what_next() {
    insta::assert_snapshot!(plain(&failure(&trouble())), @r"
    error: cannot read the bucket p8-meteo
      cause: AccessDenied
      cause: no policy allows it
      next: see `meteoctl iam-policy`
    ");
}
