//! What a target keeps from scrape to scrape, and what a thread reuses from target to target.

use super::job::Job;
use crate::model::batch::TargetOutput;
use crate::model::series::SeriesTable;
use crate::rt::clock::Clock;
use std::sync::Arc;

/// What a target keeps from scrape to scrape. It has one owner and is moved when the target changes hands.
#[derive(Debug)]
pub struct TargetState {
    /// The job; replaced when the target is handed over to a changed one.
    pub job: Arc<Job>,
    /// Takes the batches.
    pub output: Box<dyn TargetOutput>,
    pub(crate) table: Arc<SeriesTable>,
}

impl TargetState {
    /// The state of a target that was never scraped.
    pub fn new(job: Arc<Job>, output: Box<dyn TargetOutput>) -> Self {
        Self {
            job,
            output,
            table: Arc::default(),
        }
    }

    /// The rows that the target exposed last.
    pub fn table(&self) -> &Arc<SeriesTable> {
        &self.table
    }
}

/// The buffers that one thread reuses for all its scrapes.
#[derive(Debug)]
pub struct Worker {
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Worker {
    /// Empty buffers.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}
