//! Values that no output may show.

use std::fmt;

use sha2::{Digest, Sha256};

/// A secret: shown, serialised and logged only as a fingerprint.
///
/// The fingerprint is the first 8 hex digits of SHA-256 over a key drawn once per process and the value,
/// so equal secrets look equal within one output and nothing can be looked up from it.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked(String);

impl Masked {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Masked(secret.into())
    }

    /// The secret itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What may be shown of it.
    pub fn fingerprint(&self) -> String {
        static KEY: std::sync::OnceLock<[u8; 32]> = std::sync::OnceLock::new();
        let key = KEY.get_or_init(rand::random);
        let digest = Sha256::new().chain_update(key).chain_update(self.0.as_bytes()).finalize();
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "•••• (fingerprint {})", self.fingerprint())
    }
}

impl serde::Serialize for Masked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_of_showing_shows_it() {
        let secret = Masked::new("hunter2-canary");
        let shown = format!("{secret} {secret:?} {}", serde_json::to_string(&secret).expect("serialises"));
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(secret.fingerprint(), Masked::new("hunter2-canary").fingerprint());
        assert_ne!(secret.fingerprint(), Masked::new("other").fingerprint());
    }
}
