//! A database that speaks TLS alone, with an authority of its own, through the documents.

use std::process::{Child, Command, Stdio};

use crate::vendor::certificate;
use crate::world::{SAMPLE_DOCUMENTS, World};

/// A server of this journey; it ends with it.
struct Mongod(Child);

impl Drop for Mongod {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_private_authority_is_trusted_where_the_collection_names_it() {
    let Some(world) = World::new("a_private_authority_is_trusted_where_the_collection_names_it") else { return };
    let mut world = world.with_samples();
    let folder = tempfile::tempdir().expect("makes a folder");
    let (server, own) = certificate(&world.sources().with_file_name("authority.pem"));
    let pem = folder.path().join("server.pem");
    std::fs::write(&pem, format!("{}{}", server.pem(), own.serialize_pem())).expect("writes the certificate");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
    let binary = std::env::var("METEOCTL_TEST_MONGOD").expect("the stack says where mongod is");
    let mut command = Command::new(binary);
    command.args(["--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]);
    command.arg("--dbpath").arg(folder.path()).args(["--tlsMode", "requireTLS", "--tlsCertificateKeyFile"]).arg(&pem);
    let _mongod = Mongod(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mongod starts"));
    world.set("MONGO_URI", &format!("mongodb://localhost:{port}/?tls=true"));

    let refused = world.run(&["apply", "--yes", "--timeout", "15s"]).expect(1);
    refused.says(&["Service/mongodb", "UnknownIssuer"]);
    world.edit(
        "50-data.yaml",
        "  credentials: {ref: Secret/p8/mongodb}\n",
        "  credentials: {ref: Secret/p8/mongodb}\n  tlsCaFile: authority.pem\n",
    );
    let made = world.apply();
    assert_eq!(made.line("Collection/weather")["outputs"]["documents"], SAMPLE_DOCUMENTS, "{:#}", made.0);
    world.apply().changed_nothing();
    world.run(&["restore", "latest", "--into", "restored"]).expect(0).says(&[&SAMPLE_DOCUMENTS.to_string()]);

    // A drill on a server of its own names the authority itself.
    world.set("SCRATCH_URI", &format!("mongodb://localhost:{port}/?tls=true"));
    let elsewhere = "    server: {uriFromEnv: SCRATCH_URI}\n";
    world.edit("60-backup.yaml", "    everyDays: 7 ", &format!("{elsewhere}    everyDays: 7 "));
    world.run(&["run", "drill", "--timeout", "15s"]).expect(1).says(&["Backup/nightly", "UnknownIssuer"]);
    world.edit("60-backup.yaml", elsewhere, &format!("{elsewhere}    tlsCaFile: authority.pem\n"));
    world.run(&["run", "drill"]).expect(0).says(&["drill: ", "all as they were"]);
}
