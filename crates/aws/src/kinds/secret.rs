//! Secret: credentials in Secrets Manager, made once, never shown.

mod value;

use std::sync::Arc;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types as sm;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::value::{Generate, Login, login, secret_value};
use crate::answer::{self, done, done_or, found};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::policy::Action;
use crate::tags::{self, Tags};

/// Tag that keeps the token of the last rotation.
pub const ROTATION: &str = "meteoctl:rotation";
/// Tag that keeps the user name, which is no secret, so that a plan need not read the value.
pub const USERNAME: &str = "meteoctl:username";

/// The key Secrets Manager uses when none is named.
const OWN_KEY: &str = "alias/aws/secretsmanager";
const CURRENT: &str = "AWSCURRENT";
const GONE: [&str; 1] = ["ResourceNotFoundException"];
// Secrets Manager adds a hyphen and six characters of its own to the name.
const SECRET: &str = "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????";

/// What each call needs. Looking never reads the value.
pub const ACTIONS: &[Action] = &[
    Action::plan("secretsmanager:DescribeSecret", SECRET),
    Action::apply("secretsmanager:CreateSecret", SECRET),
    Action::apply("secretsmanager:TagResource", SECRET),
    Action::apply("secretsmanager:GetSecretValue", SECRET),
    Action::apply("secretsmanager:PutSecretValue", SECRET),
    Action::apply("secretsmanager:UpdateSecret", SECRET),
    Action::apply("secretsmanager:RestoreSecret", SECRET),
    Action::job("secretsmanager:GetSecretValue", SECRET),
    Action::delete("secretsmanager:DeleteSecret", SECRET),
];

/// Credentials in Secrets Manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretSpec {
    /// How the value is made: once, at creation. It is a JSON object with the keys `username` and `password`.
    pub generate: Generate,
    /// A token of your choice. Whenever it changes, a new password is made, once.
    pub rotate: Option<String>,
    /// What the secret is for.
    pub description: Option<String>,
    /// The KMS key: id, ARN or alias. Left out = not managed; `alias/aws/secretsmanager` = the service's own.
    pub kms: Option<Link>,
    /// Days during which a deleted secret can be brought back, 7 to 30; 0 = deleted at once. Left out = 30.
    pub recovery_days: Option<i64>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// The kind.
pub struct Secret {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for Secret {
    const NAME: &'static str = "Secret";
    const ABOUT: &'static str = "Credentials in Secrets Manager: made once, rotated on request, never read by a plan.";
    const LOOKS_ALONE: bool = true;
    const HOLDS_DATA: bool = true;
    type Spec = SecretSpec;

    fn check(&self, meta: &Meta, spec: &SecretSpec) -> Vec<Fault> {
        let mut faults = Vec::new();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        if meta.name.is_empty() || meta.name.len() > 505 || !meta.name.bytes().all(fits) {
            faults.push(
                Fault::wrong("", format!("`{}` cannot be the name of a secret", meta.name)).hint("letters, digits and / _ + = . @ -"),
            );
        }
        if spec.recovery_days.is_some_and(|days| days != 0 && !(7..=30).contains(&days)) {
            faults.push(Fault::wrong("/recoveryDays", "Secrets Manager takes 7 to 30 days, or 0 for at once"));
        }
        if spec.rotate.as_ref().is_some_and(|token| token.is_empty() || token.chars().count() > 256) {
            faults.push(Fault::wrong("/rotate", "a token has 1 to 256 characters"));
        }
        faults.extend(spec.kms.as_ref().and_then(|key| expect_kind("/kms", key, &["Key"])));
        faults.extend(spec.generate.check());
        faults.extend(tags::check(spec.tags.as_ref()));
        faults
    }

    fn predicted(&self, meta: &Meta, _: &SecretSpec) -> Outputs {
        Outputs::from_iter([("name".to_owned(), meta.name.as_str().into())])
    }

    async fn observe(&self, meta: &Meta, want: &SecretSpec) -> Outcome<Option<Observed<SecretSpec>>> {
        let Some(secret) = self.describe(&meta.name).await?.filter(|secret| secret.deleted_date().is_none()) else { return Ok(None) };
        let seen = tags_of(&secret);
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &seen)?;
        let spec = SecretSpec {
            generate: Generate {
                // A secret taken over carries no such tag: what it holds is nobody's business but its own.
                username: seen.get(USERNAME).cloned().or_else(|| want.generate.username.clone()),
                ..want.generate.clone()
            },
            rotate: seen.get(ROTATION).cloned(),
            description: Some(secret.description().unwrap_or_default().to_owned()),
            kms: Some(Link::literal(secret.kms_key_id().unwrap_or(OWN_KEY))),
            recovery_days: want.recovery_days,
            tags: None,
        };
        let mut observed = Observed::new(spec).output("name", meta.name.as_str()).since(answer::time(secret.last_changed_date()));
        if let Some(arn) = secret.arn() {
            observed = observed.output("arn", arn);
        }
        observed.work = due;
        if current_version(&secret).is_none() {
            observed = observed.work("/value", "it has no value yet");
        }
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &SecretSpec, change: &Change) -> Outcome<()> {
        if matches!(change, Change::Create) {
            return self.create(meta, want).await;
        }
        if change.touches("/description") || change.touches("/kms") {
            let key = want.kms.as_ref().filter(|_| change.touches("/kms")).map(|key| key.output("arn")).transpose()?;
            let request = self.aws.secrets.update_secret().secret_id(&meta.name).set_kms_key_id(key);
            done(format!("change secret {}", meta.name), request.set_description(want.description.clone()).send().await)?;
        }
        let renew = change.touches("/rotate") || change.touches("/value");
        if renew || change.touches("/generate") {
            self.renew(meta, want, renew).await?;
        }
        // The tags come last: while they are missing, a rerun knows that the value may still have to be written.
        if renew || change.touches("/generate") || change.touches("/tags") {
            let request = self.aws.secrets.tag_resource().secret_id(&meta.name).set_tags(Some(self.all_tags(meta, want)));
            done(format!("tag secret {}", meta.name), request.send().await)?;
        }
        Ok(())
    }

    fn canonical(&self, spec: &mut SecretSpec) {
        if let Some(key) = &mut spec.kms {
            key.settle("arn");
        }
        spec.tags = None;
    }

    async fn delete(&self, meta: &Meta, spec: &SecretSpec) -> Outcome<()> {
        let request = self.aws.secrets.delete_secret().secret_id(&meta.name);
        let request = match spec.recovery_days.unwrap_or(30) {
            0 => request.force_delete_without_recovery(true),
            days => request.recovery_window_in_days(days),
        };
        done_or(format!("delete secret {}", meta.name), request.send().await, &GONE)
    }
}

impl Secret {
    async fn describe(&self, name: &str) -> Outcome<Option<DescribeSecretOutput>> {
        found(format!("look at secret {name}"), self.aws.secrets.describe_secret().secret_id(name).send().await, &GONE)
    }

    /// Creates the secret with value and tags in one call. One that waits for its deletion is brought back as it was.
    async fn create(&self, meta: &Meta, want: &SecretSpec) -> Outcome<()> {
        let doing = format!("create secret {}", meta.name);
        if let Some(secret) = self.describe(&meta.name).await?.filter(|secret| secret.deleted_date().is_some()) {
            return self.bring_back(meta, &tags_of(&secret)).await;
        }
        let key = want.kms.as_ref().map(|key| key.output("arn")).transpose()?;
        let request = self
            .aws
            .secrets
            .create_secret()
            .name(&meta.name)
            .secret_string(want.generate.fresh().reveal())
            .set_description(want.description.clone())
            .set_kms_key_id(key)
            .set_tags(Some(self.all_tags(meta, want)));
        match request.send().await {
            Ok(_) => Ok(()),
            // A lost answer, or somebody else: the next look tells.
            Err(error) if error::is(&error, &["ResourceExistsException"]) => {
                Err(Failure::transient(doing).because(Cause("it exists by now".into())))
            }
            Err(error) => Err(error::failure(doing, error)),
        }
    }

    async fn bring_back(&self, meta: &Meta, seen: &Tags) -> Outcome<()> {
        if !tags::ours(&self.aws.stack, seen) && !meta.adopts() {
            return Err(tags::foreign(Self::NAME, meta, seen));
        }
        let answer = self.aws.secrets.restore_secret().secret_id(&meta.name).send().await;
        done(format!("bring back secret {} from its deletion", meta.name), answer).map(drop)
    }

    /// Writes a new version: with a new password where `password` says so, else only with the user name of the wish.
    ///
    /// The version's id follows from what is asked for, so that a rerun after a lost answer makes no second password.
    async fn renew(&self, meta: &Meta, want: &SecretSpec, password: bool) -> Outcome<()> {
        let doing = format!("write a new version of secret {}", meta.name);
        let Some(secret) = self.describe(&meta.name).await? else {
            return Err(Failure::transient(doing).because(Cause("it is gone".into())));
        };
        let current = current_version(&secret);
        let version = version_id(&secret, want);
        let old = match current {
            Some(_) => value::whole(&self.aws, &meta.name).await?,
            None => None,
        };
        if password && current == Some(version.as_str()) {
            return Ok(());
        }
        let value = want.generate.renewed(old.as_ref(), password || old.is_none());
        // An id that an old version carries already cannot be given again.
        let taken = secret.version_ids_to_stages().is_some_and(|versions| versions.contains_key(&version));
        let token = if taken { Uuid::new_v4().to_string() } else { version };
        let request = self.aws.secrets.put_secret_value().secret_id(&meta.name).client_request_token(token);
        done(doing, request.secret_string(value.reveal()).send().await).map(drop)
    }

    fn all_tags(&self, meta: &Meta, want: &SecretSpec) -> Vec<sm::Tag> {
        let mut all = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        all.extend(want.rotate.iter().map(|token| (ROTATION.to_owned(), token.clone())));
        all.extend(want.generate.username.iter().map(|name| (USERNAME.to_owned(), name.clone())));
        all.iter().map(|(key, value)| sm::Tag::builder().key(key).value(value).build()).collect()
    }
}

fn tags_of(secret: &DescribeSecretOutput) -> Tags {
    secret.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

fn current_version(secret: &DescribeSecretOutput) -> Option<&str> {
    let versions = secret.version_ids_to_stages()?;
    versions.iter().find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT)).map(|(id, _)| id.as_str())
}

/// Follows from the secret, the rotation it has behind it and the one that is asked for.
fn version_id(secret: &DescribeSecretOutput, want: &SecretSpec) -> String {
    let tags = tags_of(secret);
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let asked = [text(tags.get(ROTATION)), text(want.rotate.as_ref()), text(tags.get(USERNAME)), text(want.generate.username.as_ref())];
    let name = format!("{}\n{}", secret.arn().unwrap_or_default(), asked.join("\n"));
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}
