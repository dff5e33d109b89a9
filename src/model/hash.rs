//! The hashes upstream's behaviour depends on: FNV-1a (target identity), xxhash64 (labels), md5 (hashmod).
