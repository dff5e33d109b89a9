//! The loop of an exporter's thread: take, send, and what becomes of what was not sent.

use super::PipelineSettings;
use super::exporter::{ExportError, Exporter, Payload, Receipt};
use super::queue::{Loss, Queue};
use crate::rt::backoff::Backoff;
use crate::rt::pulse::Pulse;
use crate::rt::thread::catch;
use std::sync::Arc;

/// A panic may have a cause outside (no thread, no memory), and may be this payload's fault: that is believed after so many.
const MOST_PANICS: u32 = 5;

pub(super) struct Sender {
    exporter: Box<dyn Exporter>,
    queue: Arc<Queue>,
    /// Most payloads per request; lowered while requests are too large.
    at_most: usize,
    backoff: Backoff,
    /// Panics in a row.
    panics: u32,
}

impl Sender {
    pub(super) fn new(
        exporter: Box<dyn Exporter>,
        queue: Arc<Queue>,
        settings: &PipelineSettings,
    ) -> Self {
        Self {
            exporter,
            queue,
            at_most: usize::MAX,
            backoff: Backoff::new(settings.retry_first, settings.retry_max),
            panics: 0,
        }
    }

    /// Sends until the queue is closed and empty, or its deadline has passed.
    pub(super) fn run(&mut self, pulse: &Pulse) {
        let alive = pulse.begin();
        while let Some(payloads) = self.queue.take(self.at_most) {
            alive.works();
            let result = catch(|| self.exporter.send(&payloads));
            self.panics = if result.is_ok() { 0 } else { self.panics + 1 };
            let result = result.unwrap_or_else(|panic| {
                let source = format!("panic, this is a defect: {panic}").into();
                Err(if self.panics < MOST_PANICS {
                    let after = None;
                    ExportError::Retry { after, source }
                } else {
                    ExportError::Reject { source }
                })
            });
            self.settle(payloads, result);
            alive.waits();
        }
        self.queue.end();
    }

    fn settle(&mut self, payloads: Vec<Payload>, result: Result<Receipt, ExportError>) {
        match result {
            Ok(receipt) => {
                self.queue.sent(&payloads, receipt);
                self.at_most = usize::MAX;
                self.backoff.reset();
            }
            Err(ExportError::Retry { after, source }) => {
                self.queue.put_back(payloads);
                let delay = self.backoff.delay().max(after.unwrap_or_default());
                self.queue.pause(source.to_string(), delay);
            }
            Err(ExportError::Split { source }) if payloads.len() > 1 => {
                self.at_most = payloads.len() / 2;
                self.queue.fail(source.to_string());
                self.queue.put_back(payloads);
            }
            Err(ExportError::Split { source }) => self.give_up(Loss::TooLarge, &payloads, &*source),
            Err(ExportError::Reject { source }) => {
                self.give_up(Loss::Rejected, &payloads, &*source);
            }
        }
    }

    fn give_up(
        &mut self,
        loss: Loss,
        payloads: &[Payload],
        source: &(dyn std::error::Error + Send + Sync),
    ) {
        self.queue.lose(loss, payloads, source.to_string());
        self.at_most = usize::MAX;
    }
}
