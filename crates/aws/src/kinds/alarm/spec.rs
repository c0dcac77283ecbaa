//! The wish: when an alarm goes off.

use std::collections::BTreeMap;

use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::{Fault, Meta};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tags::Tags;

/// A CloudWatch alarm on one metric. The name is `metadata.name`.
///
/// No task runs: `ECS/ContainerInsights`, `CpuUtilized`, `SampleCount` below 1, missing data breaching, dimensions
/// `ClusterName` and `TaskDefinitionFamily` (Container Insights of the cluster must be on). Errors in the log, and a
/// backup that is too old: the metric of a metric filter of the LogGroup, above 0 or below 1.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AlarmSpec {
    /// What somebody woken by it should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Namespace of the metric: `ECS/ContainerInsights`, `AWS/Logs`, your own.
    pub namespace: String,
    /// Name of the metric.
    pub metric: String,
    /// Dimensions of the metric; a reference stands for the name (a task definition: the family) of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<BTreeMap<String, Link>>,
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile (`p95`).
    pub statistic: String,
    /// Seconds that one value stands for: 10, 30 or a multiple of 60.
    pub period_seconds: u32,
    /// How many of the last periods are looked at.
    pub evaluation_periods: u16,
    /// In how many of them the threshold must be crossed; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datapoints_to_alarm: Option<u16>,
    /// Which side of the threshold is wrong.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// Unit of the metric, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What a period without data means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Whether anybody is told; true when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_enabled: Option<bool>,
    /// Who is told when it goes off: ARNs, mostly of SNS topics; at most five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Link>>,
    /// Who is told when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok_actions: Option<Vec<Link>>,
    /// Tags besides those of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
}

/// How a value compares with the threshold when something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Comparison {
    /// Above.
    GreaterThanThreshold,
    /// Above or equal.
    GreaterThanOrEqualToThreshold,
    /// Below.
    LessThanThreshold,
    /// Below or equal.
    LessThanOrEqualToThreshold,
    /// Something that cannot be wished here.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    Other,
}

/// What a period without data means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// Something is wrong.
    Breaching,
    /// All is well.
    NotBreaching,
    /// Nothing: the state stays.
    Ignore,
    /// The state becomes INSUFFICIENT_DATA.
    Missing,
}

impl Comparison {
    const ALL: [Comparison; 4] = [
        Comparison::GreaterThanThreshold,
        Comparison::GreaterThanOrEqualToThreshold,
        Comparison::LessThanThreshold,
        Comparison::LessThanOrEqualToThreshold,
    ];

    /// CloudWatch's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::GreaterThanThreshold => "GreaterThanThreshold",
            Comparison::GreaterThanOrEqualToThreshold => "GreaterThanOrEqualToThreshold",
            Comparison::LessThanThreshold => "LessThanThreshold",
            Comparison::LessThanOrEqualToThreshold => "LessThanOrEqualToThreshold",
            Comparison::Other => "Other",
        }
    }

    /// From CloudWatch's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|comparison| comparison.as_str() == word)
    }
}

impl Missing {
    /// CloudWatch's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Missing::Breaching => "breaching",
            Missing::NotBreaching => "notBreaching",
            Missing::Ignore => "ignore",
            Missing::Missing => "missing",
        }
    }

    /// From CloudWatch's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Missing::Breaching, Missing::NotBreaching, Missing::Ignore, Missing::Missing].into_iter().find(|missing| missing.as_str() == word)
    }
}

/// What a reference stands for in a dimension.
pub fn dimension(link: &Link) -> Outcome<String> {
    match link.target() {
        Some(target) if target.kind == "TaskDefinition" => link.output("family"),
        _ => link.output("name"),
    }
}

impl AlarmSpec {
    /// The one spelling: references as names and ARNs, sets sorted, no description as an empty one.
    pub fn settle(&mut self) {
        for link in self.dimensions.iter_mut().flat_map(BTreeMap::values_mut) {
            if let Ok(value) = dimension(link) {
                *link = Link::Literal(value);
            }
        }
        for links in [&mut self.actions, &mut self.ok_actions].into_iter().flatten() {
            links.iter_mut().for_each(|link| link.settle("arn"));
            links.sort_by_key(|link| format!("{link:?}"));
        }
    }

    /// The wish, with what it leaves open as it is now.
    #[must_use]
    pub fn keeping(self, seen: AlarmSpec) -> Self {
        AlarmSpec {
            description: self.description.or(seen.description.filter(|text| !text.is_empty())),
            dimensions: self.dimensions.or(seen.dimensions),
            datapoints_to_alarm: self.datapoints_to_alarm.or(seen.datapoints_to_alarm),
            unit: self.unit.or(seen.unit),
            missing: self.missing.or(seen.missing),
            actions_enabled: self.actions_enabled.or(seen.actions_enabled),
            actions: self.actions.or(seen.actions),
            ok_actions: self.ok_actions.or(seen.ok_actions),
            ..self
        }
    }
}

/// Faults that can be told from the document alone.
pub fn faults(meta: &Meta, spec: &AlarmSpec) -> Vec<Fault> {
    const STATISTICS: [&str; 5] = ["Average", "Sum", "Minimum", "Maximum", "SampleCount"];
    let mut faults = Vec::new();
    if meta.name.is_empty() || meta.name.len() > 255 {
        faults.push(Fault::wrong("", "an alarm's name has 1 to 255 characters"));
    }
    let percentile =
        spec.statistic.strip_prefix('p').and_then(|number| number.parse::<f64>().ok()).is_some_and(|p| (0.0..=100.0).contains(&p));
    if !STATISTICS.contains(&spec.statistic.as_str()) && !percentile {
        let fault = Fault::wrong("/statistic", format!("`{}` is no statistic", spec.statistic));
        faults.push(fault.hint(format!("one of {}, or a percentile such as p95", STATISTICS.join(", "))));
    }
    let period = spec.period_seconds;
    if period == 0 || (!period.is_multiple_of(60) && ![10, 20, 30].contains(&period)) {
        faults.push(Fault::wrong("/periodSeconds", "must be 10, 20, 30 or a multiple of 60"));
    }
    if spec.evaluation_periods == 0 {
        faults.push(Fault::wrong("/evaluationPeriods", "at least 1"));
    }
    let span = u64::from(period) * u64::from(spec.evaluation_periods);
    let most = if period >= 3600 { 604_800 } else { 86_400 };
    if span > most {
        faults.push(Fault::wrong("/evaluationPeriods", format!("CloudWatch looks back at most {most} seconds here, this would be {span}")));
    }
    if spec.datapoints_to_alarm.is_some_and(|points| points == 0 || points > spec.evaluation_periods) {
        faults.push(Fault::wrong("/datapointsToAlarm", "must lie between 1 and evaluationPeriods"));
    }
    for (path, list) in [("/actions", &spec.actions), ("/okActions", &spec.ok_actions)] {
        if list.as_ref().is_some_and(|list| list.len() > 5) {
            faults.push(Fault::wrong(path, "at most five"));
        }
    }
    faults
}
