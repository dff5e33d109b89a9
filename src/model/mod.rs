//! The nouns of Prometheus: labels, relabelling, durations, values, histograms, and what a scrape hands on; and the texts that
//! all floors read alike: URLs, selectors. Nothing here does I/O or knows HTTP, YAML or Kubernetes' objects.

pub mod batch;
pub mod bounds;
pub mod duration;
pub mod exemplar;
pub mod group;
pub mod hash;
pub mod histogram;
pub mod identity;
pub mod labels;
pub mod metadata;
pub mod name;
pub mod nearest;
pub mod quote;
pub mod regexp;
pub mod relabel;
pub mod selector;
pub mod series;
pub mod size;
pub mod url;
pub mod value;
