//! Bytes in, values out: protobuf, YAML. What the bytes mean is known above.

pub mod protobuf;
pub mod yaml;
