//! Which MongoDB server a document means, and with whose credentials.

use std::sync::Arc;
use std::time::Duration;

use meteoctl_data::mongo::{ConnectSpec, Credentials, Server};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::Meta;
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{JobContext, database};

/// How long a look searches for a server.
const FIND: Duration = Duration::from_secs(8);

/// The server: `{ref: Service/mongodb}` or `{uriFromEnv: MONGO_URI}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ServerRef {
    /// The name of an environment variable that holds the URI.
    FromEnv(UriFromEnv),
    /// A Service that meteoctl runs.
    Service(Link),
}

/// A URI in the environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UriFromEnv {
    /// Name of the variable.
    pub uri_from_env: String,
}

/// What a Collection tells probes and backups about its server. Holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// `host:port` of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Variable that holds the URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri_from_env: Option<String>,
    /// Name (or ARN) of the Secret with `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// PEM file with the certificate authorities to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<String>,
}

impl Connection {
    /// What the spec says; `Pending` while the Service has no endpoint, unless the operator's URI makes that needless.
    /// `tls_ca_file` is relative to the document's file; an absolute path stays what it is.
    pub fn of(
        context: &JobContext,
        meta: &Meta,
        server: &ServerRef,
        credentials: Option<&Link>,
        tls_ca_file: Option<&str>,
    ) -> Outcome<Connection> {
        let given = context.mongodb_uri.is_some();
        let needed = |link: &Link, output: &str| if given { Ok(link.output(output).ok()) } else { link.output(output).map(Some) };
        let (endpoint, uri_from_env) = match server {
            ServerRef::Service(link) => (needed(link, "endpoint")?, None),
            ServerRef::FromEnv(variable) => (None, Some(variable.uri_from_env.clone())),
        };
        let secret = credentials.map_or(Ok(None), |link| needed(link, "name"))?;
        let tls_ca_file = tls_ca_file.map(|file| meta.folder.join(file).to_string_lossy().into_owned());
        Ok(Connection { endpoint, uri_from_env, secret, tls_ca_file })
    }

    /// What a Collection told those who refer to it; `Pending` while it has told nothing.
    pub fn told_by(collection: &Link) -> Outcome<Connection> {
        serde_json::from_value(collection.value("connection")?)
            .map_err(|error| Failure::rejected("read where the collection lies").because(error))
    }

    /// Connects. A URI given by the operator is used as it is; the Secret's credentials go with the Service's own endpoint.
    pub async fn open(&self, context: &JobContext) -> Outcome<Server> {
        let named = match &self.uri_from_env {
            Some(variable) => Some(context.variables.get(variable).cloned().ok_or_else(|| {
                Failure::rejected("find the MongoDB server")
                    .because(Failure::rejected(format!("the variable {variable} is not set")))
                    .hint(format!("export {variable}=mongodb://…"))
            })?),
            None => None,
        };
        let given = named.or_else(|| context.mongodb_uri.clone());
        let own = given.is_none();
        let uri = match (given, &self.endpoint) {
            (Some(uri), _) => uri,
            (None, Some(endpoint)) => format!("mongodb://{endpoint}/?directConnection=true"),
            (None, None) => return Err(Failure::rejected("find the MongoDB server").hint("give the collection a `server`")),
        };
        let mut spec =
            ConnectSpec { selection_timeout: FIND, tls_ca_file: self.tls_ca_file.clone().map(Into::into), ..ConnectSpec::new(uri) };
        if context.recall.looks() {
            // Nothing is lost by giving up: the engine looks again, and knows for how long.
            spec.patience = Duration::ZERO;
        }
        if let Some(secret) = self.secret.as_ref().filter(|_| own) {
            let login = context.login(secret).await?;
            let (username, password) = (login.username.reveal().to_owned(), login.password.reveal().to_owned());
            spec.credentials = Some(Credentials { username, password, auth_source: None });
        }
        Server::connect(&spec).await.map_err(database)
    }
}

/// Whether MongoDB answers a ping: what a Service waits for. The operator's URI wins over the endpoint. Which Collection lies on it is
/// not known here, so every authority that one names is tried.
pub fn probe(context: &Arc<JobContext>) -> meteoctl_aws::kinds::service::Probe {
    let context = context.clone();
    Arc::new(move |endpoint: String| {
        let context = context.clone();
        Box::pin(async move {
            let authorities = context.authorities.iter().cloned().map(Some);
            let mut answer = Ok(());
            for tls_ca_file in if context.authorities.is_empty() { vec![None] } else { authorities.collect() } {
                let connection = Connection { endpoint: Some(endpoint.clone()), uri_from_env: None, secret: None, tls_ca_file };
                // A ping needs no credentials.
                answer = match connection.open(&context).await {
                    Ok(server) => server.ping().await.map_err(database),
                    Err(failure) => Err(failure),
                };
                if answer.is_ok() {
                    break;
                }
            }
            answer
        })
    })
}

#[cfg(test)]
mod tests;
