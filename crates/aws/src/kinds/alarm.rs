//! A CloudWatch metric alarm.

mod spec;

use std::sync::Arc;

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, StandardUnit, Statistic, Tag};
use meteoctl_engine::diff::{self, Diff};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed};
use meteoctl_engine::reference::Link;

pub use self::spec::{AlarmSpec, Comparison, Missing};
use crate::answer::{self, done, done_or};
use crate::client::Aws;
use crate::exact;
use crate::policy::Action;
use crate::tags::{self, Tags};

const ALARM: &str = "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}";

/// What each call needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("cloudwatch:DescribeAlarms", "*"),
    Action::plan("cloudwatch:ListTagsForResource", ALARM),
    Action::apply("cloudwatch:PutMetricAlarm", ALARM),
    Action::apply("cloudwatch:TagResource", ALARM),
    Action::delete("cloudwatch:DeleteAlarms", ALARM),
];

/// Alarms.
pub struct Alarm {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for Alarm {
    const NAME: &'static str = "Alarm";
    const ABOUT: &'static str = "A CloudWatch alarm on a metric: no task runs, the backup is too old, errors in the log.";
    const LOOKS_ALONE: bool = true;

    type Spec = AlarmSpec;

    fn check(&self, meta: &Meta, spec: &AlarmSpec) -> Vec<Fault> {
        spec::faults(meta, spec)
    }

    async fn observe(&self, meta: &Meta, want: &AlarmSpec) -> Outcome<Option<Observed<AlarmSpec>>> {
        let Some(found) = self.find(meta).await? else { return Ok(None) };
        let arn = found.alarm_arn().unwrap_or_default();
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &self.tags(meta, arn).await?)?;
        let state = found.state_value().map_or("no state", |state| state.as_str());
        let reason = found.state_reason().unwrap_or_default();
        let observed = Observed::new(read(want, &found)).output("arn", arn).output("name", meta.name.as_str());
        let mut observed = observed.note(format!("{state}: {reason}").trim_end_matches([':', ' ']).to_owned());
        observed.since = answer::time(found.state_updated_timestamp());
        observed.work = due;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &AlarmSpec, change: &Change) -> Outcome<()> {
        let only_tags = matches!(change, Change::Update(diff) if diff.fields.iter().all(|field| field.path.starts_with("/tags")));
        if !only_tags {
            self.put(meta, want, *change == Change::Create).await?;
        }
        if *change != Change::Create && change.touches("/tags") {
            let Some(found) = self.find(meta).await? else { return Ok(()) };
            let call = self.aws.cloudwatch.tag_resource().resource_arn(found.alarm_arn().unwrap_or_default());
            done(format!("tag alarm {}", meta.name), call.set_tags(Some(self.tag_list(meta, want))).send().await)?;
        }
        Ok(())
    }

    fn canonical(&self, spec: &mut AlarmSpec) {
        spec.settle();
    }

    /// An alarm watches the metric of exactly these dimensions: one more is another metric.
    fn diff(&self, want: &AlarmSpec, seen: &Observed<AlarmSpec>) -> Diff {
        let mut diff = diff::fields(want, &seen.spec);
        exact::surplus(&mut diff, "/dimensions", &want.dimensions, &seen.spec.dimensions);
        diff
    }

    async fn delete(&self, meta: &Meta, _: &AlarmSpec) -> Outcome<()> {
        let Some(found) = self.find(meta).await? else { return Ok(()) };
        let seen = self.tags(meta, found.alarm_arn().unwrap_or_default()).await?;
        if !tags::ours(&self.aws.stack, &seen) {
            return Err(tags::foreign(Self::NAME, meta, &seen));
        }
        let call = self.aws.cloudwatch.delete_alarms().alarm_names(&meta.name);
        done_or(format!("delete alarm {}", meta.name), call.send().await, &["ResourceNotFound"])
    }
}

impl Alarm {
    /// CloudWatch answers with an empty list where there is no alarm of this name.
    async fn find(&self, meta: &Meta) -> Outcome<Option<MetricAlarm>> {
        let call = self.aws.cloudwatch.describe_alarms().alarm_names(&meta.name);
        let answer = done(format!("look at alarm {}", meta.name), call.send().await)?;
        Ok(answer.metric_alarms.unwrap_or_default().into_iter().find(|alarm| alarm.alarm_name() == Some(&meta.name)))
    }

    async fn tags(&self, meta: &Meta, arn: &str) -> Outcome<Tags> {
        let call = self.aws.cloudwatch.list_tags_for_resource().resource_arn(arn);
        let answer = done(format!("look at the tags of alarm {}", meta.name), call.send().await)?;
        Ok(answer.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))).collect())
    }

    fn tag_list(&self, meta: &Meta, want: &AlarmSpec) -> Vec<Tag> {
        let tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
    }

    /// The call replaces everything but the tags, which it takes at creation only: what the wish leaves open is sent as it is.
    async fn put(&self, meta: &Meta, want: &AlarmSpec, create: bool) -> Outcome<()> {
        let there = if create { None } else { self.find(meta).await? };
        let want = match &there {
            Some(there) => want.clone().keeping(read(want, there)),
            None => want.clone(),
        };
        let dimensions =
            want.dimensions.iter().flatten().map(|(name, link)| Ok(Dimension::builder().name(name).value(spec::dimension(link)?).build()));
        let arns = |links: &Option<Vec<Link>>| {
            links.as_ref().map(|links| links.iter().map(|link| link.output("arn")).collect::<Outcome<Vec<_>>>()).transpose()
        };
        let percentile = want.statistic.starts_with('p') || want.statistic.starts_with("tm");
        let call = self.aws.cloudwatch.put_metric_alarm().alarm_name(&meta.name).set_alarm_description(want.description.clone());
        let call = call.namespace(&want.namespace).metric_name(&want.metric).set_dimensions(Some(dimensions.collect::<Outcome<_>>()?));
        let call = match percentile {
            true => call.extended_statistic(&want.statistic),
            false => call.statistic(Statistic::from(want.statistic.as_str())),
        };
        let call = call
            .period(i32::try_from(want.period_seconds).unwrap_or(i32::MAX))
            .evaluation_periods(i32::from(want.evaluation_periods))
            .set_datapoints_to_alarm(want.datapoints_to_alarm.map(i32::from))
            .comparison_operator(ComparisonOperator::from(want.comparison.as_str()))
            .threshold(want.threshold)
            .set_unit(want.unit.as_deref().map(StandardUnit::from))
            .set_treat_missing_data(want.missing.map(|missing| missing.as_str().to_owned()))
            .set_actions_enabled(want.actions_enabled)
            .set_alarm_actions(arns(&want.actions)?)
            .set_ok_actions(arns(&want.ok_actions)?)
            .set_tags(create.then(|| self.tag_list(meta, &want)));
        done(format!("{} alarm {}", if create { "create" } else { "update" }, meta.name), call.send().await).map(drop)
    }
}

/// The alarm in the words of the wish.
fn read(want: &AlarmSpec, found: &MetricAlarm) -> AlarmSpec {
    let dimensions = found.dimensions().iter().filter_map(|one| Some((one.name()?.to_owned(), Link::literal(one.value()?))));
    let plain = found.statistic().map(Statistic::as_str).or(found.extended_statistic());
    let small = |value: Option<i32>| value.and_then(|value| u16::try_from(value).ok());
    AlarmSpec {
        description: Some(found.alarm_description().unwrap_or_default().to_owned()),
        namespace: found.namespace().unwrap_or_default().to_owned(),
        metric: found.metric_name().unwrap_or_default().to_owned(),
        dimensions: Some(dimensions.collect()),
        statistic: plain.unwrap_or_default().to_owned(),
        period_seconds: found.period().and_then(|period| u32::try_from(period).ok()).unwrap_or_default(),
        evaluation_periods: small(found.evaluation_periods()).unwrap_or_default(),
        datapoints_to_alarm: small(found.datapoints_to_alarm()),
        comparison: found.comparison_operator().and_then(|operator| Comparison::parse(operator.as_str())).unwrap_or(Comparison::Other),
        threshold: found.threshold().unwrap_or_default(),
        unit: found.unit().map(|unit| unit.as_str().to_owned()),
        missing: Some(found.treat_missing_data().and_then(Missing::parse).unwrap_or(Missing::Missing)),
        actions_enabled: Some(found.actions_enabled().unwrap_or(true)),
        actions: Some(found.alarm_actions().iter().map(Link::literal).collect()),
        ok_actions: Some(found.ok_actions().iter().map(Link::literal).collect()),
        tags: want.tags.clone(),
    }
}
