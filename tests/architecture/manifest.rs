//! What every crate may depend on, read from its Cargo.toml.

use std::path::Path;

/// One crate of the workspace and what it may use.
pub struct Allowed {
    /// Folder, relative to the workspace.
    pub folder: &'static str,
    /// Crates of ours.
    ours: &'static [&'static str],
    /// Beginnings of foreign names that are kept out of every other crate.
    guarded: &'static [&'static str],
}

/// The map: nothing points upwards.
pub const ALLOWED: [Allowed; 6] = [
    Allowed { folder: "", ours: &["meteoctl-engine", "meteoctl-aws", "meteoctl-data", "meteoctl-jobs"], guarded: &["clap"] },
    Allowed { folder: "crates/aws", ours: &["meteoctl-engine"], guarded: &["aws-"] },
    Allowed { folder: "crates/data", ours: &[], guarded: &["mongodb"] },
    Allowed { folder: "crates/engine", ours: &[], guarded: &[] },
    Allowed { folder: "crates/jobs", ours: &["meteoctl-engine", "meteoctl-aws", "meteoctl-data"], guarded: &["aws-"] },
    Allowed { folder: "crates/xtask", ours: &[], guarded: &["clap"] },
];

/// Foreign crates that only some rooms may name.
const GUARDED: [&str; 3] = ["aws-", "clap", "mongodb"];

/// Dependencies of a crate that the map does not allow. Tests keep to our own crates' order too, but may use foreign ones as
/// they like: a test that changes a thing behind the tool's back speaks to the service itself.
pub fn breaches(root: &Path, allowed: &Allowed) -> Vec<String> {
    let path = root.join(allowed.folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let place = if allowed.folder.is_empty() { "the binary" } else { allowed.folder };
    judge(place, &text, allowed)
}

/// Crates that the map does not know.
pub fn unknown_crates(root: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(root.join("crates")).expect("the folder crates can be read").flatten();
    let with_manifest = folders.filter(|entry| entry.path().join("Cargo.toml").is_file());
    let names = with_manifest.map(|entry| format!("crates/{}", entry.file_name().to_string_lossy()));
    names.filter(|name| !ALLOWED.iter().any(|allowed| allowed.folder == name)).collect()
}

fn judge(place: &str, manifest: &str, allowed: &Allowed) -> Vec<String> {
    let is_ours = |name: &str| name == "meteoctl" || name == "xtask" || name.starts_with("meteoctl-");
    let is_guarded = |name: &str| GUARDED.iter().any(|guarded| name.starts_with(guarded));
    let may = |name: &str| allowed.ours.contains(&name) || allowed.guarded.iter().any(|guarded| name.starts_with(guarded));
    let is_strange = |(name, for_tests): &(String, bool)| (is_ours(name) || (is_guarded(name) && !for_tests)) && !may(name);
    let strange = dependencies(manifest).into_iter().filter(is_strange);
    strange.map(|(name, _)| format!("{place} depends on {name}")).collect()
}

/// The packages in every `[…dependencies]` table but the workspace's, a renamed one under its own name; whether for tests only.
fn dependencies(manifest: &str) -> Vec<(String, bool)> {
    let mut names = Vec::new();
    let (mut inside, mut for_tests) = (false, false);
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            let (above, last) = table.rsplit_once('.').unwrap_or(("", table));
            inside = table != "workspace.dependencies" && last.ends_with("dependencies");
            for_tests = table.contains("dev-dependencies");
            if above.ends_with("dependencies") && above != "workspace.dependencies" {
                names.push((last.trim_matches('"').to_owned(), for_tests));
            }
        } else if inside && !line.starts_with('#') && line.contains('=') {
            names.push((package(line), for_tests));
        }
    }
    names
}

fn package(line: &str) -> String {
    if let Some((_, renamed)) = line.split_once("package = \"") {
        return renamed.split('"').next().unwrap_or_default().to_owned();
    }
    line.split(['.', '=', ' ']).next().unwrap_or_default().trim_matches('"').to_owned()
}

#[test]
fn an_edge_upwards_is_found_however_it_is_written() {
    let engine = &ALLOWED[3];
    for manifest in [
        "[dependencies]\nmeteoctl-aws.workspace = true",
        "[dependencies]\naws-sdk-s3 = \"1\"",
        "[dev-dependencies]\nmeteoctl-data = { path = \"../data\" }",
        "[target.'cfg(unix)'.dependencies]\nmongodb = { version = \"3\" }",
        "[dependencies.clap]\nversion = \"4\"",
        "[build-dependencies]\nnice = { package = \"meteoctl-jobs\", path = \"../jobs\" }",
    ] {
        assert_eq!(judge("crates/engine", manifest, engine).len(), 1, "{manifest}");
    }
    let with_tests = "[dev-dependencies]\nmongodb = \"3\"\n[dependencies]\nserde = \"1\"";
    assert_eq!(judge("crates/engine", with_tests, engine), [""; 0]);
    let fine = "[package]\nname = \"meteoctl-engine\"\n[workspace.dependencies]\nclap = \"4\"\n[dependencies]\nserde = \"1\"\n# clap = \"4\"\n[lints]\nx = 1";
    assert_eq!(judge("crates/engine", fine, engine), [""; 0]);
}
