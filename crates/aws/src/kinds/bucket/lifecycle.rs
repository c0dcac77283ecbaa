//! Lifecycle rules of a bucket, ours and S3's spelling.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    self as s3, AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter,
    NoncurrentVersionExpiration, NoncurrentVersionTransition, TransitionStorageClass,
};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::built;

/// One lifecycle rule. What it leaves out is not set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LifecycleRule {
    /// Name of the rule, unique in the bucket, at most 255 characters.
    pub id: String,
    /// Whether the rule is on; left out = on.
    pub enabled: Option<bool>,
    /// Only objects whose key begins so.
    pub prefix: Option<String>,
    /// Only objects that carry all these tags.
    pub object_tags: Option<BTreeMap<String, String>>,
    /// Only objects larger than this, in bytes.
    pub larger_than: Option<i64>,
    /// Only objects smaller than this, in bytes.
    pub smaller_than: Option<i64>,
    /// Objects expire this many days after they were made.
    pub expire_after_days: Option<i32>,
    /// Whether a delete marker without any version behind it is removed.
    pub expired_object_delete_marker: Option<bool>,
    /// Earlier versions are removed this many days after they were replaced.
    pub noncurrent_expire_after_days: Option<i32>,
    /// How many of the newest earlier versions are kept nevertheless.
    pub noncurrent_keep: Option<i32>,
    /// Unfinished multipart uploads are dropped after this many days.
    pub abort_multipart_after_days: Option<i32>,
    /// Moves to cheaper storage.
    pub transitions: Option<Vec<Transition>>,
    /// Moves of earlier versions to cheaper storage.
    pub noncurrent_transitions: Option<Vec<NoncurrentTransition>>,
}

/// A move to another storage class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Transition {
    /// Days after the object was made.
    pub days: i32,
    /// S3's name of the class: `STANDARD_IA`, `GLACIER_IR`, `DEEP_ARCHIVE`, …
    pub storage_class: String,
}

/// A move of earlier versions to another storage class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NoncurrentTransition {
    /// Days after the version was replaced.
    pub days: i32,
    /// S3's name of the class.
    pub storage_class: String,
    /// How many of the newest earlier versions stay where they are.
    pub keep: Option<i32>,
}

impl LifecycleRule {
    /// Faults at `path`.
    pub fn check(&self, path: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.id.is_empty() || self.id.chars().count() > 255 {
            faults.push(Fault::wrong(format!("{path}/id"), "the id of a rule has 1 to 255 characters"));
        }
        let days = [
            ("expireAfterDays", self.expire_after_days),
            ("noncurrentExpireAfterDays", self.noncurrent_expire_after_days),
            ("abortMultipartAfterDays", self.abort_multipart_after_days),
        ];
        for (field, value) in days {
            if value.is_some_and(|days| days < 1) {
                faults.push(Fault::wrong(format!("{path}/{field}"), "S3 counts from 1 day"));
            }
        }
        if self.noncurrent_keep.is_some() && self.noncurrent_expire_after_days.is_none() {
            faults.push(Fault::wrong(format!("{path}/noncurrentKeep"), "needs `noncurrentExpireAfterDays` beside it"));
        }
        if self.expire_after_days.is_some() && self.expired_object_delete_marker.is_some() {
            faults.push(Fault::wrong(format!("{path}/expiredObjectDeleteMarker"), "S3 takes it only without `expireAfterDays`"));
        }
        if self.does_nothing() {
            faults.push(
                Fault::wrong(path, format!("the rule `{}` does nothing", self.id))
                    .hint("give it one of expireAfterDays, noncurrentExpireAfterDays, abortMultipartAfterDays, transitions"),
            );
        }
        faults
    }

    fn does_nothing(&self) -> bool {
        self.expire_after_days.is_none()
            && self.expired_object_delete_marker.is_none()
            && self.noncurrent_expire_after_days.is_none()
            && self.abort_multipart_after_days.is_none()
            && self.transitions.as_ref().is_none_or(Vec::is_empty)
            && self.noncurrent_transitions.as_ref().is_none_or(Vec::is_empty)
    }

    /// One spelling.
    pub fn canonical(&mut self) {
        self.enabled = Some(self.enabled.unwrap_or(true));
        self.prefix = self.prefix.take().filter(|prefix| !prefix.is_empty());
        self.object_tags = self.object_tags.take().filter(|tags| !tags.is_empty());
        self.expired_object_delete_marker = self.expired_object_delete_marker.filter(|on| *on);
        self.transitions = self.transitions.take().filter(|list| !list.is_empty());
        self.transitions.iter_mut().for_each(|list| list.sort());
        self.noncurrent_transitions = self.noncurrent_transitions.take().filter(|list| !list.is_empty());
        self.noncurrent_transitions.iter_mut().for_each(|list| list.sort());
    }

    /// As S3 gives it back.
    pub fn of_s3(rule: &s3::LifecycleRule) -> Self {
        let mut ours = LifecycleRule {
            id: rule.id().unwrap_or_default().to_owned(),
            enabled: Some(rule.status == ExpirationStatus::Enabled),
            expire_after_days: rule.expiration().and_then(LifecycleExpiration::days),
            expired_object_delete_marker: rule.expiration().and_then(LifecycleExpiration::expired_object_delete_marker),
            noncurrent_expire_after_days: rule.noncurrent_version_expiration().and_then(NoncurrentVersionExpiration::noncurrent_days),
            noncurrent_keep: rule.noncurrent_version_expiration().and_then(NoncurrentVersionExpiration::newer_noncurrent_versions),
            abort_multipart_after_days: rule
                .abort_incomplete_multipart_upload()
                .and_then(AbortIncompleteMultipartUpload::days_after_initiation),
            transitions: Some(rule.transitions().iter().map(Transition::of_s3).collect()),
            noncurrent_transitions: Some(rule.noncurrent_version_transitions().iter().map(NoncurrentTransition::of_s3).collect()),
            ..LifecycleRule::default()
        };
        // Rules of before 2016 carry the prefix beside the filter.
        #[allow(deprecated, reason = "S3 still returns rules that were written so")]
        let old = rule.prefix.clone();
        ours.prefix = old;
        if let Some(filter) = rule.filter() {
            ours.read_filter(filter);
        }
        ours
    }

    fn read_filter(&mut self, filter: &LifecycleRuleFilter) {
        let and = filter.and();
        let tags = filter.tag().into_iter().chain(and.iter().flat_map(|and| and.tags()));
        self.object_tags = Some(tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect());
        self.prefix = filter.prefix().or(and.and_then(|and| and.prefix())).map(str::to_owned).or(self.prefix.take());
        self.larger_than = filter.object_size_greater_than().or(and.and_then(|and| and.object_size_greater_than()));
        self.smaller_than = filter.object_size_less_than().or(and.and_then(|and| and.object_size_less_than()));
    }

    /// As S3 wants it.
    ///
    /// # Errors
    /// Rejected when a part is missing that the SDK asks for.
    pub fn to_s3(&self) -> Outcome<s3::LifecycleRule> {
        let doing = format!("write the lifecycle rule {}", self.id);
        let status = if self.enabled == Some(false) { ExpirationStatus::Disabled } else { ExpirationStatus::Enabled };
        let expiration = (self.expire_after_days.is_some() || self.expired_object_delete_marker.is_some()).then(|| {
            LifecycleExpiration::builder()
                .set_days(self.expire_after_days)
                .set_expired_object_delete_marker(self.expired_object_delete_marker)
                .build()
        });
        let noncurrent = self.noncurrent_expire_after_days.map(|days| {
            NoncurrentVersionExpiration::builder().noncurrent_days(days).set_newer_noncurrent_versions(self.noncurrent_keep).build()
        });
        let abort =
            self.abort_multipart_after_days.map(|days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
        let transitions: Vec<s3::Transition> = self.transitions.iter().flatten().map(Transition::to_s3).collect();
        let noncurrent_transitions: Vec<_> = self.noncurrent_transitions.iter().flatten().map(NoncurrentTransition::to_s3).collect();
        let rule = s3::LifecycleRule::builder()
            .id(&self.id)
            .status(status)
            .filter(self.filter(&doing)?)
            .set_expiration(expiration)
            .set_noncurrent_version_expiration(noncurrent)
            .set_abort_incomplete_multipart_upload(abort)
            .set_transitions((!transitions.is_empty()).then_some(transitions))
            .set_noncurrent_version_transitions((!noncurrent_transitions.is_empty()).then_some(noncurrent_transitions))
            .build();
        built(&doing, rule)
    }

    /// S3 takes one condition alone, several only inside `And`, and the empty prefix for "every object".
    fn filter(&self, doing: &str) -> Outcome<LifecycleRuleFilter> {
        let tags = self
            .object_tags
            .iter()
            .flatten()
            .map(|(key, value)| built(doing, s3::Tag::builder().key(key).value(value).build()))
            .collect::<Outcome<Vec<_>>>()?;
        let conditions = usize::from(self.prefix.is_some())
            + tags.len()
            + usize::from(self.larger_than.is_some())
            + usize::from(self.smaller_than.is_some());
        if conditions > 1 {
            let and = LifecycleRuleAndOperator::builder()
                .set_prefix(self.prefix.clone())
                .set_tags((!tags.is_empty()).then_some(tags))
                .set_object_size_greater_than(self.larger_than)
                .set_object_size_less_than(self.smaller_than)
                .build();
            return Ok(LifecycleRuleFilter::builder().and(and).build());
        }
        let prefix = if conditions == 0 { Some(String::new()) } else { self.prefix.clone() };
        Ok(LifecycleRuleFilter::builder()
            .set_prefix(prefix)
            .set_tag(tags.into_iter().next())
            .set_object_size_greater_than(self.larger_than)
            .set_object_size_less_than(self.smaller_than)
            .build())
    }
}

impl Transition {
    fn of_s3(transition: &s3::Transition) -> Self {
        Transition { days: transition.days().unwrap_or_default(), storage_class: class_name(transition.storage_class()) }
    }

    fn to_s3(&self) -> s3::Transition {
        s3::Transition::builder().days(self.days).storage_class(TransitionStorageClass::from(self.storage_class.as_str())).build()
    }
}

impl NoncurrentTransition {
    fn of_s3(transition: &NoncurrentVersionTransition) -> Self {
        NoncurrentTransition {
            days: transition.noncurrent_days().unwrap_or_default(),
            storage_class: class_name(transition.storage_class()),
            keep: transition.newer_noncurrent_versions(),
        }
    }

    fn to_s3(&self) -> NoncurrentVersionTransition {
        NoncurrentVersionTransition::builder()
            .noncurrent_days(self.days)
            .storage_class(TransitionStorageClass::from(self.storage_class.as_str()))
            .set_newer_noncurrent_versions(self.keep)
            .build()
    }
}

fn class_name(class: Option<&TransitionStorageClass>) -> String {
    class.map(|class| class.as_str().to_owned()).unwrap_or_default()
}

/// Two rules of one id.
pub fn check_ids(rules: &[LifecycleRule]) -> Vec<Fault> {
    let twice = |index: usize, rule: &LifecycleRule| rules.iter().take(index).any(|other| other.id == rule.id);
    rules
        .iter()
        .enumerate()
        .filter(|(index, rule)| twice(*index, rule))
        .map(|(index, rule)| Fault::wrong(format!("/lifecycle/{index}/id"), format!("another rule is called `{}` already", rule.id)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule() -> impl Strategy<Value = LifecycleRule> {
        let days = || prop::option::of(1..400i32);
        let class = prop_oneof![Just("STANDARD_IA".to_owned()), Just("GLACIER".to_owned()), Just("A_CLASS_OF_TOMORROW".to_owned())];
        let transitions =
            prop::collection::vec((0..400i32, class).prop_map(|(days, storage_class)| Transition { days, storage_class }), 0..3);
        let tags = prop::collection::btree_map("[a-z]{1,3}", "[a-z]{0,3}", 0..3);
        ("[a-z]{1,8}", prop::option::of(any::<bool>()), prop::option::of("[a-z/]{0,5}"), tags, days(), days(), days(), transitions)
            .prop_map(|(id, enabled, prefix, tags, expire, noncurrent, abort, transitions)| LifecycleRule {
                id,
                enabled,
                prefix,
                object_tags: Some(tags),
                larger_than: expire.map(i64::from),
                expire_after_days: expire,
                noncurrent_expire_after_days: noncurrent,
                noncurrent_keep: noncurrent.filter(|days| days % 2 == 0),
                abort_multipart_after_days: abort,
                transitions: Some(transitions),
                ..LifecycleRule::default()
            })
    }

    proptest! {
        #[test]
        fn a_rule_comes_back_from_s3_as_it_was_written(mut rule in rule()) {
            rule.canonical();
            let mut back = LifecycleRule::of_s3(&rule.to_s3().expect("a rule"));
            back.canonical();
            prop_assert_eq!(back, rule);
        }
    }

    #[test]
    fn a_filter_has_one_condition_or_an_and() {
        let one = LifecycleRule { id: "a".into(), prefix: Some("x/".into()), ..LifecycleRule::default() };
        let filter = one.filter("test").expect("a filter");
        assert_eq!((filter.prefix(), filter.and().is_some()), (Some("x/"), false));
        let two = LifecycleRule { larger_than: Some(5), ..one.clone() };
        let filter = two.filter("test").expect("a filter");
        assert_eq!((filter.prefix(), filter.and().and_then(|and| and.prefix())), (None, Some("x/")));
        let none = LifecycleRule { id: "a".into(), ..LifecycleRule::default() };
        assert_eq!(none.filter("test").expect("a filter").prefix(), Some(""));
    }

    #[test]
    fn rules_that_s3_would_refuse_are_named() {
        let idle = LifecycleRule { id: "idle".into(), ..LifecycleRule::default() };
        assert_eq!(idle.check("/lifecycle/0").len(), 1);
        let zero = LifecycleRule { expire_after_days: Some(0), ..idle.clone() };
        assert_eq!(zero.check("/lifecycle/0")[0].path, "/lifecycle/0/expireAfterDays");
        assert_eq!(check_ids(&[idle.clone(), idle]).len(), 1);
    }
}
