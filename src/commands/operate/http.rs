//! Three pages over HTTP/1.1: /healthz, /readyz, /metrics. One request a connection, no body read, everything bounded.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::metrics::Health;

/// Most connections answered at once; others wait in the system's queue.
const MOST: usize = 32;
/// Most bytes of a request's head.
const HEAD: usize = 8 << 10;
/// Time a connection has in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection (no descriptors left): asking again at once would only burn time.
const BREATH: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";
/// RFC-like name of OpenMetrics' text format, which Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until the end; without a listener it only waits.
pub async fn serve(listener: Option<TcpListener>, health: &Health) {
    let Some(listener) = listener else { return std::future::pending().await };
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if open.len() < MOST => match accepted {
                Ok((connection, _)) => open.push(tokio::time::timeout(PATIENCE, answer(connection, health))),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(BREATH).await;
                }
            },
            // A client that went away or was too slow is its own affair.
            Some(_) = open.next(), if !open.is_empty() => {}
        }
    }
}

async fn answer(mut connection: TcpStream, health: &Health) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD {
        match connection.read(&mut buffer).await? {
            0 => return Ok(()),
            count => head.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
    connection.write_all(&response(&head, health)).await?;
    connection.shutdown().await
}

/// The whole answer to a request's head.
fn response(head: &[u8], health: &Health) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let or_503 = |(fine, text): (bool, String)| if fine { ("200 OK", PLAIN, text) } else { ("503 Service Unavailable", PLAIN, text) };
    let (status, kind, body) = match (version.starts_with("HTTP/1."), method, path) {
        (false, _, _) => ("400 Bad Request", PLAIN, "this is not HTTP/1\n".to_owned()),
        (true, "GET" | "HEAD", "/healthz") => or_503(health.alive()),
        (true, "GET" | "HEAD", "/readyz") => or_503(health.ready()),
        (true, "GET" | "HEAD", "/metrics") => ("200 OK", OPEN_METRICS, health.metrics()),
        (true, "GET" | "HEAD", _) => ("404 Not Found", PLAIN, "there are /healthz, /readyz and /metrics\n".to_owned()),
        (true, _, _) => ("405 Method Not Allowed", PLAIN, "only GET and HEAD\n".to_owned()),
    };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n");
    if method == "HEAD" { head.into_bytes() } else { (head + &body).into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(head: &str) -> String {
        String::from_utf8(response(head.as_bytes(), &Health::new(Duration::from_secs(60)))).expect("text")
    }

    #[test]
    fn every_page_has_its_status() {
        let status = |head: &str| asked(head).split(' ').nth(1).map(str::to_owned).expect("a status");
        assert_eq!(status("GET /healthz HTTP/1.1\r\n\r\n"), "200");
        assert_eq!(status("GET /readyz HTTP/1.1\r\n\r\n"), "503");
        assert_eq!(status("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), "200");
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), "404");
        assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n"), "405");
        assert_eq!(status("nonsense"), "400");
        assert_eq!(status(""), "400");
    }

    #[test]
    fn the_length_is_that_of_the_body_and_a_head_has_none() {
        let whole = asked("GET /metrics HTTP/1.1\r\n\r\n");
        let (head, body) = whole.split_once("\r\n\r\n").expect("head and body");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(body.ends_with("# EOF\n"));
        assert!(asked("HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_keeps_nobody_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let health = Health::new(Duration::from_secs(60));
        let client = async {
            let _silent = TcpStream::connect(address).await.expect("connects");
            let mut speaking = TcpStream::connect(address).await.expect("connects");
            speaking.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.expect("writes");
            speaking.write_all(b"\r\n").await.expect("writes");
            let mut text = String::new();
            speaking.read_to_string(&mut text).await.expect("reads to the end");
            text
        };
        tokio::select! {
            text = client => assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}"),
            () = serve(Some(listener), &health) => panic!("a server does not end"),
        }
    }
}
