//! Removing everything: by name, with a backup, in order, and nothing that is not ours.

use crate::world::World;

const NAMES: [&str; 4] = ["/ecs/mongodb-task-p8", "p8/mongodb", "mongodb", "weather"];

impl World {
    fn confirmed(&self, more: &[&str]) -> Vec<String> {
        let confirm = NAMES.iter().flat_map(|name| ["--confirm".to_owned(), self.named(name)]);
        let words = ["destroy", "--yes", "--output", "json"].into_iter().map(str::to_owned);
        words.chain(confirm).chain(more.iter().map(|word| self.named(word))).collect()
    }

    fn has_bucket(&self) -> bool {
        self.wait(self.aws.s3.head_bucket().bucket(self.named("p8-meteo")).send()).is_ok()
    }

    fn destroy(&self, more: &[&str]) -> crate::outcome::Outcome {
        let words = self.confirmed(more);
        self.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn what_holds_data_goes_by_name_only_and_everything_is_gone_afterwards() {
    let Some(world) = World::new("what_holds_data_goes_by_name_only_and_everything_is_gone_afterwards") else { return };
    everything(world.with_samples());
}

#[test]
fn everything_is_gone_afterwards_on_localstack_too() {
    let Some(world) = World::on_localstack("everything_is_gone_afterwards_on_localstack_too") else { return };
    everything(world.with_samples());
}

fn everything(world: World) {
    world.apply();
    let before = world.inventory();
    world.run(&["destroy"]).expect(64);
    world.run(&["destroy", "--yes"]).expect(3).says(&["were not confirmed", &world.named("Bucket/p8-meteo"), "--confirm weather"]);
    world.destroy(&["--confirm", "p8-meteo"]).expect(3).says(&["backups among them", &world.named("--accept-data-loss p8-meteo")]);
    assert_eq!(world.inventory(), before, "a refusal removes nothing at all");

    let report = world.destroy(&["--accept-data-loss", "p8-meteo"]).expect(0).report();
    assert_eq!(report.with_fates(&["failed", "blocked"]).len(), 0, "{:#}", report.0);
    assert_eq!(report.fate("Collection/weather"), "deleted");
    assert!(!world.has_bucket());
    assert_eq!((world.security_groups().len(), world.revisions(), world.documents(&world.database()).len()), (0, 0, 0));
    let again = world.run(&["destroy", "--yes", "--output", "json"]).expect(0).report();
    assert_eq!(again.with_fates(&["deleted", "wouldDelete"]).len(), 0, "{:#}", again.0);
}

#[test]
fn the_bucket_can_be_kept_and_the_rest_made_again_from_it() {
    let Some(world) = World::new("the_bucket_can_be_kept_and_the_rest_made_again_from_it") else { return };
    let world = world.with_samples();
    world.apply();
    let (objects, documents) = (world.objects(), world.documents(&world.database()));
    let report = world.destroy(&["--exclude", "Bucket/p8-meteo"]).expect(0).report();
    assert!(world.has_bucket() && report.with_fates(&["failed", "blocked"]).is_empty(), "{:#}", report.0);
    assert_eq!(world.objects(), objects, "what lies in a bucket goes with its bucket and not otherwise");
    assert_eq!(world.documents(&world.database()).len(), 0);

    let again = world.apply();
    assert_eq!(again.fate("Dataset/weather"), "inSync");
    assert_eq!(world.documents(&world.database()), documents);
}

#[test]
fn a_database_without_a_current_backup_stays() {
    let Some(world) = World::new("a_database_without_a_current_backup_stays") else { return };
    let world = world.with_samples();
    world.apply();
    let (before, backup) = (world.documents(&world.database()), world.backups().pop().expect("a backup"));
    let manifest = format!("{backup}.manifest.json");
    let call = world.aws.s3.delete_object().bucket(world.named("p8-meteo")).key(&manifest);
    world.wait(call.send()).expect("spoils the backup");
    let exclude = ["--exclude", "Bucket/p8-meteo"];
    world.destroy(&exclude).expect(3).says(&["no current verified backup: Backup/nightly", "--accept-data-loss weather"]);
    assert_eq!(world.documents(&world.database()), before);

    world.run(&["run", "backup"]).expect(0);
    world.destroy(&exclude).expect(0);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let Some(world) = World::new("what_is_not_ours_is_left_alone") else { return };
    let world = world.with_samples();
    world.apply();
    let call = world.aws.iam.untag_role().role_name(world.named("p8-task-execution"));
    world.wait(call.tag_keys("meteoctl:stack").tag_keys("meteoctl:document").send()).expect("takes the tags off");
    // What stands behind the role cannot be looked at, backups included.
    let accept = ["--accept-data-loss", "mongodb", "--accept-data-loss", "weather"];
    let report = world.destroy(&[&["--exclude", "Bucket/p8-meteo"], &accept[..]].concat()).expect(1).report();
    assert_eq!(report.fate(&world.named("Role/p8-task-execution")), "failed");
    assert!(report.line(&world.named("Role/p8-task-execution")).to_string().contains("does not carry this stack's tags"), "{:#}", report.0);
    let role = world.aws.iam.get_role().role_name(world.named("p8-task-execution"));
    world.wait(role.send()).expect("the role is still there");
    assert_eq!(report.fate("Service/mongodb"), "deleted");
}

#[test]
fn what_was_never_taken_over_is_not_removed_although_its_document_would_adopt_it() {
    let Some(world) = World::new("what_was_never_taken_over_is_not_removed_although_its_document_would_adopt_it") else { return };
    let group = world.named("/ecs/mongodb-task-p8");
    world.wait(world.aws.logs.create_log_group().log_group_name(&group).send()).expect("somebody makes a log group");
    world.edit("10-storage.yaml", "  name: /ecs/mongodb-task-p8 ", "  annotations: {adopt: \"true\"}\n  name: /ecs/mongodb-task-p8 ");
    let refused =
        world.run_on(&["00-stack.yaml", "10-storage.yaml"], &["destroy", "--yes", "--output", "json", "--confirm", &group]).expect(1);
    refused.says(&["was never taken over by this stack"]);
    let groups = world.aws.logs.describe_log_groups().log_group_name_prefix(&group);
    assert_eq!(world.wait(groups.send()).expect("lists log groups").log_groups().len(), 1);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let Some(world) = World::new("what_stands_in_the_way_is_named") else { return };
    const FILES: [&str; 3] = ["00-stack.yaml", "10-storage.yaml", "20-network-and-roles.yaml"];
    world.run_on(&FILES, &["apply", "--yes"]).expect(0);
    let (profile, role) = (world.named("p8-machines"), world.named("p8-task-execution"));
    world.wait(world.aws.iam.create_instance_profile().instance_profile_name(&profile).send()).expect("makes a profile");
    let add = world.aws.iam.add_role_to_instance_profile().instance_profile_name(&profile).role_name(&role);
    world.wait(add.send()).expect("somebody uses the role");

    let secret = world.named("p8/mongodb");
    let (target, document) = (format!("Secret/{secret}"), format!("Role/{role}"));
    let words = ["destroy", "--yes", "--target", &target, "--confirm", &secret, "--output", "json"];
    let refused = world.run_on(&FILES, &words).expect(1);
    refused.says(&[&format!("instance profile {profile} still uses it")]);
    let report = refused.report();
    assert_eq!((report.fate(&document), report.fate(&target)), ("failed", "blocked"), "what it needs stays: {:#}", report.0);

    let remove = world.aws.iam.remove_role_from_instance_profile().instance_profile_name(&profile).role_name(&role);
    world.wait(remove.send()).expect("and no longer");
    let report = world.run_on(&FILES, &words).expect(0).report();
    assert_eq!((report.fate(&document), report.fate(&target)), ("deleted", "deleted"));
}
