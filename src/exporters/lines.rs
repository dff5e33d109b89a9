//! Writes metrics to a writer such as stdout or a file, one scrape of one target after the other.

use super::readable;
use crate::model::batch::Batch;
use crate::pdata::write_json;
use crate::pipeline::{
    Encoder, EncoderFactory, ExportError, Exporter, Payload, PayloadSink, Receipt,
};
use crate::translate::{Settings, Translator};
use std::fmt;
use std::io::Write;
use std::sync::Arc;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One OTLP/JSON object (`MetricsData`) per line, as the collector's file exporter writes them.
    #[default]
    OtlpJson,
    /// For people: a line per resource, then one per point.
    Readable,
}

/// Writes lines to a writer.
pub struct Lines {
    name: String,
    writer: Box<dyn Write + Send>,
    format: Format,
    settings: Settings,
}

impl Lines {
    /// An exporter of this name to a writer.
    pub fn new(
        name: &str,
        writer: impl Write + Send + 'static,
        format: Format,
        settings: Settings,
    ) -> Self {
        Self {
            name: name.to_owned(),
            writer: Box::new(writer),
            format,
            settings,
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Exporter for Lines {
    fn name(&self) -> &str {
        &self.name
    }

    fn encoders(&self) -> Arc<dyn EncoderFactory> {
        Arc::new(LineEncoders {
            format: self.format,
            settings: self.settings.clone(),
        })
    }

    fn send(&mut self, payloads: &[Payload]) -> Result<Receipt, ExportError> {
        let mut write = || {
            for payload in payloads {
                self.writer.write_all(&payload.bytes)?;
            }
            self.writer.flush()
        };
        // A closed pipe stays closed, and half a line can't be taken back: nothing is written twice.
        write().map_err(|source| ExportError::Reject {
            source: format!("cannot write to {}: {source}", self.name).into(),
        })?;
        Ok(Receipt::default())
    }
}

struct LineEncoders {
    format: Format,
    settings: Settings,
}

impl EncoderFactory for LineEncoders {
    fn encoder(&self) -> Box<dyn Encoder> {
        let translator = Translator::new(self.settings.clone());
        Box::new(LineEncoder {
            translator,
            format: self.format,
            text: String::new(),
        })
    }
}

struct LineEncoder {
    translator: Translator,
    format: Format,
    text: String,
}

impl Encoder for LineEncoder {
    fn encode(&mut self, batch: &Batch<'_>, out: &mut PayloadSink) {
        let Some(metrics) = self.translator.translate(batch) else {
            return;
        };
        self.text.clear();
        match self.format {
            Format::OtlpJson => {
                write_json(&metrics, &mut self.text);
                self.text.push('\n');
            }
            Format::Readable => {
                let job = &batch.identity.job;
                readable::write(&metrics, job, batch.time_ms, &mut self.text);
            }
        }
        out.push(self.text.as_bytes(), metrics.point_count());
    }
}
