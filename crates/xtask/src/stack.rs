//! The development stack: LocalStack, Moto and a real `mongod`, without a container engine.
//!
//! Whatever is started is written to `.stack/state.json` at once; only what stands there is ever ended. Every verb may be
//! repeated: it looks first and does what is missing.

pub mod browser;
pub mod env;
mod ports;
mod server;
mod state;
mod venv;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use self::server::Server;
use self::state::Running;
pub use self::state::State;
use crate::process;
use crate::say::step;
use crate::workspace::{Workspace, make_folder};

/// How long a server may take until it serves; LocalStack on a busy machine of two cores is the slowest.
const TIME_TO_START: Duration = Duration::from_secs(180);

/// How long a server that runs may take to answer before it is started anew.
const TIME_TO_ANSWER: Duration = Duration::from_secs(20);

/// Brings every server up; those that serve already are left as they are. Returns the names of the servers it started.
///
/// # Errors
/// When Python is missing, packages cannot be installed, or a server does not get ready; servers that did stay up.
pub fn up(workspace: &Workspace) -> Result<Vec<Server>> {
    let _lock = state::lock(workspace)?;
    venv::ensure(workspace)?;
    make_folder(&workspace.stack.join("logs"))?;
    let mut state = State::load(workspace)?;
    let missing: Vec<Server> = Server::ALL.into_iter().filter(|&server| !serves(&state, server)).collect();
    let mut wanted = Vec::new();
    for &server in &missing {
        wanted.push((server, end(workspace, &mut state, server)?));
    }
    start(workspace, &mut state, &wanted)?;
    for server in Server::ALL.into_iter().filter(|server| !missing.contains(server)) {
        step(server.name(), format!("up already, {}", address(&state, server)));
    }
    Ok(missing)
}

/// Ends those of the servers that this checkout started.
///
/// # Errors
/// When a server cannot be ended; the others are.
pub fn down(workspace: &Workspace, servers: &[Server]) -> Result<()> {
    let _lock = state::lock(workspace)?;
    let mut state = State::load(workspace)?;
    let mut failures = Vec::new();
    for server in servers {
        if !state.servers.get(server.name()).is_some_and(|running| running.process.is_alive()) {
            step(server.name(), "is down");
        }
        if let Err(error) = end(workspace, &mut state, *server) {
            failures.push(format!("{}: {error}", server.name()));
        }
    }
    if !failures.is_empty() {
        bail!("ending the stack: {}", failures.join("; "));
    }
    Ok(())
}

/// How one server stands, for `status`.
#[derive(Debug, serde::Serialize)]
pub struct Standing {
    /// The server's name.
    pub server: &'static str,
    /// `ready`, `silent` (runs, does not answer), `died` or `down`.
    pub state: &'static str,
    /// Where it is, or was.
    pub url: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
}

/// Looks at every server, changes nothing.
///
/// # Errors
/// When the state cannot be read.
pub fn status(workspace: &Workspace) -> Result<Vec<Standing>> {
    let state = State::load(workspace)?;
    let look = |server: Server| {
        let Some(running) = state.servers.get(server.name()) else {
            return Standing { server: server.name(), state: "down", url: None, pid: None };
        };
        let word = match (running.process.is_alive(), server.probe(running.port)) {
            (true, Ok(())) => "ready",
            (true, Err(_)) => "silent",
            (false, _) => "died",
        };
        Standing { server: server.name(), state: word, url: Some(server.url(running.port)), pid: Some(running.process.pid) }
    };
    Ok(Server::ALL.into_iter().map(look).collect())
}

/// Where the running stack is.
///
/// # Errors
/// When a server is missing.
pub fn ports(workspace: &Workspace) -> Result<env::Ports> {
    env::Ports::of(&State::load(workspace)?).context("the stack is not up; start it with `cargo xtask stack up`")
}

/// Empties the running servers: what a new account and a new database look like. An emulator among `fresh` is empty already.
///
/// Both emulators are started anew, on the same port: LocalStack's free edition has no reset of its own, and Moto's makes every
/// account's regions again, which takes minutes after a whole test run.
///
/// # Errors
/// When the stack is not up or a server refuses.
pub fn reset(workspace: &Workspace, fresh: &[Server]) -> Result<()> {
    let _lock = state::lock(workspace)?;
    let ports = ports(workspace)?;
    let mut state = State::load(workspace)?;
    // The database lies on disk: it may hold what an earlier run of the stack left.
    drop_databases(workspace, ports.mongodb)?;
    step("mongodb", "is empty");
    let mut full = Vec::new();
    for server in [Server::LocalStack, Server::Moto].into_iter().filter(|server| !fresh.contains(server)) {
        full.push((server, end(workspace, &mut state, server)?));
    }
    start(workspace, &mut state, &full)
}

/// Drops every database but MongoDB's own, by the driver that came with the servers.
fn drop_databases(workspace: &Workspace, port: u16) -> Result<()> {
    const SCRIPT: &str = "import sys, pymongo\n\
        client = pymongo.MongoClient(sys.argv[1], serverSelectionTimeoutMS=10000)\n\
        for name in client.list_database_names():\n    name in ('admin', 'config', 'local') or client.drop_database(name)\n";
    let mut command = Command::new(workspace.venv().join("bin/python"));
    let output = command.args(["-c", SCRIPT, &Server::MongoDb.url(port)]).output().context("dropping the databases")?;
    if !output.status.success() {
        bail!("dropping the databases: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Tells whether a server runs and answers; one that runs gets some time to do so.
fn serves(state: &State, server: Server) -> bool {
    let Some(running) = state.servers.get(server.name()) else { return false };
    let deadline = Instant::now() + TIME_TO_ANSWER;
    while running.process.is_alive() {
        if server.probe(running.port).is_ok() {
            return true;
        }
        if Instant::now() > deadline {
            step(server.name(), "runs but does not answer");
            return false;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    step(server.name(), "has died, starting it again");
    false
}

/// Ends a server that still runs and forgets it; the port it had is given back for the next start.
fn end(workspace: &Workspace, state: &mut State, server: Server) -> Result<Option<u16>> {
    let Some(running) = state.servers.get(server.name()).cloned() else { return Ok(None) };
    if running.process.is_alive() {
        step(server.name(), format!("ending process {}", running.process.pid));
        running.process.end(server.time_to_end())?;
    }
    state.servers.remove(server.name());
    state.save(workspace)?;
    Ok(Some(running.port))
}

struct Starting {
    server: Server,
    port: u16,
    child: Child,
    begin: Instant,
}

/// Starts servers side by side and waits until all are ready.
fn start(workspace: &Workspace, state: &mut State, servers: &[(Server, Option<u16>)]) -> Result<()> {
    let mut starting = Vec::new();
    // All ports first: a variable that holds no port is found before anything runs.
    for (server, port) in ports::pick_all(servers)? {
        let log = workspace.log(server.name());
        let (child, process) = process::start(server.command(workspace, port)?, &log)?;
        let begin = Instant::now();
        state.servers.insert(server.name().to_owned(), Running { port, process });
        state.save(workspace)?;
        let taken = if port == ports::first_wish(server)? { "" } else { " (another program has its usual port)" };
        step(server.name(), format!("starting, {}{taken}", server.url(port)));
        starting.push(Starting { server, port, child, begin });
    }
    let mut failures = Vec::new();
    while !starting.is_empty() {
        starting.retain_mut(|one| match look(workspace, one) {
            Ok(false) => true,
            Ok(true) => false,
            Err(error) => {
                failures.push(format!("{error:#}"));
                false
            }
        });
        std::thread::sleep(Duration::from_millis(100));
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}

/// Looks once whether a starting server is ready.
fn look(workspace: &Workspace, one: &mut Starting) -> Result<bool> {
    let name = one.server.name();
    let log = workspace.log(name);
    let end_of_log = || format!("the end of {}:\n{}", workspace.show(&log), process::tail(&log, 12));
    let answer = one.server.probe(one.port);
    // Only then: an answer on this port while our server has ended is somebody else's.
    if let Some(status) = one.child.try_wait().with_context(|| format!("looking after {name}"))? {
        bail!("{name} ended while starting ({status}); {}", end_of_log());
    }
    let seconds = one.begin.elapsed().as_secs_f64();
    match answer {
        Ok(()) => {
            one.server.prepare(one.port)?;
            step(name, format!("ready in {seconds:.1} s"));
            Ok(true)
        }
        Err(error) if one.begin.elapsed() > TIME_TO_START => {
            bail!("{name} is not ready after {seconds:.0} s ({error:#}); {}", end_of_log())
        }
        Err(_) => Ok(false),
    }
}

fn address(state: &State, server: Server) -> String {
    state.servers.get(server.name()).map(|running| server.url(running.port)).unwrap_or_default()
}
