//! The environment: the only file that reads it. The AWS SDK reads its own part by itself.

use std::collections::BTreeMap;

/// Variables that give the MongoDB connection, the first one set wins.
const MONGODB: [&str; 2] = ["METEOCTL_MONGODB_URI", "MONGO_URI"];

/// What the environment says. Holds connection strings, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Config {
    /// Connection string that takes the place of the endpoint which a Service reports.
    pub mongodb_uri: Option<String>,
    /// Runs in CI: nobody answers questions.
    pub ci: bool,
    /// `user@host`: what others read who find our lock.
    pub owner: String,
}

impl Config {
    /// Reads what every verb may need.
    pub fn read() -> Self {
        Config {
            mongodb_uri: MONGODB.iter().find_map(|name| variable(name)),
            ci: variable("CI").is_some_and(|value| value != "false"),
            owner: owner(),
        }
    }
}

/// The variables of these names that are set.
pub fn variables(names: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    names.into_iter().filter_map(|name| variable(&name).map(|value| (name, value))).collect()
}

fn owner() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| variable(name));
    // The variable is the shell's own and rarely exported; Linux tells where it is not.
    let told = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let host = ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| variable(name)).or_else(told);
    format!("{}@{}", user.as_deref().unwrap_or("unknown"), host.as_deref().unwrap_or("unknown"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
