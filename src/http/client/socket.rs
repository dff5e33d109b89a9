//! A socket with a deadline, and the handle that closes it from another thread.

use crate::http::cause;
use crate::http::error::{Error, Kind};
use crate::rt::clock::{Clock, SystemClock};
use parking_lot::Mutex;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A TCP socket whose reads and writes all end at one deadline, however many there are.
pub(super) struct Socket {
    pub(super) tcp: Arc<TcpStream>,
    pub(super) deadline: Instant,
    /// The timeouts that the system knows for reading and writing; zero: none yet.
    known: [Duration; 2],
}

/// A timeout that the system knows is left as it is if it is off by less: a call saved at every exchange.
const NEAR: Duration = Duration::from_millis(20);

impl Socket {
    pub(super) fn new(tcp: Arc<TcpStream>, deadline: Instant) -> Self {
        Self {
            tcp,
            deadline,
            known: [Duration::ZERO; 2],
        }
    }

    fn remaining(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(SystemClock.now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // A socket's timeout has microseconds, and zero means none.
        Ok(left.max(Duration::from_millis(1)))
    }

    /// Reads (0) or writes (1) until the deadline. A timeout that was short of it is set anew.
    fn until_deadline<T>(
        &mut self,
        way: usize,
        set: fn(&TcpStream, Option<Duration>) -> io::Result<()>,
        mut act: impl FnMut(&TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let left = self.remaining()?;
            let known = &mut self.known[way];
            if known.is_zero() || known.abs_diff(left) > NEAR {
                set(&self.tcp, Some(left))?;
                *known = left;
            }
            match act(&self.tcp) {
                Err(error) if is_timeout(&error) => *known = Duration::ZERO,
                result => return result,
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.until_deadline(0, TcpStream::set_read_timeout, |mut tcp| tcp.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_deadline(1, TcpStream::set_write_timeout, |mut tcp| tcp.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an error of a socket means for the exchange.
pub(super) fn io_failed(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::timeout(),
        io::ErrorKind::UnexpectedEof => Error::failed("EOF"),
        _ => Error::failed(cause::io(error)),
    }
}

/// Lets another thread end the exchange that a worker is in: one per worker, reused from exchange to exchange.
#[derive(Debug, Default)]
pub struct Interrupt(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    socket: Option<Arc<TcpStream>>,
}

impl Interrupt {
    /// Closes the socket of the running exchange, and fails every later one with [`Kind::Interrupted`].
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.closed = true;
        if let Some(socket) = state.socket.take() {
            // It may be closed already, which is as good.
            socket.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }

    /// Whether [`Interrupt::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    /// From now on `close` closes this socket.
    pub(super) fn guard(&self, socket: &Socket) -> Result<(), Error> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(interrupted());
        }
        state.socket = Some(Arc::clone(&socket.tcp));
        Ok(())
    }

    /// The exchange is over: an idle connection is closed by dropping it.
    pub(super) fn release(&self) {
        self.0.lock().socket = None;
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(interrupted());
        }
        Ok(())
    }
}

pub(super) fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted by shutdown")
}
