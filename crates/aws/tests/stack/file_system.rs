//! The FileSystem kind.

use serde_json::json;

use crate::support::{Backend, Subject, aws};

#[tokio::test]
async fn converges() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let group = Subject::new(&aws, "SecurityGroup", "efs", json!({"description": "EFS"})).converge().await.outputs["id"].clone();
    let other = Subject::new(&aws, "SecurityGroup", "other", json!({"description": "other"})).converge().await.outputs["id"].clone();
    let spec = json!({
        "encrypted": true,
        "performanceMode": "generalPurpose",
        "throughput": "elastic",
        "lifecycle": {"toInfrequentAccess": "AFTER_30_DAYS", "toPrimary": "AFTER_1_ACCESS"},
        "mountTargets": {"subnets": "default-public", "securityGroups": [{"ref": "SecurityGroup/efs", "outputs": {"id": group}}]},
        "accessPoint": {"path": "/mongodb", "uid": 999, "gid": 999},
        "tags": {"owner": "data"},
    });
    let system = Subject::new(&aws, "FileSystem", "mongodb-data", spec);
    let outputs = system.converge().await.outputs;
    let id = outputs["id"].as_str().expect("an id").to_owned();
    assert!(outputs["accessPoint"].as_str().is_some_and(|point| point.starts_with("fsap-")), "{outputs:?}");
    system.rests().await;

    let targets = aws.efs.describe_mount_targets().file_system_id(&id).send().await.expect("targets");
    let target = targets.mount_targets()[0].mount_target_id();
    let other = other.as_str().expect("an id");
    aws.efs.modify_mount_target_security_groups().mount_target_id(target).security_groups(other).send().await.expect("groups");
    system.repairs(&["/mountTargets/securityGroups"], &["EFS:ModifyMountTargetSecurityGroups"]).await;
    aws.efs.delete_mount_target().mount_target_id(target).send().await.expect("gone");
    system.repairs(&["/mountTargets/subnets"], &["EFS:CreateMountTarget"]).await;

    let point = outputs["accessPoint"].as_str().unwrap_or_default();
    aws.efs.delete_access_point().access_point_id(point).send().await.expect("gone");
    system.repairs(&["/accessPoint"], &["EFS:CreateAccessPoint"]).await;
    let archive = aws_sdk_efs::types::LifecyclePolicy::builder().transition_to_archive("AFTER_90_DAYS".into()).build();
    let request = aws.efs.put_lifecycle_configuration().file_system_id(&id).lifecycle_policies(archive);
    request.send().await.expect("lifecycle");
    let paths = ["/lifecycle/toInfrequentAccess", "/lifecycle/toPrimary", "/lifecycle/toArchive"];
    system.repairs(&paths, &["EFS:PutLifecycleConfiguration"]).await;
    aws.efs.untag_resource().resource_id(&id).tag_keys("owner").send().await.expect("untagged");
    system.repairs(&["/tags/owner"], &["EFS:TagResource"]).await;
    system.rests().await;
    system.remove().await;
}

#[tokio::test]
async fn what_is_fixed_at_creation_is_refused() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let point = |uid: u32| json!({"accessPoint": {"path": "/mongodb", "uid": uid, "gid": 999}});
    let mut system = Subject::new(&aws, "FileSystem", "fixed", point(999));
    system.converge().await;
    system.spec = point(1000);
    let failure = system.try_look().await.expect_err("a refusal");
    assert_eq!(failure.causes(), ["it is `/mongodb as 999:999`, the document wants `/mongodb as 1000:999`, and AWS fixes it at creation"]);
    system.spec = json!({"encrypted": false});
    system.try_look().await.expect_err("a refusal");
}
