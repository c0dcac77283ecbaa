//! The servers people have: replica sets, authentication, TLS with a private CA, elections in the middle of things.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bson::doc;
use chrono::Utc;
use meteoctl_data::backup::{self, BackupSpec, Consistency};
use meteoctl_data::import::{ImportSpec, Progress, look, run};
use meteoctl_data::mongo::{ConnectSpec, Credentials, Server, Topology};
use meteoctl_data::restore::{self, RestoreSpec};
use meteoctl_data::store::Memory;
use support::{Mongod, dataset, lines};

/// Makes servers into one replica set and waits for its primary.
async fn initiate(nodes: &[Mongod]) -> Server {
    let members: Vec<bson::Document> =
        nodes.iter().zip(0..).map(|(node, id)| doc! {"_id": id, "host": format!("127.0.0.1:{}", node.port)}).collect();
    let config = doc! {"_id": "rs", "members": members, "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}};
    let direct = Server::connect(&ConnectSpec::new(format!("{}?directConnection=true", nodes[0].uri()))).await.unwrap();
    direct.command("admin", &doc! {"replSetInitiate": config}, "initiate").await.unwrap();
    let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let set = Server::connect(&ConnectSpec::new(format!("mongodb://{}/?replicaSet=rs", hosts.join(",")))).await.unwrap();
    set.repeatable("admin", &doc! {"ping": 1}, "wait for a primary").await.unwrap();
    // A write by the majority shows that all of it works.
    set.create("ready", "ready", &doc! {}).await.unwrap();
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_replica_set_is_one_snapshot() {
    let nodes = [Mongod::start(&["--replSet", "rs"])];
    let server = initiate(&nodes).await;
    assert_eq!(server.describe().await.unwrap().topology, Topology::ReplicaSet("rs".into()));
    // A writer that always fills `a_first` before `b_second`: at any instant they differ by one at most.
    let writing = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn({
        let (server, writing) = (server.clone(), writing.clone());
        async move {
            let mut n = 0_i64;
            while writing.load(Ordering::Relaxed) {
                for name in ["a_first", "b_second"] {
                    let command = doc! {"insert": name, "documents": [{"_id": n, "padding": "x".repeat(2000)}]};
                    server.command("pair", &command, "write").await.unwrap();
                }
                n += 1;
            }
            n
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let store = Memory::new();
    let outcome = backup::run(&server, &BackupSpec::new("pair", "b/"), &store, Utc::now(), &|_| {}).await.unwrap();
    writing.store(false, Ordering::Relaxed);
    let written = writer.await.unwrap();
    let counts: Vec<u64> = outcome.manifest.collections.iter().map(|collection| collection.digest.count).collect();
    assert!(counts[0] - counts[1] <= 1 && counts[0] > 0 && counts[1] < written as u64, "{counts:?} of {written}");
    assert!(matches!(outcome.manifest.consistency, Consistency::Snapshot { .. }));
    let spec = RestoreSpec { into: Some("copy".into()), ..RestoreSpec::new(outcome.manifest.archive) };
    assert_eq!(restore::run(&server, &spec, &store, &|_| {}).await.unwrap().documents, counts[0] + counts[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_survives_the_death_of_the_primary() {
    let mut nodes = vec![Mongod::start(&["--replSet", "rs"]), Mongod::start(&["--replSet", "rs"]), Mongod::start(&["--replSet", "rs"])];
    let server = initiate(&nodes).await;
    let hello = server.command("admin", &doc! {"hello": 1}, "find the primary").await.unwrap();
    let primary = hello.get_str("primary").unwrap().to_owned();
    let position = nodes.iter().position(|node| primary.ends_with(&format!(":{}", node.port))).unwrap();
    let victim = Mutex::new(Some(nodes.swap_remove(position)));
    let store = Memory::new();
    let lines = lines(10, 40, 144);
    let manifest = dataset(&store, &lines).await;
    let spec = ImportSpec::new("p8", "weather_data");
    let state = look(&server, &spec, &manifest, false).await.unwrap();
    let killed_at = Mutex::new(None);
    let assassin = |progress| {
        if let Progress::Loading { written, .. } = progress
            && written > 10_000
            && let Some(mut primary) = victim.lock().unwrap().take()
        {
            primary.kill();
            *killed_at.lock().unwrap() = Some(written);
        }
    };
    let outcome = run(&server, &spec, &store, &manifest, &state, &assassin).await.unwrap();
    let killed_at = killed_at.into_inner().unwrap().expect("the primary was killed");
    assert!(killed_at < manifest.documents, "killed after {killed_at} documents");
    assert_eq!(outcome.documents_in_database, manifest.documents);
    let after = look(&server, &spec, &manifest, true).await.unwrap();
    assert!(after.in_sync() && after.recorded, "{}", after.headline());
}

#[tokio::test(flavor = "multi_thread")]
async fn scram_sha_256_lets_in_with_the_right_password_only() {
    let mongod = Mongod::start(&["--auth"]);
    let user = doc! {"createUser": "meteo", "pwd": "s3cret/&@:", "roles": ["root"], "mechanisms": ["SCRAM-SHA-256"]};
    // The localhost exception: the first user may be made without logging in.
    mongod.connect().await.command("admin", &user, "create the user").await.unwrap();
    let connect = |password: &str| ConnectSpec {
        credentials: Some(Credentials { username: "meteo".into(), password: password.into(), auth_source: None }),
        ..ConnectSpec::new(mongod.uri())
    };
    assert!(!format!("{:?}", connect("s3cret/&@:")).contains("s3cret"));
    let server = Server::connect(&connect("s3cret/&@:")).await.unwrap();
    let store = Memory::new();
    let manifest = dataset(&store, &lines(1, 1, 24)).await;
    let spec = ImportSpec::new("p8", "weather_data");
    let state = look(&server, &spec, &manifest, false).await.unwrap();
    assert_eq!(run(&server, &spec, &store, &manifest, &state, &|_| {}).await.unwrap().inserted, 24);

    let began = Instant::now();
    let wrong = Server::connect(&connect("not-the-password")).await.unwrap();
    let error = wrong.ping().await.unwrap_err();
    assert!(!error.transient && error.hint.as_deref().unwrap().starts_with("check user name, password"), "{}", error.story());
    assert!(!error.story().contains("not-the-password") && began.elapsed() < Duration::from_secs(10), "{}", error.story());
    let nobody = mongod.connect().await;
    let error = nobody.collections("p8").await.unwrap_err();
    assert!(!error.transient && error.hint.is_some(), "{}", error.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_private_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, server_pem) = certificates();
    let (ca_file, pem_file) = (folder.path().join("ca.pem"), folder.path().join("server.pem"));
    std::fs::write(&ca_file, authority).unwrap();
    std::fs::write(&pem_file, server_pem).unwrap();
    let mongod = Mongod::start(&["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", pem_file.to_str().unwrap()]);
    let secure = ConnectSpec { tls_ca_file: Some(ca_file), ..ConnectSpec::new(mongod.uri()) };
    Server::connect(&secure).await.unwrap().ping().await.unwrap();
    let short = Duration::from_secs(1);
    let plain = ConnectSpec { selection_timeout: short, ..ConnectSpec::new(mongod.uri()) };
    assert!(Server::connect(&plain).await.unwrap().ping().await.is_err());
    let untrusted = ConnectSpec { selection_timeout: short, ..ConnectSpec::new(format!("{}?tls=true", mongod.uri())) };
    let error = Server::connect(&untrusted).await.unwrap().ping().await.unwrap_err();
    assert!(error.story().contains("UnknownIssuer") && error.hint.is_some(), "{}", error.story());
    let absent = ConnectSpec { tls_ca_file: Some(folder.path().join("absent.pem")), ..ConnectSpec::new(mongod.uri()) };
    let error = Server::connect(&absent).await.expect_err("no such file");
    assert!(error.hint.as_deref().unwrap().contains("CA file"), "{}", error.story());
}

/// A private authority, and a server certificate for 127.0.0.1 with its key.
fn certificates() -> (String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::from_params(&params, &key);
    let server_key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    server.distinguished_name.push(rcgen::DnType::CommonName, "mongod");
    let server = server.signed_by(&server_key, &issuer).unwrap();
    (authority.pem(), format!("{}{}", server.pem(), server_key.serialize_pem()))
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_and_misspelt_servers_are_explained() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let spec =
        ConnectSpec { selection_timeout: Duration::from_millis(500), ..ConnectSpec::new(format!("mongodb://u:secret@127.0.0.1:{free}/")) };
    let error = Server::connect(&spec).await.unwrap().ping().await.unwrap_err();
    assert!(error.transient && error.hint.as_deref().unwrap().contains("security group"), "{}", error.story());
    assert!(!error.story().contains("secret"), "{}", error.story());
    let form = "mongodb+srv://host";
    let cases = [("http://u:secret@host/", form), ("mongodb://u:secret@", form), ("mongodb+srv://u:secret@nowhere.invalid/", "SRV record")];
    for (uri, next) in cases {
        let error = Server::connect(&ConnectSpec::new(uri)).await.expect_err(uri);
        assert!(error.hint.as_deref().unwrap().contains(next), "{uri}: {:?}: {}", error.hint, error.story());
        assert!(!error.story().contains("secret"), "{uri}: {}", error.story());
    }
}
