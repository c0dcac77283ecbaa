//! `metadata` of a document: its name, and what it may do otherwise than the rest.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::Id;

/// `metadata` of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Meta {
    /// The thing's own name: a bucket name, a role name, a log group.
    pub name: String,
    /// Words for people and switches for the engine (`adopt: "true"`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Documents that must be done first without being referred to in the spec, as `Kind/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub after: Vec<Id>,
    /// Rules of the house that this document may break until a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// Fields whose difference is accepted until a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Ignore>,
    /// Folder of the file the document came from; relative paths in the spec start there.
    #[serde(skip)]
    #[schemars(skip)]
    pub folder: std::path::PathBuf,
}

/// Leave to break one policy rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exception {
    /// The rule: `open-ingress`, `public-bucket`, `literal-secret`, `untagged-image`.
    pub rule: String,
    /// Why it is right here.
    pub reason: String,
    /// Last day on which it holds.
    #[schemars(with = "String")]
    pub expires: NaiveDate,
}

/// Leave for one field to differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ignore {
    /// JSON pointer of the field within the spec; everything below it is ignored too.
    pub field: String,
    /// Why it is right here.
    pub reason: String,
    /// Last day on which it holds.
    #[schemars(with = "String")]
    pub expires: NaiveDate,
}

impl Meta {
    /// Metadata that carries a name alone.
    pub fn named(name: impl Into<String>) -> Self {
        Meta { name: name.into(), ..Meta::default() }
    }

    /// Whether the document asks to take over a thing that exists without our tags.
    pub fn adopts(&self) -> bool {
        self.annotations.get("adopt").is_some_and(|value| value == "true")
    }
}
