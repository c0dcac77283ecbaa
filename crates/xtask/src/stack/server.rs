//! The three servers: how each is started, and when it is ready.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::http;
use crate::workspace::{Workspace, make_folder};

/// How long one question to a server may take before it counts as not answered.
const PATIENCE: Duration = Duration::from_secs(3);

/// Keeps tasks RUNNING: left alone, Moto moves a task one step nearer to STOPPED each time somebody describes it.
const TASKS_STAY: &str = r#"{"model_name":"ecs::task","transition":{"progression":"manual","times":100000}}"#;

/// One server of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// LocalStack: the AWS services of its free edition.
    LocalStack,
    /// Moto: all AWS services of the desired state, ECS, EFS and ECR included.
    Moto,
    /// A real `mongod`.
    MongoDb,
}

impl Server {
    /// All servers, the slowest to start first.
    pub const ALL: [Self; 3] = [Self::LocalStack, Self::Moto, Self::MongoDb];

    /// The name in state, logs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::LocalStack => "localstack",
            Self::Moto => "moto",
            Self::MongoDb => "mongodb",
        }
    }

    /// The port that is taken when nothing else is configured and nobody else has it.
    pub fn default_port(self) -> u16 {
        match self {
            Self::LocalStack => 4566,
            Self::Moto => 5000,
            Self::MongoDb => 27021,
        }
    }

    /// The environment variable that configures the port.
    pub fn port_variable(self) -> &'static str {
        match self {
            Self::LocalStack => "METEOCTL_STACK_LOCALSTACK_PORT",
            Self::Moto => "METEOCTL_STACK_MOTO_PORT",
            Self::MongoDb => "METEOCTL_STACK_MONGODB_PORT",
        }
    }

    /// Where the server is reached.
    pub fn url(self, port: u16) -> String {
        match self {
            Self::LocalStack | Self::Moto => format!("http://127.0.0.1:{port}"),
            Self::MongoDb => format!("mongodb://127.0.0.1:{port}"),
        }
    }

    /// How long the server is asked to end by itself before it is forced.
    pub fn time_to_end(self) -> Duration {
        match self {
            Self::LocalStack | Self::MongoDb => Duration::from_secs(15),
            Self::Moto => Duration::from_secs(3),
        }
    }

    /// The command that starts the server on `port`, everything it writes kept inside `.stack`.
    ///
    /// # Errors
    /// When a folder cannot be made or `mongod` is not there.
    pub fn command(self, workspace: &Workspace, port: u16) -> Result<Command> {
        match self {
            Self::LocalStack => localstack(workspace, port),
            Self::Moto => moto(workspace, port),
            Self::MongoDb => mongodb(workspace, port),
        }
    }

    /// Asks once whether the server on `port` serves.
    ///
    /// # Errors
    /// When it does not answer, or not in the way this server does.
    pub fn probe(self, port: u16) -> Result<()> {
        match self {
            Self::LocalStack => expect_success(port, "/_localstack/health", None),
            Self::Moto => expect_success(port, "/moto-api/state-manager/get-transition?model_name=ecs::task", None),
            Self::MongoDb => ping(port),
        }
    }

    /// What is to be set once in a server that has just become ready or was reset.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn prepare(self, port: u16) -> Result<()> {
        match self {
            Self::Moto => expect_success(port, "/moto-api/state-manager/set-transition", Some(TASKS_STAY)),
            Self::LocalStack | Self::MongoDb => Ok(()),
        }
    }
}

/// The `mongod` of the stack: `METEOCTL_STACK_MONGOD` where it is set, else the one that came with the Python packages.
///
/// # Errors
/// When it is not there.
pub fn mongod(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("METEOCTL_STACK_MONGOD") {
        let given = PathBuf::from(given);
        if !given.is_file() {
            bail!("METEOCTL_STACK_MONGOD names {}, which is not a file", given.display());
        }
        return Ok(given);
    }
    let libraries = workspace.venv().join("lib");
    let versions = std::fs::read_dir(&libraries).with_context(|| format!("looking for mongod in {}", libraries.display()))?;
    for version in versions.flatten() {
        let binary = version.path().join("site-packages/fiftyone/db/bin/mongod");
        if binary.is_file() {
            return Ok(binary);
        }
    }
    bail!("there is no mongod in {}; point METEOCTL_STACK_MONGOD to one", libraries.display())
}

/// Asks an emulator and takes only a status in the 200s for an answer.
///
/// # Errors
/// When it does not answer, or with another status.
pub fn expect_success(port: u16, path: &str, body: Option<&str>) -> Result<()> {
    let answer = http::ask(port, path, body, PATIENCE)?;
    if !answer.is_success() {
        bail!("http://127.0.0.1:{port}{path} answered {}: {:.200}", answer.status, answer.body);
    }
    Ok(())
}

/// Python from the virtual environment, with a home of its own, so that neither a person's AWS profile nor caches of another
/// installation are met: plux, for one, keeps entry points in the user's cache folder and goes on believing them.
fn python(workspace: &Workspace) -> Result<Command> {
    let home = workspace.stack.join("home");
    let temporary = workspace.stack.join("tmp");
    make_folder(&home)?;
    make_folder(&temporary)?;
    let mut command = Command::new(workspace.venv().join("bin/python"));
    for (name, _) in std::env::vars_os() {
        let inherited = name.to_string_lossy();
        if inherited.starts_with("AWS_") || inherited.starts_with("PYTHON") || inherited.starts_with("LOCALSTACK_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(&home).env("HOME", &home).env("XDG_CACHE_HOME", home.join(".cache")).env("TMPDIR", &temporary);
    command.env("PYTHONUNBUFFERED", "1").env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
    Ok(command)
}

fn localstack(workspace: &Workspace, port: u16) -> Result<Command> {
    let files = workspace.stack.join("localstack");
    make_folder(&files)?;
    let address = format!("127.0.0.1:{port}");
    let mut command = python(workspace)?;
    command.args(["-m", "localstack.runtime.main"]);
    command.env("GATEWAY_LISTEN", &address).env("LOCALSTACK_HOST", &address).env("FILESYSTEM_ROOT", &files);
    // In a container it would take the container's /var/lib/localstack for its own, and look for a host to talk to.
    command.env("OVERRIDE_IN_DOCKER", "0");
    command.env("DNS_ADDRESS", "0").env("DISABLE_EVENTS", "1").env("SKIP_SSL_CERT_DOWNLOAD", "1");
    Ok(command)
}

fn moto(workspace: &Workspace, port: u16) -> Result<Command> {
    let mut command = python(workspace)?;
    // Moto's own server, with three answers of its ECS mended; the file says which.
    command.arg(workspace.root.join("localstack/moto_server.py")).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    Ok(command)
}

fn mongodb(workspace: &Workspace, port: u16) -> Result<Command> {
    let files = workspace.stack.join("mongodb");
    make_folder(&files)?;
    let mut command = Command::new(mongod(workspace)?);
    command.arg("--dbpath").arg(&files).args(["--port", &port.to_string(), "--bind_ip", "127.0.0.1"]);
    // A quarter of a gigabyte holds the sample data many times over; the default is half of the machine.
    command.args(["--wiredTigerCacheSizeGB", "0.25", "--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false"]);
    Ok(command)
}

/// Sends `{ping: 1}` and reads whether the answer says `ok: 1.0`.
fn ping(port: u16) -> Result<()> {
    let doing = || format!("pinging mongodb://127.0.0.1:{port}");
    let mut stream = http::connect(port, PATIENCE).with_context(doing)?;
    stream.write_all(&ping_message()).with_context(doing)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).with_context(doing)?;
    let rest = u64::from(u32::from_le_bytes(length)).saturating_sub(4).min(64 << 10);
    let mut answer = Vec::new();
    stream.take(rest).read_to_end(&mut answer).with_context(doing)?;
    if !contains(&answer, b"\x01ok\0\0\0\0\0\0\0\xf0\x3f") {
        bail!("mongodb://127.0.0.1:{port} does not answer a ping with ok");
    }
    Ok(())
}

/// An OP_MSG with one section of kind 0 (MongoDB wire protocol): length, request id, answered id, opcode 2013, flags, kind, BSON.
fn ping_message() -> Vec<u8> {
    let mut elements = Vec::new();
    elements.extend_from_slice(b"\x10ping\0\x01\0\0\0");
    elements.extend_from_slice(b"\x02$db\0\x06\0\0\0admin\0\0");
    let document_length = u32::try_from(elements.len() + 4).unwrap_or(u32::MAX);
    let mut message = Vec::new();
    for word in [16 + 4 + 1 + document_length, 1, 0, 2013, 0] {
        message.extend_from_slice(&word.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(&document_length.to_le_bytes());
    message.extend_from_slice(&elements);
    message
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_as_long_as_it_says() {
        let message = ping_message();
        let length = u32::from_le_bytes(message[..4].try_into().expect("four bytes"));
        assert_eq!(length as usize, message.len());
        let document = u32::from_le_bytes(message[21..25].try_into().expect("four bytes"));
        assert_eq!(document as usize, message.len() - 21);
        assert_eq!(message.last(), Some(&0));
    }

    #[test]
    fn only_ok_one_is_an_answer() {
        assert!(contains(b"..\x01ok\0\0\0\0\0\0\0\xf0\x3f\0", b"\x01ok\0\0\0\0\0\0\0\xf0\x3f"));
        assert!(!contains(b"..\x01ok\0\0\0\0\0\0\0\0\0\0", b"\x01ok\0\0\0\0\0\0\0\xf0\x3f"));
    }
}
