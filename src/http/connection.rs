//! One connection to a target or proxy, and the handle that closes it from another thread.

/// A connection kept alive between exchanges; its owner is the target's state.
#[derive(Debug)]
pub struct Connection {}

/// Lets another thread end the exchange that a worker is in: one per worker, reused from exchange to exchange.
#[derive(Debug, Default)]
pub struct Interrupt {}

impl Interrupt {
    /// Closes the socket of the running exchange, and fails every later one with [`super::error::Kind::Interrupted`].
    pub fn close(&self) {}

    /// Whether [`Interrupt::close`] was called.
    pub fn is_closed(&self) -> bool {
        false
    }
}
