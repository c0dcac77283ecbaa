//! Convergence on the emulators: apply, then nothing differs; one field changed behind the back is named alone and
//! repaired alone; twenty further rounds write nothing.

#[path = "../support/mod.rs"]
mod support;

mod alarm;
mod bucket;
mod cluster;
mod compute;
mod file_system;
mod identity;
mod log_group;
mod owned;
mod repository;
mod role;
mod schedule;
mod secret;
mod security_group;
mod service;
mod task_definition;
