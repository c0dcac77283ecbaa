//! Journeys of the loop in a world in memory.

use std::time::Duration;

use crate::document::Document;
use crate::report::{Fate, Report};
use crate::run::{Settings, converge, run};
use crate::step::Mode;
use crate::testkit::{World, documents};

const CHAIN: &str = "
kind: Thing
metadata: {name: a}
spec: {size: 1}
---
kind: Thing
metadata: {name: b}
spec: {size: 2, on: {ref: Thing/a}}
---
kind: Thing
metadata: {name: c}
spec: {size: 3, on: {ref: Thing/b}}
---
kind: Thing
metadata: {name: alone}
spec: {size: 9}
";

fn fates(report: &Report) -> Vec<(String, String)> {
    let word = |fate: &Fate| match fate {
        Fate::WouldUpdate { diff } => format!("would update {}", diff.paths().join(" ")),
        Fate::Updated { diff } => format!("updated {}", diff.paths().join(" ")),
        Fate::Blocked { by } => format!("blocked by {by}"),
        Fate::Later { after } => format!("after {after}"),
        Fate::Failed { trouble } => format!("failed: {}", trouble.causes.first().unwrap_or(&trouble.doing)),
        Fate::Settling { why } => format!("settling: {why}"),
        other => format!("{other:?}"),
    };
    report.lines.iter().skip(1).map(|line| (line.id.name.clone(), word(&line.fate))).collect()
}

fn of(report: &Report, name: &str) -> String {
    fates(report).into_iter().find(|(found, _)| found == name).map(|(_, fate)| fate).unwrap_or_default()
}

async fn apply(world: &World, documents: &[Document]) -> Report {
    converge(documents, &world.registry(), &Settings::quick()).await
}

async fn plan(world: &World, documents: &[Document]) -> Report {
    run("plan", documents, &world.registry(), Mode::Plan, &Settings::quick()).await
}

#[tokio::test]
async fn apply_goes_in_order_and_the_second_finds_nothing_to_do() {
    let (world, documents) = (World::default(), documents(CHAIN));
    let first = plan(&world, &documents).await;
    assert!(first.has_changes() && world.state().writes.is_empty());
    let report = apply(&world, &documents).await;
    assert_eq!(report.converged, Some(true));
    let writes = world.state().writes.clone();
    let at = |word: &str| writes.iter().position(|write| write == word).expect(word);
    assert!(at("create a") < at("create b") && at("create b") < at("create c"));
    assert_eq!(writes.len(), 4);
    for _ in 0..20 {
        let again = apply(&world, &documents).await;
        assert!(!again.has_changes());
    }
    assert_eq!(world.state().writes.len(), 4);
}

#[tokio::test]
async fn one_changed_field_is_named_and_repaired_alone() {
    let (world, documents) = (World::default(), documents(CHAIN));
    apply(&world, &documents).await;
    world.state().writes.clear();
    world.state().things.get_mut("alone").expect("alone").size = Some(8);
    assert_eq!(of(&plan(&world, &documents).await, "alone"), "would update /size");
    assert_eq!(of(&apply(&world, &documents).await, "alone"), "updated /size");
    assert_eq!(world.state().writes, ["update alone /size"]);
}

#[tokio::test]
async fn branches_go_on_and_dependants_of_a_failure_are_blocked_by_name() {
    let (world, documents) = (World::default(), documents(CHAIN));
    world.state().refused.insert("b".into());
    let report = apply(&world, &documents).await;
    assert_eq!(of(&report, "a"), "Created");
    assert_eq!(of(&report, "b"), "failed: write b");
    assert_eq!(of(&report, "c"), "blocked by Thing/b");
    assert_eq!(of(&report, "alone"), "Created");
    assert_eq!((report.converged, report.failure_code()), (Some(false), 1));
}

#[tokio::test]
async fn transient_failures_are_borne_for_a_while() {
    let (world, documents) = (World::default(), documents(CHAIN));
    world.state().flaky.insert("a".into(), 3);
    assert_eq!(apply(&world, &documents).await.converged, Some(true));
    world.state().flaky.insert("a".into(), u32::MAX);
    assert!(of(&apply(&world, &documents).await, "a").starts_with("failed: look at a"));
}

#[tokio::test]
async fn who_only_looks_does_not_wait_long_for_a_service_that_fails() {
    let (world, documents) = (World::default(), documents(CHAIN));
    world.state().flaky.insert("a".into(), u32::MAX);
    let mut settings = Settings::quick();
    (settings.pace.patience, settings.pace.patience_to_look) = (Duration::from_secs(3600), Duration::ZERO);
    let report = run("plan", &documents, &world.registry(), Mode::Plan, &settings).await;
    assert!(of(&report, "a").starts_with("failed: look at a"), "{}", of(&report, "a"));
}

#[tokio::test]
async fn a_write_that_never_shows_is_made_once() {
    let (world, documents) = (World::default(), documents(CHAIN));
    world.state().deaf.insert("alone".into());
    let report = apply(&world, &documents).await;
    assert!(of(&report, "alone").contains("written, but it never shows"), "{}", of(&report, "alone"));
    assert_eq!(world.state().writes.iter().filter(|write| *write == "create alone").count(), 1);
}

#[tokio::test]
async fn settling_is_waited_for_by_apply_and_told_by_plan() {
    let (world, documents) = (World::default(), documents(CHAIN));
    apply(&world, &documents).await;
    world.state().settling.insert("alone".into(), 1);
    assert_eq!(of(&plan(&world, &documents).await, "alone"), "settling: growing");
    world.state().settling.insert("alone".into(), 3);
    assert_eq!(apply(&world, &documents).await.converged, Some(true));
    world.state().settling.insert("alone".into(), u32::MAX);
    assert!(of(&apply(&world, &documents).await, "alone").contains("still: growing"));
}

#[tokio::test]
async fn what_follows_a_change_is_told_by_plan() {
    let (world, documents) = (World::default(), documents(CHAIN));
    apply(&world, &documents).await;
    world.state().things.get_mut("a").expect("a").colour = None;
    world.state().things.get_mut("a").expect("a").size = Some(7);
    let report = plan(&world, &documents).await;
    assert_eq!(of(&report, "b"), "after Thing/a");
    assert_eq!(of(&report, "c"), "after Thing/b");
}

#[tokio::test]
async fn a_plan_looks_at_everything_at_once_and_at_each_thing_once() {
    let (world, documents) = (World::default(), documents(CHAIN));
    apply(&world, &documents).await;
    (world.state().looks, world.state().most_at_once) = (Vec::new(), 0);
    let report = plan(&world, &documents).await;
    assert!(!report.has_changes(), "{:?}", fates(&report));
    let mut looks = world.state().looks.clone();
    looks.sort();
    assert_eq!(looks, ["a", "alone", "b", "c"], "a reference needs no second look");
    assert_eq!(world.state().most_at_once, 4, "the chain is compared in its order, but looked at in one go");
}

#[tokio::test]
async fn a_look_that_fails_ahead_is_made_again_in_its_turn() {
    let (world, documents) = (World::default(), documents(CHAIN));
    apply(&world, &documents).await;
    world.state().flaky.insert("b".into(), 1);
    assert!(fates(&plan(&world, &documents).await).iter().all(|(_, fate)| fate == "InSync"));
}

#[tokio::test]
async fn a_guard_is_asked_before_anything_is_looked_at() {
    for (guard, looked_at) in [("yes", 4), ("no", 0)] {
        let (world, mut documents) = (World::default(), documents(CHAIN));
        documents[0].spec = serde_json::json!({"guard": guard});
        plan(&world, &documents).await;
        assert_eq!(world.state().looks.len(), looked_at, "{guard}");
    }
}

#[tokio::test]
async fn what_the_change_of_a_need_may_mend_is_told_with_it() {
    let (world, documents) = (World::default(), documents(CHAIN));
    apply(&world, &documents).await;
    for name in ["a", "b"] {
        world.state().things.get_mut(name).expect(name).size = Some(7);
    }
    let report = plan(&world, &documents).await;
    assert_eq!(of(&report, "b"), "after Thing/a");
    let line = report.lines.iter().find(|line| line.id.name == "b").expect("b");
    assert_eq!(line.note.as_deref(), Some("as it stands: /size differs"));
}

#[tokio::test]
async fn slots_are_bounded() {
    let text: String = (0..40).map(|index| format!("---\nkind: Thing\nmetadata: {{name: t{index}}}\nspec: {{size: 1}}\n")).collect();
    let (world, documents) = (World::default(), documents(text.trim_start_matches("---\n")));
    let settings = Settings { concurrency: 3, ..Settings::quick() };
    run("plan", &documents, &world.registry(), Mode::Plan, &settings).await;
    assert!((1..=3).contains(&world.state().most_at_once));
}

#[tokio::test]
async fn removal_goes_backwards() {
    let (world, documents) = (World::default(), documents(CHAIN));
    apply(&world, &documents).await;
    world.state().writes.clear();
    let settings = Settings::quick();
    let only_things: Vec<Document> = documents.iter().filter(|document| document.id.kind == "Thing").cloned().collect();
    let planned = run("destroy", &only_things, &world.registry(), Mode::PlanDelete, &settings).await;
    assert!(planned.lines.iter().all(|line| line.fate == Fate::WouldDelete) && world.state().writes.is_empty());
    run("destroy", &only_things, &world.registry(), Mode::Delete, &settings).await;
    let writes = world.state().writes.clone();
    let at = |word: &str| writes.iter().position(|write| write == word).expect(word);
    assert!(at("delete c") < at("delete b") && at("delete b") < at("delete a"));
    assert!(world.state().things.is_empty());
}

#[tokio::test]
async fn a_guard_that_says_no_stops_every_write() {
    let (world, documents) = (World::default(), documents(CHAIN));
    let guard: crate::run::Guard =
        std::sync::Arc::new(|| Box::pin(async { Err(crate::failure::Failure::rejected("hold the lock").exit(4)) }));
    let settings = Settings { guard: Some(guard), ..Settings::quick() };
    let report = converge(&documents, &world.registry(), &settings).await;
    assert!(world.state().things.is_empty() && world.state().writes.is_empty());
    assert_eq!(report.failure_code(), 4);
}

#[tokio::test]
async fn what_never_answers_holds_nobody_longer_than_the_deadline() {
    let (world, documents) = (World::default(), documents(CHAIN));
    world.state().silent.insert("a".into());
    for mode in [Mode::Plan, Mode::Apply] {
        let deadline = std::time::Instant::now().checked_add(Duration::from_millis(300));
        let report = run("plan", &documents, &world.registry(), mode, &Settings { deadline, ..Settings::quick() }).await;
        assert_eq!(of(&report, "a"), "failed: no answer came before the time of this run was over");
        assert_eq!(of(&report, "b"), "blocked by Thing/a");
    }
    assert_eq!(world.state().writes, ["create alone"]);
}

#[tokio::test]
async fn what_can_do_without_a_need_that_failed_goes_on_and_so_do_its_dependants() {
    let world = World::default();
    let hovering = CHAIN.replace("{size: 2, on: {ref: Thing/a}}", "{size: 2, colour: hovering, on: {ref: Thing/a}}");
    let documents = documents(&hovering);
    world.state().refused.insert("a".into());
    let report = apply(&world, &documents).await;
    assert!(of(&report, "a").starts_with("failed") && report.converged == Some(false));
    assert_eq!(["b", "c"].map(|name| of(&report, name)), ["Created", "Created"]);
    assert_eq!(world.state().things.get("b").map(|b| b.on.is_none()), Some(true), "the wish that is left was applied");
    // Nothing that failed any more: the whole wish counts again.
    world.state().refused.clear();
    apply(&world, &documents).await;
    assert_eq!(world.state().things.get("b").map(|b| b.on.is_some()), Some(true));
}
