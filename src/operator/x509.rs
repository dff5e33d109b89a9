//! Whether TLS material is what upstream accepts: a certificate by its structure, a key by belonging to it. Nothing is
//! verified here: no signature, no date (prometheus-operator: pkg/assets/tls.go; Go: encoding/pem, crypto/x509, crypto/tls).

use base64::Engine;
use rustls::pki_types::PrivateKeyDer;

/// The first PEM block must be an X.509 certificate.
pub(super) fn check_ca(text: &[u8]) -> Result<(), String> {
    let block = pem_blocks(text)
        .next()
        .ok_or("failed to decode PEM block")?;
    public_key_of(&block.der).map_err(|e| format!("failed to parse certificate: {e}"))?;
    Ok(())
}

/// The first certificate and the first key must belong together.
pub(super) fn check_pair(cert: &[u8], key: &[u8]) -> Result<(), String> {
    let cert = pem_blocks(cert)
        .find(|block| block.label == "CERTIFICATE")
        .ok_or("tls: failed to find any PEM data in certificate input")?;
    let key = pem_blocks(key)
        .find(|block| block.label == "PRIVATE KEY" || block.label.ends_with(" PRIVATE KEY"))
        .ok_or("tls: failed to find any PEM data in key input")?;
    let public = public_key_of(&cert.der)?;
    let key = PrivateKeyDer::try_from(key.der)
        .map_err(|_| "tls: failed to parse private key".to_owned())?;
    // A key of a kind that this TLS library does not know cannot be compared; its job will say so.
    let Ok(signer) = rustls::crypto::ring::sign::any_supported_type(&key) else {
        return Ok(());
    };
    let own = signer.public_key();
    match own.as_ref().and_then(|own| Der(own).element(SEQUENCE)) {
        Some(own) if own != public => Err("tls: private key does not match public key".to_owned()),
        _ => Ok(()),
    }
}

struct Block {
    label: String,
    der: Vec<u8>,
}

/// PEM blocks as Go's `pem.Decode` finds them: what is malformed is passed over.
fn pem_blocks(text: &[u8]) -> impl Iterator<Item = Block> {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.reverse();
    std::iter::from_fn(move || {
        while let Some(line) = lines.pop() {
            let label = line
                .strip_prefix("-----BEGIN ")
                .and_then(|rest| rest.strip_suffix("-----"));
            let Some(label) = label else { continue };
            let end = format!("-----END {label}-----");
            let Some(length) = lines.iter().rev().position(|line| *line == end) else {
                continue;
            };
            let body: Vec<&str> = lines
                .iter()
                .rev()
                .take(length)
                .map(String::as_str)
                .collect();
            let headers = body.iter().take_while(|line| line.contains(':')).count();
            let base64: String = body.iter().skip(headers).map(|line| line.trim()).collect();
            let engine = base64::engine::general_purpose::STANDARD;
            if let Ok(der) = engine.decode(base64) {
                lines.truncate(lines.len() - length - 1);
                return Some(Block {
                    label: label.to_owned(),
                    der,
                });
            }
        }
        None
    })
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
        tbs.element(INTEGER)?;
        tbs.element(SEQUENCE)?;
        tbs.element(SEQUENCE)?;
        tbs.element(SEQUENCE)?;
        tbs.element(SEQUENCE)?;
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

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;

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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn certificates_and_keys_of_their_own_are_accepted() {
        let (cert, key) = pair();
        assert_eq!(check_ca(format!("text\n{cert}garbage").as_bytes()), Ok(()));
        assert_eq!(check_pair(cert.as_bytes(), key.as_bytes()), Ok(()));
        let both = format!("{key}{cert}");
        assert_eq!(check_pair(both.as_bytes(), both.as_bytes()), Ok(()));
    }

    #[test]
    fn other_material_is_refused() {
        let (cert, key) = pair();
        let (_, other) = pair();
        assert!(check_ca(b"text").is_err());
        assert!(check_ca(key.as_bytes()).is_err());
        assert!(
            check_ca(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err()
        );
        assert!(check_pair(cert.as_bytes(), other.as_bytes()).is_err());
        assert!(check_pair(key.as_bytes(), key.as_bytes()).is_err());
        assert!(check_pair(cert.as_bytes(), cert.as_bytes()).is_err());
    }
}
