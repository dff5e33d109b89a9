//! The Secrets and ConfigMaps that monitors name: what they hold, or why that is not known.

use crate::kube::manifest::Manifest;
use base64::Engine;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A Secret or a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId {
    /// Which of both.
    pub kind: AssetKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl AssetId {
    /// A Secret's.
    pub(super) fn secret(namespace: &str, name: &str) -> Self {
        Self {
            kind: AssetKind::Secret,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetKind {
    /// `Secret`
    Secret,
    /// `ConfigMap`
    ConfigMap,
}

impl fmt::Display for AssetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::ConfigMap => "configmap",
        })
    }
}

/// What is known of a Secret or ConfigMap.
#[derive(Clone, PartialEq, Eq)]
pub enum Asset {
    /// Its `data`, decoded.
    Present(Arc<BTreeMap<String, Arc<[u8]>>>),
    /// It does not exist.
    Absent,
    /// It could not be fetched, for this reason.
    Unavailable(Arc<str>),
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present(data) => f.debug_set().entries(data.keys()).finish(),
            Self::Absent => f.write_str("Absent"),
            Self::Unavailable(reason) => write!(f, "Unavailable({reason})"),
        }
    }
}

/// What is known of the Secrets and ConfigMaps that are needed. One that is not there counts as absent.
#[derive(Debug, Clone, Default)]
pub struct Assets {
    known: BTreeMap<AssetId, Asset>,
}

impl Assets {
    /// Notes what is known of one.
    pub fn insert(&mut self, id: AssetId, asset: Asset) {
        self.known.insert(id, asset);
    }

    /// What is known of one.
    pub fn get(&self, id: &AssetId) -> Option<&Asset> {
        self.known.get(id)
    }

    /// Adds an object if it is a Secret or a ConfigMap; says whether it was. `stringData` goes over `data`; `binaryData`
    /// of a ConfigMap is not looked at, as upstream.
    pub fn add(&mut self, object: &Manifest) -> bool {
        let kind = match (object.api_version(), object.kind()) {
            ("v1", "Secret") => AssetKind::Secret,
            ("v1", "ConfigMap") => AssetKind::ConfigMap,
            _ => return false,
        };
        let id = AssetId {
            kind,
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
        };
        self.insert(id, asset_of(kind, &object.value));
        true
    }
}

/// What a Secret or ConfigMap holds, from its JSON.
pub(super) fn asset_of(kind: AssetKind, object: &Value) -> Asset {
    let fields = |name: &str| object.get(name).and_then(Value::as_object);
    let mut data = BTreeMap::new();
    for (key, value) in fields("data").into_iter().flatten() {
        let Some(text) = value.as_str() else { continue };
        let bytes = match kind {
            AssetKind::ConfigMap => Ok(text.as_bytes().to_vec()),
            AssetKind::Secret => {
                // Go's decoder skips line breaks, which wrapped YAML leaves in.
                let text: String = text.chars().filter(|c| !"\r\n".contains(*c)).collect();
                base64::engine::general_purpose::STANDARD.decode(text)
            }
        };
        match bytes {
            Ok(bytes) => drop(data.insert(key.clone(), bytes.into())),
            Err(error) => {
                return Asset::Unavailable(format!("data.{key} is not base64: {error}").into());
            }
        }
    }
    if kind == AssetKind::Secret {
        for (key, value) in fields("stringData").into_iter().flatten() {
            if let Some(text) = value.as_str() {
                data.insert(key.clone(), text.as_bytes().into());
            }
        }
    }
    Asset::Present(Arc::new(data))
}
