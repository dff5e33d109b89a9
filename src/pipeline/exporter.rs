//! What an exporter is: it encodes batches for its backend (in the scrape worker) and sends payloads (on its own thread).

use crate::model::batch::Batch;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Sends payloads to a backend. It lives on one thread of its own and never sees two calls at once.
pub trait Exporter: Send {
    /// A short name, unique among the exporters, for logs and metrics.
    fn name(&self) -> &str;

    /// How batches become payloads; asked once, at start.
    fn encoders(&self) -> Arc<dyn EncoderFactory>;

    /// Sends payloads, oldest first; all of them or none.
    ///
    /// # Errors
    /// What should become of them.
    fn send(&mut self, payloads: &[Payload]) -> Result<Receipt, ExportError>;

    /// Makes a blocked [`Exporter::send`] return soon. Called from another thread, when the time to drain is over.
    fn interrupt(&self) -> Interrupt {
        Box::new(|| ())
    }
}

/// What a backend says of a request that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Points that it refused all the same; they are not sent again.
    pub refused: u64,
    /// Why, or what else it remarks.
    pub said: Option<String>,
}

/// See [`Exporter::interrupt`].
pub type Interrupt = Box<dyn Fn() + Send + Sync>;

/// Makes encoders; shared by the scrape workers.
pub trait EncoderFactory: Send + Sync {
    /// An encoder for one target; it may remember what it learned of the target.
    fn encoder(&self) -> Box<dyn Encoder>;
}

/// Turns the batches of one target into payloads.
pub trait Encoder: Send {
    /// Encodes one batch. A large one may become several payloads.
    fn encode(&mut self, batch: &Batch<'_>, out: &mut PayloadSink);
}

/// A part of a request: what one target yielded, in the exporter's format. Payloads of one exporter can be concatenated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The encoded points.
    pub bytes: Arc<[u8]>,
    /// How many points they are.
    pub points: u32,
    /// The scrape's time, milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// A number of the target, unique within the pipeline.
    pub target: u64,
}

/// Takes the payloads of one batch.
#[derive(Debug)]
pub struct PayloadSink {
    target: u64,
    time_ms: i64,
    payloads: Vec<Payload>,
}

impl PayloadSink {
    /// A sink for a target's batch of a given time.
    pub fn new(target: u64, time_ms: i64) -> Self {
        Self {
            target,
            time_ms,
            payloads: Vec::new(),
        }
    }

    /// Takes the next payload; one without points is left out.
    pub fn push(&mut self, bytes: &[u8], points: usize) {
        if points > 0 {
            self.payloads.push(Payload {
                bytes: Arc::from(bytes),
                points: u32::try_from(points).unwrap_or(u32::MAX),
                time_ms: self.time_ms,
                target: self.target,
            });
        }
    }

    /// All payloads in order.
    pub fn into_payloads(self) -> Vec<Payload> {
        self.payloads
    }
}

/// Why payloads were not sent, and what should become of them.
#[derive(Debug)]
pub enum ExportError {
    /// It may succeed later: the pipeline tries again, not before `after` if that is given.
    Retry {
        /// The wait that the backend asked for.
        after: Option<Duration>,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It will never succeed: the pipeline drops them.
    Reject {
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The request was too large: the pipeline sends fewer at a time and drops what is too large alone.
    Split {
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Retry { source, .. } | Self::Reject { source } | Self::Split { source }) = self;
        source.fmt(f)
    }
}

impl Error for ExportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let (Self::Retry { source, .. } | Self::Reject { source } | Self::Split { source }) = self;
        source.source()
    }
}
