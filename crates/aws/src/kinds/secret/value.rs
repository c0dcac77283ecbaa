//! The value of a secret: made here, kept masked, read only by those who need it.

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::Fault;
use meteoctl_engine::masked::Masked;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::done;
use crate::client::Aws;
use crate::error::Cause;

/// Letters and digits only: nothing that has to be escaped in a connection string, a shell or an environment.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Length of a password when none is asked for: 32 of 62 characters are 190 bits.
const LENGTH: u16 = 32;

/// How a secret's value is made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Generate {
    /// The user name, key `username`. It is no secret.
    pub username: Option<String>,
    /// Number of letters and digits of the password, key `password`; 16 to 512, left out = 32. Counts when a password is made.
    pub password_length: Option<u16>,
}

impl Generate {
    /// Faults that can be told from the document.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.password_length.is_some_and(|length| !(16..=512).contains(&length)) {
            faults.push(Fault::wrong("/generate/passwordLength", "a password has 16 to 512 characters"));
        }
        if self.username.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > 256) {
            faults.push(Fault::wrong("/generate/username", "a user name has 1 to 256 characters"));
        }
        faults
    }

    /// A whole new value, as JSON text.
    pub fn fresh(&self) -> Masked {
        self.renewed(None, true)
    }

    /// The value with the user name of the wish and, where asked for, a new password; other keys stay.
    pub fn renewed(&self, old: Option<&Masked>, password: bool) -> Masked {
        let mut keys = old.map(keys).unwrap_or_default();
        if let Some(name) = &self.username {
            keys.insert("username".to_owned(), Value::String(name.clone()));
        }
        if password || !keys.contains_key("password") {
            keys.insert("password".to_owned(), Value::String(self.password()));
        }
        Masked::new(Value::Object(keys).to_string())
    }

    fn password(&self) -> String {
        // The thread's generator is cryptographically secure and seeded by the operating system.
        let mut random = rand::rng();
        let letters = (0..self.password_length.unwrap_or(LENGTH)).map(|_| ALPHABET.get(random.random_range(0..ALPHABET.len())));
        letters.flatten().map(|letter| char::from(*letter)).collect()
    }
}

/// The keys of a value; none when it is no JSON object.
fn keys(value: &Masked) -> Map<String, Value> {
    serde_json::from_str(value.reveal()).unwrap_or_default()
}

/// The whole current value; `None` when it is binary.
pub async fn whole(aws: &Aws, secret: &str) -> Outcome<Option<Masked>> {
    let answer = aws.secrets.get_secret_value().secret_id(secret).send().await;
    Ok(done(format!("read secret {secret}"), answer)?.secret_string.map(Masked::new))
}

/// What one logs in with.
#[derive(Debug, Clone)]
pub struct Login {
    /// Key `username`.
    pub username: Masked,
    /// Key `password`.
    pub password: Masked,
}

/// User name and password of a secret's current value, in one call. `secret` is its name or ARN.
///
/// # Errors
/// As [`secret_value`].
pub async fn login(aws: &Aws, secret: &str) -> Outcome<Login> {
    let value = whole(aws, secret).await?;
    let one = |key: &str| part(secret, value.as_ref(), key);
    Ok(Login { username: one("username")?, password: one("password")? })
}

/// One key of a secret's current value, for the jobs that log in with it. `secret` is its name or ARN.
///
/// # Errors
/// Rejected when the secret or the key is not there; the value appears in no message.
pub async fn secret_value(aws: &Aws, secret: &str, key: &str) -> Outcome<Masked> {
    part(secret, whole(aws, secret).await?.as_ref(), key)
}

fn part(secret: &str, value: Option<&Masked>, key: &str) -> Outcome<Masked> {
    let doing = format!("read `{key}` of secret {secret}");
    let Some(value) = value else {
        return Err(Failure::rejected(doing).because(Cause("its value is binary, not JSON".into())));
    };
    let keys = keys(value);
    match keys.get(key) {
        Some(Value::String(text)) => Ok(Masked::new(text.clone())),
        Some(other) => Ok(Masked::new(other.to_string())),
        None if keys.is_empty() => Err(Failure::rejected(doing).because(Cause("its value is no JSON object".into()))),
        None => {
            let known: Vec<&str> = keys.keys().map(String::as_str).collect();
            Err(Failure::rejected(doing).because(Cause(format!("it has only the keys {}", known.join(", ")))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_plain_and_new_each_time() {
        let generate = Generate { username: Some("meteo".into()), password_length: Some(64) };
        let (one, two) = (keys(&generate.fresh()), keys(&generate.fresh()));
        let password = one["password"].as_str().expect("text");
        assert_eq!((password.len(), one["username"].as_str()), (64, Some("meteo")));
        assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one["password"], two["password"]);
        assert_eq!(keys(&Generate::default().fresh())["password"].as_str().map(str::len), Some(32));
    }

    #[test]
    fn a_new_user_name_keeps_password_and_other_keys() {
        let old = Masked::new(r#"{"username":"a","password":"kept","engine":"mongo"}"#);
        let new = keys(&Generate { username: Some("b".into()), ..Generate::default() }.renewed(Some(&old), false));
        assert_eq!(Value::Object(new), serde_json::json!({"username": "b", "password": "kept", "engine": "mongo"}));
        let rotated = keys(&Generate::default().renewed(Some(&old), true));
        assert_eq!((rotated["username"].as_str(), rotated["password"] == "kept"), (Some("a"), false));
    }
}
