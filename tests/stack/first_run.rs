//! From an empty account to a converged stack.

use bson::doc;

use crate::outcome::Report;
use crate::world::{SAMPLE_DOCUMENTS, World};

#[test]
fn an_empty_account_converges_on_moto() {
    let Some(world) = World::new("an_empty_account_converges_on_moto") else { return };
    first_run(&world.with_samples());
}

#[test]
fn an_empty_account_converges_on_localstack() {
    let Some(world) = World::on_localstack("an_empty_account_converges_on_localstack") else { return };
    first_run(&world.with_samples());
}

fn first_run(world: &World) {
    world.run(&["validate"]).expect(0);
    let planned = world.run(&["plan", "--detailed-exitcode", "--output", "json"]).expect(2).report();
    assert_eq!(planned.writes().as_object().map(serde_json::Map::len), Some(0), "a plan only looks");
    assert_eq!(planned.fate("Bucket/p8-meteo".replace("p8", &world.name).as_str()), "wouldCreate");

    let applied = world.apply();
    everything_is_there(world, &applied);

    let status = world.run(&["status"]).expect(0);
    status.says(&[&world.named("Bucket/p8-meteo"), &SAMPLE_DOCUMENTS.to_string()]);
    world.run(&["plan", "--detailed-exitcode"]).expect(0);
    world.run(&["drift", "--deep"]).expect(0);
}

fn everything_is_there(world: &World, applied: &Report) {
    assert_eq!(applied.with_fates(&["failed", "blocked", "settling"]).len(), 0, "{:#}", applied.0);
    let inventory = world.inventory();
    assert_eq!((inventory.documents as u64, inventory.doubled), (SAMPLE_DOCUMENTS, 0));
    assert_eq!((inventory.revisions, inventory.tasks, inventory.clusters), (1, 1, 1));
    assert_eq!((inventory.security_groups, inventory.secrets, inventory.roles, inventory.log_groups), (1, 1, 1, 1));
    assert_eq!(inventory.open_uploads, 0);
    for source in ["infoclimat", "weather_underground"] {
        assert!(world.count(doc! {"source": source}) > 0, "{source}");
    }
    assert_eq!(world.backups().len(), 1, "{:?}", world.objects());

    let report: serde_json::Value = serde_json::from_slice(&world.object("p8-processed/quality_report.json")).expect("the report is JSON");
    assert_eq!(report["total_records"], SAMPLE_DOCUMENTS);
    for figure in ["missing_temperature", "missing_humidity", "missing_pressure", "duplicate_records"] {
        assert_eq!(report[figure], 0, "{figure}");
    }
}
