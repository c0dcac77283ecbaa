//! Few calls, short waits: how often AWS is asked, and how many times in a row.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use crate::gate::{Gate, Pass};
use crate::outcome::{Outcome, Report};
use crate::world::{World, tell};

/// Calls that a plan of the reference stack may make when nothing differs.
const MOST_CALLS: u64 = 25;
/// Calls of which each needs the answer of the one before.
const MOST_ROUND_TRIPS: u64 = 3;

/// Reads by operation, and how many in all.
fn reads(report: &Report) -> (BTreeMap<String, u64>, u64) {
    let reads: BTreeMap<String, u64> = serde_json::from_value(report.0["receipt"]["calls"]["reads"].clone()).expect("the receipt counts");
    let all = reads.values().sum();
    (reads, all)
}

/// Runs the program with its calls going through the gate.
fn through(world: &mut World, gate: &Gate, arguments: &[&str]) -> Outcome {
    let direct = world.variable("AWS_ENDPOINT_URL");
    world.set("AWS_ENDPOINT_URL", &gate.url());
    let child = world.start(arguments);
    gate.watch(child.id());
    let outcome = Outcome::of(arguments, child.wait_with_output().expect("meteoctl ends"));
    world.set("AWS_ENDPOINT_URL", &direct);
    outcome
}

#[test]
fn a_plan_that_finds_nothing_asks_little_and_waits_seldom() {
    let Some(world) = World::new("a_plan_that_finds_nothing_asks_little_and_waits_seldom") else { return };
    let mut world = world.with_samples();
    world.apply();
    let gate = Gate::before(&world.variable("AWS_ENDPOINT_URL"), Pass::InWaves);
    let report = through(&mut world, &gate, &["plan", "--detailed-exitcode", "--output", "json"]).expect(0).report();
    let ((round_trips, passed), (reads, counted)) = (gate.seen(), reads(&report));
    tell(&format!("a plan that finds nothing: {counted} calls in {round_trips} round trips"));
    assert_eq!(passed.len() as u64, counted, "the receipt counts what goes over the wire: {passed:#?}");
    assert!(counted <= MOST_CALLS, "{counted} calls: {reads:#?}");
    assert!(round_trips <= MOST_ROUND_TRIPS, "{round_trips} round trips: {passed:#?}");
    assert_eq!(report.writes().as_object().map(serde_json::Map::len), Some(0));

    the_policy_serves_it_and_grants_little_more(&world, &reads);

    // An apply that finds nothing is that same look.
    let again = world.apply();
    again.changed_nothing();
    let (_, counted) = self::reads(&again);
    assert!(counted <= MOST_CALLS, "{counted} calls of an apply that changes nothing: {:#}", again.0["receipt"]);
}

/// What a plan of the reference stack is granted although this one had no use for it: a task that stopped is explained by
/// its log and the definition it had, named subnets are looked up, earlier revisions are looked at when the latest is not ours, an ECS service is asked for where one is wished, and
/// without the operator's own URI the database is entered with the login of the Secret.
const BESIDES: [&str; 5] =
    ["ec2:DescribeSubnets", "ecs:DescribeServices", "ecs:ListTaskDefinitions", "logs:GetLogEvents", "secretsmanager:GetSecretValue"];

fn the_policy_serves_it_and_grants_little_more(world: &World, reads: &BTreeMap<String, u64>) {
    let policy: Value = serde_json::from_str(&world.run(&["iam-policy", "--for", "plan"]).expect(0).stdout).expect("a policy");
    let statements = policy["Statement"].as_array().expect("statements");
    let granted: BTreeSet<&str> =
        statements.iter().flat_map(|statement| statement["Action"].as_array().into_iter().flatten().filter_map(Value::as_str)).collect();
    let prefixes = [("CloudWatch Logs", "logs"), ("Secrets Manager", "secretsmanager")];
    let needed: BTreeSet<&str> = reads.keys().map(|operation| action_of(operation, &prefixes)).collect();
    let missing: Vec<_> = needed.difference(&granted).collect();
    assert!(missing.is_empty(), "calls that the policy does not allow: {missing:?}");
    assert_eq!(granted.difference(&needed).copied().collect::<Vec<_>>(), BESIDES, "permissions beyond the calls made");
}

/// The IAM action of an operation as the receipt names it, from the tables.
fn action_of(operation: &str, prefixes: &[(&str, &str)]) -> &'static str {
    const KINDS: [&str; 18] = [
        "Alarm",
        "Backup",
        "Bucket",
        "Cluster",
        "Collection",
        "Dataset",
        "FileSystem",
        "LogGroup",
        "QualityReport",
        "Repository",
        "Role",
        "Schedule",
        "Secret",
        "SecurityGroup",
        "Service",
        "Source",
        "Stack",
        "TaskDefinition",
    ];
    let (service, name) = operation.split_once(':').expect("service:Operation");
    let prefix =
        prefixes.iter().find(|(long, _)| *long == service).map_or_else(|| service.to_lowercase(), |(_, short)| (*short).to_owned());
    let wanted = format!("{prefix}:{name}");
    let table = |kind: &'static str| meteoctl_jobs::actions::actions(kind).unwrap_or_else(|| meteoctl_aws::kinds::actions(kind));
    let mut all = KINDS.iter().flat_map(|kind| table(kind));
    all.find(|action| action.operation == wanted).unwrap_or_else(|| panic!("no table names {wanted}")).action
}

/// Times a plan that finds nothing is taken: the quickest counts, since whatever else the machine does only adds to it.
const PLANS: usize = 7;

/// What one verb came to through one gate.
struct Timed {
    millis: i64,
    waves: u64,
    calls: usize,
}

/// Prints how long plan and first apply take when every call takes 50 ms longer, and how many round trips they make.
/// `cargo xtask bench --waiting`
#[test]
#[ignore = "a benchmark: it prints times, which depend on the machine"]
fn the_benchmark_of_waiting() {
    let measured: Option<Vec<_>> = [Pass::After(0), Pass::After(50), Pass::InWaves].into_iter().map(apply_and_plans).collect();
    let Some(measured) = measured else { return };
    for (index, verb) in ["first apply", "plan that finds nothing"].iter().enumerate() {
        let [plain, slow, waves] = [0, 1, 2].map(|pass| &measured[pass][index]);
        let added = slow.millis - plain.millis;
        tell(&format!(
            "{verb}: {} calls in a chain of {}; {} ms, with 50 ms a call {} ms: {added} ms more = {:.2} × 50 ms = {:.2} × the chain",
            slow.calls,
            waves.waves,
            plain.millis,
            slow.millis,
            added as f64 / 50.0,
            added as f64 / (50 * waves.waves) as f64,
        ));
    }
}

/// The first apply and the quickest plan after it, with calls passing the gate as asked.
fn apply_and_plans(pass: Pass) -> Option<[Timed; 2]> {
    let mut world = World::new("the_benchmark_of_waiting")?.with_samples();
    let url = world.variable("AWS_ENDPOINT_URL");
    let mut timed = |arguments: &[&str]| {
        let gate = Gate::before(&url, pass);
        let begun = Instant::now();
        through(&mut world, &gate, arguments).expect(0);
        let (waves, calls) = gate.seen();
        Timed { millis: begun.elapsed().as_millis() as i64, waves, calls: calls.len() }
    };
    let apply = timed(&["apply", "--yes", "--output", "json"]);
    let plans = (0..PLANS).map(|_| timed(&["plan", "--output", "json"]));
    Some([apply, plans.min_by_key(|plan| plan.millis).expect("some plans")])
}
