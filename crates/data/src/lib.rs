//! Weather data from raw records to verified backups.
//!
//! Must not know: AWS, the engine, the command line, the environment. It runs on a laptop with a folder
//! and a `mongod`. Bytes come and go through [`store::Store`]; only `mongo.rs` names the MongoDB driver.

pub mod archive;
pub mod backup;
pub mod digest;
pub mod document;
pub mod import;
pub mod latency;
pub mod manifest;
pub mod mongo;
pub mod restore;
pub mod schedule;
pub mod store;
