//! Targets, their schedule, one scrape, and what follows from it: series, staleness, limits, the report. Produces batches.
//!
//! Reading order: [`target`] says what is scraped, [`job`] what the targets of a job share, [`cycle`] does one scrape
//! with the [`state`] that a target keeps from scrape to scrape: [`fetch`] gets the page, [`page`] takes its samples to
//! the storage, which has a say in each, and into the batch. A [`pool`] does this for all targets, each in its time.
//!
//! | Limit | Judged in | What follows |
//! |---|---|---|
//! | `body_size_limit` | [`fetch`] gives it to the client, `http` counts | the scrape fails |
//! | `sample_limit` | `page::reading` counts, and fails the page at its end | the scrape fails |
//! | `label_limit`, `label_name_length_limit`, `label_value_length_limit` | `page::labels`, for new series | the scrape fails |
//! | `target_limit` | [`target::sync`] | every scrape of the job fails ([`job::Job::forced_error`]) |
//!
//! Limits on native histograms are in `page::buckets`.

pub mod cycle;
pub mod failure;
pub mod job;
pub mod page;
pub mod pool;
pub mod state;
pub mod target;

mod accept;
mod fetch;
