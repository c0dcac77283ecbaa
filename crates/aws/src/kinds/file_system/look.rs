//! Looking at a file system and what hangs on it.

use aws_sdk_efs::types::{self as efs, FileSystemDescription, LifeCycleState, MountTargetDescription};
use futures_util::future::try_join_all;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Link;

use super::spec::{AccessPoint, FileSystemSpec, Lifecycle, MountTargets, PerformanceMode, Provisioned, Throughput, ThroughputMode};
use crate::answer::{done, found};
use crate::client::Aws;
use crate::error::Cause;
use crate::kinds::service::{Subnets, network};
use crate::tags::Tags;

/// A file system as it stands.
pub struct Seen {
    pub id: String,
    pub spec: FileSystemSpec,
    pub tags: Tags,
    pub settling: Option<String>,
    pub access_point: Option<String>,
}

/// The file system made with this token; one that is being deleted counts as gone.
pub async fn by_token(aws: &Aws, token: &str) -> Outcome<Option<FileSystemDescription>> {
    let answer = aws.efs.describe_file_systems().creation_token(token).send().await;
    let answer = found("look for the file system", answer, &["FileSystemNotFound"])?;
    let of_token = |found: &FileSystemDescription| found.creation_token() == token && *found.life_cycle_state() != LifeCycleState::Deleted;
    Ok(answer.and_then(|answer| answer.file_systems().iter().find(|found| of_token(found)).cloned()))
}

/// The id of a file system that must be there.
pub async fn id(aws: &Aws, token: &str) -> Outcome<String> {
    match by_token(aws, token).await? {
        Some(found) => Ok(found.file_system_id().to_owned()),
        None => Err(Failure::transient("find the file system again").because(Cause("it is gone".into()))),
    }
}

/// The file system with what the wish declares.
pub async fn file_system(aws: &Aws, token: &str, want: &FileSystemSpec) -> Outcome<Option<Seen>> {
    let Some(found) = by_token(aws, token).await? else { return Ok(None) };
    let id = found.file_system_id();
    let (lifecycle, backup, point, targets) = tokio::try_join!(
        async { if want.lifecycle.is_some() { lifecycle(aws, id).await.map(Some) } else { Ok(None) } },
        async { if want.backup.is_some() { backup(aws, id).await.map(Some) } else { Ok(None) } },
        async { if want.access_point.is_some() { access_points(aws, id).await } else { Ok(Vec::new()) } },
        async { if want.mount_targets.is_some() { mount_targets(aws, id).await } else { Ok(Vec::new()) } },
    )?;
    let ours = point.into_iter().find(|point| point.tags().iter().any(|tag| tag.key() == crate::tags::DOCUMENT));
    let spec = FileSystemSpec {
        encrypted: Some(found.encrypted().unwrap_or(false)),
        // The key counts at creation: what it was then is not asked again.
        kms: want.kms.clone(),
        performance_mode: Some(match found.performance_mode() {
            efs::PerformanceMode::MaxIo => PerformanceMode::MaxIo,
            _ => PerformanceMode::GeneralPurpose,
        }),
        throughput: Some(throughput(&found)),
        lifecycle,
        backup,
        mount_targets: match &want.mount_targets {
            Some(want) => Some(told(aws, want, &targets).await?),
            None => None,
        },
        access_point: ours.as_ref().map(read_point),
        tags: None,
    };
    Ok(Some(Seen {
        id: id.to_owned(),
        settling: settling(&found, &targets),
        tags: found.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
        access_point: ours.and_then(|point| point.access_point_id),
        spec,
    }))
}

fn settling(found: &FileSystemDescription, targets: &[MountTargetDescription]) -> Option<String> {
    match found.life_cycle_state() {
        LifeCycleState::Creating | LifeCycleState::Updating | LifeCycleState::Deleting => {
            return Some(found.life_cycle_state().as_str().to_owned());
        }
        _ => {}
    }
    let busy = |target: &&MountTargetDescription| {
        matches!(target.life_cycle_state(), LifeCycleState::Creating | LifeCycleState::Updating | LifeCycleState::Deleting)
    };
    targets.iter().find(busy).map(|target| format!("mount target {} is {}", target.mount_target_id(), target.life_cycle_state().as_str()))
}

fn throughput(found: &FileSystemDescription) -> Throughput {
    match found.throughput_mode() {
        Some(efs::ThroughputMode::Elastic) => Throughput::Mode(ThroughputMode::Elastic),
        Some(efs::ThroughputMode::Provisioned) => {
            Throughput::Provisioned(Provisioned { provisioned_mibps: found.provisioned_throughput_in_mibps().unwrap_or_default() })
        }
        _ => Throughput::Mode(ThroughputMode::Bursting),
    }
}

fn read_point(point: &efs::AccessPointDescription) -> AccessPoint {
    AccessPoint {
        path: point.root_directory().and_then(|root| root.path()).unwrap_or("/").to_owned(),
        uid: point.posix_user().map_or(-1, efs::PosixUser::uid),
        gid: point.posix_user().map_or(-1, efs::PosixUser::gid),
    }
}

async fn lifecycle(aws: &Aws, id: &str) -> Outcome<Lifecycle> {
    let answer = aws.efs.describe_lifecycle_configuration().file_system_id(id).send().await;
    let answer = done(format!("look at the lifecycle of file system {id}"), answer)?;
    let mut lifecycle = Lifecycle::default();
    // Each policy carries one of the three.
    for policy in answer.lifecycle_policies() {
        lifecycle.to_infrequent_access = policy.transition_to_ia().map(|rule| rule.as_str().to_owned()).or(lifecycle.to_infrequent_access);
        lifecycle.to_archive = policy.transition_to_archive().map(|rule| rule.as_str().to_owned()).or(lifecycle.to_archive);
        lifecycle.to_primary = policy.transition_to_primary_storage_class().map(|rule| rule.as_str().to_owned()).or(lifecycle.to_primary);
    }
    Ok(lifecycle)
}

async fn backup(aws: &Aws, id: &str) -> Outcome<bool> {
    let answer = aws.efs.describe_backup_policy().file_system_id(id).send().await;
    let answer = found(format!("look at the backups of file system {id}"), answer, &["PolicyNotFound"])?;
    let status = answer.as_ref().and_then(|answer| answer.backup_policy()).map(efs::BackupPolicy::status);
    Ok(matches!(status, Some(efs::Status::Enabled | efs::Status::Enabling)))
}

/// All access points of a file system.
pub async fn access_points(aws: &Aws, id: &str) -> Outcome<Vec<efs::AccessPointDescription>> {
    let mut pages = aws.efs.describe_access_points().file_system_id(id).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        all.extend(done(format!("look at the access points of file system {id}"), page)?.access_points().to_vec());
    }
    Ok(all)
}

/// All mount targets of a file system.
pub async fn mount_targets(aws: &Aws, id: &str) -> Outcome<Vec<MountTargetDescription>> {
    let mut pages = aws.efs.describe_mount_targets().file_system_id(id).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        all.extend(done(format!("look at the mount targets of file system {id}"), page)?.mount_targets().to_vec());
    }
    Ok(all)
}

/// Security groups of a mount target, sorted.
pub async fn groups(aws: &Aws, target: &str) -> Outcome<Vec<String>> {
    let answer = aws.efs.describe_mount_target_security_groups().mount_target_id(target).send().await;
    let mut groups = done(format!("look at the security groups of mount target {target}"), answer)?.security_groups().to_vec();
    groups.sort_unstable();
    Ok(groups)
}

/// The mount targets in the words of the wish: subnets stay as they were described while they are the same; of the
/// security groups those that differ are shown.
async fn told(aws: &Aws, want: &MountTargets, targets: &[MountTargetDescription]) -> Outcome<MountTargets> {
    let mut seen: Vec<String> = targets.iter().map(|target| target.subnet_id().to_owned()).collect();
    seen.sort_unstable();
    let wanted = network::subnets(aws, &want.subnets).await?;
    let subnets = if wanted == seen { want.subnets.clone() } else { Subnets::Ids(seen) };
    let security_groups = match &want.security_groups {
        None => None,
        Some(groups) => {
            let mut wanted: Vec<String> = groups.iter().filter_map(|group| group.output("id").ok()).collect();
            wanted.sort_unstable();
            let standing = try_join_all(targets.iter().map(|target| self::groups(aws, target.mount_target_id()))).await?;
            let shown = standing.into_iter().find(|groups| *groups != wanted).unwrap_or(wanted);
            Some(shown.into_iter().map(Link::Literal).collect())
        }
    };
    Ok(MountTargets { subnets, security_groups })
}
