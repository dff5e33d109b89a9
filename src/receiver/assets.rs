//! Secrets and ConfigMaps that monitors name: read by GET, one by one, and again after a while to notice rotation.

use crate::kube::Informers;
use crate::kube::error::Error;
use crate::kube::manifest::Manifest;
use crate::kube::types::kind::Kind;
use crate::operator::{Asset, AssetId, AssetKind, Assets};
use crate::rt::clock::Clock;
use log::warn;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A missing or unreadable one is tried again after this time at the latest: it may be what a monitor waits for.
const MISSING_RETRY: Duration = Duration::from_secs(10);

/// A round takes no longer than this, and one request beyond it: what it did not reach keeps what is known, and is read soon.
const ROUND: Duration = Duration::from_secs(10);

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct AssetCache {
    known: BTreeMap<AssetId, Known>,
}

#[derive(Debug)]
struct Known {
    asset: Asset,
    /// When the API server was last asked for it.
    asked: Option<Instant>,
    /// Until when what is known is good enough.
    until: Option<Instant>,
}

impl AssetCache {
    /// What is known of the wanted ones; what was read more than `max_age` ago is read again, in the order in
    /// which it was asked for last.
    /// If the API server doesn't answer, or not in time, what was read before stays; it is not waited for once more for each.
    pub(super) fn fetch(
        &mut self,
        wanted: &BTreeSet<AssetId>,
        informers: &Informers,
        clock: &dyn Clock,
        max_age: Duration,
    ) -> Assets {
        let begin = clock.now();
        self.known.retain(|id, _| wanted.contains(id));
        let is_fresh = |known: &Known| known.until.is_some_and(|until| begin < until);
        let mut due = Vec::new();
        for id in wanted {
            match self.known.get(id) {
                Some(known) if is_fresh(known) => {}
                known => due.push((known.and_then(|known| known.asked), id)),
            }
        }
        due.sort();
        let mut obstacle = None;
        for (asked, id) in due {
            let now = clock.now();
            if now >= begin + ROUND {
                obstacle.get_or_insert_with(|| "the API server is slow".to_owned());
            }
            let (read, asked) = match &obstacle {
                Some(reason) => (Err(reason.clone()), asked),
                None => (
                    read(id, informers).map_err(|error| {
                        let reason = error.to_string();
                        if matches!(error, Error::Transport(_)) {
                            obstacle = Some(reason.clone());
                        }
                        reason
                    }),
                    Some(now),
                ),
            };
            let good_for = match read {
                Ok(Asset::Present(_)) => max_age,
                _ => max_age.min(MISSING_RETRY),
            };
            let before = self.known.remove(id).map(|known| known.asset);
            let known = Known {
                asset: read.unwrap_or_else(|reason| unavailable(id, before, &reason)),
                asked,
                until: Some(clock.now() + good_for),
            };
            self.known.insert(id.clone(), known);
        }
        let mut assets = Assets::default();
        for (id, known) in &self.known {
            assets.insert(id.clone(), known.asset.clone());
        }
        assets
    }

    /// When something is to be read again, if anything is known.
    pub(super) fn next_read(&self) -> Option<Instant> {
        self.known.values().filter_map(|known| known.until).min()
    }

    /// Everything is to be read again.
    pub(super) fn expire(&mut self) {
        for known in self.known.values_mut() {
            known.until = None;
        }
    }
}

fn read(id: &AssetId, informers: &Informers) -> Result<Asset, Error> {
    let kind = match id.kind {
        AssetKind::Secret => Kind::Secret,
        AssetKind::ConfigMap => Kind::ConfigMap,
    };
    match informers.get(kind, &id.namespace, &id.name) {
        Ok(value) => {
            let mut read = Assets::default();
            read.add(&Manifest {
                origin: String::new(),
                value,
            });
            Ok(read.get(id).cloned().unwrap_or(Asset::Absent))
        }
        Err(error) if error.is_not_found() => Ok(Asset::Absent),
        Err(error) => Err(error),
    }
}

/// prometheus-operator keeps its configuration while the API server fails; so does each monitor here.
fn unavailable(id: &AssetId, before: Option<Asset>, error: &str) -> Asset {
    let AssetId {
        kind,
        namespace,
        name,
    } = id;
    match before {
        Some(known @ Asset::Present(_)) => {
            warn!(
                "cannot be read, what was read before is used kind={kind} namespace={namespace} name={name} err={error}"
            );
            known
        }
        _ => Asset::Unavailable(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::{Scope, Source, Tuning};
    use crate::rt::clock::ManualClock;
    use std::sync::Arc;

    /// Whoever looks at it waits for 3 s.
    #[derive(Debug)]
    struct Slow(Arc<ManualClock>);

    impl Clock for Slow {
        fn now(&self) -> Instant {
            self.0.advance(Duration::from_secs(3));
            self.0.now()
        }

        fn unix_ms(&self) -> i64 {
            self.0.unix_ms()
        }
    }

    #[test]
    fn a_round_ends_in_time_and_the_next_one_reads_the_rest_first() {
        let clock = Slow(ManualClock::new(0));
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(folder.path().to_owned());
        let theirs = Arc::clone(&clock.0) as _;
        let informers = Informers::start(
            source,
            Scope::Namespaces(Vec::new()),
            Tuning::default(),
            theirs,
        )
        .unwrap();
        let id = |name: &str| AssetId {
            kind: AssetKind::Secret,
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        };
        let wanted = BTreeSet::from(["a", "b", "c", "d"].map(id));
        let mut cache = AssetCache::default();
        let mut asked = || {
            clock.0.advance(MISSING_RETRY);
            let begin = clock.0.now();
            let assets = cache.fetch(&wanted, &informers, &clock, Duration::from_secs(60));
            assert!(wanted.iter().all(|id| assets.get(id).is_some()));
            let asked = cache.known.iter();
            let asked = asked.filter(|(_, known)| known.asked.is_some_and(|t| t > begin));
            asked.map(|(id, _)| id.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(asked(), ["a", "b"]);
        assert_eq!(asked(), ["c", "d"]);
        assert_eq!(asked(), ["a", "b"]);
    }
}
