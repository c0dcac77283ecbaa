//! From what `DescribeTaskDefinition` answers back to the words of the wish.

use aws_sdk_ecs::types::{
    ContainerDefinition, CpuArchitecture, EfsAuthorizationConfigIam, LogDriver, TaskDefinition as EcsTaskDefinition, Volume as EcsVolume,
};
use meteoctl_engine::reference::Link;

use super::spec::{Architecture, Condition, Container, Dependency, HealthCheck, LogMode, Logs, MountPoint, TaskDefinitionSpec, Volume};
use crate::tags::Tags;

/// The revision as a wish. What ECS fills in by itself (`hostPort`, `essential: true`, `rootDirectory: /`) is told, too:
/// only what the wish declares is compared.
pub fn spec(found: &EcsTaskDefinition, tags: Option<Tags>) -> TaskDefinitionSpec {
    let architecture = match found.runtime_platform().and_then(|platform| platform.cpu_architecture()) {
        Some(CpuArchitecture::Arm64) => Architecture::Arm,
        _ => Architecture::X86,
    };
    TaskDefinitionSpec {
        cpu: number(found.cpu()),
        memory: number(found.memory()),
        execution_role: found.execution_role_arn().map(Link::literal),
        task_role: found.task_role_arn().map(Link::literal),
        containers: found.container_definitions().iter().map(container).collect(),
        volumes: Some(found.volumes().iter().map(volume).collect()),
        ephemeral_storage: found.ephemeral_storage().and_then(|storage| u16::try_from(storage.size_in_gib()).ok()),
        architecture: Some(architecture),
        tags,
    }
}

/// Sizes are texts on the wire.
fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

fn container(found: &ContainerDefinition) -> Container {
    let mut ports: Vec<u16> = found.port_mappings().iter().filter_map(|mapping| u16::try_from(mapping.container_port()?).ok()).collect();
    ports.sort_unstable();
    let environment = found.environment().iter().filter_map(|pair| Some((pair.name()?.to_owned(), pair.value()?.to_owned())));
    let secrets = found.secrets().iter().map(|secret| (secret.name().to_owned(), Link::literal(secret.value_from())));
    Container {
        name: found.name().unwrap_or_default().to_owned(),
        image: Link::literal(found.image().unwrap_or_default()),
        essential: Some(found.essential().unwrap_or(true)),
        cpu: u32::try_from(found.cpu()).ok(),
        memory: found.memory().and_then(|memory| u32::try_from(memory).ok()),
        ports: Some(ports),
        environment: Some(environment.collect()),
        secrets: Some(secrets.collect()),
        entry_point: Some(found.entry_point().to_vec()),
        command: Some(found.command().to_vec()),
        user: found.user().map(str::to_owned),
        working_directory: found.working_directory().map(str::to_owned),
        readonly_root_filesystem: Some(found.readonly_root_filesystem().unwrap_or(false)),
        stop_timeout: found.stop_timeout().and_then(small),
        depends_on: Some(found.depends_on().iter().filter_map(dependency).collect()),
        health_check: found.health_check().map(health),
        logs: logs(found),
        mount_points: Some(found.mount_points().iter().map(mount).collect()),
    }
}

fn small(value: i32) -> Option<u16> {
    u16::try_from(value).ok()
}

fn dependency(found: &aws_sdk_ecs::types::ContainerDependency) -> Option<Dependency> {
    let condition = match found.condition().as_str() {
        "START" => Condition::Start,
        "COMPLETE" => Condition::Complete,
        "SUCCESS" => Condition::Success,
        "HEALTHY" => Condition::Healthy,
        _ => return None,
    };
    Some(Dependency { container: found.container_name().to_owned(), condition })
}

fn health(found: &aws_sdk_ecs::types::HealthCheck) -> HealthCheck {
    HealthCheck {
        command: found.command().to_vec(),
        interval: found.interval().and_then(small),
        timeout: found.timeout().and_then(small),
        retries: found.retries().and_then(small),
        start_period: found.start_period().and_then(small),
    }
}

fn logs(found: &ContainerDefinition) -> Option<Logs> {
    let configuration = found.log_configuration().filter(|logs| *logs.log_driver() == LogDriver::Awslogs)?;
    let option = |key: &str| configuration.options().and_then(|options| options.get(key)).cloned();
    let mode = match option("mode").as_deref() {
        Some("blocking") => Some(LogMode::Blocking),
        Some("non-blocking") => Some(LogMode::NonBlocking),
        _ => None,
    };
    Some(Logs {
        group: Link::Literal(option("awslogs-group").unwrap_or_default()),
        stream_prefix: option("awslogs-stream-prefix").unwrap_or_default(),
        mode,
    })
}

fn mount(found: &aws_sdk_ecs::types::MountPoint) -> MountPoint {
    MountPoint {
        volume: found.source_volume().unwrap_or_default().to_owned(),
        path: found.container_path().unwrap_or_default().to_owned(),
        read_only: Some(found.read_only().unwrap_or(false)),
    }
}

fn volume(found: &EcsVolume) -> Volume {
    let efs = found.efs_volume_configuration();
    let authorization = efs.and_then(|efs| efs.authorization_config());
    Volume {
        name: found.name().unwrap_or_default().to_owned(),
        file_system: efs.map(|efs| Link::literal(efs.file_system_id())),
        access_point: authorization.and_then(|auth| auth.access_point_id()).map(Link::literal),
        root_directory: efs.map(|efs| efs.root_directory().unwrap_or("/").to_owned()),
        iam: efs.map(|_| authorization.and_then(|auth| auth.iam()) == Some(&EfsAuthorizationConfigIam::Enabled)),
    }
}
