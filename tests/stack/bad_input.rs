//! What people get wrong that only shows against a stack: each says where, why and what next, has its exit code, and leaves
//! nothing that a rerun cannot finish.

use crate::world::World;

#[test]
fn an_address_where_nothing_answers_is_named() {
    let Some(mut world) = World::new("an_address_where_nothing_answers_is_named") else { return };
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has an address").port();
    let moto = std::env::var("METEOCTL_TEST_MOTO_URL").expect("the world found it");
    world.set("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}"));
    let refused = world.run(&["apply", "--yes", "--timeout", "5s"]).expect(1);
    refused.says(&["which account the credentials belong to", "cause:", "next:"]);

    world.set("AWS_ENDPOINT_URL", &moto);
    world.with_samples().apply();
}

#[test]
fn credentials_of_another_account_are_refused_before_anything_is_made() {
    let Some(world) = World::new("credentials_of_another_account_are_refused_before_anything_is_made") else { return };
    let world = world.with_samples();
    world.edit("00-stack.yaml", "# accountId: \"123456789012\"", "accountId: \"999999999999\"");
    let refused = world.run(&["apply", "--yes"]).expect(3);
    refused.says(&["999999999999", "00-stack.yaml"]);
    assert_eq!(world.security_groups().len(), 0, "nothing was made");
}

#[test]
fn missing_credentials_are_told_as_such() {
    let Some(mut world) = World::new("missing_credentials_are_told_as_such") else { return };
    world.set("AWS_ACCESS_KEY_ID", "");
    world.set("HOME", "/nonexistent");
    world.run(&["plan"]).expect(1).says(&["credentials", "next:"]);
}

#[test]
fn without_a_database_the_rest_is_made_and_a_rerun_finishes() {
    let Some(mut world) = World::new("without_a_database_the_rest_is_made_and_a_rerun_finishes") else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has an address").port();
    world.set("MONGO_URI", &format!("mongodb://somebody:s3cr3t-word@127.0.0.1:{port}/"));
    let world = world.with_samples();
    let refused = world.run(&["apply", "--yes", "--timeout", "30s"]).expect(1);
    refused.says(&[&format!("127.0.0.1:{port}"), "blocked"]);
    assert!(!refused.stdout.contains("s3cr3t-word") && !refused.stderr.contains("s3cr3t-word"), "a password was shown");
    assert!(world.objects().contains(&world.named("p8-processed/quality_report.json")), "what needs no database was done");

    let mut world = world;
    world.set("MONGO_URI", &std::env::var("METEOCTL_TEST_MONGODB_URI").expect("the world found it"));
    world.apply();
}

#[test]
fn a_source_that_cannot_be_read_blocks_what_needs_it_alone() {
    let Some(world) = World::new("a_source_that_cannot_be_read_blocks_what_needs_it_alone") else { return };
    let world = world.with_samples();
    let path = world.sources().join("ichtegem.xlsx");
    let workbook = std::fs::read(&path).expect("reads the workbook");
    std::fs::write(&path, b"no workbook").expect("writes");
    let refused = world.run(&["apply", "--yes", "--output", "json"]).expect(1);
    let report = refused.report();
    assert_eq!(report.fate("Source/ichtegem"), "failed");
    assert_eq!(report.fate("Source/infoclimat"), "created");
    assert_eq!(report.fate("Dataset/weather"), "blocked");
    assert_eq!(report.fate("Service/mongodb"), "created");
    assert!(report.line("Source/ichtegem").to_string().contains("ichtegem.xlsx"), "{:#}", report.0);

    std::fs::remove_file(&path).expect("removes");
    world.run(&["apply", "--yes"]).expect(1).says(&["ichtegem.xlsx", "cause:"]);

    std::fs::write(&path, workbook).expect("writes");
    let repaired = world.apply();
    assert_eq!(repaired.fate("Source/infoclimat"), "inSync");
    assert_eq!(repaired.fate("Dataset/weather"), "created");
}

#[test]
fn a_broken_line_is_a_reject_and_the_others_arrive() {
    let Some(world) = World::new("a_broken_line_is_a_reject_and_the_others_arrive") else { return };
    let world = world.with_samples();
    world.without_vendor_file("infoclimat.json");
    world.make_bucket();
    let hour = |hour: u32| {
        format!(
            r#"{{"_airbyte_data":{{"hourly":{{"07015":[{{"id_station":"07015","dh_utc":"2024-10-05 {hour:02}:00:00","temperature":"10.{hour}","pression":"1016.2","humidite":"80"}}]}},"stations":[{{"id":"07015","name":"Lille-Lesquin"}}]}}}}"#
        )
    };
    let lines = format!("{}\n{{\"_airbyte_data\": {{\"hourly\n{}\n", hour(0), hour(1));
    world.put_object("p8-data-path/InfoClimat_data/2024_10_05_1_0.jsonl", lines.into_bytes());
    world.apply();
    assert_eq!(world.count(bson::doc! {"source": "infoclimat"}), 2);
    let rejects = String::from_utf8(world.object("p8-processed/rejects.jsonl")).expect("rejects are text");
    let reject: serde_json::Value = serde_json::from_str(rejects.lines().next().expect("a reject")).expect("a reject is JSON");
    assert_eq!((reject["reason"].as_str(), reject["line"].as_u64()), (Some("invalid_json"), Some(2)), "{reject}");
    assert_eq!(rejects.lines().count(), 1, "{rejects}");
}
