//! From the scrape workers to the exporters: one encoder per exporter and target, one bounded queue and one thread per
//! exporter. A slow exporter fills its own queue only and never blocks a scrape. Formats are known to the exporters.

mod exporter;
mod fanout;
mod queue;
mod sender;

pub use exporter::{
    Encoder, EncoderFactory, ExportError, Exporter, Interrupt, Payload, PayloadSink, Receipt,
};
pub use queue::{Books, Dropped};

use crate::model::batch::Delivery;
use crate::rt::clock::Clock;
use crate::rt::pulse::Pulse;
use crate::rt::thread::{Crew, STACK};
use fanout::{FanOut, Lane};
use parking_lot::Mutex;
use queue::Queue;
use sender::Sender;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How queues and retries behave; the same for every exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineSettings {
    /// Bytes that may wait for one exporter; the oldest are dropped beyond it.
    pub queue_bytes: usize,
    /// Most bytes handed to one `send`, unless a single payload is larger.
    pub request_bytes: usize,
    /// How long a request that is not full waits for more, counted from the request before it.
    pub linger: Duration,
    /// The first wait after a failed `send`.
    pub retry_first: Duration,
    /// The longest wait, but for what the backend itself asks.
    pub retry_max: Duration,
}

impl Default for PipelineSettings {
    /// 64 MiB of queue hold two minutes of 10 000 points a second. Requests stay far below the 64 MiB that servers accept.
    fn default() -> Self {
        Self {
            queue_bytes: 64 * 1024 * 1024,
            request_bytes: 1024 * 1024,
            linger: Duration::from_millis(200),
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
        }
    }
}

/// No `send` takes longer than this.
const STUCK: Duration = Duration::from_secs(300);

/// The running exporters and the way to them. Dropping it stops at once, without draining.
#[derive(Debug)]
pub struct Pipeline {
    delivery: Arc<FanOut>,
    lanes: Vec<Running>,
    clock: Arc<dyn Clock>,
    /// Ended by their queues, which `drop` closes before the fields go.
    crew: Mutex<Crew>,
}

struct Running {
    name: String,
    queue: Arc<Queue>,
    interrupt: Interrupt,
    pulse: Pulse,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Starts a thread `export-<name>` for each exporter. What is delivered goes to the exporters' queues and then to
    /// `others`, such as an embedding program's consumers.
    ///
    /// # Errors
    /// The operating system refused a thread; those started before have ended.
    pub fn start(
        exporters: Vec<Box<dyn Exporter>>,
        others: Vec<Arc<dyn Delivery>>,
        settings: &PipelineSettings,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let mut pipeline = Self {
            delivery: Arc::new(FanOut::default()),
            lanes: Vec::new(),
            clock: Arc::clone(&clock),
            crew: Mutex::default(),
        };
        let mut lanes = Vec::new();
        for exporter in exporters {
            let name = exporter.name().to_owned();
            let encoders = exporter.encoders();
            let queue = Arc::new(Queue::new(&name, settings, Arc::clone(&clock)));
            let interrupt = exporter.interrupt();
            let mut sender = Sender::new(exporter, Arc::clone(&queue), settings);
            let thread = format!("export-{name}");
            let pulse = Pulse::new(&thread, STUCK);
            let own = pulse.clone();
            pipeline
                .crew
                .lock()
                .spawn(&thread, STACK, move || sender.run(&own))?;
            lanes.push(Lane {
                encoders,
                queue: Arc::clone(&queue),
            });
            pipeline.lanes.push(Running {
                name,
                queue,
                interrupt,
                pulse,
            });
        }
        pipeline.delivery = Arc::new(FanOut::new(lanes, others));
        Ok(pipeline)
    }

    /// The way in, for scrape workers. What is delivered after [`Pipeline::stop`] is dropped and counted.
    pub fn delivery(&self) -> Arc<dyn Delivery> {
        Arc::clone(&self.delivery) as Arc<dyn Delivery>
    }

    /// How each exporter fares, in the order they were given.
    pub fn status(&self) -> Vec<ExporterStatus> {
        self.lanes.iter().map(Running::status).collect()
    }

    /// The signs of life of the exporters' threads.
    pub fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.lanes.iter().map(|lane| lane.pulse.clone())
    }

    /// Ends waits for a next attempt: before the end everybody is tried once more at once.
    pub fn hasten(&self) {
        self.lanes.iter().for_each(|lane| lane.queue.hasten());
    }

    /// Lets the exporters send what waits until `grace` is over, then cuts them off; the rest is dropped, counted.
    /// Waits for no thread beyond that: [`Pipeline::join_within`] does, and dropping the pipeline.
    pub fn stop(&self, grace: Duration) {
        let deadline = self.clock.now() + grace;
        for lane in &self.lanes {
            lane.queue.close(deadline);
            lane.queue.hasten();
        }
        for lane in &self.lanes {
            if !lane.queue.wait_until_ended() {
                (lane.interrupt)();
            }
        }
    }

    /// Joins the threads that end within a time, after [`Pipeline::stop`]. Returns the names of those left behind.
    pub fn join_within(&self, time: Duration) -> Vec<String> {
        self.crew.lock().join_within(time)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.queue.close(self.clock.now());
            (lane.interrupt)();
        }
    }
}

impl Running {
    fn status(&self) -> ExporterStatus {
        ExporterStatus {
            name: self.name.clone(),
            books: self.queue.books(),
            last_error: self.queue.last_error(),
        }
    }
}

/// How one exporter fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterStatus {
    /// The exporter's name.
    pub name: String,
    /// What became of the points delivered to it.
    pub books: Books,
    /// Why the last `send` failed; none after a success.
    pub last_error: Option<String>,
}

impl fmt::Display for ExporterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Books {
            sent,
            dropped,
            waiting,
            ..
        } = &self.books;
        write!(
            f,
            "{}: {sent} points sent, {} dropped, {waiting} waiting",
            self.name,
            dropped.all()
        )?;
        match &self.last_error {
            Some(error) => write!(f, ", last error: {error}"),
            None => Ok(()),
        }
    }
}
