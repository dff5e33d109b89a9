//! What a target keeps from scrape to scrape, and what a thread reuses from target to target.

use super::job::Job;
use crate::http::client::Buffers;
use crate::http::connection::{Connection, Interrupt};
use crate::model::batch::TargetOutput;
use crate::model::series::SeriesTable;
use crate::rt::clock::Clock;
use crate::rt::gate::Gate;
use std::sync::Arc;

/// What a target keeps from scrape to scrape. It has one owner and is moved when the target changes hands.
#[derive(Debug)]
pub struct TargetState {
    /// The job; replaced when the target is handed over to a changed one.
    pub job: Arc<Job>,
    /// Kept from scrape to scrape.
    pub connection: Option<Connection>,
    /// Takes the batches.
    pub output: Box<dyn TargetOutput>,
    pub(crate) table: Arc<SeriesTable>,
}

impl TargetState {
    /// The state of a target that was never scraped.
    pub fn new(job: Arc<Job>, output: Box<dyn TargetOutput>) -> Self {
        Self {
            job,
            connection: None,
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
    /// Entered between fetching a page and delivering it: reading pages costs CPU and memory.
    pub gate: Arc<Gate>,
    /// Cuts the exchange off when the program stops; of a scrape that it hits nothing may be delivered.
    pub interrupt: Arc<Interrupt>,
    /// What was fetched.
    pub buffers: Buffers,
}

impl Worker {
    /// Empty buffers.
    pub fn new(clock: Arc<dyn Clock>, gate: Arc<Gate>, interrupt: Arc<Interrupt>) -> Self {
        Self {
            clock,
            gate,
            interrupt,
            buffers: Buffers::default(),
        }
    }
}
