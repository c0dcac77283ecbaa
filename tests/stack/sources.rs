//! Where vendors' data come from besides files: web servers and buckets; and what becomes of records nobody expected.

use crate::vendor::{Page, Vendor};
use crate::world::{SAMPLE_DOCUMENTS, World};

/// Where the reference stack takes InfoClimat's data from.
const FROM: &str = "from: sources/infoclimat.json";

#[test]
fn a_source_may_be_a_web_page() {
    let Some(world) = World::new("a_source_may_be_a_web_page") else { return };
    let mut world = world.with_samples();
    let vendor = Vendor::open();
    let file = world.sources().join("infoclimat.json");
    let whole = std::fs::read(&file).expect("reads the sample");
    std::fs::remove_file(&file).expect("the page is all there is");
    let url = format!("{}/data?token=hush-hush-token", vendor.address);
    world.edit("40-sources.yaml", FROM, &format!("from: {url}"));

    // Nobody knows the vendor's authority: the bucket is made, nothing is collected.
    let refused = world.run(&["apply", "--yes", "--timeout", "20s"]).expect(1);
    refused.says(&["Source/infoclimat", &vendor.address]);
    assert!(vendor.asked().is_empty(), "nothing is asked before the server is known: {:?}", vendor.asked());
    let authority = vendor.authority.to_string_lossy().into_owned();
    world.set("SSL_CERT_FILE", &authority);

    for (page, words) in [
        (Page::Status(404), "HTTP status 404"),
        (Page::Moved("http://localhost/data".to_owned()), "redirects from https to http"),
        (Page::Moved("/data".to_owned()), "more than 5 redirects"),
        (Page::Body(b"<html>down for repairs</html>".to_vec()), "collect"),
    ] {
        vendor.page("/data", page);
        let refused = world.run(&["run", "collect"]).expect(1);
        refused.says(&[words, "Source/infoclimat"]);
        assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("hush"), "{words}: the key in the URL was shown");
    }
    vendor.page("/data", Page::Moved("/today.json".to_owned()));
    vendor.page("/today.json", Page::Body(whole.clone()));
    world.apply();
    assert_eq!(world.count(bson::doc! {}), SAMPLE_DOCUMENTS);
    world.apply().changed_nothing();
    assert!(vendor.asked().iter().any(|target| target == "/data?token=hush-hush-token"), "{:?}", vendor.asked());

    // The page changes: that is drift of the source, and of nothing else yet.
    let text = String::from_utf8(whole).expect("JSON is text");
    let changed = text.replacen("\"temperature\": \"", "\"temperature\": \"1", 1);
    assert_ne!(changed, text);
    vendor.page("/today.json", Page::Body(changed.into_bytes()));
    let drift = world.run(&["drift", "--output", "json"]).expect(2).report();
    assert_eq!(drift.fields("Source/infoclimat"), ["/raw", "/raw/outdated"], "{:#}", drift.0);
    world.apply();
    assert_eq!(world.count(bson::doc! {}), SAMPLE_DOCUMENTS);
    world.apply().changed_nothing();
}

#[test]
fn a_source_may_be_an_object_of_a_bucket() {
    let Some(world) = World::new("a_source_may_be_an_object_of_a_bucket") else { return };
    let world = world.with_samples();
    let file = world.sources().join("infoclimat.json");
    let whole = std::fs::read(&file).expect("reads the sample");
    std::fs::remove_file(&file).expect("the object is all there is");
    world.edit("40-sources.yaml", FROM, "from: s3://p8-meteo/incoming/infoclimat.json");
    world.make_bucket();
    world.run(&["run", "collect"]).expect(1).says(&["Source/infoclimat", "incoming/infoclimat.json"]);
    world.put_object("incoming/infoclimat.json", whole);
    world.run(&["run", "collect", "--test"]).expect(0);
    assert!(world.keys("p8-data-path/InfoClimat_data/").is_empty(), "a test of the connection writes nothing");
    world.apply();
    assert_eq!(world.count(bson::doc! {}), SAMPLE_DOCUMENTS);
    world.apply().changed_nothing();
}

/// One hour of one station as Airbyte leaves it, with `more` fields.
fn hour(hour: u32, more: &str) -> String {
    format!(
        r#"{{"_airbyte_data":{{"hourly":{{"07015":[{{"id_station":"07015","dh_utc":"2024-10-05 {hour:02}:00:00","temperature":"1{hour}.0","pression":"1016.2","humidite":"80"{more}}}]}},"stations":[{{"id":"07015","name":"Lille-Lesquin"}}]}}}}"#
    )
}

/// A world whose InfoClimat prefix holds these lines.
fn with_lines(journey: &str, lines: &[String]) -> Option<World> {
    let world = World::new(journey)?.with_samples();
    world.without_vendor_file("infoclimat.json");
    world.make_bucket();
    world.put_object("p8-data-path/InfoClimat_data/2024_10_05_1_0.jsonl", lines.join("\n").into_bytes());
    Some(world)
}

#[test]
fn a_reject_that_somebody_mends_is_taken_again() {
    let broken = hour(1, "").replace("}]}", "");
    let Some(world) = with_lines("a_reject_that_somebody_mends_is_taken_again", &[hour(0, ""), broken, hour(2, "")]) else { return };
    let told = world.run(&["apply", "--yes"]).expect(0);
    told.says(&["1 row and 0 values could not be read", "--replay"]);
    let infoclimat = || world.count(bson::doc! {"source": "infoclimat"});
    assert_eq!(infoclimat(), 2);

    let rejects = String::from_utf8(world.object("p8-processed/rejects.jsonl")).expect("text");
    let mut reject: serde_json::Value = serde_json::from_str(rejects.lines().next().expect("a reject")).expect("JSON");
    assert_eq!((&reject["reason"], &reject["line"]), (&"invalid_json".into(), &2.into()), "{reject}");
    reject["raw"] = hour(1, "").into();
    world.put_object("p8-processed/rejects.jsonl", format!("{reject}\n").into_bytes());

    // What was mended by hand is not overwritten by an ordinary transform.
    world.run(&["run", "transform"]).expect(1).says(&["--replay"]);
    world.run(&["run", "transform", "--replay"]).expect(0);
    world.apply();
    assert_eq!(infoclimat(), 3);
    assert_eq!(world.object("p8-processed/rejects.jsonl"), b"", "nothing is left to mend");
    world.apply().changed_nothing();
}

#[test]
fn a_field_nobody_knows_is_kept_with_a_warning_or_refused() {
    let lines = [hour(0, ""), hour(1, r#","pm25":"12.5""#)];
    let Some(world) = with_lines("a_field_nobody_knows_is_kept_with_a_warning_or_refused", &lines) else { return };
    world.run(&["apply", "--yes"]).expect(0).says(&["fields nobody knows, kept in `extra`: `pm25` (1 row)"]);
    assert_eq!(world.count(bson::doc! {"source": "infoclimat"}), 2);
    assert_eq!(world.count(bson::doc! {"extra.pm25": "12.5"}), 1, "its value is in the database");

    world.edit(
        "50-data.yaml",
        "  output: p8-processed/weather_mongodb_ready.json ",
        "  unknownFields: reject\n  output: p8-processed/weather_mongodb_ready.json ",
    );
    world.run(&["apply", "--yes"]).expect(0).says(&["1 row and 0 values could not be read"]);
    assert_eq!(world.count(bson::doc! {"source": "infoclimat"}), 1);
    let rejects = String::from_utf8(world.object("p8-processed/rejects.jsonl")).expect("text");
    assert!(rejects.contains("pm25"), "{rejects}");

    // A type that changes is no field that is dropped: the value is a reject, the row stays.
    let odd = hour(2, "").replace("\"1016.2\"", "{\"value\":1016}");
    world.put_object("p8-data-path/InfoClimat_data/2024_10_05_2_0.jsonl", odd.into_bytes());
    world.apply();
    assert_eq!(world.count(bson::doc! {"source": "infoclimat", "measurements.pressure_hpa": null}), 1);
    let rejects = String::from_utf8(world.object("p8-processed/rejects.jsonl")).expect("text");
    assert!(rejects.contains("bad_value") && rejects.contains("pression"), "{rejects}");
}
