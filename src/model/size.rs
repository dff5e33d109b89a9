//! Byte sizes: `10MB`, `1GiB`, base 2.
