//! The environment that points meteoctl, the AWS SDK and MongoDB's drivers to the stack.

use anyhow::Result;
use clap::ValueEnum;

use super::browser;
use super::server::{Server, mongod};
use super::state::State;
use crate::workspace::Workspace;

/// The account of the stack. Both emulators take an access key of twelve digits for the account that is meant, so one key
/// gives one account in both; with any other key they disagree (000000000000 and 123456789012).
const ACCOUNT: &str = "123456789012";

/// The services that only Moto serves; EC2 with them, because running a task looks for its subnets in the same server; and
/// CloudWatch, whose clients speak CBOR, which our Moto understands.
const FROM_MOTO: [&str; 5] = ["CLOUDWATCH", "EC2", "ECR", "ECS", "EFS"];

/// Which emulator serves AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// LocalStack for all it has; ECS, EC2, EFS, ECR and CloudWatch from Moto.
    Localstack,
    /// Moto for everything.
    Moto,
}

/// How variables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines that a POSIX shell takes: `eval "$(cargo xtask stack env)"`.
    Shell,
    /// One JSON object.
    Json,
}

/// Names and values, sorted as they are shown.
pub type Variables = Vec<(String, String)>;

/// The ports of a stack of which all servers run.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// LocalStack's.
    pub localstack: u16,
    /// Moto's.
    pub moto: u16,
    /// MongoDB's.
    pub mongodb: u16,
}

impl Ports {
    /// The ports of the running stack; `None` when a server is missing.
    pub fn of(state: &State) -> Option<Self> {
        let port =
            |server: Server| state.servers.get(server.name()).filter(|running| running.process.is_alive()).map(|running| running.port);
        Some(Self { localstack: port(Server::LocalStack)?, moto: port(Server::Moto)?, mongodb: port(Server::MongoDb)? })
    }
}

/// What a program needs to work against the stack.
pub fn variables(ports: Ports, backend: Backend) -> Variables {
    let (localstack, moto) = (Server::LocalStack.url(ports.localstack), Server::Moto.url(ports.moto));
    let mongodb = Server::MongoDb.url(ports.mongodb);
    let first = if backend == Backend::Moto { &moto } else { &localstack };
    let mut variables = vec![("AWS_ENDPOINT_URL".to_owned(), first.clone())];
    variables.extend(FROM_MOTO.map(|service| (format!("AWS_ENDPOINT_URL_{service}"), moto.clone())));
    let rest = [
        ("AWS_REGION", "eu-west-3"),
        ("AWS_DEFAULT_REGION", "eu-west-3"),
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("MONGO_URI", mongodb.as_str()),
        ("METEOCTL_STACK_LOCALSTACK_URL", localstack.as_str()),
        ("METEOCTL_STACK_MOTO_URL", moto.as_str()),
        ("METEOCTL_STACK_MONGODB_URI", mongodb.as_str()),
    ];
    variables.extend(rest.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables
}

/// What the tests that need the stack look for.
///
/// # Errors
/// When `mongod` is not there, or the Chromium that was named is not.
pub fn test_variables(workspace: &Workspace, ports: Ports) -> Result<Variables> {
    let mut variables = vec![
        ("METEOCTL_TEST_STACK", "1".to_owned()),
        ("METEOCTL_TEST_LOCALSTACK_URL", Server::LocalStack.url(ports.localstack)),
        ("METEOCTL_TEST_MOTO_URL", Server::Moto.url(ports.moto)),
        ("METEOCTL_TEST_MONGODB_URI", Server::MongoDb.url(ports.mongodb)),
        ("METEOCTL_TEST_MONGOD", mongod(workspace)?.display().to_string()),
    ];
    variables.extend(browser::find(workspace)?.map(|found| ("METEOCTL_TEST_CHROMIUM", found.display().to_string())));
    Ok(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Keeps the person's own AWS account out of a command: nothing of it is inherited.
pub fn clean(command: &mut std::process::Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
}

/// Variables as a person, a shell or a program reads them.
///
/// # Errors
/// When JSON cannot be written, which no variable makes happen.
pub fn show(variables: &Variables, format: Format) -> Result<String> {
    match format {
        Format::Json => {
            let object: serde_json::Map<String, serde_json::Value> =
                variables.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            Ok(serde_json::to_string_pretty(&object)?)
        }
        Format::Shell => {
            let exports = variables.iter().map(|(name, value)| format!("export {name}='{value}'"));
            // A session token or a profile of a real account must not meet the emulators' keys.
            Ok(std::iter::once("unset AWS_PROFILE AWS_SESSION_TOKEN".to_owned()).chain(exports).collect::<Vec<_>>().join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports { localstack: 1, moto: 2, mongodb: 3 };

    fn value(backend: Backend, name: &str) -> String {
        let found = variables(PORTS, backend).into_iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| value).unwrap_or_default()
    }

    #[test]
    fn tasks_and_their_network_come_from_the_same_server() {
        assert_eq!(value(Backend::Localstack, "AWS_ENDPOINT_URL"), "http://127.0.0.1:1");
        for service in ["CLOUDWATCH", "EC2", "ECR", "ECS", "EFS"] {
            assert_eq!(value(Backend::Localstack, &format!("AWS_ENDPOINT_URL_{service}")), "http://127.0.0.1:2");
        }
        assert_eq!(value(Backend::Moto, "AWS_ENDPOINT_URL"), "http://127.0.0.1:2");
        assert_eq!(value(Backend::Moto, "MONGO_URI"), "mongodb://127.0.0.1:3");
    }

    #[test]
    fn a_shell_and_a_program_read_the_same() {
        let variables = variables(PORTS, Backend::Moto);
        let shell = show(&variables, Format::Shell).expect("shows");
        assert!(shell.starts_with("unset AWS_PROFILE AWS_SESSION_TOKEN\nexport AWS_ENDPOINT_URL='http://127.0.0.1:2'\n"), "{shell}");
        let json: serde_json::Value = serde_json::from_str(&show(&variables, Format::Json).expect("shows")).expect("parses");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(variables.len()));
        assert_eq!(json["AWS_REGION"], "eu-west-3");
    }
}
