//! LogGroup: a CloudWatch log group and its metric filters.

mod filter;

use std::sync::Arc;

use aws_sdk_cloudwatchlogs::types::{self as logs, LogGroupClass};
use meteoctl_engine::diff::{self, Diff};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::filter::MetricFilter;
use crate::answer::{done, done_or, fixed, found};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::policy::Action;
use crate::tags::{self, Tags};
use crate::{arn, exact};

const GROUP: &str = "arn:{partition}:logs:{region}:{account}:log-group:{name}";
const EVENTS: &str = "arn:{partition}:logs:{region}:{account}:log-group:{name}:*";
const ANY_GROUP: &str = "arn:{partition}:logs:{region}:{account}:log-group:*";
const GONE: &str = "ResourceNotFoundException";

/// Retention periods CloudWatch Logs takes, in days (API reference of PutRetentionPolicy).
const RETENTIONS: [i32; 23] = [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// What each call needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("logs:DescribeLogGroups", ANY_GROUP),
    Action::plan("logs:ListTagsForResource", GROUP),
    Action::plan("logs:DescribeMetricFilters", GROUP).when("/metricFilters"),
    Action::apply("logs:CreateLogGroup", GROUP),
    Action::apply("logs:TagResource", GROUP),
    Action::apply("logs:PutRetentionPolicy", GROUP).when("/retentionDays"),
    Action::apply("logs:DeleteRetentionPolicy", GROUP).when("/retentionDays"),
    Action::apply("logs:AssociateKmsKey", GROUP).when("/kms"),
    Action::apply("logs:DisassociateKmsKey", GROUP).when("/kms"),
    Action::apply("logs:PutMetricFilter", GROUP).when("/metricFilters"),
    Action::apply("logs:DeleteMetricFilter", GROUP).when("/metricFilters"),
    Action::job("logs:FilterLogEvents", EVENTS),
    Action::delete("logs:DeleteLogGroup", GROUP),
];

/// A CloudWatch log group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LogGroupSpec {
    /// Days after which events are dropped; 0 = kept for ever.
    pub retention_days: Option<i32>,
    /// Storage class, fixed at creation.
    pub class: Option<Class>,
    /// ARN of the KMS key that encrypts the group; `none` = the key of CloudWatch Logs itself.
    pub kms: Option<Link>,
    /// All metric filters of the group; one that is not listed here is removed. `[]` = none.
    pub metric_filters: Option<Vec<MetricFilter>>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// Storage class of a log group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Class {
    /// All features.
    Standard,
    /// Half the price to take in, no metric filters.
    InfrequentAccess,
    /// Only for delivery to other services.
    Delivery,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Class::Standard => "STANDARD",
            Class::InfrequentAccess => "INFREQUENT_ACCESS",
            Class::Delivery => "DELIVERY",
        })
    }
}

/// The kind.
pub struct LogGroup {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for LogGroup {
    const NAME: &'static str = "LogGroup";
    const ABOUT: &'static str = "A CloudWatch log group: retention, class, encryption, metric filters.";
    const LOOKS_ALONE: bool = true;
    const HOLDS_DATA: bool = true;
    type Spec = LogGroupSpec;

    fn check(&self, meta: &Meta, spec: &LogGroupSpec) -> Vec<Fault> {
        let mut faults = Vec::from_iter(check_name(&meta.name));
        if let Some(days) = spec.retention_days.filter(|days| !RETENTIONS.contains(days)) {
            let near = RETENTIONS.iter().find(|allowed| **allowed > days).unwrap_or(&0);
            faults.push(
                Fault::wrong("/retentionDays", format!("CloudWatch Logs does not take {days} days"))
                    .hint(format!("write {near}; allowed are {}", RETENTIONS.map(|days| days.to_string()).join(", "))),
            );
        }
        faults.extend(spec.kms.as_ref().and_then(|key| expect_kind("/kms", key, &["Key"])));
        let filters = spec.metric_filters.as_deref().unwrap_or_default();
        if !filters.is_empty() && spec.class.is_some_and(|class| class != Class::Standard) {
            faults.push(Fault::wrong("/metricFilters", "only a group of class STANDARD takes metric filters"));
        }
        faults.extend(filter::check(filters));
        faults.extend(tags::check(spec.tags.as_ref()));
        faults
    }

    fn predicted(&self, meta: &Meta, _: &LogGroupSpec) -> Outputs {
        let mut outputs = Outputs::new();
        outputs.insert("name".into(), meta.name.as_str().into());
        if let Some(account) = self.aws.known_account() {
            outputs.insert("arn".into(), group_arn(self.aws.region(), &account.id, &meta.name).into());
        }
        outputs
    }

    async fn observe(&self, meta: &Meta, want: &LogGroupSpec) -> Outcome<Option<Observed<LogGroupSpec>>> {
        let Some(group) = self.find(&meta.name).await? else { return Ok(None) };
        let arn = match group.log_group_arn() {
            Some(arn) => arn.to_owned(),
            // Older answers carry only the ARN that ends in `:*`.
            None => group.arn().unwrap_or_default().trim_end_matches(":*").to_owned(),
        };
        let (seen_tags, metric_filters) = tokio::try_join!(self.tags(&meta.name, &arn), async {
            match want.metric_filters {
                Some(_) => filter::look(&self.aws, &meta.name).await.map(Some),
                None => Ok(None),
            }
        })?;
        let Some(seen_tags) = seen_tags else { return Ok(None) };
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &seen_tags)?;
        let class = match group.log_group_class() {
            Some(LogGroupClass::InfrequentAccess) => Class::InfrequentAccess,
            Some(LogGroupClass::Delivery) => Class::Delivery,
            _ => Class::Standard,
        };
        fixed(&format!("log group {}", meta.name), "class", want.class.as_ref(), &class)?;
        let spec = LogGroupSpec {
            retention_days: Some(group.retention_in_days().unwrap_or(0)),
            class: Some(class),
            kms: Some(Link::literal(group.kms_key_id().unwrap_or("none"))),
            metric_filters,
            tags: None,
        };
        let mut observed = Observed::new(spec).output("name", meta.name.as_str()).output("arn", arn);
        observed.since = group.creation_time().and_then(chrono::DateTime::from_timestamp_millis);
        observed.work = due;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &LogGroupSpec, change: &Change) -> Outcome<()> {
        match change {
            Change::Create => self.create(meta, want).await?,
            Change::Update(_) => {
                if change.touches("/tags") {
                    self.retag(meta, want).await?;
                }
                if let Some(key) = want.kms.as_ref().filter(|_| change.touches("/kms")) {
                    self.encrypt(&meta.name, &key.output("arn")?).await?;
                }
            }
        }
        // A new group keeps everything for ever.
        let kept_for_ever = matches!(change, Change::Create) && want.retention_days == Some(0);
        if let Some(days) = want.retention_days.filter(|_| change.touches("/retentionDays") && !kept_for_ever) {
            self.retain(&meta.name, days).await?;
        }
        if let Some(filters) = want.metric_filters.as_deref().filter(|_| change.touches("/metricFilters")) {
            filter::write(&self.aws, &meta.name, filters).await?;
        }
        Ok(())
    }

    fn canonical(&self, spec: &mut LogGroupSpec) {
        if let Some(key) = &mut spec.kms {
            key.settle("arn");
        }
        if let Some(filters) = &mut spec.metric_filters {
            filters.iter_mut().for_each(MetricFilter::canonical);
            filters.sort_by(|a, b| a.name.cmp(&b.name));
        }
        spec.tags = None;
    }

    fn diff(&self, want: &LogGroupSpec, seen: &Observed<LogGroupSpec>) -> Diff {
        let mut diff = diff::fields(want, &seen.spec);
        exact::surplus(&mut diff, "/metricFilters", &want.metric_filters, &seen.spec.metric_filters);
        diff
    }

    async fn delete(&self, meta: &Meta, _: &LogGroupSpec) -> Outcome<()> {
        let answer = self.aws.logs.delete_log_group().log_group_name(&meta.name).send().await;
        done_or(format!("delete log group {}", meta.name), answer, &[GONE])
    }
}

impl LogGroup {
    /// The group of exactly this name: AWS looks for a prefix, and the exact name may be on a later page.
    async fn find(&self, name: &str) -> Outcome<Option<logs::LogGroup>> {
        let mut pages = self.aws.logs.describe_log_groups().log_group_name_prefix(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = done(format!("look at log group {name}"), page)?;
            if let Some(group) = page.log_groups().iter().find(|group| group.log_group_name() == Some(name)) {
                return Ok(Some(group.clone()));
            }
        }
        Ok(None)
    }

    async fn tags(&self, name: &str, arn: &str) -> Outcome<Option<Tags>> {
        let answer = self.aws.logs.list_tags_for_resource().resource_arn(arn).send().await;
        let answer = found(format!("look at the tags of log group {name}"), answer, &[GONE])?;
        Ok(answer.map(|answer| answer.tags().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }

    async fn create(&self, meta: &Meta, want: &LogGroupSpec) -> Outcome<()> {
        let doing = format!("create log group {}", meta.name);
        let key = want.kms.as_ref().map(|key| key.output("arn")).transpose()?.filter(|key| key != "none");
        let wanted = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let class = want.class.map(|class| LogGroupClass::from(class.to_string().as_str()));
        let request = self.aws.logs.create_log_group().log_group_name(&meta.name).set_kms_key_id(key).set_log_group_class(class);
        match request.set_tags(Some(wanted.into_iter().collect())).send().await {
            Ok(_) => Ok(()),
            Err(error) if error::is(&error, &["ResourceAlreadyExistsException"]) => {
                Err(Failure::transient(doing).because(Cause("it exists by now".into())))
            }
            Err(error) => Err(error::failure(doing, error)),
        }
    }

    async fn retag(&self, meta: &Meta, want: &LogGroupSpec) -> Outcome<()> {
        let wanted = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let arn = group_arn(self.aws.region(), &self.aws.account().await?.id, &meta.name);
        let request = self.aws.logs.tag_resource().resource_arn(arn).set_tags(Some(wanted.into_iter().collect()));
        done(format!("tag log group {}", meta.name), request.send().await).map(drop)
    }

    async fn encrypt(&self, name: &str, key: &str) -> Outcome<()> {
        if key == "none" {
            let answer = self.aws.logs.disassociate_kms_key().log_group_name(name).send().await;
            return done(format!("take the key off log group {name}"), answer).map(drop);
        }
        let answer = self.aws.logs.associate_kms_key().log_group_name(name).kms_key_id(key).send().await;
        done(format!("encrypt log group {name}"), answer).map(drop)
    }

    async fn retain(&self, name: &str, days: i32) -> Outcome<()> {
        let doing = format!("set the retention of log group {name}");
        if days == 0 {
            return done(doing, self.aws.logs.delete_retention_policy().log_group_name(name).send().await).map(drop);
        }
        done(doing, self.aws.logs.put_retention_policy().log_group_name(name).retention_in_days(days).send().await).map(drop)
    }
}

fn group_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:{}:logs:{region}:{account}:log-group:{name}", arn::partition(region))
}

/// Names as CloudWatch Logs takes them (API reference of CreateLogGroup).
fn check_name(name: &str) -> Option<Fault> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/.#".contains(&byte);
    match () {
        () if name.is_empty() || name.len() > 512 => Some(Fault::wrong("", "the name of a log group has 1 to 512 characters")),
        () if name.starts_with("aws/") => Some(Fault::wrong("", "names that begin with `aws/` belong to AWS")),
        () if !name.bytes().all(fits) => {
            Some(Fault::wrong("", format!("`{name}` cannot be the name of a log group: letters, digits and _ - / . # are allowed")))
        }
        () => None,
    }
}
