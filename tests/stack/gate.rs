//! A proxy in front of an emulator that lets calls through in waves, so that round trips can be counted instead of timed.
//!
//! A wave is everything the program has asked for while it could do nothing else: the gate opens when calls wait and the
//! program sleeps. So the number of waves is the longest chain of calls of which each needed the answer of the one before,
//! whatever the machine is doing besides. A call that comes late makes a wave more, never one less.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How the proxy treats a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// In waves.
    InWaves,
    /// After so many milliseconds.
    After(u64),
    /// At once, but calls that name this operation (in small letters) wait until the gate is opened.
    AllBut(&'static str),
}

/// The program must have slept so many samples in a row before a wave passes.
const ASLEEP: u32 = 8;
/// Time between two samples.
const SAMPLE: Duration = Duration::from_millis(5);

#[derive(Default)]
struct State {
    /// Calls that wait for their wave.
    waiting: u64,
    /// Calls that have passed and are not answered yet.
    under_way: u64,
    /// Waves that have passed.
    waves: u64,
    /// Calls that have come.
    calls: Vec<String>,
}

struct Shared {
    state: Mutex<State>,
    opened: Condvar,
    program: AtomicU64,
    over: AtomicBool,
    pass: Pass,
    upstream: SocketAddr,
}

/// The proxy; it ends when this is dropped.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Gate {
    /// In front of `http://host:port`.
    pub fn before(url: &str, pass: Pass) -> Gate {
        let upstream = url.trim_start_matches("http://").trim_end_matches('/').replace("localhost", "127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            opened: Condvar::new(),
            program: AtomicU64::new(0),
            over: AtomicBool::new(false),
            pass,
            upstream: upstream.parse().expect("host:port of an emulator"),
        });
        let gate = Gate { address: listener.local_addr().expect("an address"), shared: shared.clone() };
        let for_calls = shared.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if for_calls.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = for_calls.clone();
                std::thread::spawn(move || serve(connection, &shared));
            }
        });
        if pass == Pass::InWaves {
            std::thread::spawn(move || open_in_waves(&shared));
        }
        gate
    }

    /// Lets everything through that waits, and everything that comes.
    pub fn open(&self) {
        self.shared.state.lock().expect("a lock").waves += 1;
        self.shared.opened.notify_all();
    }

    /// Where the program is to call.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whose sleep is watched.
    pub fn watch(&self, program: u32) {
        self.shared.program.store(u64::from(program), Ordering::SeqCst);
    }

    /// Waves that have passed, and the calls that have come.
    pub fn seen(&self) -> (u64, Vec<String>) {
        let state = self.shared.state.lock().expect("a lock");
        (state.waves, state.calls.clone())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn open_in_waves(shared: &Shared) {
    let (mut asleep, mut known) = (0, 0);
    while !shared.over.load(Ordering::SeqCst) {
        std::thread::sleep(SAMPLE);
        let mut state = shared.state.lock().expect("a lock");
        let quiet = state.waiting > 0 && state.under_way == 0 && state.waiting == known && sleeps(shared.program.load(Ordering::SeqCst));
        known = state.waiting;
        asleep = if quiet { asleep + 1 } else { 0 };
        if asleep >= ASLEEP {
            (state.under_way, state.waiting, known, asleep) = (state.waiting, 0, 0, 0);
            state.waves += 1;
            shared.opened.notify_all();
        }
    }
}

/// Whether every thread of the program sleeps, so that nothing more comes by itself. Where that cannot be told, it does.
fn sleeps(program: u64) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{program}/task")) else { return true };
    let running = |stat: String| !matches!(stat.rsplit(") ").next().and_then(|rest| rest.chars().next()), Some('S'));
    !threads.flatten().any(|thread| std::fs::read_to_string(thread.path().join("stat")).is_ok_and(running))
}

/// One call: read, held, passed on, answered. One call a connection keeps this simple.
fn serve(mut connection: TcpStream, shared: &Shared) {
    let Some((head, body)) = request(&mut connection) else { return };
    hold(shared, &head);
    let answer = pass_on(shared.upstream, &head, &body).unwrap_or_else(|error| panic!("the emulator is reached: {error}"));
    // Under way until the answer is with the program: from then on its threads tell whether it has more to ask.
    let _ = connection.write_all(&answer);
    let _ = connection.shutdown(std::net::Shutdown::Write);
    let mut state = shared.state.lock().expect("a lock");
    state.under_way = state.under_way.saturating_sub(1);
}

fn hold(shared: &Shared, head: &str) {
    let target = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("x-amz-target:").map(str::to_owned));
    let first = head.lines().next().unwrap_or_default();
    let mut state = shared.state.lock().expect("a lock");
    let call = format!("{first}{}", target.unwrap_or_default());
    state.calls.push(call.clone());
    match shared.pass {
        Pass::InWaves => {
            state.waiting += 1;
            let wave = state.waves;
            drop(shared.opened.wait_while(state, |state| state.waves == wave).expect("a lock"));
        }
        Pass::After(millis) => {
            drop(state);
            std::thread::sleep(Duration::from_millis(millis));
        }
        Pass::AllBut(operation) if call.contains(operation) => {
            drop(shared.opened.wait_while(state, |state| state.waves == 0).expect("a lock"));
        }
        Pass::AllBut(_) => {}
    }
}

fn request(connection: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut some) = (Vec::new(), [0; 16 << 10]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match connection.read(&mut some) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&some[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let field =
        |name: &str| head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()));
    if field("expect:").is_some_and(|value| value == "100-continue") {
        connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length: usize = field("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(end);
    while body.len() < length {
        match connection.read(&mut some) {
            Ok(count) if count > 0 => body.extend_from_slice(&some[..count]),
            _ => return None,
        }
    }
    Some((head, body))
}

fn pass_on(upstream: SocketAddr, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let kept = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.is_empty() && !line.starts_with("connection:") && !line.starts_with("expect:")
    });
    let head: String = kept.map(|line| format!("{line}\r\n")).chain(["Connection: close\r\n\r\n".to_owned()]).collect();
    let mut connection = TcpStream::connect(upstream)?;
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(answer)
}
