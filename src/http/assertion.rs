//! Assertions for OAuth2's jwt-bearer grant (RFC 7523; prometheus: common/config, jwtSource).

use super::config::{OAuth2, Secret};
use super::error::Error;
use crate::rt::clock::{Clock, SystemClock};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

const LIFETIME_SECONDS: i64 = 10 * 60;

/// A signed token that says who the client is.
pub(super) fn sign(settings: &OAuth2, key: &Secret) -> Result<String, Error> {
    let failed = |why: String| Error::settings(format!("oauth2: client certificate key: {why}"));
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
        .map_err(|e| failed(e.to_string()))?;
    let key =
        rustls::crypto::ring::sign::any_supported_type(&key).map_err(|e| failed(e.to_string()))?;
    let (name, scheme) = match &*settings.signature_algorithm {
        "RS384" => ("RS384", SignatureScheme::RSA_PKCS1_SHA384),
        "RS512" => ("RS512", SignatureScheme::RSA_PKCS1_SHA512),
        _ => ("RS256", SignatureScheme::RSA_PKCS1_SHA256),
    };
    let signer = key
        .choose_scheme(&[scheme])
        .ok_or_else(|| failed("it is not an RSA key".to_owned()))?;

    let mut header = json!({"alg": name, "typ": "JWT"});
    if !settings.client_certificate_key_id.is_empty() {
        header["kid"] = json!(settings.client_certificate_key_id);
    }
    let claims = Value::Object(claims(settings)?);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (header, claims) = (header.to_string(), claims.to_string());
    let text = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let signature = signer
        .sign(text.as_bytes())
        .map_err(|e| failed(e.to_string()))?;
    Ok(format!("{text}.{}", encode(&signature)))
}

fn claims(settings: &OAuth2) -> Result<Map<String, Value>, Error> {
    fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
        if text.is_empty() { other } else { text }
    }
    let now = SystemClock.unix_ms() / 1000;
    let mut claims = Map::new();
    claims.insert(
        "iss".to_owned(),
        json!(or(&settings.iss, &settings.client_id)),
    );
    claims.insert("sub".to_owned(), json!(settings.client_id));
    claims.insert("jti".to_owned(), json!(random_uuid()?));
    claims.insert(
        "aud".to_owned(),
        json!(or(&settings.audience, &settings.token_url)),
    );
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + LIFETIME_SECONDS));
    if !settings.scopes.is_empty() {
        claims.insert("scope".to_owned(), json!(settings.scopes.join(" ")));
    }
    for (name, value) in &settings.claims {
        let value = serde_json::from_str(value)
            .map_err(|e| Error::settings(format!("oauth2: claims.{name}: {e}")))?;
        claims.insert(name.to_string(), value);
    }
    Ok(claims)
}

fn random_uuid() -> Result<String, Error> {
    let mut bytes = [0; 16];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Error::failed("oauth2: no random numbers"))?;
    let number = u128::from_be_bytes(bytes);
    // Version 4, variant 1.
    let number = (number & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    let parts = [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ];
    Ok(parts.join("-"))
}
