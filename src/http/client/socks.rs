//! SOCKS5, as far as a client needs it (RFC 1928, 1929): no or password authentication, CONNECT by name.

use super::connection::Stream;
use super::socket::io_failed;
use crate::http::error::Error;
use crate::http::url::Url;
use std::io::{self, Read, Write};
use std::net::IpAddr;

/// Asks a SOCKS5 proxy, on a connection to it, to connect to a host.
pub(super) fn connect(
    stream: &mut Stream,
    proxy: &Url,
    host: &str,
    port: u16,
) -> Result<(), Error> {
    let failed = |why: &str| Error::failed(format!("socks connect: {why}"));
    let credentials = proxy.credentials();
    let method = if credentials.is_some() { 2 } else { 0 };
    let answer: [u8; 2] = ask(stream, &[5, 1, method]).map_err(|e| io_failed(&e))?;
    if answer != [5, method] {
        return Err(failed("no acceptable authentication methods"));
    }
    if let Some((user, password)) = credentials {
        let mut login = vec![1];
        for text in [user, password] {
            let length =
                u8::try_from(text.len()).map_err(|_| failed("credentials are too long"))?;
            login.push(length);
            login.extend_from_slice(text.as_bytes());
        }
        let answer: [u8; 2] = ask(stream, &login).map_err(|e| io_failed(&e))?;
        if answer[1] != 0 {
            return Err(failed("username/password authentication failed"));
        }
    }
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| failed("host name is too long"))?;
            request.extend_from_slice(&[3, length]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    let answer: [u8; 4] = ask(stream, &request).map_err(|e| io_failed(&e))?;
    let bound = match answer {
        [5, 0, _, 1] => 4,
        [5, 0, _, 4] => 16,
        [5, 0, _, 3] => {
            let [length]: [u8; 1] = receive(stream).map_err(|e| io_failed(&e))?;
            usize::from(length)
        }
        [5, code, ..] => return Err(failed(&format!("proxy answered with code {code}"))),
        _ => return Err(failed("unexpected protocol version")),
    };
    // The address that the proxy uses is of no interest.
    let mut rest = vec![0; bound + 2];
    stream.read_exact(&mut rest).map_err(|e| io_failed(&e))
}

fn ask<const N: usize>(stream: &mut Stream, request: &[u8]) -> io::Result<[u8; N]> {
    stream.write_all(request)?;
    receive(stream)
}

fn receive<const N: usize>(stream: &mut Stream) -> io::Result<[u8; N]> {
    let mut answer = [0; N];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
