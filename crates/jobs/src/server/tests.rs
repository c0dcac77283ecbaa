//! A Service's own endpoint, entered with the credentials that its Secret holds.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use aws_types::SdkConfig;
use aws_types::region::Region;
use bson::doc;
use meteoctl_aws::client::{Aws, StackIdentity};
use meteoctl_engine::tally::Tally;
use serde_json::json;

use super::*;
use crate::context::Forced;

/// A server with authentication that ends with the test.
struct Guarded {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Guarded {
    fn start(binary: &str) -> Guarded {
        let folder = tempfile::tempdir().expect("makes a folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut command = Command::new(binary);
        command
            .args(["--auth", "--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--port"])
            .arg(port.to_string());
        command.arg("--dbpath").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("mongod starts");
        let until = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "mongod does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Guarded { child, port, _folder: folder }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn context(aws: Arc<Aws>, mongodb_uri: Option<String>) -> JobContext {
    let listener = meteoctl_engine::event::silent();
    JobContext {
        aws,
        listener,
        mongodb_uri,
        variables: Default::default(),
        authorities: Vec::new(),
        deep: false,
        forced: Forced::default(),
        recall: Default::default(),
        replay: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_lets_in_and_nothing_else_does() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(moto), Some(mongod)) = (variable("METEOCTL_TEST_MOTO_URL"), variable("METEOCTL_TEST_MONGOD")) else {
        tracing::warn!("skipped: no stack is up");
        return;
    };
    let guarded = Guarded::start(&mongod);
    let endpoint = format!("127.0.0.1:{}", guarded.port);
    let credentials = aws_sdk_s3::config::Credentials::new("912345678901", "test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(credentials))
        .endpoint_url(moto)
        .build();
    let aws = Arc::new(Aws::new(&config, StackIdentity::default(), Tally::new()));
    let name = format!("scram-{}", guarded.port);
    let password = "s3cret/&@: of some length";
    let value = json!({"username": "meteo", "password": password}).to_string();
    let made = aws.secrets.create_secret().name(&name).secret_string(value).send().await.expect("makes a secret");
    let context = context(aws, None);

    // The localhost exception: the first user may be made without logging in.
    let open = Connection { endpoint: Some(endpoint.clone()), uri_from_env: None, secret: None, tls_ca_file: None };
    let user = doc! {"createUser": "meteo", "pwd": password, "roles": ["root"], "mechanisms": ["SCRAM-SHA-256"]};
    open.open(&context).await.expect("prepares").command("admin", &user, "create the user").await.expect("makes the user");

    let entered = Connection { secret: made.arn().map(str::to_owned), ..open.clone() };
    assert!(entered.open(&context).await.expect("connects").collections("p8").await.expect("is let in").is_empty());
    let refused = open.open(&context).await.expect("connects").collections("p8").await.expect_err("nobody is let in");
    assert!(!refused.transient && refused.hint.is_some(), "{}", refused.story());
    assert!(!serde_json::to_string(&entered).expect("is text").contains(password), "what is told to others holds no secret");
}
