//! One writer at a time: what two runs at once do, and what a run that died leaves behind.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gate::{Gate, Pass};
use crate::world::World;

/// How long something that must happen is waited for; far more than it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process this test started.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().expect("kill starts");
    assert!(sent.success(), "kill -{name} {}", child.id());
}

impl World {
    fn lock_key(&self) -> String {
        self.named(".meteoctl/p8/lock.json")
    }

    /// The lock object; `None` while there is none.
    fn lock(&self) -> Option<Value> {
        let call = self.aws.s3.get_object().bucket(self.named("p8-meteo")).key(self.lock_key());
        let body = self.wait(async { Some(call.send().await.ok()?.body.collect().await.ok()?.to_vec()) })?;
        Some(serde_json::from_slice(&body).expect("the lock is JSON"))
    }

    fn held_lock(&self) -> Option<Value> {
        self.lock().filter(|lock| !lock["holder"].is_null())
    }

    /// A run that holds the lock and gets no further: its database never answers.
    fn start_stuck(&mut self, more: &[&str]) -> Child {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has an address").port();
        let good = std::env::var("METEOCTL_TEST_MONGODB_URI").expect("the world found it");
        self.set("MONGO_URI", &format!("mongodb://127.0.0.1:{port}/"));
        let words = [&["apply", "--yes"], more].concat();
        let child = self.command(&[""], &words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.set("MONGO_URI", &good);
        let child = child.expect("meteoctl starts");
        until("the service is waited for under the lock", || self.held_lock().filter(|_| !self.named_tasks().is_empty()));
        child
    }

    fn named_tasks(&self) -> Vec<String> {
        let call = self.aws.ecs.list_tasks().cluster(self.named("p8-mongodb-cluster-v2"));
        self.wait(call.send()).map(|answer| answer.task_arns().to_vec()).unwrap_or_default()
    }
}

#[test]
fn of_two_applies_at_once_one_works_and_the_other_says_who_does() {
    let Some(world) = World::new("of_two_applies_at_once_one_works_and_the_other_says_who_does") else { return };
    let mut world = world.with_samples();
    let mut first = world.start_stuck(&[]);
    let second = world.run(&["apply", "--yes"]).expect(4);
    second.says(&["held by", &format!("(process {})", first.id()), ", since 20", ", for apply,", "next:"]);
    world.run(&["run", "backup"]).expect(4).says(&["held by"]);
    world.run(&["plan"]).expect(0);
    world.run(&["lock", "status"]).expect(0).says(&["lock: held by", "for apply", "leader: free"]);

    signal(&first, "TERM");
    assert_eq!(first.wait().expect("it ends").code(), Some(1), "asked to stop, it says that it did not finish");
    assert!(world.held_lock().is_none(), "and gives the lock back");
    world.apply();
}

#[test]
fn a_killed_holder_of_this_machine_delays_nobody() {
    let Some(world) = World::new("a_killed_holder_of_this_machine_delays_nobody") else { return };
    let mut world = world.with_samples();
    let mut first = world.start_stuck(&[]);
    first.kill().expect("kills it");
    first.wait().expect("reaps it");
    let before = world.held_lock().expect("it could not give the lock back");
    world.run(&["lock", "status"]).expect(0).says(&["its process has ended"]);
    world.apply();
    let after = world.lock().expect("a lock");
    assert!(after["fencing"].as_u64() > before["fencing"].as_u64(), "{before:#} {after:#}");
    assert!(after["holder"].is_null());
}

#[test]
fn a_killed_holder_of_another_machine_delays_others_until_its_expiry() {
    let Some(world) = World::on_localstack("a_killed_holder_of_another_machine_delays_others_until_its_expiry") else { return };
    let mut world = world.with_samples();
    let mut first = world.start_stuck(&["--lock-expiry", "8s"]);
    let renewed = until("the lock is renewed", || world.held_lock().filter(|lock| lock["holder"]["since"] != lock["holder"]["expires"]));
    let since = renewed["holder"]["since"].clone();
    first.kill().expect("kills it");
    first.wait().expect("reaps it");
    // From another machine nobody sees that the process is gone.
    let mut lock = world.held_lock().expect("the lock of the dead");
    lock["holder"]["process"]["boot"] = json!("another machine");
    world.put_object(&world.lock_key(), lock.to_string().into_bytes());
    world.run(&["apply", "--yes"]).expect(4).says(&["held by"]);

    let time = |value: &Value| value.as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>().expect("a time");
    let expires = time(&lock["holder"]["expires"]);
    assert!(expires > time(&since), "{lock:#}");
    let left = (expires - chrono::Utc::now()).to_std().unwrap_or_default();
    assert!(left <= Duration::from_secs(8), "nobody waits longer than the expiry: {left:?}");
    std::thread::sleep(left + Duration::from_millis(50));
    world.apply();
}

#[test]
fn a_run_that_lost_its_lock_writes_nothing_more() {
    let Some(world) = World::new("a_run_that_lost_its_lock_writes_nothing_more") else { return };
    let mut world = world.with_samples();
    // It waits in the middle of a write, with more to write after it, while somebody takes the lock away.
    let direct = world.variable("AWS_ENDPOINT_URL");
    let gate = Gate::before(&direct, Pass::AllBut("registertaskdefinition"));
    world.set("AWS_ENDPOINT_URL", &gate.url());
    let mut first = world.start_apply();
    world.set("AWS_ENDPOINT_URL", &direct);
    let registers = |call: &String| call.contains("registertaskdefinition");
    until("the task definition is being registered", || gate.seen().1.iter().any(registers).then_some(()));
    world.run(&["lock", "break", "--yes"]).expect(0).says(&["held by", "lock: free"]);
    gate.open();
    assert_eq!(first.wait().expect("it ends").code(), Some(4));
    assert!(!gate.seen().1.iter().any(|call| call.contains("runtask")), "what comes after it was not begun");
    assert!(world.held_lock().is_none(), "it does not take it back");
    world.apply();
}

#[test]
fn a_run_with_nothing_to_do_takes_no_lock() {
    let Some(world) = World::new("a_run_with_nothing_to_do_takes_no_lock") else { return };
    let world = world.with_samples();
    let first = world.apply();
    assert!(first.0["receipt"]["lock"]["writes"]["S3:PutObject"].as_u64() >= Some(2), "taken and released: {:#}", first.0["receipt"]);
    let lock = world.lock();
    let second = world.apply();
    second.changed_nothing();
    assert!(second.0["receipt"]["lock"].is_null(), "{:#}", second.0["receipt"]);
    assert_eq!(world.lock(), lock);
}

#[test]
fn a_bucket_of_somebody_else_keeps_no_lock_of_ours() {
    let Some(world) = World::new("a_bucket_of_somebody_else_keeps_no_lock_of_ours") else { return };
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint("eu-west-3".into()).build();
    let call = world.aws.s3.create_bucket().bucket(world.named("p8-meteo")).create_bucket_configuration(place);
    world.wait(call.send()).expect("makes the bucket by hand");
    let refused = world.run_on(&["00-stack.yaml", "10-storage.yaml"], &["apply", "--yes", "--output", "json"]).expect(1).report();
    assert_eq!(refused.fate(&world.named("Bucket/p8-meteo")), "failed");
    assert_eq!(refused.fate(&world.named("Secret/p8/mongodb")), "blocked");
    assert_eq!(world.objects(), [""; 0], "nothing was written into it");
}
