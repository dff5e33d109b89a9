//! What a target keeps from scrape to scrape, and what a thread reuses from target to target.

use super::job::Job;
use super::page::cache::Cache;
use super::page::collected::Collected;
use super::page::shape::Shape;
use super::page::start_timestamp::Starts;
use crate::http::body::Inflater;
use crate::http::client::Buffers;
use crate::http::client::{Connection, Interrupt};
use crate::model::batch::{ReportSample, TargetOutput};
use crate::model::series::SeriesTable;
use crate::rt::clock::Clock;
use crate::rt::gate::Gate;
use std::sync::Arc;

/// What a target keeps from scrape to scrape. It has one owner and is moved when the target changes hands.
#[derive(Debug)]
pub struct TargetState {
    pub(super) job: Arc<Job>,
    pub(super) connection: Option<Connection>,
    pub(super) table: Arc<SeriesTable>,
    pub(super) cache: Cache,
    pub(super) starts: Starts,
    /// What the last page was like, if the next of this shape can do without a reader.
    pub(super) shape: Option<Shape>,
    /// There was a scrape: its end has something to end.
    pub(super) was_scraped: bool,
    pub(super) output: Box<dyn TargetOutput>,
}

impl TargetState {
    /// The state of a target that was never scraped.
    pub fn new(job: Arc<Job>, output: Box<dyn TargetOutput>) -> Self {
        Self {
            job,
            connection: None,
            table: Arc::default(),
            cache: Cache::new(),
            starts: Starts::default(),
            shape: None,
            was_scraped: false,
            output,
        }
    }

    /// The rows that the target exposed last.
    pub fn table(&self) -> &Arc<SeriesTable> {
        &self.table
    }

    /// The job.
    pub fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// Goes on under another job, whose labels, rules and limits for series are the same. The connection is closed
    /// unless the job is the very same: another client may speak otherwise.
    pub fn set_job(&mut self, job: Arc<Job>) {
        if !Arc::ptr_eq(&self.job, &job) {
            self.connection = None;
            self.shape = None;
            self.job = job;
        }
    }

    /// Goes on with another output; it takes batches from the next scrape on.
    pub fn set_output(&mut self, output: Box<dyn TargetOutput>) {
        self.output = output;
    }
}

/// The buffers that one thread reuses for all its scrapes.
#[derive(Debug)]
pub struct Worker {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gate: Arc<Gate>,
    pub(super) interrupt: Arc<Interrupt>,
    pub(super) buffers: Buffers,
    pub(super) inflater: Inflater,
    pub(super) page: Vec<u8>,
    pub(super) collected: Collected,
    pub(super) report: Vec<ReportSample>,
}

impl Worker {
    /// Empty buffers. What costs CPU waits at the gate; `interrupt` ends the exchange that the thread is in.
    pub fn new(clock: Arc<dyn Clock>, gate: Arc<Gate>, interrupt: Arc<Interrupt>) -> Self {
        Self {
            clock,
            gate,
            interrupt,
            buffers: Buffers::default(),
            inflater: Inflater::default(),
            page: Vec::new(),
            collected: Collected::default(),
            report: Vec::new(),
        }
    }
}
