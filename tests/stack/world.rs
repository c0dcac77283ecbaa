//! A world for one journey: its own desired state, account and database on the shared stack.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use meteoctl_aws::client::{Aws, StackIdentity};
use meteoctl_data::mongo::{ConnectSpec, Server};
use meteoctl_data::store::SharedStore;
use meteoctl_engine::tally::Tally;
use meteoctl_jobs::s3_store::S3Store;
use tempfile::TempDir;

use crate::outcome::{Outcome, Report};
use crate::random::ticks;

/// Documents that the samples of `cargo xtask samples` lead to.
pub const SAMPLE_DOCUMENTS: u64 = 960;

/// Name in the desired state, name among the vendors' real files.
const VENDOR_FILES: [(&str, &str); 3] = [
    ("infoclimat.json", "infoclimat_2024-10-05_2024-10-07.json"),
    ("ichtegem.xlsx", "weather_underground_ichtegem_be.xlsx"),
    ("la_madeleine.xlsx", "weather_underground_la_madeleine_fr.xlsx"),
];

/// The stack's addresses, when there is a stack.
#[derive(Clone)]
pub struct Addresses {
    pub moto: String,
    pub localstack: String,
    pub mongodb: String,
}

impl Addresses {
    /// From what `cargo xtask stack env --tests` prints.
    pub fn find(journey: &str) -> Option<Addresses> {
        if std::env::var_os("METEOCTL_TEST_STACK").is_none() {
            skipped(journey, "no stack is up; `cargo xtask test` brings it up");
            return None;
        }
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("METEOCTL_TEST_STACK is set, but {name} is not"));
        Some(Addresses {
            moto: variable("METEOCTL_TEST_MOTO_URL"),
            localstack: variable("METEOCTL_TEST_LOCALSTACK_URL"),
            mongodb: variable("METEOCTL_TEST_MONGODB_URI"),
        })
    }
}

/// Says that a journey was not taken, and why.
#[expect(clippy::print_stderr, reason = "a test that was skipped must not look as if it had passed")]
pub fn skipped(journey: &str, why: &str) {
    eprintln!("skipped: {journey}: {why}");
}

/// Says something that helps to repeat a journey.
#[expect(clippy::print_stderr, reason = "shown by the test harness when the journey fails")]
pub fn tell(what: &str) {
    eprintln!("{what}");
}

/// One journey's world.
pub struct World {
    /// Stands where `p8` stands in the reference stack.
    pub name: String,
    /// The clients, for what people do behind the tool's back.
    pub aws: Aws,
    /// The database server.
    pub server: Server,
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    /// A world on Moto, whose accounts keep journeys apart; `None` = no stack, and said so.
    pub fn new(journey: &str) -> Option<World> {
        let addresses = Addresses::find(journey)?;
        Some(World::with(journey, &addresses, &[("AWS_ENDPOINT_URL", addresses.moto.clone())]))
    }

    /// A world on LocalStack, with ECS and what belongs to it from Moto.
    pub fn on_localstack(journey: &str) -> Option<World> {
        let addresses = Addresses::find(journey)?;
        let from_moto =
            ["AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_ECS", "AWS_ENDPOINT_URL_EFS"];
        let mut endpoints = vec![("AWS_ENDPOINT_URL", addresses.localstack.clone())];
        endpoints.extend(from_moto.map(|variable| (variable, addresses.moto.clone())));
        Some(World::with(journey, &addresses, &endpoints))
    }

    fn with(journey: &str, addresses: &Addresses, endpoints: &[(&'static str, String)]) -> World {
        let number = ticks();
        // Both emulators take an access key of twelve digits for the account.
        let account = format!("{:012}", 100_000_000_000 + number % 900_000_000_000);
        let name = format!("t{:06x}", number >> 40);
        tell(&format!("{journey}: names begin with {name}, account {account}"));
        let mut variables = vec![
            ("AWS_ACCESS_KEY_ID", account.clone()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "eu-west-3".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("MONGO_URI", addresses.mongodb.clone()),
        ];
        variables.extend(endpoints.iter().cloned());
        let runtime = tokio::runtime::Runtime::new().expect("starts a runtime");
        let (aws, server) = runtime.block_on(async {
            let endpoint = |service: &str| endpoints.iter().rev().find(|(variable, _)| variable.ends_with(service)).map(|(_, url)| url);
            // By hand only EC2 and ECS are spoken to besides what the general address serves.
            let aws = clients(&account, &endpoints[0].1, endpoint("_ECS").unwrap_or(&endpoints[0].1)).await;
            let server = Server::connect(&ConnectSpec::new(&addresses.mongodb)).await.expect("the stack's MongoDB is reached");
            (aws, server)
        });
        let folder = tempfile::tempdir().expect("makes a folder");
        copy_desired_state(folder.path(), &name);
        World { name, aws, server, folder, variables, runtime }
    }

    /// The small samples as sources.
    pub fn with_samples(self) -> World {
        let sources = self.sources();
        let beside = Path::new(env!("CARGO_BIN_EXE_meteoctl")).with_file_name(format!("xtask{}", std::env::consts::EXE_SUFFIX));
        let mut command = if beside.exists() {
            Command::new(beside)
        } else {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["run", "--quiet", "--package", "xtask", "--"]);
            cargo
        };
        let made = command
            .arg("samples")
            .arg(&sources)
            .current_dir(root())
            .env("CARGO_MANIFEST_DIR", root().join("crates/xtask"))
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("xtask starts").success(), "cargo xtask samples {}", sources.display());
        self
    }

    /// The vendors' real files as sources.
    pub fn with_vendor_files(self, data: &Path) -> World {
        std::fs::create_dir_all(self.sources()).expect("makes a folder");
        for (name, vendor) in VENDOR_FILES {
            std::fs::copy(data.join("sources").join(vendor), self.sources().join(name)).unwrap_or_else(|error| panic!("{vendor}: {error}"));
        }
        self
    }

    /// Where `from: sources/…` points.
    pub fn sources(&self) -> PathBuf {
        self.folder.path().join("sources")
    }

    /// Makes the bucket alone, as somebody else's pipeline would find it before the first apply.
    pub fn make_bucket(&self) {
        self.run_on(&["00-stack.yaml", "10-storage.yaml"], &["apply", "--yes"]).expect(0);
    }

    /// Changes the text of one file of the desired state; the text to replace must be there.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = std::fs::read_to_string(&path).expect("reads the desired state");
        let from = from.replace("p8", &self.name);
        assert!(text.contains(&from), "{file} does not hold `{from}`");
        std::fs::write(&path, text.replace(&from, &to.replace("p8", &self.name))).expect("writes the desired state");
    }

    /// Adds text at the end of one file of the desired state.
    pub fn append(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        let old = std::fs::read_to_string(&path).expect("reads the desired state");
        std::fs::write(&path, old + &text.replace("p8", &self.name)).expect("writes the desired state");
    }

    /// Takes sources, dataset and quality report out of the desired state; this stands in the collection in their place.
    #[track_caller]
    pub fn without_dataset(&self, instead: &str) {
        std::fs::remove_file(self.folder.path().join("40-sources.yaml")).expect("removes the sources");
        let path = self.folder.path().join("50-data.yaml");
        let text = std::fs::read_to_string(&path).expect("reads the desired state");
        let collection = &text[text.find("kind: Collection").expect("there is a collection")..];
        let mut kept: Vec<&str> = collection.lines().filter(|line| !line.starts_with("  requires:")).collect();
        let at = kept.iter().position(|line| line.starts_with("  dataset:")).expect("it names its dataset");
        let instead = instead.trim_end().replace("p8", &self.name);
        kept[at] = &instead;
        std::fs::write(&path, format!("apiVersion: meteoctl/v1\n{}\n", kept.join("\n"))).expect("writes the desired state");
    }

    /// Leaves the filling of one source's prefix to Airbyte: its document no longer says where the vendor's file lies.
    #[track_caller]
    pub fn without_vendor_file(&self, file: &str) {
        let path = self.folder.path().join("40-sources.yaml");
        let text = std::fs::read_to_string(&path).expect("reads the desired state");
        let mut lines: Vec<&str> = text.lines().collect();
        let from = format!("  from: sources/{file}");
        let at = lines.iter().position(|line| line.starts_with(&from)).unwrap_or_else(|| panic!("no `{from}`"));
        assert!(lines[at + 1].starts_with("  mode:"), "after `{from}` comes `{}`", lines[at + 1]);
        lines.drain(at..at + 2);
        std::fs::write(&path, lines.join("\n")).expect("writes the desired state");
    }

    /// Points the binary to another address than the stack's, or gives it another key.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.to_owned()));
    }

    /// What the binary is given for a variable.
    pub fn variable(&self, variable: &str) -> String {
        self.variables.iter().find(|(name, _)| *name == variable).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// A bucket of this world as the jobs see it.
    pub fn bucket_store(&self, name: &str) -> SharedStore {
        let address = self.variable("AWS_ENDPOINT_URL");
        let aws = self.wait(clients(&self.variable("AWS_ACCESS_KEY_ID"), &address, &address));
        Arc::new(S3Store::new(Arc::new(aws), self.named(name)))
    }

    /// Starts the binary on this world's desired state.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(&[""], arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("meteoctl starts")
    }

    /// The name a thing of the reference stack has in this world.
    pub fn named(&self, name: &str) -> String {
        name.replace("p8", &self.name)
    }

    /// The database's name.
    pub fn database(&self) -> String {
        self.named("p8_greenandcoop_forecast")
    }

    /// Runs the binary on this world's desired state.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_on(&[""], arguments)
    }

    /// Runs the binary on some files of this world's desired state.
    pub fn run_on(&self, files: &[&str], arguments: &[&str]) -> Outcome {
        let output = self.command(files, arguments).output().expect("meteoctl starts");
        Outcome::of(arguments, output)
    }

    /// Starts an apply and does not wait for it.
    pub fn start_apply(&self) -> Child {
        let mut command = self.command(&[""], &["apply", "--yes", "--output", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("meteoctl starts")
    }

    /// Applies, and expects that it converges.
    #[track_caller]
    pub fn apply(&self) -> Report {
        self.run(&["apply", "--yes", "--output", "json"]).expect(0).report().converged()
    }

    /// Waits for something that is asked of a service.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The binary with this world's environment, not started yet.
    pub fn command(&self, files: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meteoctl"));
        let foreign = |name: &str| name.starts_with("AWS_") || name.starts_with("METEOCTL_") || name == "MONGO_URI";
        for (name, _) in std::env::vars_os().filter(|(name, _)| foreign(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (*name, value))).env("NO_COLOR", "1").stdin(Stdio::null());
        command.args(arguments);
        for file in files {
            command.arg("-f").arg(self.folder.path().join(file));
        }
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed journey left behind is worth a look.
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            tell(&format!("the desired state stays in {}", self.folder.path().display()));
            return;
        }
        let databases = [self.database(), format!("{}_restored", self.database())];
        for database in databases {
            let drop = bson::doc! {"dropDatabase": 1};
            let _ = self.wait(self.server.command(&database, &drop, "drop the journey's database"));
        }
    }
}

/// The folder with the workspace's Cargo.toml.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The real files, or `None` and said so.
pub fn real_data(journey: &str) -> Option<PathBuf> {
    let folder = root().join("../shared/data");
    if folder.join("sources").is_dir() && folder.join("raw").is_dir() {
        return Some(folder);
    }
    skipped(journey, "there is no ../shared/data beside the workspace");
    None
}

fn copy_desired_state(folder: &Path, name: &str) {
    for entry in std::fs::read_dir(root().join("desired-state/p8")).expect("the reference stack is there").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("reads a file of the reference stack");
        std::fs::write(folder.join(entry.file_name()), text.replace("p8", name)).expect("writes the desired state");
    }
}

/// Clients of this account: ECS and EC2 at one address, all others at another.
async fn clients(account: &str, general: &str, for_tasks: &str) -> Aws {
    let config = |endpoint: &str| {
        let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("eu-west-3"));
        loader.endpoint_url(endpoint).credentials_provider(Credentials::new(account, "test", None, None, "test"))
    };
    let (general, for_tasks) = (config(general).load().await, config(for_tasks).load().await);
    let mut aws = Aws::new(&general, StackIdentity::default(), Tally::new());
    let tasks = Aws::new(&for_tasks, StackIdentity::default(), Tally::new());
    (aws.ec2, aws.ecs) = (tasks.ec2, tasks.ecs);
    aws
}
