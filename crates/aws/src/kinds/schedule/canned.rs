//! Answers of the real EventBridge Scheduler, as they come over the wire.
