//! The reader of this format never panics and always ends.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::read(input, prometheus_operator_receiver::textparse::Format::OpenMetrics));
