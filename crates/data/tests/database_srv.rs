//! `mongodb+srv`: the servers are found by a DNS look-up. The resolver asks whom `/etc/resolv.conf` names, so the look-up is made by a
//! process with a mount namespace and a `resolv.conf` of its own, and answered by a name server of this test.
//!
//! Both need root; elsewhere the test says that it was skipped.

mod support;

use std::net::UdpSocket;
use std::process::{Command, Stdio};

use bson::doc;
use meteoctl_data::mongo::{ConnectSpec, Server};
use support::Mongod;

/// An address of the loopback that nobody else answers DNS on.
const NAME_SERVER: &str = "127.0.0.77";
const CLUSTER: &str = "db.meteo.test";
const NODE: &str = "node1.meteo.test";

/// Types of records (RFC 1035, RFC 2782).
const A: u16 = 1;
const SRV: u16 = 33;

fn skipped(why: &str) {
    #[expect(clippy::print_stderr, reason = "a test that was skipped must not look as if it had passed")]
    {
        eprintln!("skipped: a_cluster_is_found_by_its_srv_record: {why}");
    }
}

#[test]
fn a_cluster_is_found_by_its_srv_record() {
    let unshared = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !unshared.is_ok_and(|status| status.success()) {
        return skipped("`unshare --mount` is not permitted here");
    }
    let Ok(socket) = UdpSocket::bind((NAME_SERVER, 53)) else { return skipped("port 53 cannot be opened here") };
    let mongod = Mongod::start(&[]);
    let port = mongod.port;
    std::thread::spawn(move || serve(&socket, port));
    let folder = tempfile::tempdir().unwrap();
    let resolv = folder.path().join("resolv.conf");
    std::fs::write(&resolv, format!("nameserver {NAME_SERVER}\noptions timeout:2 attempts:1\n")).unwrap();
    let inside =
        "mount --bind \"$1\" /etc/resolv.conf && exec \"$2\" --exact what_the_process_with_its_own_resolver_does --ignored --nocapture";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", inside, "sh"]).arg(&resolv).arg(std::env::current_exe().unwrap());
    let output = command.env("METEOCTL_TEST_SRV", port.to_string()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "part of a_cluster_is_found_by_its_srv_record, which runs it with a resolver of its own"]
async fn what_the_process_with_its_own_resolver_does() {
    let port = std::env::var("METEOCTL_TEST_SRV").expect("run by the other test");
    // The scheme switches TLS on; this server has none.
    let spec = ConnectSpec::new(format!("mongodb+srv://{CLUSTER}/?tls=false"));
    let server = Server::connect(&spec).await.unwrap();
    assert_eq!(server.name(), format!("{NODE}:{port}"));
    server.ping().await.unwrap();
    server.command("srv", &doc! {"insert": "c", "documents": [{"_id": 1}]}, "insert").await.unwrap();
    assert_eq!(server.count("srv", "c", doc! {}).await.unwrap(), 1);
    let error = Server::connect(&ConnectSpec::new("mongodb+srv://other.meteo.test/")).await.expect_err("there is no such record");
    assert!(error.hint.as_deref().unwrap_or_default().contains("SRV record"), "{:?}: {}", error.hint, error.story());
}

/// Answers every question until the test ends.
fn serve(socket: &UdpSocket, port: u16) {
    let mut packet = [0; 1500];
    while let Ok((length, client)) = socket.recv_from(&mut packet) {
        if let Some(answer) = answer(&packet[..length], port) {
            let _ = socket.send_to(&answer, client);
        }
    }
}

/// An authoritative answer to the one question of a packet (RFC 1035, section 4).
fn answer(packet: &[u8], port: u16) -> Option<Vec<u8>> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?);
    let question = packet.get(12..at + 4)?;
    let name = labels.join(".");
    let record = match (name.as_str(), kind) {
        (NODE, A) => Some([127, 0, 0, 1].to_vec()),
        (_, SRV) if name == format!("_mongodb._tcp.{CLUSTER}") => {
            // Priority 0, weight 0, port, target.
            let mut data = [[0, 0], [0, 0], port.to_be_bytes()].concat();
            for label in NODE.split('.') {
                data.push(u8::try_from(label.len()).ok()?);
                data.extend(label.as_bytes());
            }
            data.push(0);
            Some(data)
        }
        _ => None,
    };
    let known = name == NODE || name.ends_with(CLUSTER);
    // Response, authoritative, recursion wished and available; 3 = there is no such name.
    let mut answer = packet.get(..2)?.to_vec();
    answer.extend([0x85, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(record.is_some()), 0, 0, 0, 0]);
    answer.extend(question);
    if let Some(data) = record {
        // The name stands at byte 12; class IN; kept for a minute.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}
