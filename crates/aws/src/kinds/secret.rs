//! Secret: a generated secret in Secrets Manager. Its value is made once, never read by a look and never shown.

use std::sync::Arc;

use aws_sdk_secretsmanager::types::Tag;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs};
use meteoctl_engine::masked::Masked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{done, done_or, found};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::policy::Action;
use crate::tags::{self, Tags};

/// Tag that keeps the token of the last rotation.
const ROTATION: &str = "meteoctl:rotation";
/// Characters of a generated password: safe in a URI and in a shell, 62 of them, so 32 give 190 bits.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The permissions this kind needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("secretsmanager:DescribeSecret", ARN),
    Action::apply("secretsmanager:CreateSecret", ARN),
    Action::apply("secretsmanager:PutSecretValue", ARN).when("/rotate"),
    Action::apply("secretsmanager:RestoreSecret", ARN),
    Action::apply("secretsmanager:TagResource", ARN),
    Action::apply("secretsmanager:UpdateSecret", ARN),
    Action::job("secretsmanager:GetSecretValue", ARN),
    Action::delete("secretsmanager:DeleteSecret", ARN),
];
const ARN: &str = "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-*";

/// A secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretSpec {
    /// What it is for, for people.
    pub description: Option<String>,
    /// Key in KMS; the account's own where left out.
    pub kms_key: Option<String>,
    /// How the value is made, once.
    pub generate: Generate,
    /// A token of your choice; a new one makes a new password.
    pub rotate: Option<String>,
    /// Days in which a removed secret can be brought back, 7 to 30; 30 where left out.
    pub recovery_days: Option<u8>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// How the value is made: JSON with `username` and `password`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Generate {
    /// The user name, written as it is.
    pub username: String,
    /// Length of the password, 16 to 128; 32 where left out.
    pub password_length: Option<usize>,
}

/// The kind.
pub struct Secret {
    /// The clients.
    pub aws: Arc<Aws>,
}

/// One value out of a secret that holds JSON.
///
/// # Errors
/// The service's refusal; a secret without that key.
pub async fn secret_value(aws: &Aws, arn: &str, key: &str) -> Outcome<Masked> {
    let doing = format!("read `{key}` of the secret {arn}");
    let answer = done(doing.clone(), aws.secrets.get_secret_value().secret_id(arn).send().await)?;
    let value: Option<Value> = answer.secret_string().and_then(|text| serde_json::from_str(text).ok());
    match value.as_ref().and_then(|value| value.get(key)).and_then(Value::as_str) {
        Some(text) => Ok(Masked::new(text)),
        None => Err(Failure::rejected(doing).because(Cause("it is not JSON with that key".into()))),
    }
}

fn value(generate: &Generate) -> Masked {
    use rand::seq::IndexedRandom;
    let mut rng = rand::rng();
    let length = generate.password_length.unwrap_or(32);
    let password: String = (0..length).filter_map(|_| LETTERS.choose(&mut rng)).map(|byte| char::from(*byte)).collect();
    Masked::new(json!({"username": generate.username, "password": password}).to_string())
}

fn sdk_tags(wanted: &Tags) -> Vec<Tag> {
    wanted.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

impl Secret {
    fn wanted(&self, meta: &Meta, want: &SecretSpec) -> Tags {
        let mut wanted = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        wanted.extend(want.rotate.clone().map(|token| (ROTATION.to_owned(), token)));
        wanted
    }

    async fn create(&self, meta: &Meta, want: &SecretSpec) -> Outcome<()> {
        let request = self.aws.secrets.create_secret().name(&meta.name).set_description(want.description.clone()).set_kms_key_id(want.kms_key.clone());
        let request = request.secret_string(value(&want.generate).reveal()).set_tags(Some(sdk_tags(&self.wanted(meta, want))));
        match request.send().await {
            // Removed not long ago: its name stays taken until the recovery window is over, so it is brought back.
            Err(error) if error::is(&error, &["InvalidRequestException"]) => {
                let doing = format!("bring back the secret {}, which is scheduled for removal", meta.name);
                done(doing, self.aws.secrets.restore_secret().secret_id(&meta.name).send().await).map(drop)
            }
            // A retried request met its own secret.
            answer => done_or(format!("create secret {}", meta.name), answer, &["ResourceExistsException"]),
        }
    }

    async fn rotate(&self, meta: &Meta, want: &SecretSpec) -> Outcome<()> {
        let request = self.aws.secrets.put_secret_value().secret_id(&meta.name).secret_string(value(&want.generate).reveal());
        done(format!("make a new value for the secret {}", meta.name), request.send().await).map(drop)
    }
}

impl Kind for Secret {
    const NAME: &'static str = "Secret";
    const ABOUT: &'static str = "A generated secret in Secrets Manager: user name and password, made once, never shown.";
    const HOLDS_DATA: bool = true;
    type Spec = SecretSpec;

    fn check(&self, _: &Meta, spec: &SecretSpec) -> Vec<Fault> {
        let mut faults = tags::check(spec.tags.as_ref());
        if spec.generate.password_length.is_some_and(|length| !(16..=128).contains(&length)) {
            faults.push(Fault::wrong("/generate/passwordLength", "a password must have 16 to 128 characters"));
        }
        if spec.generate.username.is_empty() {
            faults.push(Fault::wrong("/generate/username", "the user name is empty"));
        }
        if spec.recovery_days.is_some_and(|days| !(7..=30).contains(&days)) {
            faults.push(Fault::wrong("/recoveryDays", "Secrets Manager keeps removed secrets for 7 to 30 days"));
        }
        faults
    }

    fn predicted(&self, meta: &Meta, _: &SecretSpec) -> Outputs {
        Outputs::from_iter([("name".to_owned(), Value::from(meta.name.as_str()))])
    }

    async fn observe(&self, meta: &Meta, want: &SecretSpec) -> Outcome<Option<Observed<SecretSpec>>> {
        let answer = self.aws.secrets.describe_secret().secret_id(&meta.name).send().await;
        let Some(seen) = found(format!("look at secret {}", meta.name), answer, &["ResourceNotFoundException"])? else { return Ok(None) };
        if seen.deleted_date().is_some() {
            return Ok(None);
        }
        let carried: Tags = seen.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))).collect();
        let mut observed = Observed::new(SecretSpec {
            description: Some(seen.description().unwrap_or_default().to_owned()),
            kms_key: seen.kms_key_id().map(str::to_owned),
            generate: want.generate.clone(),
            rotate: carried.get(ROTATION).cloned(),
            recovery_days: want.recovery_days,
            tags: None,
        })
        .output("arn", seen.arn().unwrap_or_default())
        .output("name", meta.name.as_str())
        .note("generated, value not read");
        observed.work = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &carried)?;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &SecretSpec, change: &Change) -> Outcome<()> {
        if matches!(change, Change::Create) {
            return self.create(meta, want).await;
        }
        if change.touches("/description") || change.touches("/kmsKey") {
            let request = self.aws.secrets.update_secret().secret_id(&meta.name);
            let request = request.set_description(want.description.clone()).set_kms_key_id(want.kms_key.clone());
            done(format!("update secret {}", meta.name), request.send().await)?;
        }
        if change.touches("/rotate") {
            self.rotate(meta, want).await?;
        }
        if change.touches("/tags") || change.touches("/rotate") {
            let request = self.aws.secrets.tag_resource().secret_id(&meta.name).set_tags(Some(sdk_tags(&self.wanted(meta, want))));
            done(format!("tag secret {}", meta.name), request.send().await)?;
        }
        Ok(())
    }

    fn canonical(&self, spec: &mut SecretSpec) {
        spec.tags = None;
    }

    async fn delete(&self, meta: &Meta, spec: &SecretSpec) -> Outcome<()> {
        let days = i64::from(spec.recovery_days.unwrap_or(30));
        let request = self.aws.secrets.delete_secret().secret_id(&meta.name).recovery_window_in_days(days);
        done_or(format!("remove secret {}", meta.name), request.send().await, &["ResourceNotFoundException"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_password_is_new_and_of_the_asked_length() {
        let generate = Generate { username: "meteo".into(), password_length: Some(40) };
        let parse = |masked: Masked| serde_json::from_str::<Value>(masked.reveal()).expect("JSON");
        let (a, b) = (parse(value(&generate)), parse(value(&generate)));
        assert_eq!(a["username"], "meteo");
        assert_eq!(a["password"].as_str().map(str::len), Some(40));
        assert_ne!(a["password"], b["password"]);
    }
}
