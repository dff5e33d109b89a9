//! Threads, stopping, time, back-off, the CPU gate, quiet logging and files: no domain word is known here.

pub mod backoff;
pub mod clock;
pub mod files;
pub mod gate;
pub mod glob;
pub mod printable;
pub mod pulse;
pub mod quiet;
pub mod stop;
pub mod thread;
