//! What has no document any more: listed, and removed when asked for, never without its name where it holds data.

use crate::world::World;

const LEFT: [&str; 3] = ["00-stack.yaml", "10-storage.yaml", "20-network-and-roles.yaml"];

#[test]
fn what_lost_its_document_is_listed_and_removed_and_nothing_else() {
    let Some(world) = World::new("what_lost_its_document_is_listed_and_removed_and_nothing_else") else { return };
    let all = [&LEFT[..], &["30-cluster.yaml"]].concat();
    world.run_on(&all, &["apply", "--yes"]).expect(0);
    world.run_on(&all, &["prune"]).expect(0).says(&["Everything that carries the stack's tags has its document."]);
    let call = world.aws.iam.create_role().role_name(world.named("p8-theirs")).assume_role_policy_document("{}");
    world.wait(call.send()).expect("somebody makes a role");

    let listed = world.run_on(&LEFT, &["prune"]).expect(0);
    let orphans = ["Service/mongodb", "TaskDefinition/p8-mongodb-task", "Cluster/p8-mongodb-cluster-v2"];
    listed.says(&orphans.map(|id| world.named(&format!("remove {id}"))).each_ref().map(String::as_str));
    listed.says(&["3 to remove"]);
    assert_eq!((world.running_tasks().len(), world.revisions()), (1, 1), "a list removes nothing");

    world.run_on(&LEFT, &["prune", "--yes"]).expect(3).says(&["Service/mongodb", "--confirm mongodb"]);
    world.run_on(&LEFT, &["prune", "--yes", "--confirm", "mongodb"]).expect(3).says(&["no Backup document"]);
    let capped = world.run_on(&LEFT, &["prune", "--yes", "--max", "2", "--accept-data-loss", "mongodb"]).expect(3);
    capped.says(&["3 things would go, at most 2 may"]);
    assert_eq!((world.running_tasks().len(), world.revisions()), (1, 1), "a refusal removes nothing");

    let words = ["prune", "--yes", "--accept-data-loss", "mongodb", "--output", "json"];
    let report = world.run_on(&LEFT, &words).expect(0).report();
    assert_eq!(report.with_fates(&["deleted"]), orphans.iter().map(|id| world.named(id)).collect(), "{:#}", report.0);
    assert_eq!(world.revisions(), 0);
    let role = world.aws.iam.get_role().role_name(world.named("p8-theirs"));
    world.wait(role.send()).expect("what is not ours is still there");
    world.run_on(&LEFT, &["prune"]).expect(0).says(&["Everything that carries the stack's tags has its document."]);
    world.run_on(&LEFT, &["plan", "--detailed-exitcode"]).expect(0);
}

/// What the reference stack has no document of: a backup made in the cloud, and an alarm when no task runs.
const MORE: &str = r#"
---
kind: Role
metadata: {name: p8-scheduler}
spec: {assumedBy: scheduler.amazonaws.com}
---
kind: Schedule
metadata: {name: p8-nightly}
spec:
  schedule: {cron: "0 3 * * *", timezone: Europe/Paris}
  cluster: {ref: Cluster/p8-mongodb-cluster-v2}
  taskDefinition: {ref: TaskDefinition/p8-mongodb-task}
  role: {ref: Role/p8-scheduler}
  container: mongodb
  command: [mongod, --version]
---
kind: Alarm
metadata: {name: p8-no-task}
spec:
  namespace: ECS/ContainerInsights
  metric: CpuUtilized
  dimensions: {ClusterName: {ref: Cluster/p8-mongodb-cluster-v2}}
  statistic: SampleCount
  periodSeconds: 60
  evaluationPeriods: 5
  comparison: LessThanThreshold
  threshold: 1
  missing: breaching
"#;

#[test]
fn schedules_and_alarms_are_kept_and_pruned_on_moto() {
    let Some(world) = World::new("schedules_and_alarms_are_kept_and_pruned_on_moto") else { return };
    schedules_and_alarms_are_kept_and_pruned(&world, &["Role/p8-scheduler", "Schedule/p8-nightly", "Alarm/p8-no-task"]);
}

#[test]
fn schedules_and_alarms_are_kept_and_pruned_on_localstack() {
    let Some(world) = World::on_localstack("schedules_and_alarms_are_kept_and_pruned_on_localstack") else { return };
    // The alarm lies in Moto, of which LocalStack's tagging API knows nothing.
    schedules_and_alarms_are_kept_and_pruned(&world, &["Role/p8-scheduler", "Schedule/p8-nightly"]);
}

fn schedules_and_alarms_are_kept_and_pruned(world: &World, prunable: &[&str]) {
    const ALL: [&str; 4] = ["00-stack.yaml", "10-storage.yaml", "20-network-and-roles.yaml", "30-cluster.yaml"];
    let apply = || world.run_on(&ALL, &["apply", "--yes", "--output", "json"]).expect(0).report().converged();
    apply();
    world.append("30-cluster.yaml", MORE);
    let made = apply();
    let more = ["Role/p8-scheduler", "Schedule/p8-nightly", "Alarm/p8-no-task"].map(|id| world.named(id));
    assert_eq!(made.with_fates(&["created"]), more.iter().cloned().collect(), "{:#}", made.0);
    apply().changed_nothing();
    world.edit("30-cluster.yaml", MORE, "");
    let words = ["prune", "--yes", "--output", "json"];
    let report = world.run_on(&ALL, &words).expect(0).report();
    assert_eq!(report.with_fates(&["deleted"]), prunable.iter().map(|id| world.named(id)).collect(), "{:#}", report.0);
    world.run_on(&ALL, &["prune"]).expect(0).says(&["Everything that carries the stack's tags has its document."]);
    apply().changed_nothing();
}
