//! From discovery configurations and cluster objects to target groups.
