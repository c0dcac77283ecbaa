//! Data jobs as kinds: where engine, AWS and data meet.
//!
//! Must not know: the command line, the terminal, the environment, the MongoDB driver. The AWS SDK is named in `s3_store` alone.

pub mod s3_store;
