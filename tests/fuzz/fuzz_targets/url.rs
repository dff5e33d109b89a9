//! The URL parser never panics, and what it writes of a URL is read and written the same. The first line of an input is a URL,
//! the rest a reference to resolve on it.
#![no_main]

use prometheus_operator_receiver::model::url::{Url, redacted};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let (base, reference) = input.split_once('\n').unwrap_or((input, ""));
    redacted(base);
    let Ok(url) = Url::parse(base) else { return };
    check(&url);
    if let Ok(joined) = url.join(reference) {
        check(&joined);
    }
});

fn check(url: &Url) {
    (url.hostname(), url.port(), url.credentials());
    assert!(!url.request_target().contains(|c: char| !c.is_ascii_graphic()));
    // As in Go not all that is written is a URL: letters beyond ASCII in the zone of an address are escaped, and then refused.
    let written = url.to_string();
    if let Ok(again) = Url::parse(&written)
        && !url.host.is_empty()
    {
        assert_eq!(again.to_string(), written);
    }
}
