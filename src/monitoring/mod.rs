//! The custom resources of `monitoring.coreos.com`: types only.
