//! What people do by hand, behind the tool's back.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use crate::world::World;

/// Name of the cluster in the reference stack.
pub const CLUSTER: &str = "p8-mongodb-cluster-v2";

impl World {
    /// Switches the bucket's versioning off.
    pub fn suspend_versioning(&self) {
        let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
        let call = self.aws.s3.put_bucket_versioning().bucket(self.named("p8-meteo")).versioning_configuration(off);
        self.wait(call.send()).expect("suspends versioning");
    }

    /// Lets the log group keep its lines for a week.
    pub fn shorten_retention(&self) {
        let call = self.aws.logs.put_retention_policy().log_group_name(self.named("/ecs/mongodb-task-p8")).retention_in_days(7);
        self.wait(call.send()).expect("changes the retention");
    }

    /// Opens another port to another address.
    pub fn open_port(&self) {
        let group = self.security_groups().pop().expect("the security group is there");
        let call = self.aws.ec2.authorize_security_group_ingress().group_id(group).ip_protocol("tcp");
        let call = call.from_port(2222).to_port(2222).cidr_ip("198.51.100.9/32");
        self.wait(call.send()).expect("adds a rule");
    }

    /// Stops the one task.
    pub fn stop_task(&self) {
        let task = self.running_tasks().pop().expect("a task runs");
        let call = self.aws.ecs.stop_task().cluster(self.named(CLUSTER)).task(task).reason("by hand");
        self.wait(call.send()).expect("stops the task");
    }

    /// Puts an object into the bucket.
    pub fn put_object(&self, key: &str, bytes: Vec<u8>) {
        let call = self.aws.s3.put_object().bucket(self.named("p8-meteo")).key(self.named(key)).body(bytes.into());
        self.wait(call.send()).unwrap_or_else(|error| panic!("{key}: {error:?}"));
    }

    /// Deletes an object of the bucket.
    pub fn delete_object(&self, key: &str) {
        let call = self.aws.s3.delete_object().bucket(self.named("p8-meteo")).key(self.named(key));
        self.wait(call.send()).unwrap_or_else(|error| panic!("{key}: {error:?}"));
    }

    /// Reads an object of the bucket.
    pub fn object(&self, key: &str) -> Vec<u8> {
        let key = self.named(key);
        self.wait(async {
            let answer = self.aws.s3.get_object().bucket(self.named("p8-meteo")).key(&key).send().await;
            let body = answer.unwrap_or_else(|error| panic!("{key}: {error:?}")).body;
            body.collect().await.unwrap_or_else(|error| panic!("{key}: {error}")).to_vec()
        })
    }
}
