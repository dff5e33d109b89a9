//! The OTLP output as flags and the environment describe it (OpenTelemetry: specification/protocol/exporter.md).
//! A flag wins over `OTEL_EXPORTER_OTLP_METRICS_X`, that over `OTEL_EXPORTER_OTLP_X`; an empty variable is unset.

use crate::cli::Args;
use crate::flags::compression;
use percent_encoding::percent_decode_str;
use prometheus_operator_receiver::exporters::{OtlpHttpSettings, check_url};
use prometheus_operator_receiver::http::config::Secret;
use std::time::Duration;

/// Where OTLP goes by default: the collector beside us.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
/// `0` means no limit; queues need one nevertheless.
const NO_LIMIT: Duration = Duration::from_secs(3600);

/// The settings, and what of the environment was ignored.
///
/// # Errors
/// A variable has a value that cannot be honoured.
pub(crate) fn settings(
    args: &Args,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(OtlpHttpSettings, Vec<String>), String> {
    let variable = |name: &str| {
        let names = [
            format!("OTEL_EXPORTER_OTLP_METRICS_{name}"),
            format!("OTEL_EXPORTER_OTLP_{name}"),
        ];
        let set =
            |name: String| Some((environment(&name).filter(|value| !value.is_empty())?, name));
        names.into_iter().find_map(set)
    };
    let mut settings = OtlpHttpSettings::new(DEFAULT_ENDPOINT);
    let mut ignored = Vec::new();

    if let Some(endpoint) = &args.otlp_endpoint {
        check_url(endpoint).map_err(|err| format!("--otlp-endpoint: {err}"))?;
        settings.url = url_of(endpoint);
    } else {
        if let Some((protocol, name)) = variable("PROTOCOL").filter(|(p, _)| p != "http/protobuf") {
            return Err(format!("{name}={protocol}: only http/protobuf is spoken"));
        }
        let endpoint = variable("ENDPOINT");
        if let Some((url, name)) = &endpoint {
            check_url(url).map_err(|err| format!("{name}: {err}"))?;
        }
        match endpoint {
            // The signal's own variable is the whole URL.
            Some((url, name)) if name.contains("_METRICS_") => settings.url = url,
            Some((base, _)) => settings.url = OtlpHttpSettings::new(&base).url,
            None => {}
        }
    }
    if let Some((headers, name)) = variable("HEADERS") {
        let parsed = headers
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty());
        for pair in parsed {
            match header(pair) {
                Some(header) => settings.headers.push(header),
                // The pair may hold a secret: it is not repeated.
                None => ignored.push(format!("{name} has a part that is not NAME=VALUE")),
            }
        }
    }
    for (name, value) in &args.otlp_headers {
        settings
            .headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        settings
            .headers
            .push((name.clone(), Secret::new(value.as_str())));
    }
    if let Some(flag) = args.otlp_compression {
        settings.compression = flag;
    } else if let Some((value, name)) = variable("COMPRESSION") {
        settings.compression = compression(&value).map_err(|err| format!("{name}: {err}"))?;
    }
    if let Some((value, name)) = variable("TIMEOUT") {
        let ms = value
            .parse()
            .map_err(|_| format!("{name}={value}: milliseconds are expected"))?;
        settings.timeout = if ms == 0 {
            NO_LIMIT
        } else {
            Duration::from_millis(ms)
        };
    }
    let file = |name| variable(name).map(|(path, _)| path.into_boxed_str());
    settings.tls.ca_file = file("CERTIFICATE").unwrap_or_default();
    settings.tls.cert_file = file("CLIENT_CERTIFICATE").unwrap_or_default();
    settings.tls.key_file = file("CLIENT_KEY").unwrap_or_default();
    if settings.tls.cert_file.is_empty() != settings.tls.key_file.is_empty() {
        return Err(
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and …_CLIENT_KEY need each other".to_owned(),
        );
    }
    Ok((settings, ignored))
}

/// A flag's endpoint is a base; whoever gives the whole URL means that.
fn url_of(endpoint: &str) -> String {
    if endpoint.ends_with("/v1/metrics") {
        return endpoint.to_owned();
    }
    OtlpHttpSettings::new(endpoint).url
}

/// One pair in the form of W3C baggage: the value is percent-encoded.
fn header(pair: &str) -> Option<(String, Secret)> {
    let (name, value) = pair.split_once('=')?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    (!name.trim().is_empty()).then(|| (name.trim().to_owned(), Secret::new(&*value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse_args};
    use prometheus_operator_receiver::exporters::Compression;
    use std::ffi::OsString;

    fn parsed(
        flags: &str,
        variables: &[(&str, &str)],
    ) -> Result<(OtlpHttpSettings, Vec<String>), String> {
        let Ok(Command::Run(args)) = parse_args(flags.split_whitespace().map(OsString::from))
        else {
            panic!("{flags}");
        };
        settings(&args, &|name| {
            let (_, value) = variables
                .iter()
                .find(|(known, _)| name == format!("OTEL_EXPORTER_OTLP_{known}"))?;
            Some((*value).to_owned())
        })
    }

    #[track_caller]
    fn check_url(flags: &str, variables: &[(&str, &str)], want: &str) {
        assert_eq!(parsed(flags, variables).unwrap().0.url, want);
    }

    #[test]
    fn endpoints() {
        check_url("", &[], "http://localhost:4318/v1/metrics");
        check_url("", &[("ENDPOINT", "")], "http://localhost:4318/v1/metrics");
        check_url(
            "",
            &[("ENDPOINT", "http://a:1/x/")],
            "http://a:1/x/v1/metrics",
        );
        check_url(
            "",
            &[
                ("ENDPOINT", "http://a:1"),
                ("METRICS_ENDPOINT", "http://b/in"),
            ],
            "http://b/in",
        );
        check_url(
            "--otlp-endpoint http://c",
            &[("METRICS_ENDPOINT", "http://b")],
            "http://c/v1/metrics",
        );
        check_url(
            "--otlp-endpoint http://c/v1/metrics",
            &[("PROTOCOL", "grpc")],
            "http://c/v1/metrics",
        );
        assert_eq!(
            parsed("", &[("PROTOCOL", "grpc")]).unwrap_err(),
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: only http/protobuf is spoken"
        );
    }

    #[test]
    fn wrong_endpoints_are_named() {
        assert_eq!(
            parsed("--otlp-endpoint foo", &[]).unwrap_err(),
            "--otlp-endpoint: \"foo\": a URL such as http://collector:4318 is expected"
        );
        assert_eq!(
            parsed("", &[("ENDPOINT", "a:4318")]).unwrap_err(),
            "OTEL_EXPORTER_OTLP_ENDPOINT: \"a:4318\": a URL such as http://collector:4318 is expected"
        );
    }

    #[test]
    fn headers() {
        let variables = [("HEADERS", "api-key=a%20b, x = y ,broken,X-Other=1")];
        let (settings, ignored) = parsed("--otlp-header x-other=2", &variables).unwrap();
        let headers: Vec<_> = settings
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        assert_eq!(headers, [("api-key", "a b"), ("x", "y"), ("x-other", "2")]);
        assert_eq!(
            ignored,
            ["OTEL_EXPORTER_OTLP_HEADERS has a part that is not NAME=VALUE"]
        );
    }

    #[test]
    fn the_rest() {
        let (settings, _) = parsed("", &[]).unwrap();
        assert_eq!(
            (settings.compression, settings.timeout),
            (Compression::Gzip, Duration::from_secs(10))
        );
        let variables = [
            ("COMPRESSION", "none"),
            ("TIMEOUT", "1500"),
            ("CERTIFICATE", "/ca"),
            ("CLIENT_CERTIFICATE", "/c"),
            ("METRICS_CLIENT_KEY", "/k"),
        ];
        let (settings, _) = parsed("", &variables).unwrap();
        assert_eq!(
            (settings.compression, settings.timeout),
            (Compression::None, Duration::from_millis(1500))
        );
        assert_eq!(
            (
                &*settings.tls.ca_file,
                &*settings.tls.cert_file,
                &*settings.tls.key_file
            ),
            ("/ca", "/c", "/k")
        );
        let (settings, _) = parsed("--otlp-compression gzip", &variables).unwrap();
        assert_eq!(settings.compression, Compression::Gzip);
        assert!(
            parsed("", &[("COMPRESSION", "zstd")])
                .unwrap_err()
                .contains("zstd is neither")
        );
        assert!(
            parsed("", &[("TIMEOUT", "10s")])
                .unwrap_err()
                .contains("milliseconds")
        );
        assert!(parsed("", &[("CLIENT_KEY", "/k")]).is_err());
    }
}
