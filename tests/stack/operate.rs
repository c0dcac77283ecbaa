//! The operator: repairs, tells how it is, leads alone, ends when asked. And the log it points people to.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use aws_sdk_s3::types::BucketVersioningStatus;
use bson::doc;

use crate::lock::{signal, until};
use crate::world::World;

/// A run whose words go to files.
pub(crate) struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(world: &World, files: &[&str], words: &[&str]) -> Running {
        let folder = tempfile::tempdir().expect("makes a folder");
        let file = |name: &str| Stdio::from(std::fs::File::create(folder.path().join(name)).expect("makes a file"));
        let child = world.command(files, words).stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).spawn();
        Running { child: child.expect("meteoctl starts"), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("reads what was said")
    }

    fn address(&self) -> String {
        until("it listens", || {
            let story = self.said("stderr");
            let rest = story.split_once("Listening on http://")?.1;
            rest.split_once('\n').map(|(address, _)| address.to_owned())
        })
    }

    /// Status and body of a page.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).expect("connects");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").expect("asks");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("reads the answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
    }

    fn figure(&self, name: &str) -> Option<f64> {
        let (_, body) = self.page("/metrics");
        body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Asks it to end, and expects that it does so well.
    pub(crate) fn end(mut self) -> String {
        signal(&self.child, "TERM");
        let code = self.child.wait().expect("it ends").code();
        assert_eq!(code, Some(0), "{}", self.said("stderr"));
        self.said("stderr")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a failed journey leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    fn versioned(&self) -> bool {
        let answer = self.wait(self.aws.s3.get_bucket_versioning().bucket(self.named("p8-meteo")).send());
        answer.is_ok_and(|answer| answer.status() == Some(&BucketVersioningStatus::Enabled))
    }
}

const STORAGE: [&str; 2] = ["00-stack.yaml", "10-storage.yaml"];
const OPERATE: [&str; 7] = ["operate", "--interval", "1s", "--listen", "127.0.0.1:0", "--lock-expiry", "6s"];

#[test]
fn an_operator_makes_repairs_and_tells_how_it_is() {
    let Some(world) = World::new("an_operator_makes_repairs_and_tells_how_it_is") else { return };
    let operator = Running::start(&world, &STORAGE, &OPERATE);
    assert_eq!(operator.page("/healthz").0, 200);
    until("the first round makes everything", || (operator.page("/readyz").0 == 200).then_some(()));
    assert!(world.versioned(), "from nothing");
    assert_eq!(operator.page("/elsewhere").0, 404);
    assert_eq!(operator.figure("meteoctl_documents{fate=\"failed\"}"), None);

    until("it leads", || operator.figure("meteoctl_leader").filter(|leads| *leads == 1.0));
    let repaired = || operator.figure("meteoctl_rounds_total{outcome=\"repaired\"}").unwrap_or_default();
    let before = repaired();
    world.suspend_versioning();
    until("what was changed by hand is repaired", || world.versioned().then_some(()));
    until("and told", || (repaired() > before).then_some(()));

    world.run_on(&STORAGE, &["apply", "--yes"]).expect(0);
    let story = operator.end();
    assert!(story.contains("Leading, fencing number 1.") && story.contains(": repaired (") && story.ends_with("Stopped.\n"), "{story}");
    world.run_on(&STORAGE, &["lock", "status"]).expect(0).says(&["lock: free", "leader: free, fencing number 1"]);
}

#[test]
fn an_operator_tells_how_the_data_is() {
    let Some(world) = World::new("an_operator_tells_how_the_data_is") else { return };
    let world = world.with_samples();
    let operator = Running::start(&world, &[""], &["operate", "--interval", "1s", "--listen", "127.0.0.1:0"]);
    until("everything is made", || (operator.page("/readyz").0 == 200).then_some(()));
    let documents = operator.figure("meteoctl_collection_documents{document=\"Collection/weather\"}");
    assert_eq!(documents, Some(world.count(doc! {}) as f64));
    let page = operator.page("/metrics").1;
    let latency = |quantile: &str| {
        let ends = format!(",quantile=\"{quantile}\"}} ");
        let found = page.lines().find(|line| line.starts_with("meteoctl_query_latency_seconds{") && line.contains(&ends));
        let value = found.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no latency at {quantile}:\n{page}"))
    };
    assert!(0.0 < latency("0.5") && latency("0.5") <= latency("0.95") && latency("0.95") <= latency("0.99"), "{page}");
    let newest = operator.figure("meteoctl_backup_newest_timestamp_seconds{document=\"Backup/nightly\"}").expect("a backup");
    let now = chrono::Utc::now().timestamp() as f64;
    assert!(now - 600.0 < newest && newest <= now, "{newest}");
    operator.end();
}

#[test]
fn of_two_operators_one_leads_and_the_other_takes_over() {
    let Some(world) = World::on_localstack("of_two_operators_one_leads_and_the_other_takes_over") else { return };
    world.make_bucket();
    let first = Running::start(&world, &STORAGE, &OPERATE);
    until("the first leads", || first.figure("meteoctl_leader").filter(|leads| *leads == 1.0));
    let second = Running::start(&world, &STORAGE, &OPERATE);
    until("the second stands by", || second.said("stderr").contains("Standing by: it is held by").then_some(()));
    until("ready to take over", || (second.page("/readyz").0 == 200).then_some(()));
    assert_eq!(second.figure("meteoctl_leader"), Some(0.0));
    assert_eq!(second.figure("meteoctl_round_seconds_count"), Some(0.0), "and does nothing");

    first.end();
    until("the second leads", || second.figure("meteoctl_leader").filter(|leads| *leads == 1.0));
    until("and works", || second.figure("meteoctl_round_seconds_count").filter(|rounds| *rounds > 0.0));
    assert!(second.end().contains("Leading, fencing number 2."));
}

#[test]
fn an_operator_reads_its_documents_anew_and_bears_their_faults() {
    let Some(world) = World::new("an_operator_reads_its_documents_anew_and_bears_their_faults") else { return };
    let operator = Running::start(&world, &STORAGE, &OPERATE);
    until("it is ready", || (operator.page("/readyz").0 == 200).then_some(()));
    world.edit("10-storage.yaml", "versioning: Enabled", "versionning: Enabled");
    until("a fault makes it unready", || (operator.page("/readyz").0 == 503).then_some(()));
    assert_eq!(operator.page("/healthz").0, 200, "but not dead");
    world.edit("10-storage.yaml", "versionning: Enabled", "versioning: Suspended");
    until("what is wished now is made", || (!world.versioned() && operator.page("/readyz").0 == 200).then_some(()));
    assert!(operator.end().contains("unknown field `versionning`"));
}

#[test]
fn faults_that_are_there_from_the_beginning_end_it_at_once() {
    let Some(world) = World::new("faults_that_are_there_from_the_beginning_end_it_at_once") else { return };
    world.edit("10-storage.yaml", "versioning: Enabled", "versionning: Enabled");
    world.run_on(&STORAGE, &OPERATE).expect(1).says(&["unknown field `versionning`"]);
}

#[test]
fn the_log_is_shown_filtered_and_followed() {
    let Some(world) = World::new("the_log_is_shown_filtered_and_followed") else { return };
    world.run_on(&STORAGE, &["logs"]).expect(1).says(&["it does not exist", "run `meteoctl apply` first"]);
    world.make_bucket();
    let group = world.named("/ecs/mongodb-task-p8");
    let stream = world.aws.logs.create_log_stream().log_group_name(&group).log_stream_name("mongo/mongodb/1");
    world.wait(stream.send()).expect("makes a stream");
    let write = |text: &str| {
        let event = aws_sdk_cloudwatchlogs::types::InputLogEvent::builder().timestamp(chrono::Utc::now().timestamp_millis()).message(text);
        let call = world.aws.logs.put_log_events().log_group_name(&group).log_stream_name("mongo/mongodb/1");
        world.wait(call.log_events(event.build().expect("an event")).send()).expect("writes a line");
    };
    write("Waiting for connections");
    write("Slow query");
    let shown = world.run_on(&STORAGE, &["logs", "--since", "10m"]).expect(0).stdout;
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(shown.lines().next().is_some_and(|line| line.ends_with(" mongo/mongodb/1 Waiting for connections")), "{shown}");
    let filtered = world.run_on(&STORAGE, &["logs", "--filter", "Slow", "--output", "json"]).expect(0).stdout;
    let rows: Vec<serde_json::Value> = filtered.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect();
    assert_eq!((rows.len(), rows[0]["text"].as_str(), rows[0]["group"].as_str()), (1, Some("Slow query"), Some(group.as_str())));

    let follower = Running::start(&world, &STORAGE, &["logs", "--follow"]);
    until("what is there is shown", || follower.said("stdout").contains("Slow query").then_some(()));
    write("Shutting down");
    until("what comes later too", || follower.said("stdout").contains("Shutting down").then_some(()));
    let lines = follower.said("stdout").lines().count();
    assert_eq!(lines, 3, "no line twice: {}", follower.said("stdout"));
    follower.end();
}

#[test]
fn asked_to_stop_in_the_middle_it_gives_everything_back() {
    let Some(mut world) = World::new("asked_to_stop_in_the_middle_it_gives_everything_back") else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has an address").port();
    world.set("MONGO_URI", &format!("mongodb://127.0.0.1:{port}/"));
    let world = world.with_samples();
    world.make_bucket();
    let operator = Running::start(&world, &[""], &OPERATE);
    until("a round waits for the database under the lock", || {
        let held = world.run(&["lock", "status"]).stdout.contains("lock: held");
        (held && world.inventory().tasks == 1).then_some(())
    });
    let story = operator.end();
    assert!(story.contains(": stopped ("), "{story}");
    world.run(&["lock", "status"]).expect(0).says(&["lock: free", "leader: free, fencing number 1"]);
}
