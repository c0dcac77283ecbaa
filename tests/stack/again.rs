//! Again and again: what stands is left alone, what was changed by hand is named and repaired, and nothing else.

use std::collections::BTreeSet;

use crate::world::World;

#[test]
fn a_second_apply_changes_nothing() {
    let Some(world) = World::new("a_second_apply_changes_nothing") else { return };
    let world = world.with_samples();
    world.apply();
    let before = world.inventory();
    let backups = world.backups();
    for _ in 0..20 {
        world.apply().changed_nothing();
    }
    assert_eq!(world.inventory(), before);
    assert_eq!(world.backups(), backups, "no backup was due");
    assert_eq!((before.revisions, before.tasks), (1, 1));
}

#[test]
fn what_was_changed_by_hand_is_named_and_repaired_and_nothing_else() {
    let Some(world) = World::new("what_was_changed_by_hand_is_named_and_repaired_and_nothing_else") else { return };
    let world = world.with_samples();
    world.apply();
    let (before, documents) = (world.inventory(), world.documents(&world.database()));

    world.suspend_versioning();
    world.shorten_retention();
    world.open_port();
    world.stop_task();
    world.edit_document("IICHTE19@2024-10-04T22:04:00Z", 99.0);
    let gone = world.delete_station("07015");
    assert_eq!(gone, 72);

    let ids = ["Bucket/p8-meteo", "LogGroup//ecs/mongodb-task-p8", "SecurityGroup/mongodb-sg", "Service/mongodb", "Collection/weather"];
    let changed: BTreeSet<String> = ids.iter().map(|id| world.named(id)).collect();
    let drift = world.run(&["drift", "--deep", "--output", "json"]).expect(2).report();
    assert_eq!(drift.with_fates(&["wouldCreate", "wouldUpdate", "failed", "blocked", "settling"]), changed, "{:#}", drift.0);
    assert_eq!(drift.fields(&world.named("Bucket/p8-meteo")), ["/versioning"]);
    assert_eq!(drift.fields(&world.named("LogGroup//ecs/mongodb-task-p8")), ["/retentionDays"]);
    assert!(drift.fields("SecurityGroup/mongodb-sg").iter().all(|field| field.starts_with("/ingress")), "{:#}", drift.0);
    let data = drift.line("Collection/weather").to_string();
    assert!(data.contains("3 station-days missing (07015 2024-10-05, 07015 2024-10-06, 07015 2024-10-07)"), "{data}");
    assert!(data.contains("1 station-day differs (IICHTE19 2024-10-04)"), "{data}");

    let repaired = world.apply();
    assert_eq!(repaired.with_fates(&["created", "updated"]), changed, "{:#}", repaired.0);
    assert_eq!(world.documents(&world.database()), documents, "the database is what it was");
    assert_eq!(world.inventory(), before);
    world.run(&["drift", "--deep"]).expect(0);
}
