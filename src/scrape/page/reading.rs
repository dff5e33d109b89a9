//! What holds while one page is read, and what is too much of it.

use super::buckets;
use super::cache::Seen;
use super::sample::{Offered, Refused};
use super::storage::{Rejected, Value};
use crate::config::ScrapeConfig;
use crate::model::bounds::Work;
use crate::model::labels::Text;
use crate::model::series::SeriesTable;
use crate::model::value::is_stale;
use crate::scrape::target::Target;

/// What a scrape counts, for its report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples on the page.
    pub(crate) scraped: u64,
    /// Those that relabelling left.
    pub(crate) kept: u64,
    /// New series.
    pub(crate) added: u64,
}

/// A sample may be this far in the future, milliseconds (prometheus: scrape/scrape.go, maxAheadTime).
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// What each line of a page costs, in steps of [`Work`].
pub(crate) const LINE: u64 = 256;

/// What holds while one page is read.
pub(crate) struct Reading<'w> {
    pub(crate) work: Work<'w>,
    pub(crate) counts: Counts,
    /// Bytes of labels that the target's series have, those included that are new on this page.
    pub(crate) text: usize,
    pub(crate) max_time: i64,
    pub(crate) max_schema: i32,
    /// Samples counted against `sample_limit`.
    pub(crate) n_limited: u64,
    pub(crate) over_samples: bool,
    /// The number of buckets that were too many.
    pub(crate) over_buckets: Option<u64>,
    /// The last family that was mentioned.
    pub(crate) family: Option<u32>,
    /// The same, unless a series stood below it that does not belong to it.
    pub(crate) context: Option<u32>,
    /// A type has changed: what was known about belonging is void.
    pub(crate) kinds_changed: bool,
}

impl<'w> Reading<'w> {
    pub(crate) fn new(
        work: Work<'w>,
        table: &SeriesTable,
        config: &ScrapeConfig,
        now_ms: i64,
    ) -> Self {
        Self {
            work,
            counts: Counts::default(),
            text: table.text_len(),
            max_time: now_ms.saturating_add(MAX_AHEAD_MS),
            max_schema: buckets::max_schema(config.min_bucket_factor),
            n_limited: 0,
            over_samples: false,
            over_buckets: None,
            family: None,
            context: None,
            kinds_changed: false,
        }
    }

    /// The limits between scraper and storage, from the outermost (prometheus: scrape_append_v2.go, appenderV2WithLimits).
    /// Buckets come before.
    pub(super) fn check_limits(
        &mut self,
        limit: u64,
        seen: Seen,
        offered: &Offered<'_>,
    ) -> Result<(), Refused> {
        let is_marker = matches!(offered.value, Value::Float(value) if is_stale(value));
        if limit > 0 && (seen == Seen::New || !is_marker) {
            self.n_limited += 1;
            if self.n_limited > limit {
                return Err(Refused::SampleLimit);
            }
        }
        if offered.time > self.max_time {
            return Err(Refused::Storage(Rejected::OutOfBounds));
        }
        Ok(())
    }

    /// Counts the labels of a new series.
    pub(crate) fn add_text(&mut self, own: &[(Text, Text)]) -> Result<(), String> {
        let sizes = own.iter().map(|(name, value)| name.len() + value.len());
        self.text += sizes.sum::<usize>();
        let limit = self.work.bounds.text();
        if self.text > limit {
            return Err(format!(
                "the labels of its series take more than {limit} bytes (twice maxPageBytes)"
            ));
        }
        Ok(())
    }

    /// Why the page is given up.
    pub(crate) fn late(&self, target: &Target) -> String {
        let (n, timeout) = (self.counts.scraped, target.timeout);
        format!("the page takes too long to read: {n} samples until the timeout of {timeout:?}")
    }

    /// At the end of a page: whether it is within the limits.
    pub(crate) fn check(&self, config: &ScrapeConfig, target: &Target) -> Result<(), String> {
        if self.over_samples {
            let (n, limit) = (self.n_limited, config.limits.samples);
            return Err(format!(
                "sample limit exceeded (number of samples: {n}, limit: {limit})"
            ));
        }
        if let Some(n) = self.over_buckets {
            let limit = config.bucket_limit;
            return Err(format!(
                "histogram bucket limit exceeded (number of buckets: {n}, limit: {limit})"
            ));
        }
        // Each series that is delivered repeats the labels of the target.
        let pairs = target.identity.labels.iter();
        let size: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
        let (n, limit) = (self.counts.kept, self.work.bounds.text().saturating_mul(4));
        if n.saturating_mul(size as u64) > limit as u64 {
            return Err(format!(
                "{n} series would repeat the target's labels of {size} bytes: more than {limit} bytes"
            ));
        }
        Ok(())
    }
}
