//! Client-side encryption of archives: the age format (age-encryption.org/v1), with an X25519 key or a passphrase.
//!
//! The archive is compressed, then sealed; whoever holds the key opens it, also with the `age` tool itself.

use std::io::{self, Read, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::{ExposeSecret, SecretString};
use age::stream::StreamWriter;
use age::{scrypt, x25519};

use crate::archive::ArchiveError;
use crate::mongo::DatabaseError;

/// What the key of a sealed archive adds to its name.
pub const SEALED_SUFFIX: &str = ".age";

/// How an X25519 secret key begins.
const IDENTITY: &str = "AGE-SECRET-KEY-";
/// Fewest characters of a passphrase: 20 random letters and digits are 119 bits, which nobody tries out.
const SHORTEST: usize = 20;
/// scrypt's log2(N) for our passphrases: 16 MiB and some 50 ms. They are random, so stretching adds nothing that matters.
const WORK: u8 = 14;
/// Largest log2(N) accepted while opening: what `age` itself uses, 256 MiB.
const MOST_WORK: u8 = 18;

/// The secret that seals and opens archives. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct EncryptionKey(Secret);

#[derive(Clone)]
enum Secret {
    Identity(x25519::Identity),
    Passphrase(SecretString),
}

impl EncryptionKey {
    /// A fresh X25519 key from the system's random numbers.
    pub fn generate() -> Self {
        EncryptionKey(Secret::Identity(x25519::Identity::generate()))
    }

    /// Reads `AGE-SECRET-KEY-1…`, as `age-keygen` makes it; any other text is a passphrase, such as the generated
    /// password of a Secret. The error never shows the text.
    ///
    /// # Errors
    /// A key that is misspelt, a passphrase of fewer than 20 characters.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        let text = text.trim();
        if text.to_ascii_uppercase().starts_with(IDENTITY) {
            return x25519::Identity::from_str(text).map(|identity| EncryptionKey(Secret::Identity(identity))).map_err(|why| {
                DatabaseError::rejected("read the encryption key", why).with_hint("an age X25519 key has the form AGE-SECRET-KEY-1…")
            });
        }
        if text.chars().count() < SHORTEST {
            let why = format!("a passphrase has at least {SHORTEST} random characters");
            return Err(DatabaseError::rejected("read the encryption key", why)
                .with_hint("let a Secret generate it (passwordLength), or keep an age X25519 key (AGE-SECRET-KEY-1…) there"));
        }
        Ok(EncryptionKey(Secret::Passphrase(SecretString::from(text.to_owned()))))
    }

    /// The secret text, for keeping it in a Secret. Never to be shown.
    pub fn secret(&self) -> String {
        match &self.0 {
            Secret::Identity(identity) => identity.to_string().expose_secret().to_owned(),
            Secret::Passphrase(text) => text.expose_secret().to_owned(),
        }
    }

    /// What may be known of it: the public half, `age1…`, or `passphrase`.
    pub fn recipient(&self) -> String {
        match &self.0 {
            Secret::Identity(identity) => identity.to_public().to_string(),
            Secret::Passphrase(_) => "passphrase".to_owned(),
        }
    }

    /// What `input` holds, opened. Damage shows as an error while reading.
    pub(crate) fn open<'a, R: Read + 'a>(&self, input: R) -> Result<Box<dyn Read + 'a>, ArchiveError> {
        let fault = |error: age::DecryptError| ArchiveError::Sealed(error.to_string());
        let decryptor = age::Decryptor::new(input).map_err(fault)?;
        let opened = match &self.0 {
            Secret::Identity(identity) => decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)),
            Secret::Passphrase(text) => {
                let mut identity = scrypt::Identity::new(text.clone());
                identity.set_max_work_factor(MOST_WORK);
                decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
            }
        };
        Ok(Box::new(opened.map_err(fault)?))
    }

    fn encryptor(&self) -> Result<age::Encryptor, age::EncryptError> {
        match &self.0 {
            Secret::Identity(identity) => age::Encryptor::with_recipients(std::iter::once(&identity.to_public() as &dyn age::Recipient)),
            Secret::Passphrase(text) => {
                let mut recipient = scrypt::Recipient::new(text.clone());
                recipient.set_work_factor(WORK);
                age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
        }
    }
}

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EncryptionKey").field(&self.recipient()).finish()
    }
}

/// Bytes in, bytes out: sealed with a key, or as they are without.
pub(super) struct Sealer {
    writer: Option<StreamWriter<Drain>>,
    drain: Drain,
}

#[derive(Clone, Default)]
struct Drain(Arc<Mutex<Vec<u8>>>);

impl Write for Drain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drain {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sealer {
    pub(super) fn new(key: Option<&EncryptionKey>) -> io::Result<Self> {
        let drain = Drain::default();
        let Some(key) = key else { return Ok(Sealer { writer: None, drain }) };
        let encryptor = key.encryptor().map_err(io::Error::other)?;
        Ok(Sealer { writer: Some(encryptor.wrap_output(drain.clone())?), drain })
    }

    /// What is ready to go out after these bytes.
    pub(super) fn seal(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let Some(writer) = &mut self.writer else { return Ok(bytes) };
        writer.write_all(&bytes)?;
        Ok(self.drain.take())
    }

    /// The last bytes.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        Ok(self.drain.take())
    }
}
