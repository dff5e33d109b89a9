//! Targets, their schedule, one scrape, and what follows from it: series, staleness, limits, the report. Produces batches.
//!
//! Reading order: [`target`] says what is scraped, [`job`] what the targets of a job share, [`cycle`] does one scrape
//! with the [`state`] that a target keeps from scrape to scrape.

pub mod cycle;
pub mod job;
pub mod manager;
pub mod state;
pub mod target;
mod url;
