//! Data jobs as kinds: where engine, AWS and data meet.
//!
//! Must not know: the command line, the environment, how things are shown. Each job looks at what lies in the
//! bucket or the database, tells what is due, and does it through `meteoctl-data`; nothing is remembered here.

pub mod actions;
mod backup;
mod collection;
mod context;
mod dataset;
mod latency;
pub mod lock;
mod quality;
mod recall;
pub mod removal;
pub mod restore;
pub mod s3_store;
mod server;
mod source;

use std::sync::Arc;

use meteoctl_engine::kind::AnyKind;

pub use backup::asked_of as drill_of;
pub use context::{Forced, JobContext};
pub use recall::Recall;
pub use server::probe;

/// All job kinds over one context.
pub fn all(context: &Arc<JobContext>) -> Vec<Arc<dyn AnyKind>> {
    vec![
        Arc::new(backup::BackupKind { context: context.clone() }),
        Arc::new(collection::CollectionKind { context: context.clone() }),
        Arc::new(dataset::DatasetKind { context: context.clone() }),
        Arc::new(latency::LatencyKind { context: context.clone() }),
        Arc::new(quality::QualityKind { context: context.clone() }),
        Arc::new(source::SourceKind { context: context.clone() }),
    ]
}
