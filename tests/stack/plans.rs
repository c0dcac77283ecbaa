//! Plans that were saved, parts of a stack, things taken over, differences that are accepted.

use crate::world::World;

const STORAGE: [&str; 2] = ["00-stack.yaml", "10-storage.yaml"];

#[test]
fn a_saved_plan_is_carried_out_or_names_what_moved() {
    let Some(world) = World::new("a_saved_plan_is_carried_out_or_names_what_moved") else { return };
    let folder = tempfile::tempdir().expect("makes a folder");
    let file = folder.path().join("plan.json");
    let file = file.to_str().expect("UTF-8");
    let apply = |code| {
        let mut command = world.command(&[], &["apply", "--plan", file]);
        let output = command.output().expect("meteoctl starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    };
    world.run_on(&STORAGE, &["plan", "--out", file]).expect(0);
    let text = std::fs::read_to_string(file).expect("the plan was saved");
    assert!(!text.contains("password\":") && text.contains("\"create\""), "{text}");
    apply(0);
    let stale = apply(6);
    assert!(stale.contains("since then moved: ") && stale.contains(&world.named("Bucket/p8-meteo")), "{stale}");

    world.shorten_retention();
    world.run_on(&STORAGE, &["plan", "--out", file]).expect(0);
    world.suspend_versioning();
    let stale = apply(6);
    assert!(stale.contains(&world.named("moved: Bucket/p8-meteo")) && !stale.contains("LogGroup"), "{stale}");
    world.run_on(&STORAGE, &["plan", "--out", file]).expect(0);
    world.edit("10-storage.yaml", "retentionDays: 30", "retentionDays: 14");
    assert!(apply(6).contains("the documents were edited"));
    world.run_on(&STORAGE, &["plan", "--out", file]).expect(0);
    apply(0);
    world.run_on(&STORAGE, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_part_is_applied_alone_and_a_thing_is_left_out() {
    let Some(world) = World::new("a_part_is_applied_alone_and_a_thing_is_left_out") else { return };
    let role = world.named("Role/p8-task-execution");
    let report = world.run(&["apply", "--yes", "--output", "json", "--target", &role]).expect(0).report();
    let made = ["Secret/p8/mongodb".to_owned(), "Role/p8-task-execution".to_owned()].map(|id| world.named(&id));
    assert_eq!(report.with_fates(&["created"]), made.into_iter().collect(), "the role and what it needs: {:#}", report.0);
    let secret = world.named("Secret/p8/mongodb");
    let left = world.run(&["plan", "--output", "json", "--exclude", &secret]).report();
    assert!(!left.0.to_string().contains(&role) && left.fate("SecurityGroup/mongodb-sg") == "wouldCreate", "{:#}", left.0);
    world.run(&["plan", "--target", "Bucket/nobody"]).expect(64).says(&["no document declares it"]);
}

#[test]
fn what_exists_is_shown_in_full_before_it_is_taken_over() {
    let Some(world) = World::new("what_exists_is_shown_in_full_before_it_is_taken_over") else { return };
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint("eu-west-3".into()).build();
    let call = world.aws.s3.create_bucket().bucket(world.named("p8-meteo")).create_bucket_configuration(place);
    world.wait(call.send()).expect("makes the bucket by hand");
    world.run_on(&STORAGE, &["plan"]).expect(1).says(&["does not carry this stack's tags", "adopt: \"true\""]);

    world.edit("10-storage.yaml", "  name: p8-meteo ", "  annotations: {adopt: \"true\"}\n  name: p8-meteo ");
    let planned = world.run_on(&STORAGE, &["plan", "--output", "json"]).expect(0).report();
    let fields = planned.fields(&world.named("Bucket/p8-meteo")).join(" ");
    for field in ["/versioning", "/publicAccess", "/lifecycle", "/tags/meteoctl:stack", "/tags/meteoctl:document"] {
        assert!(fields.contains(field), "{field} in {fields}");
    }
    assert_eq!(world.objects(), [""; 0], "a plan writes nothing, no lock either");
    let applied = world.run_on(&STORAGE, &["apply", "--yes", "--output", "json"]).expect(0).report().converged();
    assert_eq!(applied.fate(&world.named("Bucket/p8-meteo")), "updated");
    world.run_on(&STORAGE, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_difference_is_accepted_until_a_day() {
    let Some(world) = World::new("a_difference_is_accepted_until_a_day") else { return };
    world.make_bucket();
    world.suspend_versioning();
    let rule = |expires: &str| format!("  ignore: [{{field: /versioning, reason: a test by hand, expires: {expires}}}]\n  name: p8-meteo ");
    world.edit("10-storage.yaml", "  name: p8-meteo ", &rule("2999-12-31"));
    world.run_on(&STORAGE, &["apply", "--yes"]).expect(0).says(&["/versioning: differs, ignored by its document"]);
    world.edit("10-storage.yaml", "expires: 2999-12-31", "expires: 2020-01-01");
    let drift = world.run_on(&STORAGE, &["drift", "--output", "json"]).expect(2).report();
    assert_eq!(drift.fields(&world.named("Bucket/p8-meteo")), ["/versioning"]);
}
