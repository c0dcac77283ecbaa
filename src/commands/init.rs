//! `init`: a starter folder that validates.

use std::path::{Path, PathBuf};

use clap::Args;
use meteoctl_engine::failure::{Failure, Outcome};
use serde_json::json;

use super::{DONE, Desk};

/// What init takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder to make
    #[arg(default_value = "desired-state", value_name = "FOLDER")]
    folder: PathBuf,
    /// Name of the stack: its things are tagged with it
    #[arg(long, default_value = "my-stack")]
    name: String,
    /// Region of everything in it
    #[arg(long, default_value = "eu-west-3")]
    region: String,
}

/// Writes the starter. Files that are there already are never touched.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let starter = starter(&arguments.name, &arguments.region);
    std::fs::create_dir_all(&arguments.folder).map_err(|error| failed(&arguments.folder, error))?;
    let mut written = Vec::new();
    for (name, text) in starter {
        let path = arguments.folder.join(name);
        write_new(&path, &text)?;
        written.push(path.display().to_string());
    }
    desk.view.result(&json!({"written": written}), || {
        format!("Wrote {}.\nNext: meteoctl validate -f {}\n", written.join(", "), arguments.folder.display())
    });
    Ok(DONE)
}

fn starter(name: &str, region: &str) -> [(&'static str, String); 2] {
    // JSON strings are YAML strings: whatever the name holds, the document stays well-formed.
    let (name, region, bucket) = (json!(name), json!(region), json!(format!("{name}-meteo")));
    let stack = format!(
        "# Identity of everything below: its tags say what is ours.\napiVersion: meteoctl/v1\nkind: Stack\nmetadata: {{name: {name}}}\nspec:\n  region: {region}\n"
    );
    let bucket = format!(
        "# Raw data, datasets and backups. Bucket names are unique in all of AWS: choose yours.\napiVersion: meteoctl/v1\nkind: Bucket\nmetadata: {{name: {bucket}}}\nspec:\n  versioning: Enabled\n  encryption: AES256\n  publicAccess: Blocked\n"
    );
    [("stack.yaml", stack), ("bucket.yaml", bucket)]
}

fn write_new(path: &Path, text: &str) -> Outcome<()> {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: std::io::Error) -> Failure {
    let there = error.kind() == std::io::ErrorKind::AlreadyExists;
    let hint = if there { "choose another folder: meteoctl init FOLDER" } else { "check that the folder can be written" };
    Failure::rejected(format!("write {}", path.display())).because(error).hint(hint)
}
