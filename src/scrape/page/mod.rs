//! From the entries of a page to what a scrape delivers: [`append`] takes its samples to the [`storage`], which has a say
//! in each, and into what is [`collected`] for the batch; [`report`] adds the series about the scrape itself.
//!
//! Staleness markers (prometheus: scrape/scrape.go, updateStaleMarkers and endOfRunStaleness):
//!
//! | For | Decided by | Time of the marker |
//! |---|---|---|
//! | a series that the page lacks | [`cache`], which knows what was live; written by `append`'s `markers` | the scrape's slot |
//! | all series, after a failed scrape or an empty page | `cycle`'s `append_nothing`, the same way | the scrape's slot |
//! | all series and the report, when the target has vanished | `pool::shared`'s `end_run`, after one more slot and a bit; written by `cycle`'s `end` | the slot that would have been next |
//! | a job that is removed, the program's end | nobody: nothing is written | – |

pub mod storage;

pub(crate) mod append;
pub(crate) mod cache;
pub(crate) mod collected;
pub(crate) mod labels;
pub(crate) mod reading;
pub(crate) mod report;
pub(crate) mod shape;
pub(crate) mod start_timestamp;

mod buckets;
mod changes;
mod family;
mod sample;
