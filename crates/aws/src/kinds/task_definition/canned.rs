//! Answers of the real ECS, as they come over the wire.
