//! From the wish to what `RegisterTaskDefinition` takes, and the digest of the wish.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_ecs::types::{
    ContainerCondition, ContainerDefinition, ContainerDependency, CpuArchitecture, EfsAuthorizationConfig, EfsAuthorizationConfigIam,
    EfsTransitEncryption, EfsVolumeConfiguration, HealthCheck as EcsHealthCheck, KeyValuePair, LogConfiguration, LogDriver,
    MountPoint as EcsMountPoint, PortMapping, RuntimePlatform, Secret, TransportProtocol, Volume as EcsVolume,
};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Link;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::spec::{Architecture, Condition, Container, HealthCheck, LogMode, Logs, TaskDefinitionSpec, Volume};

/// SHA-256, hex, over the settled wish without its tags: keys sorted, what is not declared left out, so that a
/// field added by a later version of meteoctl changes no digest.
pub fn digest(settled: &TaskDefinitionSpec) -> String {
    let spec = TaskDefinitionSpec { tags: None, ..settled.clone() };
    let value = sorted(serde_json::to_value(spec).unwrap_or(Value::Null));
    Sha256::digest(value.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted_map: BTreeMap<String, Value> =
                map.into_iter().filter(|(_, inner)| !inner.is_null()).map(|(key, inner)| (key, sorted(inner))).collect();
            Value::Object(sorted_map.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The text of a settled link; class `Pending` when it still waits for another document.
pub fn literal(link: &Link) -> Outcome<String> {
    match link {
        Link::Literal(value) => Ok(value.clone()),
        Link::Ref { target, .. } => Err(Failure::pending(target)),
    }
}

/// The text of a settled link, if there is a link.
pub fn optional(link: Option<&Link>) -> Outcome<Option<String>> {
    link.map(literal).transpose()
}

/// All containers of a settled wish.
pub fn containers(settled: &TaskDefinitionSpec, region: &str) -> Outcome<Vec<ContainerDefinition>> {
    settled.containers.iter().map(|wish| container(wish, region)).collect()
}

/// All volumes of a settled wish.
pub fn volumes(settled: &TaskDefinitionSpec) -> Outcome<Option<Vec<EcsVolume>>> {
    settled.volumes.as_ref().map(|volumes| volumes.iter().map(volume).collect()).transpose()
}

/// Processor, when the wish names one.
pub fn platform(settled: &TaskDefinitionSpec) -> Option<RuntimePlatform> {
    let architecture = match settled.architecture? {
        Architecture::X86 => CpuArchitecture::X8664,
        Architecture::Arm => CpuArchitecture::Arm64,
    };
    Some(RuntimePlatform::builder().cpu_architecture(architecture).operating_system_family(aws_sdk_ecs::types::OsFamily::Linux).build())
}

fn container(wish: &Container, region: &str) -> Outcome<ContainerDefinition> {
    let mut definition = ContainerDefinition::builder()
        .name(&wish.name)
        .image(literal(&wish.image)?)
        .essential(wish.essential.unwrap_or(true))
        .set_memory(wish.memory.map(int))
        .set_port_mappings(wish.ports.as_ref().map(|ports| ports.iter().copied().map(port).collect()))
        .set_environment(wish.environment.as_ref().map(|all| all.iter().map(|(name, value)| pair(name, value)).collect()))
        .set_secrets(wish.secrets.as_ref().map(secrets).transpose()?)
        .set_entry_point(wish.entry_point.clone())
        .set_command(wish.command.clone())
        .set_user(wish.user.clone())
        .set_working_directory(wish.working_directory.clone())
        .set_readonly_root_filesystem(wish.readonly_root_filesystem)
        .set_stop_timeout(wish.stop_timeout.map(i32::from))
        .set_depends_on(wish.depends_on.as_ref().map(|first| dependencies(first)).transpose()?)
        .set_health_check(wish.health_check.as_ref().map(health).transpose()?)
        .set_log_configuration(wish.logs.as_ref().map(|logs| log_configuration(logs, region)).transpose()?)
        .set_mount_points(wish.mount_points.as_ref().map(|mounts| mounts.iter().map(mount).collect()));
    if let Some(cpu) = wish.cpu {
        definition = definition.cpu(int(cpu));
    }
    Ok(definition.build())
}

fn port(port: u16) -> PortMapping {
    let number = i32::from(port);
    PortMapping::builder().container_port(number).host_port(number).protocol(TransportProtocol::Tcp).build()
}

fn pair(name: &str, value: &str) -> KeyValuePair {
    KeyValuePair::builder().name(name).value(value).build()
}

fn secrets(all: &BTreeMap<String, Link>) -> Outcome<Vec<Secret>> {
    all.iter().map(|(name, link)| Secret::builder().name(name).value_from(literal(link)?).build().map_err(unbuilt)).collect()
}

fn dependencies(all: &[super::spec::Dependency]) -> Outcome<Vec<ContainerDependency>> {
    all.iter()
        .map(|first| {
            let condition = match first.condition {
                Condition::Start => ContainerCondition::Start,
                Condition::Complete => ContainerCondition::Complete,
                Condition::Success => ContainerCondition::Success,
                Condition::Healthy => ContainerCondition::Healthy,
            };
            ContainerDependency::builder().container_name(&first.container).condition(condition).build().map_err(unbuilt)
        })
        .collect()
}

fn health(check: &HealthCheck) -> Outcome<EcsHealthCheck> {
    EcsHealthCheck::builder()
        .set_command(Some(check.command.clone()))
        .set_interval(check.interval.map(i32::from))
        .set_timeout(check.timeout.map(i32::from))
        .set_retries(check.retries.map(i32::from))
        .set_start_period(check.start_period.map(i32::from))
        .build()
        .map_err(unbuilt)
}

fn log_configuration(logs: &Logs, region: &str) -> Outcome<LogConfiguration> {
    let mut options = HashMap::from([
        ("awslogs-group".to_owned(), literal(&logs.group)?),
        ("awslogs-region".to_owned(), region.to_owned()),
        ("awslogs-stream-prefix".to_owned(), logs.stream_prefix.clone()),
    ]);
    if let Some(mode) = logs.mode {
        let mode = match mode {
            LogMode::Blocking => "blocking",
            LogMode::NonBlocking => "non-blocking",
        };
        options.insert("mode".to_owned(), mode.to_owned());
    }
    LogConfiguration::builder().log_driver(LogDriver::Awslogs).set_options(Some(options)).build().map_err(unbuilt)
}

fn mount(wish: &super::spec::MountPoint) -> EcsMountPoint {
    EcsMountPoint::builder().source_volume(&wish.volume).container_path(&wish.path).read_only(wish.read_only.unwrap_or(false)).build()
}

fn volume(wish: &Volume) -> Outcome<EcsVolume> {
    let volume = EcsVolume::builder().name(&wish.name);
    let Some(file_system) = optional(wish.file_system.as_ref())? else { return Ok(volume.build()) };
    let access_point = optional(wish.access_point.as_ref())?;
    let authorization = (access_point.is_some() || wish.iam.is_some()).then(|| {
        let iam = wish.iam.map(|on| if on { EfsAuthorizationConfigIam::Enabled } else { EfsAuthorizationConfigIam::Disabled });
        EfsAuthorizationConfig::builder().set_access_point_id(access_point).set_iam(iam).build()
    });
    let efs = EfsVolumeConfiguration::builder()
        .file_system_id(file_system)
        .set_root_directory(wish.root_directory.clone())
        .transit_encryption(EfsTransitEncryption::Enabled)
        .set_authorization_config(authorization)
        .build()
        .map_err(unbuilt)?;
    Ok(volume.efs_volume_configuration(efs).build())
}

fn int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn unbuilt(error: aws_smithy_types::error::operation::BuildError) -> Failure {
    Failure::rejected("write down the task definition for ECS").because(error)
}
