//! Secrets and ConfigMaps that monitors name: read by GET, one by one, and again after a while to notice rotation.

use crate::kube::error::Error;
use crate::kube::informers::Informers;
use crate::kube::manifest::Object;
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
    /// What is known, and until when that is good enough.
    known: BTreeMap<AssetId, (Asset, Option<Instant>)>,
}

impl AssetCache {
    /// What is known of the wanted ones; what was read more than `max_age` ago is read again, the oldest first.
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
        let until = |id: &AssetId| self.known.get(id).and_then(|(_, until)| *until);
        let due = wanted.iter().map(|id| (until(id), id));
        let mut due: Vec<_> = due
            .filter(|(until, _)| until.is_none_or(|until| until <= begin))
            .collect();
        due.sort();
        let mut obstacle = None;
        for (_, id) in due {
            if clock.now() >= begin + ROUND {
                obstacle.get_or_insert_with(|| "the API server is slow, it is read later".to_owned());
            }
            let read = match &obstacle {
                Some(reason) => Err(reason.clone()),
                None => read(id, informers).map_err(|error| {
                    let reason = error.to_string();
                    obstacle = matches!(error, Error::Transport(_)).then(|| reason.clone());
                    reason
                }),
            };
            let good_for = match read {
                Ok(Asset::Present(_)) => max_age,
                _ => max_age.min(MISSING_RETRY),
            };
            let before = self.known.remove(id).map(|(asset, _)| asset);
            let asset = read.unwrap_or_else(|reason| unavailable(id, before, &reason));
            let until = Some(clock.now() + good_for);
            self.known.insert(id.clone(), (asset, until));
        }
        let mut assets = Assets::default();
        for (id, (asset, _)) in &self.known {
            assets.insert(id.clone(), asset.clone());
        }
        assets
    }

    /// When something is to be read again, if anything is known.
    pub(super) fn next_read(&self) -> Option<Instant> {
        self.known.values().filter_map(|(_, until)| *until).min()
    }

    /// Everything is to be read again.
    pub(super) fn expire(&mut self) {
        for (_, until) in self.known.values_mut() {
            *until = None;
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
            read.add(&Object {
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
