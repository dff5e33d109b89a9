//! TLS for clients: roots, client certificates, versions. Files are read again for every request; a changed one makes a
//! new configuration (prometheus: common/config, NewTLSConfig and tlsRoundTripper).

use super::cause;
use super::config::{Tls as Settings, TlsVersion};
use super::error::Error;
use super::source::Source;
use super::verify::Verifier;
use crate::rt::files::Files;
use crate::wire::x509;
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// What all clients of one receiver share: the system's roots, loaded when first needed, and the configuration of
/// clients without TLS settings.
#[derive(Debug, Default)]
pub struct SharedRoots {
    roots: OnceLock<Arc<RootCertStore>>,
    unset: OnceLock<Arc<ClientConfig>>,
}

impl SharedRoots {
    fn roots(&self) -> Arc<RootCertStore> {
        let roots = self.roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            // What does not load or parse is not trusted; that is the safe side.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        });
        Arc::clone(roots)
    }
}

/// A rustls configuration for these settings, with what the files say now.
///
/// # Errors
/// As upstream: certificates or keys that cannot be read or used, versions out of order.
pub fn client_config(
    settings: &Settings,
    files: &dyn Files,
    shared: &SharedRoots,
) -> Result<Arc<ClientConfig>, Error> {
    if let Some(config) = shared
        .unset
        .get()
        .filter(|_| *settings == Settings::default())
    {
        return Ok(Arc::clone(config));
    }
    let sources = Sources::new(settings)?;
    let material = sources.read(files, [CA, "specified client cert", "specified client key"])?;
    let config = build(settings, &sources, &material, shared)?;
    if *settings == Settings::default() {
        return Ok(Arc::clone(shared.unset.get_or_init(|| config)));
    }
    Ok(config)
}

/// The TLS side of one client.
#[derive(Debug)]
pub(super) struct Tls {
    settings: Settings,
    sources: Sources,
    current: Mutex<Option<(Material, Arc<ClientConfig>)>>,
}

impl Tls {
    /// Fails as [`client_config`] does. Without settings nothing is built before the first use.
    pub(super) fn new(
        settings: &Settings,
        files: &dyn Files,
        shared: &SharedRoots,
    ) -> Result<Self, Error> {
        let sources = Sources::new(settings)?;
        let current = if *settings == Settings::default() {
            None
        } else {
            let names = [CA, "specified client cert", "specified client key"];
            let material = sources.read(files, names)?;
            let config = build(settings, &sources, &material, shared)?;
            Some((material, config))
        };
        Ok(Self {
            settings: settings.clone(),
            sources,
            current: Mutex::new(current),
        })
    }

    /// The configuration to use now. Another `Arc` than last time means that connections must be made anew.
    pub(super) fn current(
        &self,
        files: &dyn Files,
        shared: &SharedRoots,
    ) -> Result<Arc<ClientConfig>, Error> {
        let built = self.current.lock().clone();
        let Some((material, config)) = built else {
            return client_config(&self.settings, files, shared);
        };
        if !self.has_files() {
            return Ok(config);
        }
        let now = self
            .sources
            .read(files, [CA, "client cert", "client key"])?;
        if now == material {
            return Ok(config);
        }
        let config = build(&self.settings, &self.sources, &now, shared)?;
        *self.current.lock() = Some((now, Arc::clone(&config)));
        Ok(config)
    }

    /// Whether there is a file that may change, or be gone.
    pub(super) fn has_files(&self) -> bool {
        self.sources.0.iter().flatten().any(Source::is_file)
    }

    /// The name to expect in the server's certificate: the configured one, or the host that the client connects to.
    pub(super) fn server_name(&self, host: &str) -> Result<ServerName<'static>, Error> {
        let name = match &*self.settings.server_name {
            "" => host,
            name => name,
        };
        // A zone is for connecting only, and DNS names may end with a dot that certificates don't have.
        let name = name.split('%').next().unwrap_or(name).trim_end_matches('.');
        ServerName::try_from(name.to_owned())
            .map_err(|_| Error::failed(format!("tls: {name:?} is not a valid server name")))
    }
}

const CA: &str = "CA cert";

/// A deviation from upstream, which signs with P-521 and short RSA keys, too.
const UNKNOWN_KEY: &str = "tls: keys of this kind are not supported, use RSA with 2048 to 4096 bits, ECDSA with P-256 or P-384, or Ed25519";

/// CA, client certificate, client key.
#[derive(Debug)]
struct Sources([Option<Source>; 3]);

/// What the sources say.
type Material = [Option<super::config::Secret>; 3];

impl Sources {
    fn new(settings: &Settings) -> Result<Self, Error> {
        let Settings {
            ca,
            ca_file,
            ca_ref,
            ..
        } = settings;
        let Settings {
            cert,
            cert_file,
            cert_ref,
            ..
        } = settings;
        let Settings {
            key,
            key_file,
            key_ref,
            ..
        } = settings;
        let (min, max) = (settings.min_version, settings.max_version);
        if min.zip(max).is_some_and(|(min, max)| max < min) {
            return Err(Error::settings(
                "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified",
            ));
        }
        Ok(Self([
            Source::choose(ca, ca_file, ca_ref, CA)?,
            Source::choose(cert, cert_file, cert_ref, "client cert")?,
            Source::choose(key.expose(), key_file, key_ref, "client key")?,
        ]))
    }

    fn read(&self, files: &dyn Files, names: [&str; 3]) -> Result<Material, Error> {
        let mut material = Material::default();
        for ((source, name), slot) in self.0.iter().zip(names).zip(&mut material) {
            if let Some(source) = source {
                let text = source.read(files);
                *slot =
                    Some(text.map_err(|e| Error::settings(format!("unable to read {name}: {e}")))?);
            }
        }
        Ok(material)
    }

    fn describe(&self, which: usize) -> String {
        let source = self.0.get(which).and_then(Option::as_ref);
        source.map(Source::describe).unwrap_or_default()
    }
}

fn build(
    settings: &Settings,
    sources: &Sources,
    [ca, cert, key]: &Material,
    shared: &SharedRoots,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |error: rustls::Error| {
        Error::settings(format!("unable to use TLS: {}", cause::tls(&error)))
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(settings)?)
        .map_err(unusable)?;
    // A CA that cannot be used is an error even if it is not needed.
    let given = ca.as_ref().map(|ca| {
        parse_roots(ca.expose()).ok_or_else(|| {
            let what = sources.describe(0);
            Error::settings(format!("unable to use specified CA cert {what}"))
        })
    });
    let given = given.transpose()?;
    let verifier: Arc<dyn ServerCertVerifier> = if settings.insecure_skip_verify {
        Arc::new(NoVerification(provider))
    } else {
        let (roots, trusted) = given.unwrap_or_else(|| (shared.roots(), Vec::new()));
        Arc::new(Verifier::new(roots, trusted, &provider))
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match (cert, key) {
        (Some(cert), Some(key)) => {
            let refuse = |error: String| {
                let (cert, key) = (sources.describe(1), sources.describe(2));
                Error::settings(format!(
                    "unable to use specified client cert ({cert}) & key ({key}): {error}"
                ))
            };
            let (chain, key) = x509::pair(cert.expose(), key.expose()).map_err(refuse)?;
            let key = key.ok_or_else(|| refuse(UNKNOWN_KEY.to_owned()))?;
            let pair = CertifiedKey::new(chain, key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
        }
        _ => builder.with_no_client_auth(),
    };
    // Servers that speak HTTP/2 must not choose it.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// rustls speaks 1.2 and 1.3: a lower minimum is 1.2, a lower maximum is an error (a deviation from upstream).
fn versions(settings: &Settings) -> Result<Vec<&'static rustls::SupportedProtocolVersion>, Error> {
    let min = settings.min_version.unwrap_or(TlsVersion::Tls12);
    let max = settings.max_version.unwrap_or(TlsVersion::Tls13);
    if max < TlsVersion::Tls12 {
        return Err(Error::settings(
            "tls_config.max_version: TLS 1.0 and 1.1 are not supported, use TLS12 or TLS13",
        ));
    }
    let known = [
        (TlsVersion::Tls12, &rustls::version::TLS12),
        (TlsVersion::Tls13, &rustls::version::TLS13),
    ];
    let wanted = known.into_iter().filter(|(v, _)| min <= *v && *v <= max);
    Ok(wanted.map(|(_, version)| version).collect())
}

/// Those certificates of a PEM text that can be used, if there is any.
fn parse_roots(pem: &str) -> Option<(Arc<RootCertStore>, Vec<CertificateDer<'static>>)> {
    let mut roots = RootCertStore::empty();
    let certificates: Vec<_> = x509::authorities(pem).collect();
    let (added, _unusable) = roots.add_parsable_certificates(certificates.iter().cloned());
    (added > 0).then(|| (Arc::new(roots), certificates))
}

/// `insecure_skip_verify`: any certificate is good.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // Whoever can put himself between can also present a key of his own: a signature proves nothing here, and checking
    // it would refuse certificates that only webpki dislikes (X.509 version 1).
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // What cannot be verified need not be: P-521 and Ed448, which ring does not know.
        let known = self.0.signature_verification_algorithms.supported_schemes();
        let unknown = [
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED448,
        ];
        known.into_iter().chain(unknown).collect()
    }
}
