//! TLS handshakes that do not come to an end.

use super::*;
use std::sync::Arc;

/// A listener that speaks TLS, with a certificate that nobody vouches for.
fn start_tls(limits: Limits) -> (SocketAddr, actix_server::ServerHandle) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let secret = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret.into())
        .unwrap();
    start_with(limits, Some(Handshakes::new(InForce { server: Arc::new(config), clients: None })))
}

/// The beginning of a TLS handshake: a record that announces more than ever comes.
const HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

#[test]
fn a_handshake_that_drips_or_stops_ends_the_connection() {
    let (address, _) = start_tls(limits(SHORT, LONG));
    ends(&mut connect(address));
    let mut client = connect(address);
    client.write_all(HELLO).unwrap();
    ends(&mut client);
    let mut client = connect(address);
    client.write_all(HELLO).unwrap();
    drip(&mut client, b"x");
}

#[test]
fn what_is_no_handshake_ends_the_connection() {
    let (address, _) = start_tls(limits(LONG, LONG));
    let mut client = connect(address);
    client.write_all(post("a").as_bytes()).unwrap();
    assert!(!ends(&mut client).contains("HTTP"));
}

#[test]
fn a_handshake_under_way_does_not_hold_up_a_stop() {
    let (address, handle) = start_tls(limits(LONG, LONG));
    let mut client = connect(address);
    client.write_all(HELLO).unwrap();
    // Connections are taken in turn: once a later one was, the handshake of this one is under way.
    let mut later = connect(address);
    later.write_all(b"no handshake").unwrap();
    ends(&mut later);
    let begun = Instant::now();
    thread::spawn(move || actix_rt::System::new().block_on(handle.stop(true)));
    ends(&mut client);
    assert!(begun.elapsed() < Duration::from_secs(DRAIN_SECONDS), "the stop waited for it");
}
