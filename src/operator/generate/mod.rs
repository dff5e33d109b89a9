//! The text: `global` and what follows the jobs ([`head`]), one job per endpoint ([`job`]) and its parts.

pub(super) mod additional;
pub(super) mod head;
mod http;
pub(super) mod job;
mod limits;
mod rules;
mod sd;
