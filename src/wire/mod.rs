//! Bytes in, values out: protobuf, X.509, YAML. What the bytes mean is known above.

pub mod protobuf;
pub mod x509;
pub mod yaml;
