//! The `[tls]` section: what the public listener makes its handshakes with.
//!
//! It is built here, not where it is used, as only building it tells whether a key belongs to its
//! certificate: that is a fault of the configuration like any other.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{Error, RootCertStore, ServerConfig};

use super::section::Section;
use super::value::{chain, private_key};
use crate::certificate::Certificate;

/// How long before its end a certificate is spoken of.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// TLS on the public listener.
#[derive(Clone)]
pub struct Tls {
    /// What handshakes are made with.
    pub server: Arc<ServerConfig>,
    /// Whether callers are asked for a certificate.
    pub asks_for_certificates: bool,
    /// Who vouches for the certificates that callers show.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
    /// The bridge's own certificate.
    pub certificate: Certificate,
}

/// Shows nothing of the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate, asks_for_certificates, .. } = self;
        write!(f, "Tls {{ certificate: {certificate}, asks_for_certificates: {asks_for_certificates} }}")
    }
}

/// Reads the section; nothing where it is absent or faulty.
pub(super) fn read(root: &mut Section<'_, '_>) -> Option<Tls> {
    let mut section = root.section("tls")?;
    let certificates = section.required("cert", "the path of the certificate, with its chain, in PEM", chain);
    let key = section.required("key", "the path of the certificate's private key in PEM", private_key);
    let asked = section.has("client_ca");
    let authorities = section.value("client_ca", chain);
    let verifier = authorities.and_then(|authorities| verifier(&section, authorities));
    let certificate = certificates.as_ref().and_then(|all| Some(Certificate::from_der(all.first()?)));
    let clients = verifier.clone();
    let server = certificates.zip(key).and_then(|(certificates, key)| build(&section, certificates, key, verifier));
    if let Some(sentence) = certificate.as_ref().and_then(|own| aged(own, Timestamp::now())) {
        section.reader().warn(sentence);
    }
    section.finish();
    Some(Tls { server: Arc::new(server?), asks_for_certificates: asked, clients, certificate: certificate? })
}

/// What to say of a certificate that has expired or soon will. It is used all the same: a reload
/// with another one must not need a restart first.
fn aged(certificate: &Certificate, now: Timestamp) -> Option<String> {
    let expires = certificate.expires()?;
    let left = expires.duration_since(now);
    if left.is_negative() {
        Some(format!("tls.cert expired at {expires}: callers will refuse it; renew it and reload"))
    } else {
        (left < EXPIRES_SOON).then(|| format!("tls.cert expires at {expires}: renew it and reload"))
    }
}

/// Asks for a certificate of one of the authorities, and lets in whoever shows none: which
/// organisation needs one is known only when its path is.
fn verifier(
    section: &Section<'_, '_>,
    authorities: Vec<CertificateDer<'static>>,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    let wrong = |found: String| {
        let advice = "Give the certificates of the authorities that issue the callers' certificates.";
        section.fault("client_ca", found, "certificates of authorities", advice);
    };
    for (place, authority) in authorities.into_iter().enumerate() {
        if let Err(error) = roots.add(authority) {
            wrong(format!("a file whose certificate number {} cannot be used ({error})", place + 1));
            return None;
        }
    }
    let provider = Arc::new(default_provider());
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated().build();
    built.map_err(|error| wrong(format!("certificates that cannot be used ({error})"))).ok()
}

fn build(
    section: &Section<'_, '_>,
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Option<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider has suites of TLS 1.2 and 1.3");
    let asks = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(certificates, key).map_err(|error| unusable(section, &error)).ok()?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    if asks {
        // A session that is taken up again shows no certificate, so that one which has expired
        // meanwhile would go on letting in.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    Some(server)
}

fn unusable(section: &Section<'_, '_>, error: &Error) {
    if matches!(error, Error::InconsistentKeys(_)) {
        let advice = "Give the key that the certificate was requested with; a renewed one may have a new key.";
        section.fault("key", "a key that does not belong to the certificate", "the key of `cert`", advice);
    } else {
        let advice = "The bridge's own certificate stands first in the file, then those between it and its authority.";
        section.fault("cert", format!("a certificate or key that cannot be used ({error})"), "a usable pair", advice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_spoken_of_before_it_expires() {
        let mut parameters = rcgen::CertificateParams::new([]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let certificate = Certificate::from_der(certificate.der());
        let at = |day: &str| aged(&certificate, format!("{day}T12:00:00Z").parse().unwrap());
        assert_eq!(at("2031-01-19"), None);
        assert_eq!(at("2031-01-20").unwrap(), "tls.cert expires at 2031-02-03T00:00:00Z: renew it and reload");
        assert!(at("2031-02-03").unwrap().contains("expired at"));
    }
}
