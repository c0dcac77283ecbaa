//! GET and POST to a server on loopback: all the HTTP that chores need, without a client library in the build.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// Answers larger than this are cut off: no answer a chore reads comes near it.
const LARGEST_ANSWER: u64 = 4 << 20;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub body: String,
}

impl Answer {
    /// Tells whether the status is in the 200s.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Asks `http://127.0.0.1:{port}{path}`; with a body it is a POST of JSON, without one a GET.
///
/// The request is HTTP/1.0: the server then closes the connection after the answer and may not send it in chunks.
///
/// # Errors
/// When nothing answers within `patience`, or the answer is not HTTP.
pub fn ask(port: u16, path: &str, body: Option<&str>, patience: Duration) -> Result<Answer> {
    let verb = if body.is_some() { "POST" } else { "GET" };
    let doing = || format!("asking {verb} http://127.0.0.1:{port}{path}");
    let body = body.unwrap_or_default();
    let mut stream = connect(port, patience).with_context(doing)?;
    let length = body.len();
    let request = format!(
        "{verb} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).with_context(doing)?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut answer).map_err(|error| silence(error, patience)).with_context(doing)?;
    parse(&String::from_utf8_lossy(&answer)).with_context(doing)
}

/// The system's word for a read that gave up says nothing of time.
fn silence(error: std::io::Error, patience: Duration) -> anyhow::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => anyhow!("no answer within {} s", patience.as_secs_f64()),
        _ => error.into(),
    }
}

/// Opens a connection to a port on loopback whose reads and writes give up after `patience`.
///
/// # Errors
/// When nothing listens there.
pub fn connect(port: u16, patience: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

fn parse(answer: &str) -> Result<Answer> {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("the answer has no end of its head: {answer:.60?}") };
    let mut words = head.split_ascii_whitespace();
    let protocol = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse().ok());
    match status {
        Some(status) if protocol.starts_with("HTTP/1.") => Ok(Answer { status, body: body.to_owned() }),
        _ => bail!("the answer is not HTTP: {head:.60?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.1 201 CREATED\r\nServer: x\r\n\r\n{\"a\": 1}\r\n\r\n").expect("parses");
        assert_eq!((answer.status, answer.body.as_str()), (201, "{\"a\": 1}\r\n\r\n"));
        assert!(answer.is_success());
        assert!(parse("SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(parse("HTTP/1.1 200 OK").is_err());
    }

    #[test]
    fn silence_is_told_in_seconds() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let port = listener.local_addr().expect("has an address").port();
        let error = ask(port, "/reset", None, Duration::from_millis(50)).expect_err("nobody answers");
        assert!(format!("{error:#}").ends_with("/reset: no answer within 0.05 s"), "{error:#}");
    }

    #[test]
    fn a_body_is_posted_whole() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let port = listener.local_addr().expect("has an address").port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepts");
            let mut seen = [0; 512];
            let count = stream.read(&mut seen).expect("reads");
            stream.write_all(b"HTTP/1.0 204 No Content\r\n\r\n").expect("writes");
            String::from_utf8_lossy(&seen[..count]).into_owned()
        });
        let answer = ask(port, "/reset", Some("{}"), Duration::from_secs(5)).expect("answers");
        assert_eq!(answer.status, 204);
        let seen = server.join().expect("server ends");
        assert!(seen.starts_with("POST /reset HTTP/1.0\r\n") && seen.ends_with("Content-Length: 2\r\n\r\n{}"), "{seen}");
    }

    #[test]
    fn nobody_there_is_an_error_that_names_the_address() {
        let port = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
            listener.local_addr().expect("has an address").port()
        };
        let error = ask(port, "/health", None, Duration::from_secs(1)).expect_err("nobody listens");
        assert_eq!(error.to_string(), format!("asking GET http://127.0.0.1:{port}/health"));
    }
}
