//! A vendor's web server: TLS with an authority of its own, a few pages, one answer a connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a page answers.
#[derive(Clone)]
pub enum Page {
    /// The body, with status 200.
    Body(Vec<u8>),
    /// Another address.
    Moved(String),
    /// A status without a body.
    Status(u16),
}

/// The server; it ends with the test.
pub struct Vendor {
    /// `https://localhost:PORT`.
    pub address: String,
    /// The authority's certificate, as PEM.
    pub authority: PathBuf,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl Vendor {
    /// Opens with no page at all.
    pub fn open() -> Vendor {
        let folder = tempfile::tempdir().expect("makes a folder");
        let authority = folder.path().join("authority.pem");
        let config = Arc::new(config(&authority));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let (pages, asked) = (Arc::<Mutex<BTreeMap<String, Page>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (for_pages, for_asked) = (pages.clone(), asked.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let Ok(session) = ServerConnection::new(config.clone()) else { continue };
                let mut stream = StreamOwned::new(session, connection);
                let Some(target) = target(&mut stream) else { continue };
                for_asked.lock().expect("a lock").push(target.clone());
                let path = target.split('?').next().unwrap_or_default();
                let page = for_pages.lock().expect("a lock").get(path).cloned().unwrap_or(Page::Status(404));
                // A client that hung up has its reasons.
                let _ = answer(&mut stream, &page);
            }
        });
        Vendor { address, authority, pages, asked, _folder: folder }
    }

    /// Puts a page there, or another in its place.
    pub fn page(&self, path: &str, page: Page) {
        self.pages.lock().expect("a lock").insert(path.to_owned(), page);
    }

    /// The paths asked for so far, with what stands behind the question mark.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

fn target(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut some) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut some) {
            Ok(count) if count > 0 => head.extend_from_slice(&some[..count]),
            _ => return None,
        }
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).map(str::to_owned)
}

fn answer(stream: &mut StreamOwned<ServerConnection, std::net::TcpStream>, page: &Page) -> std::io::Result<()> {
    let (status, more, body) = match page {
        Page::Body(body) => (200, String::new(), body.as_slice()),
        Page::Moved(to) => (302, format!("Location: {to}\r\n"), &[][..]),
        Page::Status(status) => (*status, String::new(), &[][..]),
    };
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n", body.len())?;
    stream.write_all(body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// A certificate for `localhost` and its key, of an authority whose own certificate goes to the file.
pub fn certificate(authority: &std::path::Path) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, "vendor's authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    std::fs::write(authority, params.self_signed(&key).expect("a certificate").pem()).expect("writes");
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, "localhost");
    (params.signed_by(&own, &issuer).expect("signed"), own)
}

fn config(authority: &std::path::Path) -> ServerConfig {
    let (certificate, own) = certificate(authority);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    config.with_no_client_auth().with_single_cert(chain, key).expect("a certificate that fits its key")
}
