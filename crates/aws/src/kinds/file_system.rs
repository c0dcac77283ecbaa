//! FileSystem: an EFS file system with its mount targets and one access point, for data that outlives its task.

mod look;
mod spec;
mod write;

use std::sync::Arc;
use std::time::Duration;

use meteoctl_engine::diff::{self, Diff};
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, expect_kind};
use sha2::{Digest, Sha256};

pub use self::spec::{AccessPoint, FileSystemSpec, Lifecycle, MountTargets, PerformanceMode, Throughput};
use crate::answer::fixed;
use crate::client::Aws;
use crate::policy::Action;
use crate::tags;
use crate::{arn, exact};

const FILE_SYSTEMS: &str = "arn:{partition}:elasticfilesystem:{region}:{account}:file-system/*";
const ACCESS_POINTS: &str = "arn:{partition}:elasticfilesystem:{region}:{account}:access-point/*";

/// What each call needs. EFS makes the ids, so that no resource can be named beforehand.
pub const ACTIONS: &[Action] = &[
    Action::plan("elasticfilesystem:DescribeFileSystems", FILE_SYSTEMS),
    Action::plan("elasticfilesystem:DescribeMountTargets", FILE_SYSTEMS).when("/mountTargets"),
    Action::plan("elasticfilesystem:DescribeMountTargetSecurityGroups", FILE_SYSTEMS).when("/mountTargets"),
    Action::plan("ec2:DescribeSubnets", "*").when("/mountTargets"),
    Action::plan("elasticfilesystem:DescribeAccessPoints", FILE_SYSTEMS).when("/accessPoint"),
    Action::plan("elasticfilesystem:DescribeAccessPoints", ACCESS_POINTS).when("/accessPoint"),
    Action::plan("elasticfilesystem:DescribeLifecycleConfiguration", FILE_SYSTEMS).when("/lifecycle"),
    Action::plan("elasticfilesystem:DescribeBackupPolicy", FILE_SYSTEMS).when("/backup"),
    Action::apply("elasticfilesystem:CreateFileSystem", FILE_SYSTEMS),
    Action::apply("elasticfilesystem:TagResource", FILE_SYSTEMS),
    Action::apply("elasticfilesystem:UpdateFileSystem", FILE_SYSTEMS).when("/throughput"),
    Action::apply("elasticfilesystem:CreateMountTarget", FILE_SYSTEMS).when("/mountTargets"),
    // EFS makes the network interface of a mount target in the caller's name.
    Action::apply("elasticfilesystem:CreateMountTarget", "*").needs("ec2:CreateNetworkInterface").when("/mountTargets"),
    Action::apply("elasticfilesystem:CreateMountTarget", "*").needs("ec2:DescribeNetworkInterfaces").when("/mountTargets"),
    Action::apply("elasticfilesystem:CreateMountTarget", "*").needs("ec2:DescribeSubnets").when("/mountTargets"),
    Action::apply("elasticfilesystem:DeleteMountTarget", FILE_SYSTEMS).when("/mountTargets"),
    Action::apply("elasticfilesystem:DeleteMountTarget", "*").needs("ec2:DeleteNetworkInterface").when("/mountTargets"),
    Action::apply("elasticfilesystem:ModifyMountTargetSecurityGroups", FILE_SYSTEMS).when("/mountTargets"),
    Action::apply("elasticfilesystem:ModifyMountTargetSecurityGroups", "*")
        .needs("ec2:ModifyNetworkInterfaceAttribute")
        .when("/mountTargets"),
    Action::apply("elasticfilesystem:CreateAccessPoint", FILE_SYSTEMS).when("/accessPoint"),
    Action::apply("elasticfilesystem:CreateAccessPoint", ACCESS_POINTS).needs("elasticfilesystem:TagResource").when("/accessPoint"),
    Action::apply("elasticfilesystem:PutLifecycleConfiguration", FILE_SYSTEMS).when("/lifecycle"),
    Action::apply("elasticfilesystem:PutBackupPolicy", FILE_SYSTEMS).when("/backup"),
    Action::delete("elasticfilesystem:DescribeMountTargets", FILE_SYSTEMS),
    Action::delete("elasticfilesystem:DescribeAccessPoints", FILE_SYSTEMS),
    Action::delete("elasticfilesystem:DescribeAccessPoints", ACCESS_POINTS),
    Action::delete("elasticfilesystem:DeleteMountTarget", FILE_SYSTEMS),
    Action::delete("elasticfilesystem:DeleteMountTarget", "*").needs("ec2:DeleteNetworkInterface"),
    Action::delete("elasticfilesystem:DeleteAccessPoint", ACCESS_POINTS),
    Action::delete("elasticfilesystem:DeleteFileSystem", FILE_SYSTEMS),
];

/// The kind.
pub struct FileSystem {
    /// The clients.
    pub aws: Arc<Aws>,
}

impl Kind for FileSystem {
    const NAME: &'static str = "FileSystem";
    const ABOUT: &'static str = "An EFS file system, its mount targets and an access point: MongoDB's data outlive their task.";
    /// A mount target takes about a minute and a half.
    const GRACE: Duration = Duration::from_secs(300);
    const HOLDS_DATA: bool = true;
    type Spec = FileSystemSpec;

    fn check(&self, _: &Meta, spec: &FileSystemSpec) -> Vec<Fault> {
        let groups = spec.mount_targets.iter().flat_map(|targets| targets.security_groups.iter().flatten()).enumerate();
        let mut faults: Vec<Fault> = groups
            .filter_map(|(index, group)| expect_kind(&format!("/mountTargets/securityGroups/{index}"), group, &["SecurityGroup"]))
            .collect();
        faults.extend(spec.check());
        faults.extend(tags::check(spec.tags.as_ref()));
        faults
    }

    async fn observe(&self, meta: &Meta, want: &FileSystemSpec) -> Outcome<Option<Observed<FileSystemSpec>>> {
        let token = self.token(meta);
        let Some(found) = look::file_system(&self.aws, &token, want).await? else { return Ok(None) };
        let due = tags::due(&self.aws.stack, Self::NAME, meta, want.tags.as_ref(), &found.tags)?;
        let thing = format!("file system {}", meta.name);
        fixed(&thing, "encryption", want.encrypted.as_ref(), &found.spec.encrypted.unwrap_or(false))?;
        let mode = found.spec.performance_mode.unwrap_or_default();
        fixed(&thing, "the performance mode", want.performance_mode.as_ref(), &mode)?;
        if let (Some(want), Some(seen)) = (&want.access_point, &found.spec.access_point) {
            fixed(&thing, "the access point", Some(want), seen)?;
        }
        let mut observed =
            Observed::new(found.spec).output("id", found.id.as_str()).output("arn", self.arn(&found.id).await?).settling(found.settling);
        if let Some(point) = found.access_point {
            observed = observed.output("accessPoint", point);
        }
        observed.work = due;
        Ok(Some(observed))
    }

    async fn apply(&self, meta: &Meta, want: &FileSystemSpec, change: &Change) -> Outcome<()> {
        let wanted_tags = tags::wanted(&self.aws.stack, Self::NAME, meta, want.tags.as_ref());
        let pen = write::Pen { aws: &self.aws, name: &meta.name, tags: &wanted_tags };
        let id = match change {
            Change::Create => pen.create(&self.token(meta), want).await?,
            Change::Update(_) => look::id(&self.aws, &self.token(meta)).await?,
        };
        if matches!(change, Change::Update(_)) && change.touches("/tags") {
            pen.tag(&id).await?;
        }
        if let Some(throughput) = want.throughput.filter(|_| matches!(change, Change::Update(_)) && change.touches("/throughput")) {
            pen.throughput(&id, throughput).await?;
        }
        if let Some(lifecycle) = want.lifecycle.as_ref().filter(|_| change.touches("/lifecycle")) {
            pen.lifecycle(&id, lifecycle).await?;
        }
        if let Some(backup) = want.backup.filter(|_| matches!(change, Change::Update(_)) && change.touches("/backup")) {
            pen.backup(&id, backup).await?;
        }
        if let Some(point) = want.access_point.as_ref().filter(|_| change.touches("/accessPoint")) {
            pen.access_point(&id, point).await?;
        }
        match want.mount_targets.as_ref().filter(|_| change.touches("/mountTargets")) {
            Some(targets) => pen.mount_targets(&id, targets).await,
            None => Ok(()),
        }
    }

    fn canonical(&self, spec: &mut FileSystemSpec) {
        if let Some(key) = &mut spec.kms {
            key.settle("arn");
        }
        for group in spec.mount_targets.iter_mut().flat_map(|targets| targets.security_groups.iter_mut().flatten()) {
            group.settle("id");
        }
        if let Some(groups) = spec.mount_targets.as_mut().and_then(|targets| targets.security_groups.as_mut()) {
            groups.sort_by_cached_key(|group| group.output("id").unwrap_or_default());
        }
        spec.tags = None;
    }

    fn diff(&self, want: &FileSystemSpec, seen: &Observed<FileSystemSpec>) -> Diff {
        let mut diff = diff::fields(want, &seen.spec);
        exact::surplus(&mut diff, "/lifecycle", &want.lifecycle, &seen.spec.lifecycle);
        diff
    }

    /// Mount targets and access points first: EFS keeps a file system that is still reachable.
    async fn delete(&self, meta: &Meta, _: &FileSystemSpec) -> Outcome<()> {
        match look::by_token(&self.aws, &self.token(meta)).await? {
            Some(found) => write::delete(&self.aws, found.file_system_id()).await,
            None => Ok(()),
        }
    }
}

impl FileSystem {
    /// EFS makes the id; by this token, which follows from stack and name, the file system is found again. A second
    /// creation with the same token is refused, whatever became of the first answer. At most 64 characters.
    fn token(&self, meta: &Meta) -> String {
        let digest = Sha256::digest(format!("{}\n{}", self.aws.stack.name, meta.name).as_bytes());
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("meteoctl-{hex}")
    }

    async fn arn(&self, id: &str) -> Outcome<String> {
        let account = &self.aws.account().await?.id;
        let region = self.aws.region();
        Ok(format!("arn:{}:elasticfilesystem:{region}:{account}:file-system/{id}", arn::partition(region)))
    }
}
