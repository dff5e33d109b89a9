//! The whole: wiring, supervision, swap, status.

pub mod admin;
