//! The seam from scrapes: every batch goes to each exporter's encoder and queue, then to the other deliveries.

use super::exporter::{Encoder, EncoderFactory, PayloadSink};
use super::queue::Queue;
use crate::model::batch::{Batch, Delivery, TargetOutput};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One exporter as deliveries see it.
pub(super) struct Lane {
    pub(super) encoders: Arc<dyn EncoderFactory>,
    pub(super) queue: Arc<Queue>,
}

#[derive(Default)]
pub(super) struct FanOut {
    lanes: Vec<Lane>,
    others: Vec<Arc<dyn Delivery>>,
    next_target: AtomicU64,
}

impl FanOut {
    pub(super) fn new(lanes: Vec<Lane>, others: Vec<Arc<dyn Delivery>>) -> Self {
        Self {
            lanes,
            others,
            next_target: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("exporters", &self.lanes.len())
            .field("others", &self.others.len())
            .finish()
    }
}

impl Delivery for FanOut {
    fn open(&self) -> Box<dyn TargetOutput> {
        let lanes = self.lanes.iter();
        Box::new(FanOutTarget {
            target: self.next_target.fetch_add(1, Ordering::Relaxed),
            lanes: lanes
                .map(|lane| (lane.encoders.encoder(), Arc::clone(&lane.queue)))
                .collect(),
            others: self.others.iter().map(|other| other.open()).collect(),
        })
    }
}

struct FanOutTarget {
    target: u64,
    lanes: Vec<(Box<dyn Encoder>, Arc<Queue>)>,
    others: Vec<Box<dyn TargetOutput>>,
}

impl fmt::Debug for FanOutTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOutTarget")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl TargetOutput for FanOutTarget {
    fn deliver(&mut self, batch: &Batch<'_>) {
        for (encoder, queue) in &mut self.lanes {
            let mut sink = PayloadSink::new(self.target, batch.time_ms);
            encoder.encode(batch, &mut sink);
            queue.push(sink.into_payloads());
        }
        for other in &mut self.others {
            other.deliver(batch);
        }
    }

    fn hand_on(&mut self) {
        for other in &mut self.others {
            other.hand_on();
        }
    }
}
