//! Which formats a target is asked for, and which is taken for granted where its answer names none.

use crate::config::{ScrapeConfig, ScrapeProtocol};

/// The Accept header of a job (prometheus: scrape/scrape.go, acceptHeader): its protocols with falling weights.
pub(super) fn accept(config: &ScrapeConfig) -> String {
    // One more than there are protocols.
    let mut weight = 7;
    let mut accept = String::new();
    for protocol in &config.protocols {
        accept.push_str(media_type(*protocol));
        if is_escaped(*protocol) {
            accept.push_str(";escaping=");
            accept.push_str(config.escaping_scheme.as_str());
        }
        accept.push_str(&format!(";q=0.{weight},"));
        weight -= 1;
    }
    accept + &format!("*/*;q=0.{weight}")
}

/// The media type that asks for a protocol; also what a fallback stands for (prometheus: config, ScrapeProtocolsHeaders).
fn media_type(protocol: ScrapeProtocol) -> &'static str {
    match protocol {
        ScrapeProtocol::PrometheusProto => {
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
        }
        ScrapeProtocol::PrometheusText0_0_4 => "text/plain;version=0.0.4",
        ScrapeProtocol::PrometheusText1_0_0 => "text/plain;version=1.0.0",
        ScrapeProtocol::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
        ScrapeProtocol::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
        ScrapeProtocol::OpenMetricsText2_0_0 => "application/openmetrics-text;version=2.0.0",
    }
}

/// The media type as the choice of a reader takes it: without parameters.
pub(super) fn fallback_type(protocol: ScrapeProtocol) -> &'static str {
    media_type(protocol).split(';').next().unwrap_or_default()
}

/// Whether the target is told how to escape names.
fn is_escaped(protocol: ScrapeProtocol) -> bool {
    matches!(
        protocol,
        ScrapeProtocol::PrometheusText1_0_0 | ScrapeProtocol::OpenMetricsText1_0_0
    )
}
