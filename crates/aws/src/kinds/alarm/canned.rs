//! Answers of the real CloudWatch, as they come over the wire.
