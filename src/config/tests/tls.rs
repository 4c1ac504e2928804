//! The section `tls`, and what depends on it.

use super::*;

/// A folder with a certificate, its key, and a key that belongs to another one.
fn certified() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let files =
        [("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem()), ("other.pem", other.serialize_pem())];
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    folder
}

fn with_tls(tls: &str, more: &str) -> Result<Loaded, Vec<String>> {
    let text = format!("{more}\n[tls]\n{tls}\n[org.x]\nauth.bearer = 'x'\nhandler = 'in_process'\n");
    let loaded = Settings::from_toml("f.toml", &text, certified().path(), &Environment::default());
    loaded.map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
}

#[test]
fn tls_protects_what_others_can_reach() {
    let pair = "cert = 'cert.pem'\nkey = 'key.pem'";
    let outside = "listen = '0.0.0.0:443'\npublic_url = 'https://bridge.example.com'";
    let settings = with_tls(pair, outside).unwrap().settings;
    assert!(!settings.tls.as_ref().unwrap().asks_for_certificates);
    assert!(!format!("{settings:?}").contains("PRIVATE"));
    let settings = with_tls(&format!("{pair}\nclient_ca = 'cert.pem'"), "").unwrap().settings;
    assert!(settings.tls.as_ref().unwrap().asks_for_certificates);
    assert_eq!(settings.public_url_at(settings.listen).as_str(), "https://127.0.0.1:8080/");
}

#[test]
fn tls_that_cannot_be_spoken_stops_the_start_and_says_why() {
    let outside = "listen = '0.0.0.0:443'\npublic_url = 'https://bridge.example.com'";
    for (tls, told) in [
        ("cert = 'cert.pem'", "tls.key: found nothing"),
        ("cert = 'cert.pem'\nkey = 'other.pem'", "tls.key: found a key that does not belong to the certificate"),
        ("cert = 'cert.pem'\nkey = 'cert.pem'", "tls.key: found no private key"),
        ("cert = 'key.pem'\nkey = 'key.pem'", "tls.cert: found no certificate"),
        ("cert = 'nowhere'\nkey = 'key.pem'", "tls.cert: found no readable file"),
        ("cert = 'cert.pem'\nkey = 'key.pem'\nclient_ca = 'key.pem'", "tls.client_ca: found no certificate"),
    ] {
        let faults = with_tls(tls, outside).unwrap_err();
        assert_eq!(faults.len(), 1, "{tls}: {faults:?}");
        assert!(faults[0].contains(told), "{tls}: {faults:?}");
    }
}

#[test]
fn a_client_certificate_needs_a_listener_that_asks_for_it() {
    let of = |client_cert: &str, tls: &str| {
        let text = format!(
            "[tls]\ncert = 'cert.pem'\nkey = 'key.pem'\n{tls}\n[org.x]\nhandler = 'in_process'\nauth.client_cert = {client_cert}"
        );
        let loaded = Settings::from_toml("f.toml", &text, certified().path(), &Environment::default());
        loaded.err().map_or_else(String::new, |faults| faults.to_string())
    };
    let asks = "client_ca = 'cert.pem'";
    let sha256 = "ab".repeat(32);
    assert_eq!(of("{ subject = 'CN=studio' }", asks), "");
    assert_eq!(of(&format!("{{ sha256 = '{sha256}' }}"), asks), "");
    assert!(of("{ subject = 'CN=studio' }", "").contains("tls.client_ca"));
    assert!(of("{ subject = 'studio' }", asks).contains("org.x.auth.client_cert.subject: found \"studio\""));
    assert!(of("{ sha256 = 'abc' }", asks).contains("64 hexadecimal digits"));
    assert!(of("{}", asks).contains("neither"));
    assert!(of(&format!("{{ subject = 'CN=a', sha256 = '{sha256}' }}"), asks).contains("both"));
    let without = "[org.x]\nhandler = 'in_process'\nauth.client_cert = { subject = 'CN=a' }";
    assert!(load(without, &[]).unwrap_err().to_string().contains("tls.client_ca"));
}
