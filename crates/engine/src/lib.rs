//! The engine: documents, their order, and the loop that makes observed state match the wish.
//!
//! Must not know: any cloud, any weather, any database, the command line, the environment. Kinds come in
//! through [`kind::Kind`], what happened goes out as events and a report.

pub mod diff;
pub mod failure;
pub mod kind;
pub mod masked;
pub mod reference;
pub mod tally;
