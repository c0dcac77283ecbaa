//! Answers of the real ECS and EC2, as they come over the wire.
