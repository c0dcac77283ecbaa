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
}

impl Config {
    /// Reads what every verb may need.
    pub fn read() -> Self {
        Config { mongodb_uri: MONGODB.iter().find_map(|name| variable(name)), ci: variable("CI").is_some_and(|value| value != "false") }
    }
}

/// The variables of these names that are set.
pub fn variables(names: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    names.into_iter().filter_map(|name| variable(&name).map(|value| (name, value))).collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
