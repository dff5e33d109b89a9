//! Verification of servers: as webpki does it, and two cases more, common in clusters. Go accepts a server whose own
//! certificate is among the configured CAs, whatever that certificate says about being a CA (`openssl req -x509` makes such),
//! and a certificate that a CA has signed and that says it is a CA itself (Go: crypto/x509, Certificate.Verify).

use super::cause::{CA, Refused, date};
use crate::wire::x509::{self, Looks};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// Trusts what the roots have signed, and the certificates given as CAs themselves.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Arc<RootCertStore>,
    /// Empty: the roots are the system's.
    trusted: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        trusted: Vec<CertificateDer<'static>>,
        provider: &CryptoProvider,
    ) -> Self {
        Self {
            roots,
            trusted,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    fn verify_chain(
        &self,
        certificate: &CertificateDer<'_>,
        looks: &Looks<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.trusted.iter().any(|trusted| trusted == certificate) {
            return verify_validity(certificate, now);
        }
        let verify = |certificate: &CertificateDer<'_>, algorithms: &[_]| {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                &self.roots,
                intermediates,
                now,
                algorithms,
            )
        };
        let Some((judged, judged_content)) = looks.without_ca_flag(certificate) else {
            return verify(certificate, self.algorithms.all);
        };
        // webpki takes no CA for a server: it judges the certificate as if that were not said in it, and compares the
        // signature with what was signed.
        let as_signed = self.algorithms.all.iter();
        let as_signed: Vec<_> = as_signed
            .map(|algorithm| AsSigned {
                algorithm: *algorithm,
                judged: &judged_content,
                signed: looks.signed,
            })
            .collect();
        let algorithms: Vec<_> = as_signed.iter().map(|a| a as _).collect();
        verify(&judged.into(), &algorithms)
    }

    /// What webpki's error does not tell.
    fn explain(&self, error: Error, looks: &Looks<'_>) -> Error {
        if error != CertificateError::UnknownIssuer.into() {
            return error;
        }
        refused(
            match (looks.issuer == looks.subject, self.trusted.is_empty()) {
                (true, _) => format!(
                    "the certificate is self-signed; name it or its CA as CA ({CA}), or set insecureSkipVerify"
                ),
                (false, true) => format!(
                    "the certificate is not signed by a CA that this system knows; name its CA ({CA}), or set insecureSkipVerify"
                ),
                (false, false) => {
                    "the certificate is not signed by the CA given (or the server does not send those in between)"
                        .to_owned()
                }
            },
        )
    }
}

fn refused(text: impl Into<String>) -> Error {
    CertificateError::Other(OtherError(Arc::new(Refused(text.into())))).into()
}

fn verify_validity(certificate: &[u8], now: UnixTime) -> Result<(), Error> {
    let (from, until) = x509::validity(certificate).ok_or(CertificateError::BadEncoding)?;
    let now = now.as_secs();
    if now < from {
        return Err(refused(format!(
            "the certificate is not valid before {}",
            date(from)
        )));
    }
    if now > until {
        return Err(refused(format!(
            "the certificate expired at {}",
            date(until)
        )));
    }
    Ok(())
}

/// What is of no use whoever signed it, and which webpki or ring would refuse without a word that helps.
fn verify_looks(looks: &Looks<'_>) -> Result<(), Error> {
    if looks.is_version_1 {
        return Err(refused(
            "the certificate relies on its common name; make one with a subject alternative name (it is of X.509 version 1)",
        ));
    }
    match looks.rsa_bits {
        // ring's bounds; a deviation from upstream, which takes 1024 bits, too.
        Some(bits) if !(2048..=8192).contains(&bits) => Err(refused(format!(
            "the certificate's RSA key has {bits} bits, and 2048 to 8192 are supported"
        ))),
        _ => Ok(()),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let looks = x509::look(end_entity).ok_or(CertificateError::BadEncoding)?;
        verify_looks(&looks)?;
        self.verify_chain(end_entity, &looks, intermediates, now)
            .map_err(|error| self.explain(error, &looks))?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies the signature of the certificate that was changed for webpki over its content as it was signed.
#[derive(Debug)]
struct AsSigned<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    judged: &'a [u8],
    signed: &'a [u8],
}

impl SignatureVerificationAlgorithm for AsSigned<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let message = if message == self.judged {
            self.signed
        } else {
            message
        };
        self.algorithm
            .verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}
