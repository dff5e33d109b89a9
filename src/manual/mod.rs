//! Documentation for operators and embedders, versioned with the code.

pub mod compatibility;
pub mod decisions;
pub mod embedding;
pub mod operations;
pub mod settings;
