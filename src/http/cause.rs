//! Why no answer came, in one sentence that says what is wrong and what to do about it: the only place where errors of
//! rustls, ureq and the system become text for people. Callers say in front of it whom they could not reach.

use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::{Duration, UNIX_EPOCH};

/// Where the CA of a server is named.
pub(super) const CA: &str = "tlsConfig.ca of a monitor, certificate-authority of a kubeconfig, OTEL_EXPORTER_OTLP_CERTIFICATE";

/// A verdict of ours on a certificate, as the text for people.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Of an error of an API's or exporter's agent ([`super::agent`]).
pub fn of(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => io(error),
        ureq::Error::Rustls(error) => format!("tls: {}", tls(error)),
        ureq::Error::Tls(text) => format!("tls: {text}"),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => NO_SUCH_HOST.to_owned(),
        ureq::Error::ConnectionFailed => "no address of the host can be reached".to_owned(),
        ureq::Error::Protocol(_) => {
            "the answer is not HTTP/1.1; if the server speaks TLS, use https://".to_owned()
        }
        ureq::Error::ConnectProxyFailed(text) => format!("the proxy refused the tunnel: {text}"),
        ureq::Error::BadUri(_) => "the address is not a URL".to_owned(),
        ureq::Error::Http(_) => "a header or the URL has characters that cannot be sent".to_owned(),
        other => other.to_string(),
    }
}

const NO_SUCH_HOST: &str = "no such host: the name cannot be resolved";

/// Of an error of a socket, whatever it wraps; errors of the system as Go words them (Go: syscall, Errno.Error).
pub fn io(error: &io::Error) -> String {
    if let Some(inner) = error.get_ref() {
        if let Some(error) = inner.downcast_ref::<TlsError>() {
            return format!("tls: {}", tls(error));
        }
        if let Some(error) = inner.downcast_ref::<ureq::Error>() {
            return of(error);
        }
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => return "EOF: the server closed the connection".to_owned(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => return "no answer in time".to_owned(),
        _ => {}
    }
    let text = error.to_string();
    if let Some(why) = text.strip_prefix("failed to lookup address information: ") {
        return match why {
            "Temporary failure in name resolution" => "the name server does not answer".to_owned(),
            _ => NO_SUCH_HOST.to_owned(),
        };
    }
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// Of an error of TLS.
pub fn tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(error) => certificate(error),
        TlsError::AlertReceived(alert) => {
            format!("the server refused the handshake: {}", refusal(*alert))
        }
        // Its first bytes are no TLS record. Go: "http: server gave HTTP response to HTTPS client".
        TlsError::InvalidMessage(_) => {
            "the server does not speak TLS; if it speaks plain HTTP, use http:// (scheme: http)"
                .to_owned()
        }
        TlsError::PeerIncompatible(_) => NOTHING_IN_COMMON.to_owned(),
        TlsError::NoCertificatesPresented => "the server showed no certificate".to_owned(),
        TlsError::DecryptError
        | TlsError::PeerSentOversizedRecord
        | TlsError::PeerMisbehaved(_) => "the server does not keep to the TLS protocol".to_owned(),
        TlsError::UnsupportedNameType => "the server's name is not a valid name for TLS".to_owned(),
        TlsError::NoApplicationProtocol => refusal(AlertDescription::NoApplicationProtocol),
        TlsError::InappropriateMessage { .. } | TlsError::InappropriateHandshakeMessage { .. } => {
            "the server does not keep to the TLS protocol".to_owned()
        }
        TlsError::General(text) => text.clone(),
        _ => "TLS failed here; this is a defect of promop".to_owned(),
    }
}

const NOTHING_IN_COMMON: &str = "no TLS version, cipher suite or kind of certificate in common; needed are TLS 1.3, or 1.2 \
     with ECDHE and AES-GCM or ChaCha20, and a certificate with RSA, P-256, P-384 or Ed25519";

/// What a server says when it ends a handshake (RFC 8446, 6.2).
fn refusal(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let text = match alert {
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            return format!("handshake failure: {NOTHING_IN_COMMON}");
        }
        Alert::ProtocolVersion => "protocol version: TLS 1.2 or 1.3 is needed",
        Alert::CertificateRequired => "certificate required: give a client certificate and its key",
        Alert::UnknownCA => {
            "unknown certificate authority: it does not know the CA of our client certificate"
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::CertificateRevoked => {
            "bad certificate: it needs a client certificate, or does not take ours"
        }
        Alert::CertificateExpired => "expired certificate: our client certificate",
        Alert::AccessDenied => "access denied",
        Alert::UnrecognisedName => {
            "unrecognized name: it has no certificate for the name asked for"
        }
        Alert::NoApplicationProtocol => "no application protocol: it does not speak HTTP/1.1",
        Alert::InternalError => "internal error of the server",
        Alert::DecryptError | Alert::DecodeError | Alert::BadRecordMac => {
            "it cannot read what it was sent"
        }
        other => return format!("alert {}", u8::from(other)),
    };
    text.to_owned()
}

fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Other(other) => match other.0.downcast_ref::<Refused>() {
            Some(refused) => refused.0.clone(),
            None => "the certificate is malformed, or has what is not supported (a critical extension, perhaps)".to_owned(),
        },
        E::UnknownIssuer => {
            format!("the certificate is not signed by a CA that is trusted here; name its CA ({CA})")
        }
        E::BadSignature => {
            "the certificate was not signed with the key of the CA given, but of another CA of the same name (a renewed one?)".to_owned()
        }
        E::Expired => "the certificate has expired".to_owned(),
        E::ExpiredContext { not_after, .. } => {
            format!("the certificate expired at {}", date(not_after.as_secs()))
        }
        E::NotValidYet => "the certificate is not valid yet".to_owned(),
        E::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}", date(not_before.as_secs()))
        }
        E::NotValidForName => "the certificate is for other names".to_owned(),
        E::NotValidForNameContext { expected, presented } => {
            other_names(&expected.to_str(), presented)
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the certificate is not for servers (its extended key usage lacks serverAuth)".to_owned()
        }
        E::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: id, .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id: id, .. } => {
            weak_signature(id)
        }
        E::UnhandledCriticalExtension => {
            "the certificate has a critical extension that is not supported".to_owned()
        }
        E::BadEncoding => "the certificate is malformed".to_owned(),
        E::Revoked => "the certificate has been revoked".to_owned(),
        _ => "the certificate cannot be verified".to_owned(),
    }
}

/// Names are listed as webpki has them: `DnsName("a.b")`, `IpAddress(1.2.3.4)`.
fn other_names(expected: &str, presented: &[String]) -> String {
    const MOST: usize = 10;
    if presented.is_empty() {
        return format!(
            "the certificate has no subject alternative names, so it is not valid for {expected} (a common name does not count)"
        );
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(&**name, |(_, inner)| inner);
        inner.trim_end_matches(')').trim_matches('"').to_owned()
    };
    let mut names: Vec<_> = presented.iter().take(MOST).map(bare).collect();
    if presented.len() > MOST {
        names.push("…".to_owned());
    }
    let names = names.join(", ");
    format!(
        "the certificate is valid for {names}, not {expected}; say which to expect (tlsConfig.serverName of a monitor, tls-server-name of a kubeconfig)"
    )
}

/// `id` is an AlgorithmIdentifier's content, which begins with the object identifier.
fn weak_signature(id: &[u8]) -> String {
    const MD5_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4];
    const SHA1_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
    const SHA1_ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    let oid = id.get(2..).unwrap_or_default();
    let with = if oid.starts_with(SHA1_RSA) || oid.starts_with(SHA1_ECDSA) {
        "SHA-1, which is not secure"
    } else if oid.starts_with(MD5_RSA) {
        "MD5, which is not secure"
    } else {
        "an algorithm that is not supported (P-521, perhaps)"
    };
    format!(
        "the certificate, or one it depends on, is signed with {with}; use RSA (2048 bits or more), P-256, P-384 or Ed25519 with SHA-256"
    )
}

/// Beyond what can be written, the number says enough.
pub(super) fn date(seconds: u64) -> String {
    // The last second of the year 9999.
    if seconds > 253_402_300_799 {
        return format!("{seconds} s after 1970");
    }
    let at = UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved};
    use std::sync::Arc;

    #[track_caller]
    fn check(error: impl Into<TlsError>, want: &str) {
        let error = error.into();
        assert!(tls(&error).contains(want), "{}", tls(&error));
        let wrapped = io::Error::new(ErrorKind::InvalidData, error.clone());
        assert_eq!(io(&wrapped), format!("tls: {}", tls(&error)));
        assert_eq!(of(&wrapped.into()), format!("tls: {}", tls(&error)));
        assert_eq!(
            of(&ureq::Error::Rustls(error.clone())),
            format!("tls: {}", tls(&error))
        );
        let debug = format!("{error:?}");
        assert!(!tls(&error).contains(&debug), "{debug}");
    }

    #[test]
    fn certificates() {
        use CertificateError as E;
        let other = |text: &str| E::Other(OtherError(Arc::new(Refused(text.to_owned()))));
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expected = || ServerName::try_from("a.test").unwrap();
        let name = |presented: &[&str]| E::NotValidForNameContext {
            expected: expected(),
            presented: presented.iter().map(|p| (*p).to_owned()).collect(),
        };
        let signed = |oid: &[u8]| E::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: [&[6, 9], oid].concat(),
            supported_algorithms: Vec::new(),
        };
        check(other("as we say"), "as we say");
        check(
            E::Other(OtherError(Arc::new(io::Error::other("X")))),
            "malformed",
        );
        check(E::UnknownIssuer, "not signed by a CA");
        check(E::BadSignature, "another CA of the same name");
        check(
            E::ExpiredContext {
                time: at(9),
                not_after: at(0),
            },
            "expired at 1970-01-01T00:00:00Z",
        );
        check(
            E::NotValidYetContext {
                time: at(9),
                not_before: at(u64::MAX),
            },
            "not valid before 18446744073709551615 s",
        );
        check(
            name(&[]),
            "no subject alternative names, so it is not valid for a.test",
        );
        check(
            name(&["DnsName(\"b.test\")", "IpAddress(1.2.3.4)"]),
            "valid for b.test, 1.2.3.4, not a.test",
        );
        check(name(&["x"; 99]), "x, …, not");
        check(
            signed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5]),
            "SHA-1",
        );
        check(
            signed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4]),
            "MD5",
        );
        check(signed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1]), "SHA-1");
        check(signed(&[1]), "P-521");
        check(E::InvalidPurpose, "serverAuth");
    }

    #[test]
    fn handshakes() {
        use AlertDescription as Alert;
        for (alert, want) in [
            (Alert::HandshakeFailure, "handshake failure: no TLS version"),
            (Alert::ProtocolVersion, "TLS 1.2 or 1.3"),
            (Alert::CertificateRequired, "give a client certificate"),
            (Alert::BadCertificate, "client certificate"),
            (Alert::UnknownCA, "client certificate"),
            (Alert::UnrecognisedName, "the name asked for"),
            (Alert::UserCanceled, "alert 90"),
        ] {
            check(TlsError::AlertReceived(alert), want);
        }
        check(InvalidMessage::InvalidContentType, "use http://");
        check(PeerIncompatible::NoCipherSuitesInCommon, "TLS 1.3");
        check(PeerMisbehaved::TooManyEmptyFragments, "does not keep to");
        check(TlsError::DecryptError, "does not keep to");
    }

    #[test]
    fn sockets() {
        let system = |number| io(&io::Error::from_raw_os_error(number));
        assert_eq!(system(111), "connection refused");
        assert_eq!(system(113), "no route to host");
        assert_eq!(system(24), "too many open files");
        assert_eq!(io(&ErrorKind::TimedOut.into()), "no answer in time");
        assert_eq!(
            io(&ErrorKind::UnexpectedEof.into()),
            "EOF: the server closed the connection"
        );
        let lookup =
            io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(io(&lookup), NO_SUCH_HOST);
        assert_eq!(
            io(&io::Error::other(ureq::Error::HostNotFound)),
            NO_SUCH_HOST
        );
        assert_eq!(
            of(&ureq::Error::BadUri("http://u:p@h".into())),
            "the address is not a URL"
        );
    }
}
