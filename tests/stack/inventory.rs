//! What there is in the account, counted: the proof that nothing was made twice or left behind.

use crate::hands::CLUSTER;
use crate::world::World;

/// Everything of one world, with the world's own name taken out so that worlds can be compared.
#[derive(Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Objects of the bucket; the time in a backup's name stands as `TIME`.
    pub objects: Vec<String>,
    /// Uploads that were begun and neither completed nor aborted.
    pub open_uploads: usize,
    /// Log groups with our name.
    pub log_groups: usize,
    /// Security groups besides the default one.
    pub security_groups: usize,
    /// Secrets.
    pub secrets: usize,
    /// Roles.
    pub roles: usize,
    /// Clusters that are active.
    pub clusters: usize,
    /// Revisions of the task definition.
    pub revisions: usize,
    /// Tasks that run or are about to.
    pub tasks: usize,
    /// Documents in the database.
    pub documents: usize,
    /// (station, timestamp) pairs with more than one document.
    pub doubled: usize,
    /// Collections of the database.
    pub collections: Vec<String>,
}

impl World {
    /// Counts everything.
    pub fn inventory(&self) -> Inventory {
        Inventory {
            objects: self.objects().iter().map(|key| timeless(&key.replace(&self.name, "p8"))).collect(),
            open_uploads: self.open_uploads(),
            log_groups: self.log_groups(),
            security_groups: self.security_groups().len(),
            secrets: self.secrets(),
            roles: self.roles(),
            clusters: self.clusters(),
            revisions: self.revisions(),
            tasks: self.running_tasks().len(),
            documents: self.documents(&self.database()).len(),
            doubled: self.doubled(),
            collections: self.collections(),
        }
    }

    /// Keys of all objects, in order.
    pub fn objects(&self) -> Vec<String> {
        let answer = self.wait(self.aws.s3.list_objects_v2().bucket(self.named("p8-meteo")).send()).expect("lists the bucket");
        assert_ne!(answer.is_truncated(), Some(true), "a journey makes few objects");
        answer.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    /// Keys of all objects under a prefix, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let prefix = self.named(prefix);
        self.objects().into_iter().filter(|key| key.starts_with(&prefix)).collect()
    }

    /// Keys of the backups' archives, in order.
    pub fn backups(&self) -> Vec<String> {
        self.keys("p8-backups/").into_iter().filter(|key| key.ends_with(".gz")).collect()
    }

    /// Ids of the security groups of the account, the default ones left out.
    pub fn security_groups(&self) -> Vec<String> {
        let answer = self.wait(self.aws.ec2.describe_security_groups().send()).expect("lists security groups");
        let ours = answer.security_groups().iter().filter(|group| group.group_name() != Some("default"));
        ours.filter_map(|group| group.group_id().map(str::to_owned)).collect()
    }

    /// ARNs of the tasks that are meant to run.
    pub fn running_tasks(&self) -> Vec<String> {
        let answer = self.wait(self.aws.ecs.list_tasks().cluster(self.named(CLUSTER)).send()).expect("lists tasks");
        let tasks = answer.task_arns().to_vec();
        if tasks.is_empty() {
            return tasks;
        }
        let call = self.aws.ecs.describe_tasks().cluster(self.named(CLUSTER)).set_tasks(Some(tasks));
        let answer = self.wait(call.send()).expect("describes tasks");
        let running =
            answer.tasks().iter().filter(|task| task.desired_status() == Some("RUNNING") && task.last_status() != Some("STOPPED"));
        running.filter_map(|task| task.task_arn().map(str::to_owned)).collect()
    }

    /// Revisions of the task definition that were ever registered and are active.
    pub fn revisions(&self) -> usize {
        let call = self.aws.ecs.list_task_definitions().family_prefix(self.named("p8-mongodb-task"));
        self.wait(call.send()).expect("lists revisions").task_definition_arns().len()
    }

    fn open_uploads(&self) -> usize {
        let call = self.aws.s3.list_multipart_uploads().bucket(self.named("p8-meteo"));
        self.wait(call.send()).expect("lists uploads").uploads().len()
    }

    fn log_groups(&self) -> usize {
        let call = self.aws.logs.describe_log_groups().log_group_name_prefix("/ecs/mongodb-task-");
        self.wait(call.send()).expect("lists log groups").log_groups().len()
    }

    fn secrets(&self) -> usize {
        self.wait(self.aws.secrets.list_secrets().send()).expect("lists secrets").secret_list().len()
    }

    fn roles(&self) -> usize {
        let answer = self.wait(self.aws.iam.list_roles().send()).expect("lists roles");
        answer.roles().iter().filter(|role| role.role_name().starts_with(&self.name)).count()
    }

    fn clusters(&self) -> usize {
        self.wait(self.aws.ecs.list_clusters().send()).expect("lists clusters").cluster_arns().len()
    }
}

/// `mongodb_backup_2026-01-05_14-06-15.gz` → `mongodb_backup_TIME.gz`.
fn timeless(key: &str) -> String {
    const LENGTH: usize = "2026-01-05_14-06-15".len();
    match key.split_once("mongodb_backup_") {
        Some((before, after)) => format!("{before}mongodb_backup_TIME{}", after.get(LENGTH..).unwrap_or_default()),
        None => key.to_owned(),
    }
}

#[test]
fn the_time_of_a_backup_is_taken_out_of_its_name() {
    assert_eq!(timeless("a/mongodb_backup_2026-01-05_14-06-15.gz.manifest.json"), "a/mongodb_backup_TIME.gz.manifest.json");
    assert_eq!(timeless("p8-processed/quality_report.json"), "p8-processed/quality_report.json");
}
