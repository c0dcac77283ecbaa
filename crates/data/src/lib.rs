//! Weather data from raw records to verified backups.
//!
//! Must not know: AWS, the engine, the command line, the environment. It runs on a laptop with a folder
//! and a `mongod`. Bytes come and go through [`store::Store`]; only `mongo.rs` names the MongoDB driver.

pub mod archive;
pub mod backup;
pub mod clock;
pub mod collect;
pub mod decimal;
pub mod digest;
pub mod document;
pub mod fault;
pub mod import;
pub mod json;
pub mod latency;
pub mod manifest;
pub mod mongo;
pub mod page;
pub mod quality;
pub mod read;
pub mod reading;
pub mod rejects;
pub mod restore;
pub mod schedule;
pub mod station;
pub mod store;
pub mod timestamp;
pub mod transform;
pub mod units;
