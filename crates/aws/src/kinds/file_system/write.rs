//! Changing a file system.

use aws_sdk_efs::types as efs;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use meteoctl_engine::failure::{Failure, Outcome};

use super::look;
use super::spec::{AccessPoint, FileSystemSpec, Lifecycle, MountTargets, PerformanceMode, Throughput, ThroughputMode};
use crate::answer::{built, done, done_or, found};
use crate::client::Aws;
use crate::error::{self, Cause};
use crate::kinds::service::network;
use crate::tags::Tags;

/// The file system is still being made or removed.
const NOT_YET: [&str; 2] = ["IncorrectFileSystemLifeCycleState", "FileSystemInUse"];

/// Writes to one file system.
pub struct Pen<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// Name of the document.
    pub name: &'a str,
    /// All tags it must carry.
    pub tags: &'a Tags,
}

impl Pen<'_> {
    /// Creates the file system with its tags in the same call; its id.
    ///
    /// # Errors
    /// Transient as long as it cannot take mount targets and access points yet: the rest follows after the next look.
    pub async fn create(&self, token: &str, want: &FileSystemSpec) -> Outcome<String> {
        let doing = format!("create file system {}", self.name);
        let (mode, mibps) = want.throughput.map_or((None, None), throughput);
        let key = want.kms.as_ref().map(|key| key.output("arn")).transpose()?;
        let performance = want.performance_mode.map(|mode| match mode {
            PerformanceMode::GeneralPurpose => efs::PerformanceMode::GeneralPurpose,
            PerformanceMode::MaxIo => efs::PerformanceMode::MaxIo,
        });
        let request = self
            .aws
            .efs
            .create_file_system()
            .creation_token(token)
            .encrypted(want.encrypted.unwrap_or(true))
            .set_kms_key_id(key)
            .set_performance_mode(performance)
            .set_throughput_mode(mode)
            .set_provisioned_throughput_in_mibps(mibps)
            .set_backup(want.backup)
            .set_tags(Some(self.efs_tags(&doing)?));
        match request.send().await {
            Ok(made) if *made.life_cycle_state() == efs::LifeCycleState::Available => Ok(made.file_system_id().to_owned()),
            Ok(made) => Err(Failure::transient(doing).because(Cause(format!("it is {}", made.life_cycle_state().as_str())))),
            Err(error) if error::is(&error, &["FileSystemAlreadyExists"]) => {
                Err(Failure::transient(doing).because(Cause("it exists by now".into())))
            }
            Err(error) => Err(error::failure(doing, error)),
        }
    }

    /// Completes the tags.
    pub async fn tag(&self, id: &str) -> Outcome<()> {
        let doing = format!("tag file system {}", self.name);
        let tags = self.efs_tags(&doing)?;
        done(doing, self.aws.efs.tag_resource().resource_id(id).set_tags(Some(tags)).send().await).map(drop)
    }

    /// Changes the throughput.
    pub async fn throughput(&self, id: &str, wish: Throughput) -> Outcome<()> {
        let (mode, mibps) = throughput(wish);
        let request = self.aws.efs.update_file_system().file_system_id(id).set_throughput_mode(mode);
        let doing = format!("change the throughput of file system {}", self.name);
        done(doing, request.set_provisioned_throughput_in_mibps(mibps).send().await).map(drop)
    }

    /// Writes when files move.
    pub async fn lifecycle(&self, id: &str, lifecycle: &Lifecycle) -> Outcome<()> {
        let policy = efs::LifecyclePolicy::builder;
        let policies: Vec<efs::LifecyclePolicy> = [
            lifecycle.to_infrequent_access.as_deref().map(|rule| policy().transition_to_ia(rule.into()).build()),
            lifecycle.to_primary.as_deref().map(|rule| policy().transition_to_primary_storage_class(rule.into()).build()),
            lifecycle.to_archive.as_deref().map(|rule| policy().transition_to_archive(rule.into()).build()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let request = self.aws.efs.put_lifecycle_configuration().file_system_id(id).set_lifecycle_policies(Some(policies));
        self.when_ready(format!("set the lifecycle of file system {}", self.name), request.send().await)
    }

    /// Switches daily copies on or off.
    pub async fn backup(&self, id: &str, on: bool) -> Outcome<()> {
        let doing = format!("set the backups of file system {}", self.name);
        let status = if on { efs::Status::Enabled } else { efs::Status::Disabled };
        let policy = built(&doing, efs::BackupPolicy::builder().status(status).build())?;
        done(doing, self.aws.efs.put_backup_policy().file_system_id(id).backup_policy(policy).send().await).map(drop)
    }

    /// Creates the access point with its tags in the same call.
    pub async fn access_point(&self, id: &str, point: &AccessPoint) -> Outcome<()> {
        let doing = format!("create the access point of file system {}", self.name);
        let user = built(&doing, efs::PosixUser::builder().uid(point.uid).gid(point.gid).build())?;
        let owner = efs::CreationInfo::builder().owner_uid(point.uid).owner_gid(point.gid).permissions("0750");
        let root = efs::RootDirectory::builder().path(&point.path).creation_info(built(&doing, owner.build())?).build();
        let tags = self.efs_tags(&doing)?;
        let request = self.aws.efs.create_access_point().client_token(format!("{id}-meteoctl")).file_system_id(id);
        let answer = request.posix_user(user).root_directory(root).set_tags(Some(tags)).send().await;
        match answer {
            Err(error) if error::is(&error, &["AccessPointAlreadyExists"]) => {
                Err(Failure::transient(doing).because(Cause("it exists by now".into())))
            }
            other => self.when_ready(doing, other),
        }
    }

    /// Makes the mount targets as wished: missing ones are created, groups changed, the others removed last.
    pub async fn mount_targets(&self, id: &str, wish: &MountTargets) -> Outcome<()> {
        let groups = match &wish.security_groups {
            Some(groups) => {
                let mut ids = groups.iter().map(|group| group.output("id")).collect::<Outcome<Vec<_>>>()?;
                ids.sort_unstable();
                Some(ids)
            }
            None => None,
        };
        let wanted = network::subnets(self.aws, &wish.subnets).await?;
        let standing = look::mount_targets(self.aws, id).await?;
        for subnet in wanted.iter().filter(|subnet| !standing.iter().any(|target| target.subnet_id() == subnet.as_str())) {
            let request = self.aws.efs.create_mount_target().file_system_id(id).subnet_id(subnet).set_security_groups(groups.clone());
            self.when_ready(format!("create the mount target of file system {} in {subnet}", self.name), request.send().await)?;
        }
        for target in standing {
            let target_id = target.mount_target_id();
            if !wanted.iter().any(|subnet| subnet == target.subnet_id()) {
                delete_target(self.aws, target_id).await?;
            } else if let Some(groups) = &groups
                && look::groups(self.aws, target_id).await? != *groups
            {
                let request = self.aws.efs.modify_mount_target_security_groups().mount_target_id(target_id);
                let doing = format!("change the security groups of mount target {target_id}");
                self.when_ready(doing, request.set_security_groups(Some(groups.clone())).send().await)?;
            }
        }
        Ok(())
    }

    /// "Not available yet" is no refusal.
    fn when_ready<T, E>(&self, doing: String, answer: Result<T, SdkError<E, HttpResponse>>) -> Outcome<()>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match answer {
            Err(error) if error::is(&error, &["IncorrectFileSystemLifeCycleState", "IncorrectMountTargetState"]) => {
                Err(Failure::transient(doing).because(Cause("the file system is not available yet".into())))
            }
            other => done(doing, other).map(drop),
        }
    }

    fn efs_tags(&self, doing: &str) -> Outcome<Vec<efs::Tag>> {
        // The console shows the tag `Name` as the name of a file system.
        let named = std::iter::once(("Name", self.name)).filter(|_| !self.tags.contains_key("Name"));
        let own = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        own.chain(named).map(|(key, value)| built(doing, efs::Tag::builder().key(key).value(value).build())).collect()
    }
}

fn throughput(wish: Throughput) -> (Option<efs::ThroughputMode>, Option<f64>) {
    match wish {
        Throughput::Mode(ThroughputMode::Bursting) => (Some(efs::ThroughputMode::Bursting), None),
        Throughput::Mode(ThroughputMode::Elastic) => (Some(efs::ThroughputMode::Elastic), None),
        Throughput::Provisioned(provisioned) => (Some(efs::ThroughputMode::Provisioned), Some(provisioned.provisioned_mibps)),
    }
}

async fn delete_target(aws: &Aws, target: &str) -> Outcome<()> {
    let answer = aws.efs.delete_mount_target().mount_target_id(target).send().await;
    done_or(format!("delete mount target {target}"), answer, &["MountTargetNotFound"])
}

/// Takes the mount targets and access points away, then the file system once EFS lets it go.
pub async fn delete(aws: &Aws, id: &str) -> Outcome<()> {
    for target in look::mount_targets(aws, id).await? {
        if *target.life_cycle_state() != efs::LifeCycleState::Deleting {
            delete_target(aws, target.mount_target_id()).await?;
        }
    }
    for point in look::access_points(aws, id).await? {
        let Some(point) = point.access_point_id() else { continue };
        let answer = aws.efs.delete_access_point().access_point_id(point).send().await;
        done_or(format!("delete access point {point}"), answer, &["AccessPointNotFound"])?;
    }
    let doing = format!("delete file system {id}");
    match aws.efs.delete_file_system().file_system_id(id).send().await {
        Err(error) if error::is(&error, &NOT_YET) => {
            Err(Failure::transient(doing).because(Cause("its mount targets are still being removed".into())))
        }
        other => found(doing, other, &["FileSystemNotFound"]).map(drop),
    }
}
