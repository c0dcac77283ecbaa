//! The engine: documents, their order, and the loop that makes observed state match the wish.
//!
//! Must not know: any cloud, any weather, any database, the command line, the environment. Kinds come in
//! through [`kind::Kind`], what happened goes out as [`event::Event`]s and a [`report::Report`].

pub mod ahead;
pub mod check;
pub mod diff;
pub mod document;
pub mod event;
pub mod failure;
pub mod graph;
pub mod kind;
pub mod masked;
pub mod pace;
pub mod reference;
pub mod registry;
pub mod report;
pub mod run;
pub mod step;
pub mod stop;
pub mod tally;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod yaml;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod run_tests;
