//! The wish: a file system.

use std::fmt;

use meteoctl_engine::kind::Fault;
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::service::Subnets;
use crate::tags::Tags;

/// An EFS file system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileSystemSpec {
    /// Whether data at rest are encrypted. Fixed at creation; left out = yes.
    pub encrypted: Option<bool>,
    /// ARN of the KMS key. Counts at creation; left out = the key AWS keeps for EFS.
    pub kms: Option<Link>,
    /// Fixed at creation; left out = generalPurpose.
    pub performance_mode: Option<PerformanceMode>,
    /// `bursting`, `elastic` or `provisioned`.
    pub throughput: Option<Throughput>,
    /// When files move to cheaper storage. What it leaves out does not happen.
    pub lifecycle: Option<Lifecycle>,
    /// Whether AWS Backup keeps daily copies.
    pub backup: Option<bool>,
    /// Where the file system can be reached: all its mount targets.
    pub mount_targets: Option<MountTargets>,
    /// One door into the file system, with a directory and an owner of its own. Fixed at creation.
    pub access_point: Option<AccessPoint>,
    /// Tags besides those of the stack.
    pub tags: Option<Tags>,
}

/// Performance mode, in EFS's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PerformanceMode {
    /// For nearly everything.
    #[default]
    #[serde(rename = "generalPurpose")]
    GeneralPurpose,
    /// More operations per second, each slower.
    #[serde(rename = "maxIO")]
    MaxIo,
}

impl fmt::Display for PerformanceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PerformanceMode::GeneralPurpose => "generalPurpose",
            PerformanceMode::MaxIo => "maxIO",
        })
    }
}

/// Throughput of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected bursting, elastic or {provisionedMibps: number}")]
pub enum Throughput {
    /// Without a figure.
    Mode(ThroughputMode),
    /// Paid for.
    Provisioned(Provisioned),
}

/// Throughput without a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThroughputMode {
    /// Grows with the data.
    Bursting,
    /// As much as is used, paid by the byte.
    Elastic,
}

/// Throughput that is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Provisioned {
    /// MiB a second.
    pub provisioned_mibps: f64,
}

/// When files move, in EFS's words: `AFTER_30_DAYS`, `AFTER_1_ACCESS`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lifecycle {
    /// To Infrequent Access after so long without use.
    pub to_infrequent_access: Option<String>,
    /// To Archive after so long without use.
    pub to_archive: Option<String>,
    /// Back when it is used.
    pub to_primary: Option<String>,
}

/// All mount targets of a file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MountTargets {
    /// `default-public`, or ids; one for each availability zone.
    pub subnets: Subnets,
    /// Who may reach them: groups that let TCP port 2049 in. Left out = the VPC's default group.
    pub security_groups: Option<Vec<Link>>,
}

/// An access point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccessPoint {
    /// The directory that whoever comes through this door sees as its root. It is made when it is missing.
    pub path: String,
    /// User id that all access is made with, and that owns the directory. MongoDB's image runs as 999.
    pub uid: i64,
    /// Group id, likewise.
    pub gid: i64,
}

impl fmt::Display for AccessPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}:{}", self.path, self.uid, self.gid)
    }
}

impl FileSystemSpec {
    /// Faults that can be told from the document.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.kms.is_some() && self.encrypted == Some(false) {
            faults.push(Fault::wrong("/kms", "a file system that is not encrypted has no key"));
        }
        if let Some(Throughput::Provisioned(provisioned)) = self.throughput
            && !(1.0..=10240.0).contains(&provisioned.provisioned_mibps)
        {
            faults.push(Fault::wrong("/throughput/provisionedMibps", "EFS takes 1 to 10240 MiB a second"));
        }
        if let Some(point) = &self.access_point {
            let ids = [("uid", point.uid), ("gid", point.gid)];
            faults.extend(
                ids.into_iter()
                    .filter(|(_, id)| !(0..=i64::from(u32::MAX)).contains(id))
                    .map(|(field, _)| Fault::wrong(format!("/accessPoint/{field}"), "an id lies between 0 and 4294967295")),
            );
            if !point.path.starts_with('/') || point.path.len() > 100 || point.path.split('/').count() > 5 {
                faults
                    .push(Fault::wrong("/accessPoint/path", "a path begins with a slash and has at most four directories, 100 characters"));
            }
        }
        if self.mount_targets.as_ref().is_some_and(|targets| targets.security_groups.as_ref().is_some_and(|groups| groups.len() > 5)) {
            faults.push(Fault::wrong("/mountTargets/securityGroups", "EFS takes at most five groups"));
        }
        faults
    }
}
