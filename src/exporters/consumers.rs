//! Hands metrics to the consumers of an embedding program, in the thread that scraped.

use crate::model::batch::{Batch, Delivery, TargetOutput};
use crate::model::labels::Text;
use crate::pdata::{Consumer, Metrics};
use crate::rt::clock::Clock;
use crate::rt::quiet::{Omitted, Quiet};
use crate::translate::{Settings, Translator};
use log::warn;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often refusals of one consumer are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The consumers of an embedding program, as a delivery beside the exporters. One translation serves them all.
pub struct Consumers(Arc<Shared>);

struct Shared {
    consumers: Vec<Arc<dyn Consumer>>,
    settings: Settings,
    accepted: AtomicU64,
    refused: AtomicU64,
    quiet: Quiet<usize>,
    clock: Arc<dyn Clock>,
}

impl Consumers {
    /// A delivery to these consumers.
    pub fn new(
        consumers: Vec<Arc<dyn Consumer>>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Shared {
            consumers,
            settings,
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            quiet: Quiet::new(LOG_INTERVAL),
            clock,
        }))
    }

    /// Points that consumers took, each consumer counted.
    pub fn accepted_points(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// Points that consumers refused, each consumer counted. They are lost.
    pub fn refused_points(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Consumers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumers")
            .field("consumers", &self.0.consumers.len())
            .finish()
    }
}

impl Delivery for Consumers {
    fn open(&self) -> Box<dyn TargetOutput> {
        let translator = Translator::new(self.0.settings.clone());
        Box::new(ConsumersTarget {
            translator,
            translated: None,
            shared: Arc::clone(&self.0),
        })
    }
}

struct ConsumersTarget {
    translator: Translator,
    /// The job and its metrics, until they are handed on.
    translated: Option<(Text, Metrics)>,
    shared: Arc<Shared>,
}

impl fmt::Debug for ConsumersTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumersTarget").finish_non_exhaustive()
    }
}

impl TargetOutput for ConsumersTarget {
    fn deliver(&mut self, batch: &Batch<'_>) {
        if !self.shared.consumers.is_empty() {
            let metrics = self.translator.translate(batch);
            self.translated = metrics.map(|metrics| (Arc::clone(&batch.identity.job), metrics));
        }
    }

    fn hand_on(&mut self) {
        let shared = &*self.shared;
        let Some((job, metrics)) = self.translated.take() else {
            return;
        };
        let points = metrics.point_count() as u64;
        for (at, consumer) in shared.consumers.iter().enumerate() {
            match consumer.consume(&metrics) {
                Ok(()) => {
                    shared.accepted.fetch_add(points, Ordering::Relaxed);
                }
                Err(error) => {
                    shared.refused.fetch_add(points, Ordering::Relaxed);
                    if let Some(left_out) = shared.quiet.due(at, shared.clock.now()).map(Omitted) {
                        warn!(
                            "consumer refused a batch job={job} points={points}{left_out} err=\"{error}\""
                        );
                    }
                }
            }
        }
    }
}
