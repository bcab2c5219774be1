//! A TLS configuration from PEM files.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::Tls;

const ALPN_HTTP2: &[u8] = b"h2";

/// The files that a configuration is made of, in the order of `server_config`'s contents.
pub(in crate::rpc) fn files(tls: &Tls) -> Vec<PathBuf> {
    [&tls.certificate, &tls.key].into_iter().chain(&tls.client_ca).cloned().collect()
}

/// From the contents of `files`. Certificate and key must belong together.
pub(in crate::rpc) fn server_config(tls: &Tls, contents: &[Vec<u8>]) -> Result<ServerConfig, String> {
    let [certificate, key, client_ca @ ..] = contents else {
        return Err("a certificate and a key are needed".to_owned());
    };
    let chain = certificates(certificate, "tls.certificate")?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("tls.key holds no private key in PEM: {error}"))?;
    tell_validity(&chain);
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS version is available: {error}"))?;
    let builder = match client_ca {
        [] => builder.with_no_client_auth(),
        [authorities, ..] => builder.with_client_cert_verifier(verifier(authorities, tls, provider)?),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("tls.certificate and tls.key do not make a pair: {error}"))?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    Ok(config)
}

fn verifier(pem: &[u8], tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem, "tls.client_ca")? {
        roots.add(authority).map_err(|error| format!("tls.client_ca holds a certificate that cannot sign: {error}"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if tls.require_client_certificate { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| format!("tls.client_ca cannot be used: {error}"))
}

fn certificates(pem: &[u8], key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("{key} is not PEM: {error}"))?;
    if chain.is_empty() { Err(format!("{key} holds no certificate")) } else { Ok(chain) }
}

/// An expired certificate is served, since clients will say what is wrong; the operator should hear it first.
fn tell_validity(chain: &[CertificateDer<'_>]) {
    let Some(Ok((_, certificate))) = chain.first().map(|own| X509Certificate::from_der(own)) else { return };
    let (subject, end) = (certificate.subject().to_string(), certificate.validity().not_after.to_string());
    if certificate.validity().is_valid() {
        tracing::info!(subject, valid_until = end, "TLS certificate read");
    } else {
        tracing::warn!(subject, valid_until = end, "the TLS certificate is not valid now");
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    fn problem(contents: &[Vec<u8>]) -> String {
        server_config(&Tls::default(), contents).expect_err("a broken pair")
    }

    #[test]
    fn a_pair_makes_a_configuration_for_http2() {
        let (certificate, key) = pair();
        let config = server_config(&Tls::default(), &[certificate, key]).unwrap();
        assert_eq!(config.alpn_protocols, [ALPN_HTTP2]);
    }

    #[test]
    fn what_is_broken_is_named() {
        let ((certificate, key), (other, _)) = (pair(), pair());
        assert!(problem(&[other, key.clone()]).contains("do not make a pair"));
        assert!(problem(&[certificate.clone(), b"".to_vec()]).contains("tls.key"));
        assert!(problem(&[b"".to_vec(), key.clone()]).contains("tls.certificate holds no certificate"));
        assert!(problem(&[certificate.clone(), certificate.clone()]).contains("tls.key"));
        assert!(problem(&[certificate, key, b"x".to_vec()]).contains("tls.client_ca"));
    }
}
