//! EFS and ECR as they are.

use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::replay::{Canned, on, passing, refused};

fn system(token: &str, state: &str) -> Value {
    json!({"OwnerId": "123456789012", "CreationToken": token, "FileSystemId": "fs-1", "CreationTime": 1.76e9, "LifeCycleState": state,
        "NumberOfMountTargets": 0, "SizeInBytes": {"Value": 6144}, "PerformanceMode": "generalPurpose", "Encrypted": true,
        "KmsKeyId": "arn:aws:kms:eu-west-3:123456789012:key/k", "ThroughputMode": "bursting",
        "FileSystemProtection": {"ReplicationOverwriteProtection": "ENABLED"},
        "Tags": [{"Key": "meteoctl:stack", "Value": "proof"}, {"Key": "meteoctl:document", "Value": "FileSystem/data"}]})
}

/// Follows from stack `proof` and name `data`; written down here so that it can never change unnoticed: with another token
/// every file system would be lost from sight.
const TOKEN: &str = "meteoctl-28fee04589f63643423ae19c018e54bb";

fn list(state: &str) -> Value {
    json!({"FileSystems": [system(TOKEN, state)]})
}

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/u</Arn><UserId>U</UserId>\
    <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

#[tokio::test]
async fn a_file_system_on_its_way_is_waited_for() {
    let data = Canned::new(
        "FileSystem",
        "data",
        json!({}),
        vec![on("GET /2015-02-01/file-systems").body(list("creating")), on("Action=GetCallerIdentity").body(IDENTITY)],
    );
    assert!(matches!(data.look().await.standing, Standing::Settling(why) if why == "creating"));
}

#[tokio::test]
async fn what_a_new_file_system_cannot_take_yet_follows_later() {
    let spec = json!({"accessPoint": {"path": "/mongodb", "uid": 999, "gid": 999}});
    let data =
        Canned::new("FileSystem", "data", spec, vec![on("POST /2015-02-01/file-systems").status(201).body(system(TOKEN, "creating"))]);
    assert_eq!(passing(data.create().await), "it is creating");
    let request = &data.replay.requests("POST")[0];
    assert!(request.contains(&format!("\"CreationToken\":\"{TOKEN}\"")) && request.contains("\"Encrypted\":true"), "{request}");
}

#[tokio::test]
async fn a_backup_policy_switched_off_is_named_alone_and_switched_on() {
    let data = Canned::new(
        "FileSystem",
        "data",
        json!({"backup": true, "encrypted": true}),
        vec![
            on("GET /backup-policy").body(json!({"BackupPolicy": {"Status": "DISABLED"}})),
            on("PUT /backup-policy").body(json!({"BackupPolicy": {"Status": "ENABLING"}})),
            on("GET /2015-02-01/file-systems").body(list("available")),
            on("Action=GetCallerIdentity").body(IDENTITY),
        ],
    );
    let Standing::Drifted(diff) = data.look().await.standing else { panic!("it is off") };
    assert_eq!(diff.paths(), ["/backup"]);
    data.update().await.expect("switched on");
    let sent = data.replay.requests("PUT");
    assert!(sent.len() == 1 && sent[0].contains("\"Status\":\"ENABLED\""), "{sent:?}");
}

#[tokio::test]
async fn throughput_is_changed_in_place() {
    let spec = json!({"throughput": {"provisionedMibps": 64.0}});
    let data = Canned::new(
        "FileSystem",
        "data",
        spec,
        vec![
            on("GET /2015-02-01/file-systems").body(list("available")),
            on("Action=GetCallerIdentity").body(IDENTITY),
            on("PUT /2015-02-01/file-systems/fs-1").status(202).body(system(TOKEN, "updating")),
        ],
    );
    data.update().await.expect("changed");
    let request = &data.replay.requests("PUT")[0];
    assert!(request.contains("\"ThroughputMode\":\"provisioned\"") && request.contains("\"ProvisionedThroughputInMibps\":64"), "{request}");
}

#[tokio::test]
async fn a_file_system_goes_after_its_mount_targets_of_all_pages() {
    let target = |id: &str| json!({"MountTargetId": id, "FileSystemId": "fs-1", "SubnetId": "subnet-1", "LifeCycleState": "available"});
    let data = Canned::new(
        "FileSystem",
        "data",
        json!({}),
        vec![
            on("DELETE /2015-02-01/mount-targets").status(204),
            on("DELETE /2015-02-01/file-systems")
                .status(409)
                .header("x-amzn-errortype", "FileSystemInUse")
                .body("{\"ErrorCode\":\"FileSystemInUse\"}"),
            on("GET /2015-02-01/mount-targets Marker=more").body(json!({"MountTargets": [target("fsmt-2")]})),
            on("GET /2015-02-01/mount-targets").body(json!({"MountTargets": [target("fsmt-1")], "NextMarker": "more"})),
            on("GET /2015-02-01/access-points").body(json!({"AccessPoints": []})),
            on("GET /2015-02-01/file-systems").body(list("available")),
        ],
    );
    assert_eq!(passing(data.delete().await), "its mount targets are still being removed");
    assert_eq!(data.replay.requests("mount-targets/fsmt-").len(), 2);
}

fn repository(scan: bool) -> Value {
    json!({"repositories": [{"repositoryArn": "arn:aws:ecr:eu-west-3:123456789012:repository/p8", "registryId": "123456789012",
        "repositoryName": "p8", "repositoryUri": "123456789012.dkr.ecr.eu-west-3.amazonaws.com/p8", "createdAt": 1.76e9,
        "imageTagMutability": "MUTABLE", "imageScanningConfiguration": {"scanOnPush": scan},
        "encryptionConfiguration": {"encryptionType": "AES256"}}]})
}

#[tokio::test]
async fn scanning_is_switched() {
    let tags = json!({"tags": [{"Key": "meteoctl:stack", "Value": "proof"}, {"Key": "meteoctl:document", "Value": "Repository/p8"}]});
    let p8 = Canned::new(
        "Repository",
        "p8",
        json!({"scanOnPush": true}),
        vec![
            on("DescribeRepositories").body(repository(false)),
            on("ListTagsForResource").body(tags),
            on("PutImageScanningConfiguration").body(json!({})),
        ],
    );
    p8.update().await.expect("switched");
    assert!(p8.replay.requests("PutImageScanningConfiguration")[0].contains("\"scanOnPush\":true"));
}

#[tokio::test]
async fn a_repository_with_images_stays() {
    let p8 = Canned::new("Repository", "p8", json!({}), vec![on("DeleteRepository").json_error(400, "RepositoryNotEmptyException")]);
    assert!(refused(p8.delete().await).contains("never deletes images"));
}
