//! The only caller of `std::thread`: threads have names and stack sizes, and are joined by their [`Crew`].

use super::clock::{Clock, SystemClock};
use super::stop::{self, Stopped, Stopper};
use log::error;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

/// Stack of an ordinary thread, in bytes. Reserved, not resident: a blocked thread costs 12–15 KiB.
pub const STACK: usize = 512 * 1024;

/// Threads owned together; dropping the crew joins them.
/// Whatever ends them must be dropped before the crew: see [`Team`] for those that a [`Stopper`] ends.
#[derive(Debug, Default)]
pub struct Crew(Vec<Member>);

#[derive(Debug)]
struct Member {
    name: String,
    handle: JoinHandle<()>,
    /// Told when the thread's work is done.
    done: Stopped,
}

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
        let (ends, done) = stop::pair();
        let theirs = name.to_owned();
        let handle = thread.spawn(move || {
            let _ends = ends;
            if let Err(panic) = catch(work) {
                error!("thread ended by a panic thread={theirs} err={panic}");
            }
        })?;
        self.0.push(Member {
            name: name.to_owned(),
            handle,
            done,
        });
        Ok(())
    }

    /// Joins the threads that have ended already; the others stay. Returns how many are still running.
    pub fn reap(&mut self) -> usize {
        let (ended, running): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|member| member.handle.is_finished());
        self.0 = running;
        join_all(ended);
        self.0.len()
    }

    /// Joins every thread.
    pub fn join(&mut self) {
        join_all(std::mem::take(&mut self.0));
    }

    /// Joins the threads that end within a time. The others run on and belong to nobody any more; returns their names.
    pub fn join_within(&mut self, time: Duration) -> Vec<String> {
        let end = SystemClock.now() + time;
        let (ended, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|member| {
                let rest = end.saturating_duration_since(SystemClock.now());
                member.done.wait(rest) || member.done.is_stopped()
            });
        join_all(ended);
        left.into_iter().map(|member| member.name).collect()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.join();
    }
}

fn join_all(members: Vec<Member>) {
    for member in members {
        // A panic was caught and logged inside the thread.
        if member.handle.join().is_err() {
            error!("BUG: a thread ended by an uncaught panic");
        }
    }
}

/// A crew with what ends it. However it is dropped, as a local in the middle of a start that fails, too, its threads are
/// told first and joined then.
#[derive(Debug)]
pub struct Team {
    // Fields are dropped in this order.
    stopper: Stopper,
    crew: Crew,
}

impl Team {
    /// Without threads yet, and what each of them is to look at.
    pub fn new() -> (Self, Stopped) {
        let (stopper, stopped) = stop::pair();
        let crew = Crew::new();
        (Self { stopper, crew }, stopped)
    }

    /// See [`Crew::spawn`].
    ///
    /// # Errors
    /// The operating system refused another thread.
    pub fn spawn(
        &mut self,
        name: &str,
        stack: usize,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        self.crew.spawn(name, stack, work)
    }

    /// Tells the threads to end; waits for none.
    pub fn stop(&mut self) {
        self.stopper.stop();
    }

    /// Tells them, and joins as [`Crew::join_within`] does.
    pub fn join_within(&mut self, time: Duration) -> Vec<String> {
        self.stop();
        self.crew.join_within(time)
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
    fn a_thread_that_does_not_end_is_left_behind_and_named() {
        let (holds, held) = stop::pair();
        let mut crew = Crew::new();
        crew.spawn("quick", STACK, || ()).unwrap();
        crew.spawn("stuck", STACK, move || {
            held.wait(Duration::MAX);
        })
        .unwrap();
        assert_eq!(crew.join_within(Duration::from_millis(50)), ["stuck"]);
        // Nothing is left to be joined: this does not hang.
        drop(crew);
        drop(holds);
    }

    #[test]
    fn a_team_ends_in_the_middle_of_a_start_that_fails() {
        let start = || -> io::Result<Team> {
            let (mut team, stopped) = Team::new();
            team.spawn("first", STACK, move || {
                stopped.wait(Duration::MAX);
            })?;
            // No system has an address space for such a stack.
            team.spawn("refused", usize::MAX / 4, || ())?;
            Ok(team)
        };
        assert!(start().is_err());
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(
            catch(|| panic!("no {}", 1)),
            Err::<(), _>("no 1".to_owned())
        );
    }
}
