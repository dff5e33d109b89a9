//! The fast form of a translation: what a scrape's request is, when every row of the table is on the page and nothing else is.
//!
//! A template is a plan written out once as a small program: static bytes (names, own labels), places for values (rows of
//! the batch), and "the target's attributes here". It is executed from the end of the request to its beginning, so that the
//! length of a message is known when its head is written. It holds nothing of the target itself, so that targets whose
//! pages have one shape share it. Its result equals that of [`super::walk`] and [`super::protobuf`], byte for byte, as long
//! as the request is one payload.
//!
//! What it cannot do it leaves to them: markers, absent rows, timestamps, start times beside `_created`, exemplars, native
//! histograms, buckets that decrease.

mod compile;
mod run;

use super::number::nanos_of_ms;
use super::plan::Plan;
use super::protobuf;
use crate::model::batch::Batch;
use crate::model::series::RowKind;
use crate::pdata::{Text, Value};
use crate::wire::protobuf::{Backward, Writer};
use compile::Compiler;
use run::Run;

/// The program. See the module.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::translate) struct Template {
    code: Box<[u8]>,
    /// Rows that are delivered: all of them must be present.
    n_present: u32,
    /// Bytes that a request takes at most, without the target's attributes.
    most_bytes: u32,
    n_points: u32,
}

/// What differs between targets that share a template: encoded once for each.
#[derive(Debug, Default)]
pub(in crate::translate) struct TargetBytes {
    /// The message of each resource of the plan.
    resources: Vec<Box<[u8]>>,
    /// The attributes that nearly all points have, as field 7 (numbers, summaries) and as field 9 (histograms).
    attributes: [Box<[u8]>; 2],
}

/// Field numbers of a point's attributes, in the order of [`TargetBytes::attributes`].
const ATTRIBUTES: [u32; 2] = [7, 9];

/// What follows in the program.
mod op {
    /// A resource ends here: its number, then the scopes.
    pub(super) const RESOURCE: u8 = 0;
    /// A scope ends here: its bytes behind and before the metrics.
    pub(super) const SCOPE: u8 = 1;
    /// A metric ends here: the field of its data, its bytes behind and before the points.
    pub(super) const METRIC: u8 = 2;
    /// A point with a value.
    pub(super) const NUMBER: u8 = 3;
    /// A classic histogram.
    pub(super) const HISTOGRAM: u8 = 4;
    /// A summary.
    pub(super) const SUMMARY: u8 = 5;
    /// The innermost message begins here.
    pub(super) const END: u8 = 6;
}

/// Which parts a point has.
mod has {
    pub(super) const TARGET: u8 = 1;
    pub(super) const CREATED: u8 = 2;
    pub(super) const SUM: u8 = 4;
}

impl Template {
    /// Writes a plan out. `target` are the attributes that nearly all points have. None if the plan has what only the
    /// walker can do.
    pub(in crate::translate) fn compile(
        plan: &Plan,
        batch: &Batch<'_>,
        target: &[(Text, Value)],
    ) -> Option<(Self, TargetBytes)> {
        let rows = batch.table.rows();
        let count = |kind| rows.iter().filter(|row| row.kind == kind).count();
        if count(RowKind::Histogram) > 0 || !plan.refused.is_empty() {
            return None;
        }
        let mut compiler = Compiler {
            plan,
            target,
            n_rows: rows.len() as u64,
            code: Writer::new(),
            last: 0,
            most_bytes: 0,
            n_points: 0,
            has_histograms: false,
        };
        for (at, resource) in plan.resources.iter().enumerate().rev() {
            compiler.resource(at, &resource.scopes);
        }
        let resources = plan.resources.iter().map(|resource| {
            let attributes = resource.with_infos(|_| true);
            let mut writer = Writer::new();
            protobuf::resource(&mut writer, &attributes);
            writer.into_vec().into_boxed_slice()
        });
        let encoded = ATTRIBUTES.map(|field| {
            let mut writer = Writer::new();
            if field == ATTRIBUTES[0] || compiler.has_histograms {
                for (key, value) in target {
                    protobuf::attribute(&mut writer, field, key, value);
                }
            }
            writer.into_vec().into_boxed_slice()
        });
        let bytes = TargetBytes {
            resources: resources.collect(),
            attributes: encoded,
        };
        let template = Self {
            n_present: count(RowKind::Float) as u32,
            most_bytes: u32::try_from(compiler.most_bytes).ok()?,
            n_points: compiler.n_points,
            code: compiler.code.into_vec().into_boxed_slice(),
        };
        Some((template, bytes))
    }

    /// Whether a batch has what a request of this form has, and nothing else. Its table and report are the template's.
    fn fits(&self, batch: &Batch<'_>) -> bool {
        let extras = batch.extras;
        let present: u32 = batch.present.iter().map(|word| word.count_ones()).sum();
        present == self.n_present
            && batch.stale.is_empty()
            && extras.timestamps.is_empty()
            && extras.starts.is_empty()
            && extras.exemplars.is_empty()
            && extras.histograms.is_empty()
    }

    /// The request of a batch, in pieces of about `most` bytes, each with its number of points; `scratch` is a buffer that
    /// is kept between calls. False if it takes the walker; then `take` was not called.
    pub(in crate::translate) fn run(
        &self,
        target: &TargetBytes,
        batch: &Batch<'_>,
        most: usize,
        scratch: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8], usize),
    ) -> bool {
        if !self.fits(batch) {
            return false;
        }
        let per_point = target.attributes.iter().map(|bytes| bytes.len()).max();
        let resources: usize = target.resources.iter().map(|bytes| bytes.len()).sum();
        let bytes = self.most_bytes as usize
            + self.n_points as usize * per_point.unwrap_or(0)
            + 2 * resources;
        let mut run = Run {
            code: &self.code,
            target,
            batch,
            n_rows: batch.table.rows().len(),
            last: 0,
            time_nanos: nanos_of_ms(batch.time_ms),
            out: Backward::new(scratch, bytes.min(most.saturating_mul(2))),
            open: Vec::with_capacity(3),
            n_points: 0,
            most,
            cut: Vec::new(),
        };
        if run.all().is_err() {
            return false;
        }
        if run.n_points > 0 {
            take(run.out.written(), run.n_points);
        }
        for (bytes, points) in run.cut.iter().rev() {
            take(bytes, *points);
        }
        true
    }
}
