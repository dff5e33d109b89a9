//! Targets, their schedule, one scrape, and what follows from it: series, staleness, limits, the report. Produces batches.
//!
//! Reading order: [`target`] says what is scraped, [`job`] what the targets of a job share, [`cycle`] does one scrape
//! with the [`state`] that a target keeps from scrape to scrape: [`fetch`] gets the page, [`page`] takes its samples to
//! the storage, which has a say in each, and into the batch. A [`pool`] does this for all targets, each in its time.

pub mod cycle;
pub mod failure;
pub mod job;
pub mod page;
pub mod pool;
pub mod state;
pub mod target;

mod fetch;
