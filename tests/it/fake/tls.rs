//! Certificates made on the spot, and servers that speak TLS with them.

use super::http::{Asked, Reply, Server, Wire};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::net::TcpStream;
use std::sync::Arc;

/// A certificate authority of a test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server's certificate that is its own authority, as `openssl req -x509` makes it.
    pub fn alone(name: &str) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Pair {
            cert: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |_| ())
    }

    /// A certificate for a name that says it is an authority itself.
    pub fn issue_authority(&self, name: &str) -> Pair {
        self.issue_with(&[name], |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        })
    }

    pub fn issue_expired(&self, name: &str) -> Pair {
        self.issue_with(&[name], |params| {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        })
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let cert = params.signed_by(&key, &self.0).unwrap();
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A server with this certificate; with `clients` it demands certificates of that authority.
pub fn server(
    pair: &Pair,
    clients: Option<&Authority>,
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Server {
    server_for(pair, clients.map(Authority::pem).as_deref(), answer)
}

/// The same with the clients' authority as PEM.
pub fn server_for(
    pair: &Pair,
    clients: Option<&str>,
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
            roots.add(root).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let wrap = move |mut socket: TcpStream| {
        let mut session = ServerConnection::new(config.clone()).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).ok()?;
        }
        let wire: Box<dyn Wire> = Box::new(StreamOwned::new(session, socket));
        Some(wire)
    };
    Server::wrapped(Arc::new(wrap), answer)
}
