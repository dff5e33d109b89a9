//! Documentation for operators and embedders, versioned with the code.

pub mod compatibility;
