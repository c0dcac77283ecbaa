//! Faults that can be told from a task definition's document alone.

use std::collections::{BTreeMap, BTreeSet};

use meteoctl_engine::kind::{Fault, Meta, expect_kind};
use meteoctl_engine::reference::{Link, escape};

use super::spec::{Container, HealthCheck, TaskDefinitionSpec, Volume};

/// Rule: an image must say which one it is.
pub const UNTAGGED_IMAGE: &str = "untagged-image";
/// Rule: no secret in plain text.
pub const LITERAL_SECRET: &str = "literal-secret";

/// What Fargate offers: CPU units, smallest memory, largest memory, step (MiB).
/// Source: Amazon ECS developer guide, "Task CPU and memory" of Fargate task definition parameters. 256 units go with
/// 512, 1024 and 2048 only, which the step of 512 would not tell.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// All faults of a task definition.
pub fn faults(meta: &Meta, spec: &TaskDefinitionSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(family(&meta.name));
    faults.extend(size(spec.cpu, spec.memory));
    faults.extend(role("/executionRole", spec.execution_role.as_ref()));
    faults.extend(role("/taskRole", spec.task_role.as_ref()));
    faults.extend(storage(spec));
    faults.extend(spec.volumes.iter().flatten().enumerate().flat_map(|(index, volume)| volume_faults(index, volume)));
    faults.extend(names(spec));
    let volumes: BTreeSet<&str> = spec.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    for (index, container) in spec.containers.iter().enumerate() {
        faults.extend(container_faults(&format!("/containers/{index}"), container, spec, &volumes));
    }
    faults
}

fn family(name: &str) -> Option<Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let good = !name.is_empty() && name.len() <= 255 && name.chars().all(fits);
    (!good).then(|| Fault::wrong("", "a task definition's family has 1 to 255 letters, digits, hyphens and underscores"))
}

fn size(cpu: u32, memory: u32) -> Option<Fault> {
    let Some((_, least, most, step)) = SIZES.into_iter().find(|(units, ..)| *units == cpu) else {
        let offered: Vec<String> = SIZES.iter().map(|(units, ..)| units.to_string()).collect();
        return Some(Fault::wrong("/cpu", format!("Fargate offers no {cpu} CPU units")).hint(format!("one of {}", offered.join(", "))));
    };
    let odd_one = (cpu, memory) == (256, 1536);
    let good = (least..=most).contains(&memory) && (memory - least).is_multiple_of(step) && !odd_one;
    let offered = match cpu {
        256 => "512, 1024 or 2048".to_owned(),
        _ => format!("{least} to {most} in steps of {step}"),
    };
    (!good).then(|| Fault::wrong("/memory", format!("Fargate offers no {memory} MiB with {cpu} CPU units")).hint(offered))
}

fn role(path: &str, link: Option<&Link>) -> Option<Fault> {
    match link? {
        Link::Literal(arn) if !arn.starts_with("arn:") => {
            Some(Fault::wrong(path, format!("`{arn}` is no ARN of a role")).hint("write {ref: Role/name}, or the role's whole ARN"))
        }
        link => expect_kind(path, link, &["Role"]),
    }
}

fn storage(spec: &TaskDefinitionSpec) -> Option<Fault> {
    let size = spec.ephemeral_storage?;
    (!(21..=200).contains(&size))
        .then(|| Fault::wrong("/ephemeralStorage", format!("Fargate offers 21 to 200 GiB, not {size}; 20 is what you get without it")))
}

fn volume_faults(index: usize, volume: &Volume) -> Vec<Fault> {
    let at = |field: &str| format!("/volumes/{index}/{field}");
    let mut faults = Vec::new();
    faults.extend(volume.file_system.as_ref().and_then(|link| expect_kind(&at("fileSystem"), link, &["FileSystem"])));
    faults.extend(volume.access_point.as_ref().and_then(|link| expect_kind(&at("accessPoint"), link, &["FileSystem"])));
    if volume.file_system.is_none() && (volume.access_point.is_some() || volume.root_directory.is_some() || volume.iam.is_some()) {
        faults.push(Fault::wrong(
            at("fileSystem"),
            "accessPoint, rootDirectory and iam say something about a file system, but there is none",
        ));
    }
    if volume.access_point.is_some() && volume.root_directory.as_deref().is_some_and(|directory| directory != "/") {
        faults.push(Fault::wrong(at("rootDirectory"), "with an access point the directory is the access point's"));
    }
    faults
}

/// Names must differ within their list.
fn names(spec: &TaskDefinitionSpec) -> Vec<Fault> {
    let containers = spec.containers.iter().map(|container| container.name.as_str());
    let volumes = spec.volumes.iter().flatten().map(|volume| volume.name.as_str());
    let mut faults = twice("/containers", containers);
    faults.extend(twice("/volumes", volumes));
    if spec.containers.is_empty() {
        faults.push(Fault::wrong("/containers", "a task needs at least one container"));
    }
    if !spec.containers.is_empty() && spec.containers.iter().all(|container| container.essential == Some(false)) {
        faults.push(Fault::wrong("/containers", "at least one container must be essential"));
    }
    let mut ports = BTreeMap::new();
    for (index, container) in spec.containers.iter().enumerate() {
        for port in container.ports.iter().flatten() {
            if let Some(other) = ports.insert(*port, &container.name).filter(|other| **other != container.name) {
                let at = format!("/containers/{index}/ports");
                faults.push(Fault::wrong(at, format!("port {port} is taken by `{other}`: the containers of a task share one network")));
            }
        }
    }
    faults
}

fn twice<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let again = names.enumerate().filter(|(_, name)| !seen.insert(name.to_owned()));
    again.map(|(index, name)| Fault::wrong(format!("{list}/{index}/name"), format!("`{name}` appears twice"))).collect()
}

fn container_faults(at: &str, container: &Container, spec: &TaskDefinitionSpec, volumes: &BTreeSet<&str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(image(&format!("{at}/image"), &container.image));
    faults.extend(container.environment.iter().flatten().filter_map(|(name, value)| literal_secret(at, name, value)));
    for (name, link) in container.secrets.iter().flatten() {
        let path = format!("{at}/secrets/{}", escape(name));
        faults.extend(expect_kind(&path, link, &["Secret"]));
        if container.environment.as_ref().is_some_and(|plain| plain.contains_key(name)) {
            faults.push(Fault::wrong(path, format!("`{name}` stands in environment, too")));
        }
    }
    let needs_role = container.secrets.as_ref().is_some_and(|secrets| !secrets.is_empty()) || container.logs.is_some();
    if needs_role && spec.execution_role.is_none() {
        let message = format!("container `{}` has secrets or logs, which ECS can reach only with an execution role", container.name);
        faults.push(Fault::wrong("/executionRole", message).hint("executionRole: {ref: Role/…}"));
    }
    faults.extend(container.logs.as_ref().and_then(|logs| expect_kind(&format!("{at}/logs/group"), &logs.group, &["LogGroup"])));
    for (index, mount) in container.mount_points.iter().flatten().enumerate() {
        if !volumes.contains(mount.volume.as_str()) {
            let message = format!("there is no volume `{}`", mount.volume);
            faults.push(Fault::wrong(format!("{at}/mountPoints/{index}/volume"), message));
        }
    }
    for (index, first) in container.depends_on.iter().flatten().enumerate() {
        if first.container == container.name || !spec.containers.iter().any(|other| other.name == first.container) {
            let message = format!("there is no other container `{}`", first.container);
            faults.push(Fault::wrong(format!("{at}/dependsOn/{index}/container"), message));
        }
    }
    faults.extend(container.health_check.as_ref().map(|check| health(at, check)).unwrap_or_default());
    faults.extend(limits(at, container, spec));
    faults
}

fn limits(at: &str, container: &Container, spec: &TaskDefinitionSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    if container.memory.is_some_and(|memory| memory > spec.memory) {
        faults.push(Fault::wrong(format!("{at}/memory"), format!("more than the task's {} MiB", spec.memory)));
    }
    if container.cpu.is_some_and(|cpu| cpu > spec.cpu) {
        faults.push(Fault::wrong(format!("{at}/cpu"), format!("more than the task's {} units", spec.cpu)));
    }
    if container.stop_timeout.is_some_and(|seconds| seconds > 120) {
        faults.push(Fault::wrong(format!("{at}/stopTimeout"), "Fargate waits at most 120 seconds"));
    }
    faults
}

fn health(at: &str, check: &HealthCheck) -> Vec<Fault> {
    let ranges = [
        ("interval", check.interval, 5..=300),
        ("timeout", check.timeout, 2..=60),
        ("retries", check.retries, 1..=10),
        ("startPeriod", check.start_period, 0..=300),
    ];
    let mut faults: Vec<Fault> = ranges
        .into_iter()
        .filter(|(_, value, range)| value.is_some_and(|value| !range.contains(&value)))
        .map(|(field, _, range)| {
            Fault::wrong(format!("{at}/healthCheck/{field}"), format!("must lie between {} and {}", range.start(), range.end()))
        })
        .collect();
    if !matches!(check.command.first().map(String::as_str), Some("CMD" | "CMD-SHELL")) {
        let message = "the first word must be CMD (a program and its arguments) or CMD-SHELL (a line for the shell)";
        faults.push(Fault::wrong(format!("{at}/healthCheck/command"), message));
    }
    faults
}

/// An image is told apart by tag or digest; `latest` tells nothing.
fn image(path: &str, link: &Link) -> Option<Fault> {
    let (tagged, what) = match link {
        Link::Literal(image) => (is_tagged(image), image.clone()),
        Link::Ref { target, key, .. } => (key.as_deref().is_some_and(|tag| !tag.is_empty() && tag != "latest"), target.to_string()),
    };
    let refused = || {
        Fault::refused(UNTAGGED_IMAGE, path, format!("`{what}` does not say which version runs"))
            .hint("give a tag other than `latest`, or a digest: mongo:7.0, mongo@sha256:…, {ref: Repository/name, key: 1.2.0}")
    };
    expect_kind(path, link, &["Repository"]).or_else(|| (!tagged).then(refused))
}

fn is_tagged(image: &str) -> bool {
    if image.contains('@') {
        return true;
    }
    // A colon before the last slash belongs to the registry's port.
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    name.split_once(':').is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

/// A value that is a secret by its name, or a URL with a password in it.
fn literal_secret(at: &str, name: &str, value: &str) -> Option<Fault> {
    let path = format!("{at}/environment/{}", escape(name));
    (!value.is_empty() && (is_secret_name(name) || has_password(value))).then(|| {
        Fault::refused(LITERAL_SECRET, path, format!("`{name}` looks like a secret in plain text"))
            .hint(format!("declare a Secret and write it under `secrets`: {name}: {{ref: Secret/…, key: …}}"))
    })
}

fn is_secret_name(name: &str) -> bool {
    const SECRET: [&str; 7] = ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "KEY", "CREDENTIALS"];
    // What only points to a secret is none.
    const POINTER: [&str; 6] = ["FILE", "PATH", "ARN", "NAME", "ID", "URL"];
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let points = words.last().is_some_and(|last| POINTER.contains(last));
    !points && words.iter().any(|word| SECRET.iter().any(|secret| word.ends_with(secret)))
}

fn has_password(value: &str) -> bool {
    let authority = value.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests;
