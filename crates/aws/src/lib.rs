//! The AWS kinds: one file a kind, each knows how to look at its thing and how to make one change.
//!
//! Must not know: weather, MongoDB, the command line, the environment (the SDK reads its own). Knows the
//! engine and the AWS SDK, nothing else of ours. Deciders live in the engine: nothing here waits or retries.

pub mod answer;
pub mod arn;
pub mod client;
pub mod ecs;
pub mod error;
pub mod exact;
pub mod fetch;
pub mod iam_document;
pub mod kinds;
pub mod logs;
pub mod operator_ip;
pub mod owned;
pub mod policy;
pub mod tags;
