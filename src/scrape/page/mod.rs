//! From the entries of a page to what a scrape delivers: [`append`] takes its samples to the [`storage`], which has a say
//! in each, and into what is [`collected`] for the batch; [`report`] adds the series about the scrape itself.

pub mod storage;

pub(crate) mod append;
pub(crate) mod cache;
pub(crate) mod collected;
pub(crate) mod labels;
pub(crate) mod reading;
pub(crate) mod report;
pub(crate) mod start_timestamp;

mod buckets;
mod changes;
mod family;
mod sample;
