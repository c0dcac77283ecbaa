//! An ECS cluster.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ecs::types::{Cluster as EcsCluster, ClusterField, ClusterSetting, ClusterSettingName};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Aws;
use crate::ecs;
use crate::error::{self, Cause};
use crate::policy::Action;
use crate::tags::{self, Tags};

const CLUSTER: &str = "arn:{partition}:ecs:{region}:{account}:cluster/{name}";

/// What each call needs.
pub const ACTIONS: &[Action] = &[
    Action::plan("ecs:DescribeClusters", CLUSTER),
    Action::apply("ecs:CreateCluster", "*"),
    Action::apply("ecs:TagResource", CLUSTER),
    Action::apply("ecs:PutClusterCapacityProviders", CLUSTER).when("/capacityProviders"),
    Action::apply("ecs:UpdateCluster", CLUSTER).when("/containerInsights"),
    Action::delete("ecs:DeleteCluster", CLUSTER),
];

/// ECS clusters.
pub struct Cluster {
    /// The clients.
    pub aws: Arc<Aws>,
}

/// An ECS cluster. The name is `metadata.name`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Where tasks may run: `FARGATE`, `FARGATE_SPOT`, or a capacity provider of your own. The order means nothing.
    pub capacity_providers: Option<Vec<String>>,
    /// CloudWatch Container Insights.
    pub container_insights: Option<ContainerInsights>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// How much CloudWatch Container Insights collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerInsights {
    /// Nothing.
    Disabled,
    /// Metrics of clusters, services and tasks.
    Enabled,
    /// Metrics down to the container.
    Enhanced,
}

impl ContainerInsights {
    fn as_str(self) -> &'static str {
        match self {
            ContainerInsights::Disabled => "disabled",
            ContainerInsights::Enabled => "enabled",
            ContainerInsights::Enhanced => "enhanced",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [ContainerInsights::Disabled, ContainerInsights::Enabled, ContainerInsights::Enhanced]
            .into_iter()
            .find(|level| level.as_str() == text)
    }
}

impl Kind for Cluster {
    const NAME: &'static str = "Cluster";
    const ABOUT: &'static str = "An ECS cluster: the place where tasks and services run.";
    const LOOKS_ALONE: bool = true;
    const GRACE: Duration = Duration::from_secs(120);

    type Spec = ClusterSpec;

    fn check(&self, meta: &Meta, _: &ClusterSpec) -> Vec<Fault> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let good = !meta.name.is_empty() && meta.name.len() <= 255 && meta.name.chars().all(fits);
        let fault = || Fault::wrong("", "a cluster name has 1 to 255 letters, digits, hyphens and underscores");
        (!good).then(fault).into_iter().collect()
    }

    fn predicted(&self, meta: &Meta, _: &ClusterSpec) -> Outputs {
        Outputs::from_iter([("name".to_owned(), meta.name.clone().into())])
    }

    async fn observe(&self, meta: &Meta, want: &ClusterSpec) -> Outcome<Option<Observed<ClusterSpec>>> {
        let Some(found) = self.find(meta).await? else { return Ok(None) };
        let doing = format!("look at cluster {}", meta.name);
        let status = found.status().unwrap_or_default();
        if status == "FAILED" {
            return Err(Failure::rejected(doing)
                .because(Cause("its status is FAILED".into()))
                .hint("delete it in the ECS console, where the reason is shown, and run apply again"));
        }
        let seen_tags = ecs::tags(found.tags());
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &seen_tags)?;
        let attaching = found.attachments_status().filter(|status| *status == "UPDATE_IN_PROGRESS");
        let settling = match status {
            "ACTIVE" => attaching.map(|_| "its capacity providers are being attached".to_owned()),
            other => Some(other.to_owned()),
        };
        let spec = ClusterSpec {
            capacity_providers: Some(found.capacity_providers().to_vec()),
            container_insights: Some(insights(&found)),
            tags: want.tags.clone(),
        };
        let mut observed = Observed::new(spec).settling(settling).output("name", meta.name.as_str());
        observed.work = due;
        let running = found.running_tasks_count();
        let observed = observed.note(format!("{status}, {running} task{} running", if running == 1 { "" } else { "s" }));
        Ok(Some(observed.output("arn", found.cluster_arn().unwrap_or_default())))
    }

    async fn apply(&self, meta: &Meta, want: &ClusterSpec, change: &Change) -> Outcome<()> {
        if *change == Change::Create {
            return self.create(meta, want).await;
        }
        if change.touches("/capacityProviders") {
            self.put_providers(meta, want).await?;
        }
        if change.touches("/containerInsights") {
            let doing = format!("set Container Insights of cluster {}", meta.name);
            let call = self.aws.ecs.update_cluster().cluster(&meta.name).set_settings(settings(want));
            call.send().await.map_err(|error| ecs::failure(doing, error))?;
        }
        if change.touches("/tags") {
            self.tag(meta, want).await?;
        }
        Ok(())
    }

    fn canonical(&self, spec: &mut ClusterSpec) {
        if let Some(providers) = &mut spec.capacity_providers {
            providers.sort_unstable();
            providers.dedup();
        }
    }

    async fn delete(&self, meta: &Meta, _: &ClusterSpec) -> Outcome<()> {
        let Some(found) = self.find(meta).await? else { return Ok(()) };
        let seen = ecs::tags(found.tags());
        if !tags::ours(&self.aws.stack, &seen) {
            return Err(tags::foreign(Self::NAME, meta, &seen));
        }
        match self.aws.ecs.delete_cluster().cluster(&meta.name).send().await {
            Err(error) if error::is(&error, &["ClusterNotFoundException"]) => Ok(()),
            Err(error) => Err(self.blocked(meta, &found, ecs::failure(format!("delete cluster {}", meta.name), error))),
            Ok(_) => Ok(()),
        }
    }
}

impl Cluster {
    /// The cluster, unless it is missing or INACTIVE (ECS shows deleted clusters as INACTIVE for some time).
    async fn find(&self, meta: &Meta) -> Outcome<Option<EcsCluster>> {
        let doing = format!("look at cluster {}", meta.name);
        let call = self.aws.ecs.describe_clusters().clusters(&meta.name).include(ClusterField::Settings).include(ClusterField::Tags);
        let answer = call.send().await.map_err(|error| ecs::failure(doing.clone(), error))?;
        if let Some(found) = answer.clusters().first() {
            return Ok((found.status() != Some("INACTIVE")).then(|| found.clone()));
        }
        if answer.failures().iter().any(ecs::missing) {
            return Ok(None);
        }
        let nothing = || Failure::transient(doing.clone()).because(Cause("ECS named neither the cluster nor a reason".into()));
        Err(ecs::refused(doing.clone(), answer.failures()).unwrap_or_else(nothing))
    }

    async fn create(&self, meta: &Meta, want: &ClusterSpec) -> Outcome<()> {
        let tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let call = self.aws.ecs.create_cluster().cluster_name(&meta.name).set_tags(Some(ecs::tag_list(&tags)));
        let call = call.set_capacity_providers(want.capacity_providers.clone()).set_settings(settings(want));
        call.send().await.map_err(|error| ecs::failure(format!("create cluster {}", meta.name), error))?;
        Ok(())
    }

    /// The call replaces the default strategy, too: what is there stays, as far as its providers stay.
    async fn put_providers(&self, meta: &Meta, want: &ClusterSpec) -> Outcome<()> {
        let wanted = want.capacity_providers.clone().unwrap_or_default();
        let found = self.find(meta).await?;
        let strategy = found.map(|found| found.default_capacity_provider_strategy().to_vec()).unwrap_or_default();
        let kept = strategy.into_iter().filter(|item| wanted.iter().any(|name| name == item.capacity_provider())).collect();
        let doing = format!("set the capacity providers of cluster {}", meta.name);
        let call = self.aws.ecs.put_cluster_capacity_providers().cluster(&meta.name).set_capacity_providers(Some(wanted));
        let call = call.set_default_capacity_provider_strategy(Some(kept));
        call.send().await.map_err(|error| ecs::failure(doing, error))?;
        Ok(())
    }

    async fn tag(&self, meta: &Meta, want: &ClusterSpec) -> Outcome<()> {
        let Some(found) = self.find(meta).await? else { return Ok(()) };
        let tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let call = self.aws.ecs.tag_resource().set_resource_arn(found.cluster_arn).set_tags(Some(ecs::tag_list(&tags)));
        call.send().await.map_err(|error| ecs::failure(format!("tag cluster {}", meta.name), error))?;
        Ok(())
    }

    /// Says what keeps the cluster from going.
    fn blocked(&self, meta: &Meta, found: &EcsCluster, failure: Failure) -> Failure {
        let (services, tasks) = (found.active_services_count(), found.running_tasks_count() + found.pending_tasks_count());
        if services == 0 && tasks == 0 {
            return failure;
        }
        failure.hint(format!("{services} services and {tasks} tasks are still in cluster {}; stop what is not ours by hand", meta.name))
    }
}

fn insights(found: &EcsCluster) -> ContainerInsights {
    let setting = found.settings().iter().find(|setting| setting.name() == Some(&ClusterSettingName::ContainerInsights));
    setting.and_then(ClusterSetting::value).and_then(ContainerInsights::parse).unwrap_or(ContainerInsights::Disabled)
}

fn settings(want: &ClusterSpec) -> Option<Vec<ClusterSetting>> {
    let level = want.container_insights?;
    Some(vec![ClusterSetting::builder().name(ClusterSettingName::ContainerInsights).value(level.as_str()).build()])
}
