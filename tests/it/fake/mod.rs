//! Peers for the tests: threads and sockets, independent of `src/http`.

// A peer that is gone already is what a fake expects.
#![allow(clippy::let_underscore_must_use)]

pub mod apiserver;
pub mod http;
pub mod sink;
pub mod target;
pub mod tls;
