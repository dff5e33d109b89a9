//! The one integration binary; a module per concern. Goldens are for rules, fakes over real sockets for situations.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    unreachable_pub
)]

mod crds;
mod differential;
mod discovery;
mod encoding;
mod exporters;
mod fake;
mod files;
#[allow(dead_code)] // until every area's harness is written
mod golden;
mod house;
mod http;
mod inherit;
mod kube;
mod obstacles;
mod pages;
mod pipeline;
mod program;
mod quarantine;
mod receiver;
mod rejected;
mod scrape;
mod secrets;
mod swap;
mod textparse;
