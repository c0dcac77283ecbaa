//! Client-side encryption of archives: the age format (age-encryption.org/v1) with one X25519 key.
//!
//! The archive is compressed, then sealed; whoever holds the key opens it, also with the `age` tool itself.

use std::io::{self, Read, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::ExposeSecret;
use age::stream::StreamWriter;
use age::x25519::Identity;

use crate::archive::ArchiveError;
use crate::mongo::DatabaseError;

/// What the key of a sealed archive adds to its name.
pub const SEALED_SUFFIX: &str = ".age";

/// The secret key that seals and opens archives. `Debug` shows the public half.
#[derive(Clone)]
pub struct EncryptionKey(Identity);

impl EncryptionKey {
    /// A fresh key from the system's random numbers.
    pub fn generate() -> Self {
        EncryptionKey(Identity::generate())
    }

    /// Reads `AGE-SECRET-KEY-1…`, as a Secret or `age-keygen` holds it. The error never shows the text.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        Identity::from_str(text.trim()).map(EncryptionKey).map_err(|why| {
            DatabaseError::rejected("read the encryption key", why).with_hint("an age X25519 key has the form AGE-SECRET-KEY-1…")
        })
    }

    /// The secret text, for keeping it in a Secret. Never to be shown.
    pub fn secret(&self) -> String {
        self.0.to_string().expose_secret().to_owned()
    }

    /// The public half, `age1…`.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// What `input` holds, opened. Damage shows as an error while reading.
    pub(crate) fn open<'a, R: Read + 'a>(&self, input: R) -> Result<Box<dyn Read + 'a>, ArchiveError> {
        let fault = |error: age::DecryptError| ArchiveError::Sealed(error.to_string());
        let opened = age::Decryptor::new(input).map_err(fault)?.decrypt(std::iter::once(&self.0 as &dyn age::Identity));
        Ok(Box::new(opened.map_err(fault)?))
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
        let recipient = key.0.to_public();
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).map_err(io::Error::other)?;
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
