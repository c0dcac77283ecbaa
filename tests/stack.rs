//! Whole journeys with the real binary, against the development stack: AWS emulators and a real MongoDB.
//!
//! Every journey has its own copy of `desired-state/p8` with names of its own, its own account in the emulator and its own
//! database, so journeys run side by side and need no clean stack. `cargo xtask test` brings the stack up and sets
//! `METEOCTL_TEST_STACK`; without it a journey says that it was skipped.

#[path = "stack/again.rs"]
mod again;
#[path = "stack/bad_input.rs"]
mod bad_input;
#[path = "stack/bytes.rs"]
mod bytes;
#[path = "stack/calls.rs"]
mod calls;
#[path = "stack/canary.rs"]
mod canary;
#[path = "stack/data_kinds.rs"]
mod data_kinds;
#[path = "stack/database.rs"]
mod database;
#[path = "stack/destroy.rs"]
mod destroy;
#[path = "stack/encrypted.rs"]
mod encrypted;
#[path = "stack/examples.rs"]
mod examples;
#[path = "stack/first_run.rs"]
mod first_run;
#[path = "stack/gate.rs"]
mod gate;
#[path = "stack/hands.rs"]
mod hands;
#[path = "stack/interrupted.rs"]
mod interrupted;
#[path = "stack/inventory.rs"]
mod inventory;
#[path = "stack/lock.rs"]
mod lock;
#[path = "stack/operate.rs"]
mod operate;
#[path = "stack/outcome.rs"]
mod outcome;
#[path = "stack/plans.rs"]
mod plans;
#[path = "stack/prune.rs"]
mod prune;
#[path = "stack/random.rs"]
mod random;
#[path = "stack/real_data.rs"]
mod real_data;
#[path = "stack/rescue.rs"]
mod rescue;
#[path = "stack/sources.rs"]
mod sources;
#[path = "stack/vendor.rs"]
mod vendor;
#[path = "stack/world.rs"]
mod world;
