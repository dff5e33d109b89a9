//! Targets, their schedule, one scrape, and what follows from it: series, staleness, limits, the report. Produces batches.
//!
//! Reading order: [`target`] says what is scraped, [`job`] what the targets of a job share, [`cycle`] does one scrape
//! with the [`state`] that a target keeps from scrape to scrape: [`fetch`] gets the page, [`append`] takes its samples to
//! the [`storage`], which has a say in each, and into the batch.

pub mod cycle;
pub mod failure;
mod handover;
mod health_log;
pub mod job;
pub mod manager;
mod pool;
pub mod schedule;
pub mod state;
pub mod storage;
pub mod target;
mod worker;

mod append;
mod cache;
mod changes;
mod collected;
mod family;
mod fetch;
mod labels;
mod limits;
mod reading;
mod report;
mod sample;
mod start;
