//! Repository: an ECR repository for container images.

use std::sync::Arc;

use aws_sdk_ecr::types as ecr;
use meteoctl_engine::diff::{self, Diff};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{self, built, done, done_or, fixed, found};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::policy::Action;
use crate::tags::{self, Tags};
use crate::{arn, exact, iam_document};

const REPOSITORY: &str = "arn:{partition}:ecr:{region}:{account}:repository/{name}";
const GONE: &str = "RepositoryNotFoundException";

/// What each call needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("ecr:DescribeRepositories", REPOSITORY),
    Action::plan("ecr:ListTagsForResource", REPOSITORY),
    Action::plan("ecr:GetLifecyclePolicy", REPOSITORY).when("/lifecyclePolicy"),
    Action::plan("ecr:GetRepositoryPolicy", REPOSITORY).when("/statements"),
    Action::apply("ecr:CreateRepository", REPOSITORY),
    Action::apply("ecr:TagResource", REPOSITORY),
    Action::apply("ecr:PutImageTagMutability", REPOSITORY).when("/tagMutability"),
    Action::apply("ecr:PutImageScanningConfiguration", REPOSITORY).when("/scanOnPush"),
    Action::apply("ecr:PutLifecyclePolicy", REPOSITORY).when("/lifecyclePolicy"),
    Action::apply("ecr:DeleteLifecyclePolicy", REPOSITORY).when("/lifecyclePolicy"),
    Action::apply("ecr:SetRepositoryPolicy", REPOSITORY).when("/statements"),
    Action::apply("ecr:DeleteRepositoryPolicy", REPOSITORY).when("/statements"),
    Action::delete("ecr:DeleteRepository", REPOSITORY),
];

/// An ECR repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RepositorySpec {
    /// Whether a tag may be moved to another image.
    pub tag_mutability: Option<TagMutability>,
    /// Whether images are searched for known faults when they arrive.
    pub scan_on_push: Option<bool>,
    /// How images are encrypted. Fixed at creation.
    pub encryption: Option<RepositoryEncryption>,
    /// Rules by which images expire, in ECR's grammar (`rulePriority`, `selection`, `action`). `[]` = none.
    pub lifecycle_policy: Option<Vec<Value>>,
    /// Statements of the repository's policy, in the grammar of IAM. `[]` = none.
    pub statements: Option<Vec<Value>>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// Mutability of tags, in ECR's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TagMutability {
    /// A tag may be moved.
    Mutable,
    /// A tag stays where it is.
    Immutable,
}

/// Encryption of a repository, in ECR's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RepositoryEncryption {
    /// Keys held by S3.
    #[serde(rename = "AES256")]
    Aes256,
    /// The key AWS keeps for ECR in KMS.
    #[serde(rename = "KMS")]
    Kms,
}

impl std::fmt::Display for RepositoryEncryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RepositoryEncryption::Aes256 => "AES256",
            RepositoryEncryption::Kms => "KMS",
        })
    }
}

/// The kind.
pub struct Repository {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for Repository {
    const NAME: &'static str = "Repository";
    const ABOUT: &'static str = "An ECR repository: where container images lie.";
    const LOOKS_ALONE: bool = true;
    const HOLDS_DATA: bool = true;
    type Spec = RepositorySpec;

    fn check(&self, meta: &Meta, spec: &RepositorySpec) -> Vec<Fault> {
        let mut faults = Vec::new();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte);
        if !(2..=256).contains(&meta.name.len())
            || !meta.name.bytes().all(fits)
            || !meta.name.starts_with(|first: char| first.is_ascii_alphanumeric())
        {
            faults.push(
                Fault::wrong("", format!("`{}` cannot be the name of a repository", meta.name))
                    .hint("2 to 256 lower-case letters, digits and . _ - /, beginning with a letter or a digit"),
            );
        }
        let statements = spec.statements.as_deref().unwrap_or_default();
        faults.extend(iam_document::check("/statements", statements));
        faults.extend(tags::check(spec.tags.as_ref()));
        faults
    }

    fn predicted(&self, meta: &Meta, _: &RepositorySpec) -> Outputs {
        let mut outputs = Outputs::from_iter([("name".to_owned(), meta.name.as_str().into())]);
        if let Some(account) = self.aws.known_account() {
            let region = self.aws.region();
            let arn = format!("arn:{}:ecr:{region}:{}:repository/{}", arn::partition(region), account.id, meta.name);
            outputs.insert("arn".into(), arn.into());
        }
        outputs
    }

    async fn observe(&self, meta: &Meta, want: &RepositorySpec) -> Outcome<Option<Observed<RepositorySpec>>> {
        let name = meta.name.as_str();
        let doing = format!("look at repository {name}");
        let (answer, lifecycle_policy, statements) = tokio::try_join!(
            async { found(doing.clone(), self.aws.ecr.describe_repositories().repository_names(name).send().await, &[GONE]) },
            async { if want.lifecycle_policy.is_some() { self.lifecycle_policy(name).await.map(Some) } else { Ok(None) } },
            async { if want.statements.is_some() { self.statements(name).await.map(Some) } else { Ok(None) } },
        )?;
        let Some(repository) = answer.and_then(|answer| answer.repositories.unwrap_or_default().into_iter().next()) else {
            return Ok(None);
        };
        let arn = repository.repository_arn().unwrap_or_default();
        let answer = self.aws.ecr.list_tags_for_resource().resource_arn(arn).send().await;
        let Some(answer) = found(format!("look at the tags of repository {name}"), answer, &[GONE])? else { return Ok(None) };
        let seen = answer.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &seen)?;
        let encryption = match repository.encryption_configuration().map(ecr::EncryptionConfiguration::encryption_type) {
            Some(ecr::EncryptionType::Kms | ecr::EncryptionType::KmsDsse) => RepositoryEncryption::Kms,
            _ => RepositoryEncryption::Aes256,
        };
        fixed(&format!("repository {name}"), "encryption", want.encryption.as_ref(), &encryption)?;
        let spec = RepositorySpec {
            tag_mutability: Some(match repository.image_tag_mutability() {
                Some(ecr::ImageTagMutability::Immutable) => TagMutability::Immutable,
                _ => TagMutability::Mutable,
            }),
            scan_on_push: Some(repository.image_scanning_configuration().is_some_and(|scan| scan.scan_on_push())),
            encryption: Some(encryption),
            lifecycle_policy,
            statements,
            tags: None,
        };
        let uri = repository.repository_uri().unwrap_or_default();
        let mut observed = Observed::new(spec).output("name", name).output("arn", arn).output("uri", uri);
        observed.since = answer::time(repository.created_at());
        observed.work = due;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &RepositorySpec, change: &Change) -> Outcome<()> {
        match change {
            Change::Create => self.create(meta, want).await?,
            Change::Update(_) => self.update(meta, want, change).await?,
        }
        let new = matches!(change, Change::Create);
        if let Some(rules) = want.lifecycle_policy.as_ref().filter(|_| change.touches("/lifecyclePolicy")) {
            self.write_lifecycle_policy(&meta.name, rules, new).await?;
        }
        match want.statements.as_ref().filter(|_| change.touches("/statements")) {
            Some(statements) => self.write_statements(&meta.name, statements, new).await,
            None => Ok(()),
        }
    }

    fn canonical(&self, spec: &mut RepositorySpec) {
        if let Some(rules) = &mut spec.lifecycle_policy {
            rules.sort_by_key(|rule| rule.get("rulePriority").and_then(Value::as_i64));
        }
        if let Some(statements) = &mut spec.statements {
            iam_document::canonical(statements);
        }
        spec.tags = None;
    }

    fn diff(&self, want: &RepositorySpec, seen: &Observed<RepositorySpec>) -> Diff {
        let mut diff = diff::fields(want, &seen.spec);
        exact::surplus(&mut diff, "/lifecyclePolicy", &want.lifecycle_policy, &seen.spec.lifecycle_policy);
        exact::surplus(&mut diff, "/statements", &want.statements, &seen.spec.statements);
        diff
    }

    /// Refused by ECR itself while one image is left.
    async fn delete(&self, meta: &Meta, _: &RepositorySpec) -> Outcome<()> {
        let doing = format!("delete repository {}", meta.name);
        match self.aws.ecr.delete_repository().repository_name(&meta.name).send().await {
            Err(error) if error::is(&error, &["RepositoryNotEmptyException"]) => Err(Failure::rejected(doing)
                .because(Cause("images are left in it".into()))
                .hint("meteoctl never deletes images: delete them by hand, then run again")),
            other => done_or(doing, other, &[GONE]),
        }
    }
}

impl Repository {
    async fn lifecycle_policy(&self, name: &str) -> Outcome<Vec<Value>> {
        let doing = format!("look at the lifecycle policy of repository {name}");
        let answer = self.aws.ecr.get_lifecycle_policy().repository_name(name).send().await;
        let answer = found(doing.clone(), answer, &[GONE, "LifecyclePolicyNotFoundException"])?;
        let Some(text) = answer.as_ref().and_then(|answer| answer.lifecycle_policy_text()) else { return Ok(Vec::new()) };
        let parsed: Value = serde_json::from_str(text).map_err(|error| Failure::rejected(doing).because(error))?;
        Ok(parsed.get("rules").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    async fn statements(&self, name: &str) -> Outcome<Vec<Value>> {
        let doing = format!("look at the policy of repository {name}");
        let answer = self.aws.ecr.get_repository_policy().repository_name(name).send().await;
        let answer = found(doing.clone(), answer, &[GONE, "RepositoryPolicyNotFoundException"])?;
        match answer.as_ref().and_then(|answer| answer.policy_text()) {
            Some(text) => iam_document::statements(&doing, text),
            None => Ok(Vec::new()),
        }
    }

    async fn create(&self, meta: &Meta, want: &RepositorySpec) -> Outcome<()> {
        let doing = format!("create repository {}", meta.name);
        let scan = want.scan_on_push.map(|on| ecr::ImageScanningConfiguration::builder().scan_on_push(on).build());
        let encryption = match want.encryption {
            Some(RepositoryEncryption::Kms) => {
                Some(built(&doing, ecr::EncryptionConfiguration::builder().encryption_type(ecr::EncryptionType::Kms).build())?)
            }
            _ => None,
        };
        let request = self
            .aws
            .ecr
            .create_repository()
            .repository_name(&meta.name)
            .set_image_tag_mutability(want.tag_mutability.map(mutability))
            .set_image_scanning_configuration(scan)
            .set_encryption_configuration(encryption)
            .set_tags(Some(self.ecr_tags(&doing, meta, want)?));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error::is(&error, &["RepositoryAlreadyExistsException"]) => {
                Err(Failure::transient(doing).because(Cause("it exists by now".into())))
            }
            Err(error) => Err(error::failure(doing, error)),
        }
    }

    async fn update(&self, meta: &Meta, want: &RepositorySpec, change: &Change) -> Outcome<()> {
        let name = meta.name.as_str();
        let doing = format!("change repository {name}");
        if change.touches("/tags") {
            let account = &self.aws.account().await?.id;
            let region = self.aws.region();
            let arn = format!("arn:{}:ecr:{region}:{account}:repository/{name}", arn::partition(region));
            let tags = self.ecr_tags(&doing, meta, want)?;
            done(format!("tag repository {name}"), self.aws.ecr.tag_resource().resource_arn(arn).set_tags(Some(tags)).send().await)?;
        }
        if let Some(wish) = want.tag_mutability.filter(|_| change.touches("/tagMutability")) {
            let request = self.aws.ecr.put_image_tag_mutability().repository_name(name).image_tag_mutability(mutability(wish));
            done(doing.clone(), request.send().await)?;
        }
        if let Some(on) = want.scan_on_push.filter(|_| change.touches("/scanOnPush")) {
            let scan = ecr::ImageScanningConfiguration::builder().scan_on_push(on).build();
            let request = self.aws.ecr.put_image_scanning_configuration().repository_name(name).image_scanning_configuration(scan);
            done(doing, request.send().await)?;
        }
        Ok(())
    }

    async fn write_lifecycle_policy(&self, name: &str, rules: &[Value], new: bool) -> Outcome<()> {
        let doing = format!("write the lifecycle policy of repository {name}");
        if rules.is_empty() {
            if new {
                return Ok(());
            }
            let answer = self.aws.ecr.delete_lifecycle_policy().repository_name(name).send().await;
            return done_or(doing, answer, &["LifecyclePolicyNotFoundException"]);
        }
        let text = serde_json::json!({ "rules": rules }).to_string();
        done(doing, self.aws.ecr.put_lifecycle_policy().repository_name(name).lifecycle_policy_text(text).send().await).map(drop)
    }

    async fn write_statements(&self, name: &str, statements: &[Value], new: bool) -> Outcome<()> {
        let doing = format!("write the policy of repository {name}");
        if statements.is_empty() {
            if new {
                return Ok(());
            }
            let answer = self.aws.ecr.delete_repository_policy().repository_name(name).send().await;
            return done_or(doing, answer, &["RepositoryPolicyNotFoundException"]);
        }
        let text = iam_document::document(&iam_document::resolved(statements)?).to_string();
        done(doing, self.aws.ecr.set_repository_policy().repository_name(name).policy_text(text).send().await).map(drop)
    }

    fn ecr_tags(&self, doing: &str, meta: &Meta, want: &RepositorySpec) -> Outcome<Vec<ecr::Tag>> {
        let wanted = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        wanted.iter().map(|(key, value)| built(doing, ecr::Tag::builder().key(key).value(value).build())).collect()
    }
}

fn mutability(wish: TagMutability) -> ecr::ImageTagMutability {
    match wish {
        TagMutability::Mutable => ecr::ImageTagMutability::Mutable,
        TagMutability::Immutable => ecr::ImageTagMutability::Immutable,
    }
}
