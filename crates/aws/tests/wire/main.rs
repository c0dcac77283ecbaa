//! What the real AWS says and the emulators do not: true wire shapes, answered to the real clients.

#[allow(dead_code, reason = "canned answers are only written")]
#[path = "../support/cbor.rs"]
mod cbor;
mod cloudwatch;
mod ec2;
mod ecs;
mod ecs_tasks;
mod efs_ecr;
mod iam;
mod logs_secrets;
mod passing;
mod replay;
mod s3;
mod scheduler;
