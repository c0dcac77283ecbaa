//! Metric filters: numbers counted out of log events.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::{self as logs, MetricTransformation, StandardUnit};
use meteoctl_engine::diff;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{built, done, done_or, found};
use crate::client::Aws;

/// A metric filter. What it leaves out is not set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MetricFilter {
    /// Name of the filter, unique in the group.
    pub name: String,
    /// What an event must match, in CloudWatch's pattern language; empty = every event.
    pub pattern: String,
    /// Namespace of the metric.
    pub namespace: String,
    /// Name of the metric.
    pub metric: String,
    /// What is counted for each match: a number, or a field as `$.latency`. Left out = 1.
    pub value: Option<String>,
    /// What is reported for a minute without a match.
    pub default_value: Option<f64>,
    /// Unit in CloudWatch's words (`Count`, `Milliseconds`). Left out = None.
    pub unit: Option<String>,
    /// Dimensions taken from fields of the event, at most three.
    pub dimensions: Option<BTreeMap<String, String>>,
}

impl MetricFilter {
    /// One spelling.
    pub fn canonical(&mut self) {
        self.value = Some(self.value.take().unwrap_or_else(|| "1".into()));
        self.unit = self.unit.take().filter(|unit| unit != "None");
        self.dimensions = self.dimensions.take().filter(|dimensions| !dimensions.is_empty());
    }

    fn of_logs(filter: &logs::MetricFilter) -> Self {
        let first = filter.metric_transformations().first();
        let dimensions = first.and_then(MetricTransformation::dimensions).into_iter().flatten();
        MetricFilter {
            name: filter.filter_name().unwrap_or_default().to_owned(),
            pattern: filter.filter_pattern().unwrap_or_default().to_owned(),
            namespace: first.map(|first| first.metric_namespace().to_owned()).unwrap_or_default(),
            metric: first.map(|first| first.metric_name().to_owned()).unwrap_or_default(),
            value: first.map(|first| first.metric_value().to_owned()),
            default_value: first.and_then(MetricTransformation::default_value),
            unit: first.and_then(MetricTransformation::unit).map(|unit| unit.as_str().to_owned()),
            dimensions: Some(dimensions.map(|(key, value)| (key.clone(), value.clone())).collect()),
        }
    }

    fn transformation(&self) -> Outcome<MetricTransformation> {
        let dimensions = self.dimensions.as_ref().map(|all| all.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
        let transformation = MetricTransformation::builder()
            .metric_namespace(&self.namespace)
            .metric_name(&self.metric)
            .metric_value(self.value.as_deref().unwrap_or("1"))
            .set_default_value(self.default_value)
            .set_unit(self.unit.as_deref().map(StandardUnit::from))
            .set_dimensions(dimensions)
            .build();
        built("write a metric filter", transformation)
    }
}

/// Faults of the filters as written.
pub fn check(filters: &[MetricFilter]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let path = format!("/metricFilters/{index}");
        if filters.iter().take(index).any(|other| other.name == filter.name) {
            faults.push(Fault::wrong(format!("{path}/name"), format!("another filter is called `{}` already", filter.name)));
        }
        let dimensions = filter.dimensions.as_ref().map_or(0, BTreeMap::len);
        if dimensions > 3 {
            faults.push(Fault::wrong(format!("{path}/dimensions"), "CloudWatch takes at most three dimensions"));
        }
        if dimensions > 0 && filter.default_value.is_some() {
            faults.push(Fault::wrong(format!("{path}/defaultValue"), "CloudWatch takes it only without dimensions"));
        }
    }
    faults
}

/// All filters of a group.
pub async fn look(aws: &Aws, group: &str) -> Outcome<Vec<MetricFilter>> {
    let mut pages = aws.logs.describe_metric_filters().log_group_name(group).into_paginator().send();
    let mut filters = Vec::new();
    while let Some(page) = pages.next().await {
        match found(format!("look at the metric filters of log group {group}"), page, &["ResourceNotFoundException"])? {
            Some(page) => filters.extend(page.metric_filters().iter().map(MetricFilter::of_logs)),
            None => break,
        }
    }
    // A name is unique in a group; where a store lists it again, the latest counts.
    let mut latest: BTreeMap<String, MetricFilter> = BTreeMap::new();
    latest.extend(filters.into_iter().map(|filter| (filter.name.clone(), filter)));
    Ok(latest.into_values().collect())
}

/// Writes the filters that differ and removes those that should not be there.
pub async fn write(aws: &Aws, group: &str, wanted: &[MetricFilter]) -> Outcome<()> {
    let spelled = |filter: &MetricFilter| {
        let mut filter = filter.clone();
        filter.canonical();
        filter
    };
    let standing: Vec<MetricFilter> = look(aws, group).await?.iter().map(spelled).collect();
    for filter in wanted.iter().map(spelled) {
        let stands = standing.iter().any(|seen| diff::fields(&filter, seen).is_empty() && diff::fields(seen, &filter).is_empty());
        if !stands {
            let request = aws.logs.put_metric_filter().log_group_name(group).filter_name(&filter.name).filter_pattern(&filter.pattern);
            let request = request.metric_transformations(filter.transformation()?);
            done(format!("write metric filter {} of log group {group}", filter.name), request.send().await)?;
        }
    }
    for old in standing.iter().filter(|seen| !wanted.iter().any(|filter| filter.name == seen.name)) {
        let request = aws.logs.delete_metric_filter().log_group_name(group).filter_name(&old.name);
        done_or(format!("remove metric filter {} of log group {group}", old.name), request.send().await, &["ResourceNotFoundException"])?;
    }
    Ok(())
}
