//! From a URI to a [`Server`].

use std::path::PathBuf;
use std::time::Duration;

use mongodb::Client;
use mongodb::options::{ClientOptions, Credential, Tls, TlsOptions};

use super::{DatabaseError, Server};

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct ConnectSpec {
    /// `mongodb://…` or `mongodb+srv://…`.
    pub uri: String,
    /// Credentials that win over those in the URI.
    pub credentials: Option<Credentials>,
    /// PEM file with the certificate authorities to trust; its presence switches TLS on.
    pub tls_ca_file: Option<PathBuf>,
    /// How long to look for a usable server before giving up.
    pub selection_timeout: Duration,
    /// How long writes and scans are tried again through elections and restarts.
    pub patience: Duration,
}

impl ConnectSpec {
    /// A URI with everything else at its usual value: 10 s to find a server, 60 s of patience with a failover.
    pub fn new(uri: impl Into<String>) -> Self {
        ConnectSpec {
            uri: uri.into(),
            credentials: None,
            tls_ca_file: None,
            selection_timeout: Duration::from_secs(10),
            patience: Duration::from_secs(60),
        }
    }
}

/// User name and password; `Debug` shows the name only.
#[derive(Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password, in clear.
    pub password: String,
    /// Database that knows the user; `admin` when not given.
    pub auth_source: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).field("password", &"***").finish_non_exhaustive()
    }
}

impl Server {
    /// Reads the URI and prepares connections; nothing is sent yet except DNS look-ups of `mongodb+srv`.
    ///
    /// # Errors
    /// A URI that cannot be read, an unknown SRV name, a CA file that cannot be used.
    pub async fn connect(spec: &ConnectSpec) -> Result<Server, DatabaseError> {
        let mut options = ClientOptions::parse(&spec.uri).await.map_err(|error| bad_uri(&spec.uri, error))?;
        let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        let name = hosts.join(",");
        if let Some(given) = &spec.credentials {
            let mut credential = options.credential.take().unwrap_or_else(|| Credential::builder().build());
            credential.username = Some(given.username.clone());
            credential.password = Some(given.password.clone());
            credential.source = given.auth_source.clone().or(credential.source).or_else(|| Some("admin".to_owned()));
            options.credential = Some(credential);
        }
        if let Some(file) = &spec.tls_ca_file {
            let mut tls = match options.tls.take() {
                Some(Tls::Enabled(tls)) => tls,
                _ => TlsOptions::default(),
            };
            tls.ca_file_path = Some(file.clone());
            options.tls = Some(Tls::Enabled(tls));
        }
        options.app_name.get_or_insert_with(|| "meteoctl".to_owned());
        options.server_selection_timeout.get_or_insert(spec.selection_timeout);
        options.connect_timeout.get_or_insert(Duration::from_secs(5));
        let client = Client::with_options(options).map_err(|error| super::error::from_driver(&name, "prepare the connection", error))?;
        Ok(Server { client, name, patience: spec.patience })
    }
}

fn bad_uri(uri: &str, error: mongodb::error::Error) -> DatabaseError {
    // The text after the scheme may hold a password, so only the part behind the `@` is shown.
    let shown = uri.rsplit_once('@').map_or(uri, |(_, hosts)| hosts);
    super::error::from_driver(shown, "read the connection string", error)
        .with_hint("expected mongodb://[user:password@]host[:port][,host…][/?options] or mongodb+srv://host")
}
