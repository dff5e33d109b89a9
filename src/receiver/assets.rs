//! Secrets and ConfigMaps that monitors name: read by GET, one by one, and again after a while to notice rotation.

use crate::kube::Informers;
use crate::kube::error::Error;
use crate::kube::manifest::Manifest;
use crate::kube::types::kind::Kind;
use crate::operator::{Asset, AssetId, AssetKind, Assets};
use log::warn;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A missing or unreadable one is tried again after this time at the latest: it may be what a monitor waits for.
const MISSING_RETRY: Duration = Duration::from_secs(10);

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct AssetCache {
    /// What is known, and until when that is good enough.
    known: BTreeMap<AssetId, (Asset, Option<Instant>)>,
}

impl AssetCache {
    /// What is known of the wanted ones; what was read more than `max_age` ago is read again.
    /// If the API server doesn't answer, what was read before stays; it is not waited for once more for each.
    pub(super) fn fetch(
        &mut self,
        wanted: BTreeSet<AssetId>,
        informers: &Informers,
        now: Instant,
        max_age: Duration,
    ) -> Assets {
        self.known.retain(|id, _| wanted.contains(id));
        let (mut assets, mut away) = (Assets::default(), None);
        for id in wanted {
            let known = self.known.remove(&id);
            let fresh = known
                .as_ref()
                .is_some_and(|(_, until)| until.is_some_and(|t| now < t));
            let (asset, until) = match known {
                Some(known) if fresh => known,
                before => {
                    let before = before.map(|(asset, _)| asset);
                    let asset = read(&id, before, informers, &mut away);
                    let good_for = match asset {
                        Asset::Present(_) => max_age,
                        Asset::Absent | Asset::Unavailable(_) => max_age.min(MISSING_RETRY),
                    };
                    (asset, Some(now + good_for))
                }
            };
            self.known.insert(id.clone(), (asset.clone(), until));
            assets.insert(id, asset);
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

/// `away` holds the error once the API server did not answer.
fn read(
    id: &AssetId,
    before: Option<Asset>,
    informers: &Informers,
    away: &mut Option<Error>,
) -> Asset {
    if let Some(error) = away {
        return unavailable(id, before, error);
    }
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
            read.get(id).cloned().unwrap_or(Asset::Absent)
        }
        Err(error) if error.is_not_found() => Asset::Absent,
        Err(error) => {
            let asset = unavailable(id, before, &error);
            *away = Some(error).filter(|error| matches!(error, Error::Transport(_)));
            asset
        }
    }
}

/// prometheus-operator keeps its configuration while the API server fails; so does each monitor here.
fn unavailable(id: &AssetId, before: Option<Asset>, error: &Error) -> Asset {
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
        _ => Asset::Unavailable(error.to_string().into()),
    }
}
