//! A relay behind TLS whose certificate comes from an authority of the organisation's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use crate::bridge::{Home, PATIENCE};

/// An authority (PEM) and a server's configuration with a certificate of it for this name.
pub(crate) fn certified(name: &str) -> (String, ServerConfig) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let secret = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    (pem, server)
}

/// Answers every request on every connection with 200; counts them.
async fn relay(server: ServerConfig) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (acceptor, count) = (TlsAcceptor::from(Arc::new(server)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut read = Vec::new();
                // The payload's last byte is its closing brace.
                while !read.ends_with(b"}") {
                    let mut part = [0; 4096];
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => return,
                        Ok(length) => read.extend_from_slice(&part[..length]),
                    }
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (port, count)
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_configured_and_nowhere_else() {
    let (authority, server) = certified("localhost");
    let (port, count) = relay(server).await;
    let organisation = |name: &str, more: &str| {
        format!(
            "[org.{name}]\nauth.none = true\n[org.{name}.relay]\n\
             url = \"https://localhost:{port}/webhooks/{name}/workday\"\napi_key = \"k\"\n{more}\n"
        )
    };
    let home = Home::new("");
    std::fs::write(home.path("ca.pem"), authority).unwrap();
    let delivery = "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\n".to_owned();
    home.configure(&(delivery + &organisation("trusting", "ca = \"ca.pem\"") + &organisation("wary", "")));
    let bridge = home.start();
    bridge.change("wary", "A1", "Interview").await;
    bridge.change("trusting", "A1", "Interview").await;
    let begun = std::time::Instant::now();
    loop {
        let trusting = bridge.events("orgid=trusting&state=delivered").await.len();
        let wary = bridge.events("orgid=wary").await.remove(0);
        let error = wary["delivery"]["last_error"].as_str().unwrap_or_default().to_owned();
        if trusting == 1 && error.to_lowercase().contains("certificate") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{trusting} delivered; {error}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(count.load(Ordering::SeqCst), 1, "nothing was sent to whom nobody vouches for");
}
