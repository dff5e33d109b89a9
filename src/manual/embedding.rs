//! Promop as part of another program.
//!
//! The example of the crate's front page builds a receiver, gives it a consumer, starts and stops it. What holds:
//!
//! - The library never exits, prints, reads the environment, installs a logger or a signal handler, or sets a process-wide TLS
//!   provider. What the environment would say is handed to the builder. It logs through the `log` crate.
//! - Several receivers live in one process without knowing of each other.
//! - `start` returns once threads run; `Running::status` says when it is ready. Nothing blocks on the API server.
//! - A consumer is called by the thread that scraped, with everything one scrape gave: a slow consumer delays the next scrape of
//!   that target only. It must not call back into the receiver. An error of it drops that batch and is counted.
//! - An exporter has a queue and a thread of its own; its queue is bounded, the oldest are dropped and counted.
//! - `stop` ends producers before consumers and returns what became of the metrics; no consumer is called after it returned.
//!   Dropping `Running` stops it, too, within the settings' deadline.
//! - Public are the names at the crate's root. Modules marked as hidden serve this package's own tests and programs.
