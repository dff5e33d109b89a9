//! Batches as OTLP payloads: requests of one target each, which can be concatenated.

use crate::model::batch::Batch;
use crate::pipeline::{Encoder, EncoderFactory, PayloadSink};
use crate::translate::{Settings, Templates, Translator};
use parking_lot::Mutex;
use std::sync::Arc;

/// A payload longer than this is cut between points, so that requests can be filled evenly.
const PAYLOAD_BYTES: usize = 1024 * 1024;

/// Makes encoders that translate with these settings.
#[derive(Debug)]
pub(super) struct OtlpEncoders {
    settings: Settings,
    templates: Templates,
    /// Buffers to write requests in: as many as there are threads that encode at once.
    scratch: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl OtlpEncoders {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            templates: Templates::default(),
            scratch: Arc::default(),
        }
    }
}

impl EncoderFactory for OtlpEncoders {
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(OtlpEncoder {
            translator: Translator::sharing(self.settings.clone(), self.templates.clone()),
            scratch: Arc::clone(&self.scratch),
        })
    }
}

struct OtlpEncoder {
    translator: Translator,
    scratch: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Encoder for OtlpEncoder {
    fn encode(&mut self, batch: &Batch<'_>, out: &mut PayloadSink) {
        let mut scratch = self.scratch.lock().pop().unwrap_or_default();
        let take = &mut |bytes: &[u8], points| out.push(bytes, points);
        self.translator
            .encode(batch, PAYLOAD_BYTES, &mut scratch, take);
        self.scratch.lock().push(scratch);
    }
}
