//! One file a kind; `register` is the list.

use std::sync::Arc;

use meteoctl_engine::kind::AnyKind;

use crate::client::Aws;

/// All AWS kinds over one set of clients.
pub fn all(_aws: &Arc<Aws>) -> Vec<Arc<dyn AnyKind>> {
    Vec::new()
}
