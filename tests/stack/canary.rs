//! No secret in any output: words are planted wherever a secret can stand, and searched for in everything that is told or kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::doc;

use crate::operate::Running;
use crate::random::ticks;
use crate::world::{World, tell};

/// What was planted or made, and what came out, with a word about where.
struct Search {
    canaries: Vec<(&'static str, String)>,
    found: Vec<String>,
    texts: usize,
}

impl Search {
    fn new() -> Search {
        Search { canaries: Vec::new(), found: Vec::new(), texts: 0 }
    }

    /// A word that stands nowhere else.
    fn plant(&mut self, what: &'static str) -> String {
        let word = format!("canary{:x}{}", ticks(), self.canaries.len());
        self.know(what, &word);
        word
    }

    fn know(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 12, "{what} is too short to be searched for");
        self.canaries.push((what, secret.to_owned()));
        self.canaries.push((what, STANDARD.encode(secret).trim_end_matches('=').to_owned()));
    }

    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.texts += 1;
        for (what, secret) in &self.canaries {
            if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                self.found.push(format!("{what} in {place}"));
            }
        }
    }

    /// Runs the binary; every exit code is fine, no secret is.
    fn run(&mut self, world: &World, words: &[&str]) -> Option<i32> {
        let begun = std::time::Instant::now();
        let outcome = world.run(words);
        let place = outcome.words.clone();
        tell(&format!("{place}: {:?} after {:?}", outcome.code, begun.elapsed()));
        assert_ne!(outcome.code, None, "{place} was ended by a signal");
        self.look(&format!("stdout of {place}"), outcome.stdout.as_bytes());
        self.look(&format!("stderr of {place}"), outcome.stderr.as_bytes());
        outcome.code
    }

    fn end(self) {
        tell(&format!("{} texts searched for {} words", self.texts, self.canaries.len()));
        assert!(self.found.is_empty(), "secrets were told:\n{}", self.found.join("\n"));
    }
}

/// Every verb that looks, in its forms.
const LOOKS: [&[&str]; 14] = [
    &["validate"],
    &["plan", "-vv"],
    &["plan", "--output", "json"],
    &["drift", "--deep"],
    &["drift", "--output", "sarif"],
    &["drift", "--output", "junit"],
    &["drift", "--output", "github"],
    &["status", "-v"],
    &["status", "--output", "json"],
    &["graph"],
    &["iam-policy", "--for", "apply"],
    &["lock", "status"],
    &["logs"],
    &["prune"],
];

#[test]
fn no_secret_is_told_or_kept_in_the_open() {
    let Some(world) = World::new("no_secret_is_told_or_kept_in_the_open") else { return };
    let mut world = world.with_samples();
    let mut search = Search::new();
    let [password, key, token] = ["the database's password", "the AWS secret key", "the AWS session token"].map(|what| search.plant(what));
    let user = world.named("canary-p8");
    let command = doc! {"createUser": &user, "pwd": &password, "roles": ["root"]};
    world.wait(world.server.command("admin", &command, "make a user")).expect("makes a user");
    let plain = world.variable("MONGO_URI");
    let entered = |secret: &str| plain.replacen("mongodb://", &format!("mongodb://{user}:{secret}@"), 1);
    world.set("MONGO_URI", &entered(&password));
    world.set("AWS_SECRET_ACCESS_KEY", &key);
    world.set("AWS_SESSION_TOKEN", &token);
    // The archive is sealed with the password that the operator generates.
    world.append("60-backup.yaml", "\n  encryption: {ageKey: {ref: Secret/p8/mongodb, key: password}}\n");

    assert_eq!(search.run(&world, &["plan", "-vv"]), Some(0));
    assert_eq!(search.run(&world, &["apply", "--yes", "-vv"]), Some(0));
    let answer = world.wait(world.aws.secrets.get_secret_value().secret_id(world.named("p8/mongodb")).send()).expect("reads the secret");
    let value: serde_json::Value = serde_json::from_str(answer.secret_string().unwrap_or_default()).expect("the secret is JSON");
    search.know("the generated password", value["password"].as_str().expect("a password"));
    assert_eq!(search.run(&world, &["restore", "latest", "--into", &world.named("p8_greenandcoop_forecast_restored"), "-vv"]), Some(0));
    // So that drift and plan have something to tell.
    world.suspend_versioning();
    world.stop_task();
    for words in LOOKS {
        search.run(&world, words);
        search.run(&world, &[words, &["--log-format", "json"]].concat());
    }
    assert_eq!(search.run(&world, &["apply", "--yes", "--output", "json"]), Some(0));
    for job in ["collect", "transform", "quality", "import", "latency", "backup", "drill"] {
        assert_eq!(search.run(&world, &["run", job, "-vv"]), Some(0), "{job}");
    }
    let saved = world.sources().with_file_name("saved.plan");
    assert_eq!(search.run(&world, &["plan", "--out", &saved.to_string_lossy()]), Some(0));
    search.look("the saved plan", &std::fs::read(&saved).expect("there is a saved plan"));
    what_lies_about(&world, &mut search);

    let operator = Running::start(&world, &[""], &["operate", "--interval", "1s", "--listen", "127.0.0.1:0", "-vv"]);
    for page in ["/healthz", "/readyz", "/metrics", "/nothing"] {
        let (_, body) = operator.page(page);
        search.look(page, body.as_bytes());
    }
    let story = operator.end();
    search.look("the operator's story", story.as_bytes());

    what_goes_wrong(&mut world, &mut search, &entered);
    world.set("MONGO_URI", &entered(&password));
    assert_eq!(search.run(&world, &["destroy", "--yes", "--accept-data-loss", "all", "-vv"]).map(|code| code != 0), Some(true));
    world.wait(world.server.command("admin", &doc! {"dropUser": &user}, "drop the user")).expect("drops the user");
    search.end();
}

/// The objects of the bucket with their metadata, and the task definition as ECS shows it to everybody.
fn what_lies_about(world: &World, search: &mut Search) {
    let bucket = world.named("p8-meteo");
    for key in world.objects() {
        let answer = world.wait(world.aws.s3.get_object().bucket(&bucket).key(&key).send()).expect("reads an object");
        search.look(&format!("metadata of {key}"), format!("{:?}", answer.metadata()).as_bytes());
        let bytes = world.wait(answer.body.collect()).expect("reads a body").into_bytes();
        search.look(&key, &bytes);
    }
    let call = world.aws.ecs.describe_task_definition().task_definition(world.named("p8-mongodb-task"));
    let answer = world.wait(call.send()).expect("describes the task definition");
    search.look("the task definition", format!("{answer:?}").as_bytes());
}

/// Failures say what they were about, and the secret is what it was about more often than not.
fn what_goes_wrong(world: &mut World, search: &mut Search, entered: &dyn Fn(&str) -> String) {
    let wrong = search.plant("a wrong password of the database");
    let broken = [
        entered(&wrong),
        format!("mongodb://user:{wrong}@127.0.0.1:1/?serverSelectionTimeoutMS=500"),
        format!("mongodb://user:{wrong}@@127.0.0.1"),
        format!("mongodb://user:{wrong}%zz@127.0.0.1"),
        format!("mongodb://user:{wrong}@127.0.0.1/?nonsense={wrong}&tls=perhaps"),
        format!("mongodb+srv://user:{wrong}@nowhere.invalid"),
        wrong.clone(),
    ];
    for uri in broken {
        world.set("MONGO_URI", &uri);
        for words in [&["plan", "-vv", "--timeout", "2s"][..], &["run", "import", "--timeout", "2s", "--log-format", "json"]] {
            assert_eq!(search.run(world, words), Some(1), "{words:?}");
        }
    }
    // A secret that somebody wrote into a document: the fault shows the place, not the word.
    let literal = search.plant("a password in a document");
    world.edit(
        "30-cluster.yaml",
        "      ports: [27017]\n",
        &format!("      ports: [27017]\n      environment: {{DB_PASSWORD: {literal}}}\n"),
    );
    for words in [&["validate"][..], &["validate", "--output", "json"], &["plan", "-vv"]] {
        assert_eq!(search.run(world, words), Some(3), "{words:?}");
    }
    world.edit("30-cluster.yaml", &format!("      environment: {{DB_PASSWORD: {literal}}}\n"), "");
    let fault = search.plant("a password in a document that is wrong otherwise");
    let secrets = "        MONGO_INITDB_ROOT_USERNAME:";
    world.edit("30-cluster.yaml", secrets, &format!("        DB_PASSWORD: {fault}\n{secrets}"));
    for words in [&["validate"][..], &["validate", "--output", "json"]] {
        search.run(world, words);
    }
    world.edit("30-cluster.yaml", &format!("        DB_PASSWORD: {fault}\n"), "");
}
