//! What the real AWS says and the emulators do not: true wire shapes, answered to the real clients.

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
