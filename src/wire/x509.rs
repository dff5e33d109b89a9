//! X.509 as Go reads it: PEM blocks, what a certificate says without any of it being verified, and whether a key belongs to it
//! (Go: encoding/pem, crypto/x509, crypto/tls). webpki is stricter, for certificates that are only sent, too: it knows no version 1.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use std::sync::Arc;

/// The first PEM block must be an X.509 certificate (prometheus-operator: pkg/assets/tls.go).
///
/// # Errors
/// It is none.
pub fn check_ca(text: &str) -> Result<(), String> {
    let blocks = pem_blocks(text);
    let block = blocks.first().ok_or("failed to decode PEM block")?;
    let key = public_key_of(&block.der);
    key.map_err(|e| format!("failed to parse certificate: {e}"))?;
    Ok(())
}

/// Those certificates of a PEM text that are read as authorities (Go: CertPool.AppendCertsFromPEM).
pub fn authorities(text: &str) -> impl Iterator<Item = CertificateDer<'static>> {
    let is_plain = |block: &Block<'_>| block.label == CERTIFICATE && !block.has_headers;
    let plain = pem_blocks(text).into_iter().filter(is_plain);
    plain.map(|block| block.der.into())
}

/// A certificate, what stands behind it, and its key, if the key is of a kind that this TLS library knows (P-521 and RSA
/// with fewer than 2048 bits it does not).
pub type Pair = (Vec<CertificateDer<'static>>, Option<Arc<dyn SigningKey>>);

/// All certificates and the first key, which must belong to the first certificate (Go: tls.X509KeyPair).
///
/// # Errors
/// One of them is missing or malformed, or they don't belong together.
pub fn pair(cert: &str, key: &str) -> Result<Pair, String> {
    let chain = pem_blocks(cert).into_iter();
    let chain = chain.filter(|block| block.label == CERTIFICATE);
    let chain: Vec<CertificateDer<'static>> = chain.map(|block| block.der.into()).collect();
    let first = chain
        .first()
        .ok_or("tls: failed to find any PEM data in certificate input")?;
    let public = public_key_of(first)?;
    let is_key = |label: &str| label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY");
    let key = pem_blocks(key)
        .into_iter()
        .find(|block| is_key(block.label))
        .ok_or("tls: failed to find any PEM data in key input")?;
    // What the label says of the format is not looked at, as upstream.
    let key = PrivateKeyDer::try_from(key.der)
        .map_err(|_| "tls: failed to parse private key".to_owned())?;
    let Ok(signer) = rustls::crypto::ring::sign::any_supported_type(&key) else {
        return Ok((chain, None));
    };
    let own = signer.public_key();
    match own.as_ref().and_then(|own| Der(own).element(SEQUENCE)) {
        Some(own) if own != public => Err("tls: private key does not match public key".to_owned()),
        _ => Ok((chain, Some(signer))),
    }
}

const CERTIFICATE: &str = "CERTIFICATE";

struct Block<'t> {
    label: &'t str,
    has_headers: bool,
    der: Vec<u8>,
}

/// PEM blocks as Go's `pem.Decode` finds them: what is malformed is passed over.
fn pem_blocks(text: &str) -> Vec<Block<'_>> {
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, lenient);
    let mut found = Vec::new();
    let (mut open, mut has_headers, mut packed) = (None, false, String::new());
    for line in text.lines().map(str::trim_ascii_end) {
        if let Some(rest) = line.strip_prefix("-----BEGIN ") {
            open = rest.strip_suffix("-----");
            has_headers = false;
            packed.clear();
        } else if let Some(rest) = line.strip_prefix("-----END ") {
            let label = open.take();
            let Some(label) = label.filter(|label| rest.strip_suffix("-----") == Some(*label))
            else {
                continue;
            };
            if let Ok(der) = engine.decode(&packed) {
                found.push(Block {
                    label,
                    has_headers,
                    der,
                });
            }
        } else if packed.is_empty() && line.contains(':') {
            has_headers = true;
        } else if open.is_some() {
            packed.extend(line.chars().filter(|c| !c.is_ascii_whitespace()));
        }
    }
    found
}

/// The SubjectPublicKeyInfo's content of a certificate (RFC 5280, 4.1), if the structure is that of one.
fn public_key_of(certificate: &[u8]) -> Result<&[u8], String> {
    let malformed = |what: &str| format!("x509: malformed {what}");
    let mut outer = Der(certificate);
    let mut certificate = Der(outer
        .element(SEQUENCE)
        .filter(|_| outer.0.is_empty())
        .ok_or_else(|| malformed("certificate"))?);
    let mut tbs = Der(certificate
        .element(SEQUENCE)
        .ok_or_else(|| malformed("tbs certificate"))?);
    let _version = tbs.element(CONTEXT_0);
    let key = (|| {
        tbs.element(INTEGER)?; // serial number
        tbs.element(SEQUENCE)?; // algorithm
        tbs.element(SEQUENCE)?; // issuer
        tbs.element(SEQUENCE)?; // validity
        tbs.element(SEQUENCE)?; // subject
        let key = tbs.element(SEQUENCE)?;
        let mut parts = Der(key);
        parts.element(SEQUENCE)?;
        parts.element(BIT_STRING)?;
        Some(key)
    })();
    let key = key.ok_or_else(|| malformed("tbs certificate"))?;
    let signed = (|| {
        certificate.element(SEQUENCE)?;
        certificate.element(BIT_STRING)
    })();
    signed.ok_or_else(|| malformed("signature"))?;
    Ok(key)
}

/// From when until when a certificate is valid, in seconds since the Unix epoch (RFC 5280, 4.1).
pub fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    let mut certificate = Der(Der(certificate).element(SEQUENCE)?);
    let mut tbs = Der(certificate.element(SEQUENCE)?);
    let _version = tbs.element(CONTEXT_0);
    tbs.element(INTEGER)?; // serial number
    tbs.element(SEQUENCE)?; // algorithm
    tbs.element(SEQUENCE)?; // issuer
    let mut validity = Der(tbs.element(SEQUENCE)?);
    Some((validity.time()?, validity.time()?))
}

/// What a certificate says of itself, as far as webpki does not tell or does not accept it (RFC 5280, 4.1).
#[derive(Debug)]
pub struct Looks<'a> {
    /// Version 1 knows no extensions, so no names but the common one.
    pub is_version_1: bool,
    /// Who signed it, in DER.
    pub issuer: &'a [u8],
    /// Whose it is, in DER.
    pub subject: &'a [u8],
    /// The size of its key, if that is one of RSA.
    pub rsa_bits: Option<usize>,
    /// What is signed, in DER.
    pub signed: &'a [u8],
    /// The byte that says that it is a CA.
    ca_flag: Option<&'a [u8]>,
}

/// Looks at a certificate; `None` if it is none.
pub fn look(certificate: &[u8]) -> Option<Looks<'_>> {
    let content = Der(certificate).element(SEQUENCE)?;
    let mut parts = Der(content);
    let mut tbs = Der(parts.element(SEQUENCE)?);
    let signed = content.get(..content.len() - parts.0.len())?;
    let is_version_1 = tbs.element(CONTEXT_0).is_none();
    tbs.element(INTEGER)?; // serial number
    tbs.element(SEQUENCE)?; // algorithm
    let issuer = tbs.element(SEQUENCE)?;
    tbs.element(SEQUENCE)?; // validity
    let subject = tbs.element(SEQUENCE)?;
    let key = tbs.element(SEQUENCE)?;
    tbs.element(CONTEXT_1); // unique identifiers, of which version 3 makes no use
    tbs.element(CONTEXT_2);
    Some(Looks {
        is_version_1,
        issuer,
        subject,
        rsa_bits: rsa_bits(key),
        signed,
        ca_flag: tbs.element(CONTEXT_3).and_then(ca_flag),
    })
}

impl Looks<'_> {
    /// The certificate, and what is signed of it, as they would be if it did not say that it is a CA; `None` if it does not.
    pub fn without_ca_flag(&self, certificate: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let flag = self.ca_flag?.as_ptr().addr();
        let without = |der: &[u8]| {
            let mut copy = der.to_vec();
            *copy.get_mut(flag.checked_sub(der.as_ptr().addr())?)? = 0;
            Some(copy)
        };
        Some((without(certificate)?, without(self.signed)?))
    }
}

fn rsa_bits(key: &[u8]) -> Option<usize> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    let mut parts = Der(key);
    let mut algorithm = Der(parts.element(SEQUENCE)?);
    if algorithm.element(OBJECT)? != RSA {
        return None;
    }
    let [_unused_bits, key @ ..] = parts.element(BIT_STRING)? else {
        return None;
    };
    let modulus = Der(Der(key).element(SEQUENCE)?).element(INTEGER)?;
    let start = modulus.iter().position(|byte| *byte != 0)?;
    let [first, rest @ ..] = modulus.get(start..)? else {
        return None;
    };
    Some(rest.len() * 8 + (8 - first.leading_zeros() as usize))
}

/// The value of `cA` in the basic constraints, if it is true (RFC 5280, 4.2.1.9).
fn ca_flag(extensions: &[u8]) -> Option<&[u8]> {
    const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
    let mut extensions = Der(Der(extensions).element(SEQUENCE)?);
    while let Some(extension) = extensions.element(SEQUENCE) {
        let mut extension = Der(extension);
        if extension.element(OBJECT)? == BASIC_CONSTRAINTS {
            extension.element(BOOLEAN); // critical
            let mut constraints = Der(Der(extension.element(OCTET_STRING)?).element(SEQUENCE)?);
            return constraints.element(BOOLEAN).filter(|flag| flag == b"\xff");
        }
    }
    None
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0x81;
const CONTEXT_2: u8 = 0x82;
const CONTEXT_3: u8 = 0xa3;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// DER elements one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, if it has this tag; else nothing is taken.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let [found, first, rest @ ..] = self.0 else {
            return None;
        };
        if *found != tag {
            return None;
        }
        let (length, rest) = if first & 0x80 == 0 {
            (usize::from(*first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (bytes, rest) = rest.split_at_checked(count)?;
            let length = bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    /// A point in time, in seconds since the Unix epoch.
    fn time(&mut self) -> Option<u64> {
        let short = self.element(UTC_TIME);
        let text = short.or_else(|| self.element(GENERALIZED_TIME))?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let century = match short {
            Some(_) if text < "5" => "20",
            Some(_) => "19",
            None => "",
        };
        let digits = format!("{century}{text}");
        let part = |from, to| digits.get(from..to);
        let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
        let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
        if year < "1970" {
            return Some(0);
        }
        let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
        let time = humantime::parse_rfc3339(&text).ok()?;
        let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(since.as_secs())
    }
}

#[cfg(test)]
mod tests;
