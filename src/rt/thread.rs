//! The only caller of `std::thread`: threads have names and stack sizes, and are joined by their [`Crew`].

use log::error;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

/// Stack of an ordinary thread, in bytes. Reserved, not resident: a blocked thread costs 12–15 KiB.
pub const STACK: usize = 512 * 1024;

/// Threads owned together; dropping the crew joins them.
/// Declare the senders and stoppers that end the threads *before* the crew, so that they are dropped first.
#[derive(Debug, Default)]
pub struct Crew(Vec<JoinHandle<()>>);

impl Crew {
    /// An empty crew.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a thread. A panic in it is logged with the thread's name and ends only that thread.
    ///
    /// # Errors
    /// The operating system refused another thread.
    #[allow(clippy::disallowed_types)] // the one permitted use
    pub fn spawn(
        &mut self,
        name: &str,
        stack: usize,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(stack);
        let name = name.to_owned();
        let handle = thread.spawn(move || {
            if let Err(panic) = catch(work) {
                error!("thread ended by a panic thread={name} err={panic}");
            }
        })?;
        self.0.push(handle);
        Ok(())
    }

    /// Joins the threads that have ended already; the others stay. Returns how many are still running.
    pub fn reap(&mut self) -> usize {
        let (ended, running): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(JoinHandle::is_finished);
        self.0 = running;
        join_all(ended);
        self.0.len()
    }

    /// Joins every thread.
    pub fn join(&mut self) {
        join_all(std::mem::take(&mut self.0));
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.join();
    }
}

fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        // A panic was caught and logged inside the thread.
        if handle.join().is_err() {
            error!("BUG: a thread ended by an uncaught panic");
        }
    }
}

/// Starts a thread that nobody joins. Only for a call to the system that can be neither interrupted nor bounded in time;
/// it may hold nothing that others wait for without a deadline.
///
/// # Errors
/// The operating system refused another thread.
#[allow(clippy::disallowed_types)] // beside the crew, the one permitted use
pub fn detach(name: &str, stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(stack);
    thread.spawn(work).map(drop)
}

/// Runs one unit of work (a scrape, an export, a reflector round) and turns a panic into its message.
///
/// # Errors
/// The message of the panic.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn dropping_a_crew_joins() {
        let done = Arc::new(AtomicBool::new(false));
        let mut crew = Crew::new();
        let seen = Arc::clone(&done);
        crew.spawn("test", STACK, move || seen.store(true, Ordering::SeqCst))
            .unwrap();
        drop(crew);
        assert!(done.load(Ordering::SeqCst));
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(
            catch(|| panic!("no {}", 1)),
            Err::<(), _>("no 1".to_owned())
        );
    }
}
