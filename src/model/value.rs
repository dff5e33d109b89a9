//! Sample values with a meaning of their own.

/// The bits of the staleness marker (prometheus: model/value/value.go, StaleNaN): a signalling NaN that no target sends.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The bits that Prometheus' parsers give every other NaN.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// The value that marks a series as stale.
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value is the staleness marker.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}
