//! From a URI to a [`Server`].

use std::path::PathBuf;
use std::time::Duration;

use mongodb::Client;
use mongodb::error::ErrorKind;
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

/// Shorter words stand in any sentence by chance.
const SHORTEST: usize = 4;

/// What may be said of a connection string that cannot be used: its hosts where they are plain to see, and the driver's reason
/// unless it repeats something that may be a secret.
fn bad_uri(uri: &str, error: mongodb::error::Error) -> DatabaseError {
    let shown = hosts(uri).map_or_else(|| "the database".to_owned(), |hosts| format!("`{hosts}`"));
    // What is no complaint about the text, such as a name that DNS does not know, speaks of hosts alone.
    let of_the_text = matches!(error.kind.as_ref(), ErrorKind::InvalidArgument { .. });
    let mut fault = super::error::from_driver(&shown, "read the connection string", error);
    let told = fault.source.as_ref().map(ToString::to_string).unwrap_or_default();
    if secrets(uri).iter().any(|secret| told.contains(secret.as_str()) && (of_the_text || secret.len() >= SHORTEST)) {
        fault.source = Some("it is not of that form; the driver's own words are left out because they repeat parts of it".into());
    }
    let form = "expected mongodb://[user:password@]host[:port][,host…][/?options] or mongodb+srv://host, with : / ? # @ and % of a \
                user or password written as %3A %2F %3F %23 %40 %25";
    fault.hint.get_or_insert_with(|| form.to_owned());
    fault
}

/// The hosts of a URI; `None` where a part of a password could be taken for them.
fn hosts(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let behind = match rest.matches('@').count() {
        0 if !rest.contains(':') => rest,
        1 => rest.split_once('@')?.1,
        _ => return None,
    };
    let hosts = behind.split(['/', '?']).next()?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    let sound = |host: &str| {
        let port = host.rsplit_once(':').filter(|_| !host.ends_with(']')).map(|(_, port)| port);
        host.chars().all(plain) && port.is_none_or(|port| port.parse::<u16>().is_ok())
    };
    (!hosts.is_empty() && hosts.split(',').all(sound)).then_some(hosts)
}

/// Every part of a URI that may be a secret: what stands before the hosts and what options are set to; all of it where no hosts are
/// plain to see.
fn secrets(uri: &str) -> Vec<String> {
    let (_, rest) = uri.split_once("://").unwrap_or(("", uri));
    if hosts(uri).is_none() {
        let parts = rest.split([':', '@', '/', '?', '&', '=', ',']).chain([rest]).filter(|part| !part.is_empty());
        return parts.flat_map(|part| [part.to_owned(), decoded(part)]).collect();
    }
    let login = rest.rsplit_once('@').map_or("", |(login, _)| login);
    let options = rest.split_once('?').map_or("", |(_, options)| options);
    let values = options.split('&').map(|option| option.split_once('=').map_or(option, |(_, value)| value));
    let parts = login.split([':', '@', '/', '?']).chain([login]).chain(values).filter(|part| !part.is_empty());
    parts.flat_map(|part| [part.to_owned(), decoded(part)]).collect()
}

/// `%40` as `@`; what is no such code stays as it is.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let (byte, left) = match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => (byte, behind.get(2..).unwrap_or_default()),
            None => (*first, behind),
        };
        bytes.push(byte);
        rest = left;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_string_that_cannot_be_read_is_not_repeated() {
        for uri in [
            "hunter2",
            "mongodb://hunter2",
            "mongodb://user:hunter2@",
            "mongodb://user:hunter2@@db.example",
            "mongodb://user:hunter2%zz@db.example",
            "mongodb://user:hunt%65r2@db.example/?tls=perhaps",
            "mongodb://user:x/hunter2@db.example:27017",
            "mongodb://user@db.example:hunter2",
            "mongodb://db.example/?tls=hunter2",
            "mongodb://db.example/?hunter2",
            "mysql://user:hunter2@db.example",
        ] {
            let Err(error) = Server::connect(&ConnectSpec::new(uri)).await else { continue };
            let told = format!("{} {:?} {error:?}", error.story(), error.hint);
            assert!(!told.contains("hunter2"), "{uri}: {told}");
        }
    }

    #[test]
    fn hosts_are_shown_only_where_they_are_plain_to_see() {
        let cases = [
            ("mongodb://user:pw@db-1.example:27017,db-2.example/x?tls=true", Some("db-1.example:27017,db-2.example")),
            ("mongodb+srv://cluster.example", Some("cluster.example")),
            ("mongodb://user:p@w@db.example", None),
            ("mongodb://user:password", None),
            ("password", None),
        ];
        for (uri, expected) in cases {
            assert_eq!(hosts(uri), expected, "{uri}");
        }
        assert_eq!((decoded("a%40b%zz%4"), decoded("%C3%A9")), ("a@b%zz%4".to_owned(), "é".to_owned()));
    }
}
