//! The Cluster kind.

use aws_sdk_ecs::types::{ClusterSetting, ClusterSettingName};
use meteoctl_engine::kind::Standing;
use serde_json::json;

use crate::compute::CLUSTER;
use crate::support::{Backend, Subject, aws};

#[tokio::test]
async fn converges_on_moto() {
    converges(Backend::Moto).await;
}

#[tokio::test]
async fn converges_on_localstack() {
    converges(Backend::LocalStack).await;
}

async fn converges(backend: Backend) {
    let Some(aws) = aws(backend).await else { return };
    let spec = json!({"capacityProviders": ["FARGATE_SPOT", "FARGATE"], "containerInsights": "enabled", "tags": {"owner": "data"}});
    let cluster = Subject::new(&aws, "Cluster", CLUSTER, spec);
    let sight = cluster.converge().await;
    assert_eq!(sight.outputs["name"], CLUSTER);
    let arn = sight.outputs["arn"].as_str().expect("an ARN").to_owned();
    assert!(arn.ends_with(":cluster/p8-mongodb-cluster-v2"), "{arn}");
    cluster.rests().await;
    let ecs = &aws.ecs;

    ecs.put_cluster_capacity_providers()
        .cluster(CLUSTER)
        .capacity_providers("FARGATE")
        .set_default_capacity_provider_strategy(Some(Vec::new()))
        .send()
        .await
        .expect("written");
    cluster.repairs(&["/capacityProviders"], &["ECS:PutClusterCapacityProviders"]).await;
    let off = ClusterSetting::builder().name(ClusterSettingName::ContainerInsights).value("disabled").build();
    ecs.update_cluster().cluster(CLUSTER).settings(off).send().await.expect("written");
    cluster.repairs(&["/containerInsights"], &["ECS:UpdateCluster"]).await;
    ecs.untag_resource().resource_arn(&arn).tag_keys("owner").send().await.expect("untagged");
    cluster.repairs(&["/tags/owner"], &["ECS:TagResource"]).await;
    cluster.rests().await;

    cluster.remove().await;
    assert!(matches!(cluster.look().await.standing, Standing::Absent), "an INACTIVE cluster is no cluster");
    cluster.converge().await;
}

#[tokio::test]
async fn a_foreign_cluster_is_left_alone() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    aws.ecs.create_cluster().cluster_name(CLUSTER).send().await.expect("a cluster");
    let mut cluster = Subject::new(&aws, "Cluster", CLUSTER, json!({"containerInsights": "enabled"}));
    let failure = cluster.try_look().await.expect_err("it is not ours");
    assert_eq!(failure.to_string(), "take Cluster/p8-mongodb-cluster-v2 for ours");
    assert!(cluster.kind.delete(&cluster.meta, &cluster.spec).await.is_err());
    cluster.meta.annotations.insert("adopt".into(), "true".into());
    let paths: Vec<String> = cluster.drift().await.paths().into_iter().map(str::to_owned).collect();
    assert_eq!(paths, ["/containerInsights", "/tags/meteoctl:document", "/tags/meteoctl:stack", "/tags/project"]);
    cluster.converge().await;
}
