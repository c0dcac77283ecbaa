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
