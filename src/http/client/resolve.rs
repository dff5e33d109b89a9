//! Names to addresses. Literal addresses, which is what Kubernetes discovery gives, cost nothing. Names go to the system's
//! resolver on a few threads of its own, because it can neither be interrupted nor bounded in time: a scrape waits no longer
//! than it may, and a name server that is down holds up nobody but those who need it. If the system refuses the thread, the
//! name is looked up in the caller's.

use super::socket::Interrupt;
use crate::http::cause;
use crate::http::error::Error;
use crate::rt::clock::{Clock, SystemClock};
use crate::rt::thread;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Look-ups at a time.
const MAX_LOOKUPS: usize = 4;

/// For how long an answer serves those who ask for the same name: long enough for everybody who waits for it, too short
/// to be a cache, which upstream has not.
const ANSWER_LASTS: Duration = Duration::from_secs(1);

/// How often a waiting scrape looks whether it is to stop.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Looks names up; shared by all clients of a receiver.
#[derive(Debug, Clone, Default)]
pub struct Resolver(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lookups: Mutex<HashMap<String, Lookup>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Lookup {
    Running,
    Done {
        answer: Result<Vec<IpAddr>, String>,
        at: Instant,
    },
}

impl Lookup {
    fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }

    fn is_old(&self, now: Instant) -> bool {
        match self {
            Self::Running => false,
            Self::Done { at, .. } => now.saturating_duration_since(*at) >= ANSWER_LASTS,
        }
    }
}

impl Resolver {
    /// The addresses of a host, in the order to try them.
    pub(in crate::http) fn resolve(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
        interrupt: &Interrupt,
    ) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if let Ok(address) = format!("[{host}]:{port}").parse::<SocketAddrV6>() {
            return Ok(vec![SocketAddr::V6(address)]);
        }
        let mut lookups = self.0.lookups.lock();
        loop {
            let now = SystemClock.now();
            lookups.retain(|_, lookup| !lookup.is_old(now));
            match lookups.get(host) {
                Some(Lookup::Done { answer, .. }) => {
                    let failed =
                        |why: &String| Error::failed(format!("dial tcp: lookup {host}: {why}"));
                    let addresses = answer.as_ref().map_err(failed)?;
                    return Ok(addresses
                        .iter()
                        .map(|a| SocketAddr::new(*a, port))
                        .collect());
                }
                Some(Lookup::Running) => {}
                None if lookups.values().filter(|l| l.is_running()).count() < MAX_LOOKUPS => {
                    lookups.insert(host.to_owned(), Lookup::Running);
                    self.start(host, &mut lookups);
                    continue;
                }
                None => {}
            }
            interrupt.check()?;
            if now >= deadline {
                return Err(Error::timeout());
            }
            self.0
                .changed
                .wait_until(&mut lookups, deadline.min(now + LOOK_UP));
        }
    }

    fn start(&self, host: &str, lookups: &mut MutexGuard<'_, HashMap<String, Lookup>>) {
        let (shared, name) = (Arc::clone(&self.0), host.to_owned());
        let started = thread::detach("resolve", thread::STACK, move || {
            let found = look_up(&name);
            shared.lookups.lock().insert(name, found);
            shared.changed.notify_all();
        });
        if started.is_err() {
            let found = MutexGuard::unlocked(lookups, || look_up(host));
            lookups.insert(host.to_owned(), found);
            self.0.changed.notify_all();
        }
    }
}

/// Asks the system.
fn look_up(name: &str) -> Lookup {
    let answer = match (name, 0).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.map(|a| a.ip()).collect()),
        Err(error) => Err(cause::io(&error)),
    };
    let at = SystemClock.now();
    Lookup::Done { answer, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, want: Result<&str, &str>) {
        let deadline = SystemClock.now() + Duration::from_secs(30);
        let resolved = Resolver::default().resolve(host, 80, deadline, &Interrupt::default());
        let shown = resolved.map(|a| a.first().map(ToString::to_string).unwrap_or_default());
        let shown = shown.map_err(|e| e.message);
        match want {
            Ok(want) => assert_eq!(shown.as_deref(), Ok(want)),
            Err(want) => assert!(shown.as_ref().unwrap_err().starts_with(want), "{shown:?}"),
        }
    }

    #[test]
    fn literals_and_names() {
        check("10.0.0.1", Ok("10.0.0.1:80"));
        check("fd00::1", Ok("[fd00::1]:80"));
        check("fe80::1%1", Ok("[fe80::1%1]:80"));
        check("no\0name", Err("dial tcp: lookup no\0name: "));
    }

    #[test]
    fn when_all_threads_hang_a_scrape_waits_no_longer_than_it_may() {
        let resolver = Resolver::default();
        for n in 0..MAX_LOOKUPS {
            resolver
                .0
                .lookups
                .lock()
                .insert(n.to_string(), Lookup::Running);
        }
        let deadline = SystemClock.now() + Duration::from_millis(50);
        let interrupt = Interrupt::default();
        let ask = |host| {
            resolver
                .resolve(host, 80, deadline, &interrupt)
                .map_err(|e| e.kind)
        };
        use crate::http::error::Kind;
        assert_eq!(ask("0"), Err(Kind::Timeout));
        assert_eq!(ask("another"), Err(Kind::Timeout));
        interrupt.close();
        assert_eq!(ask("0"), Err(Kind::Interrupted));
        assert!(ask("10.0.0.1").is_ok());
    }
}
