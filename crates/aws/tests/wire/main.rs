//! What the real AWS says and the emulators do not: true wire shapes, answered to the real clients.

mod ec2;
mod efs_ecr;
mod iam;
mod logs_secrets;
mod passing;
mod replay;
mod s3;
