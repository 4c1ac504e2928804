//! The public listener within TLS, and client certificates, met with real clients.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rcgen::DnType;
use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::authority::{Authority, Issued};
use crate::bridge::{Bridge, Home, PATIENCE, bare, command, element};

const STUDIO: &[(DnType, &str)] =
    &[(DnType::CountryName, "US"), (DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, "studio")];

/// A home whose bridge is certified by `server` and asks for certificates of `clients`.
fn home(server: &Authority, clients: &Authority, organisations: &str) -> Home {
    let home = Home::new(&format!(
        "[tls]\ncert = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"clients.pem\"\n{organisations}"
    ));
    certify(&home, &server.server(), clients);
    home
}

fn certify(home: &Home, server: &Issued, clients: &Authority) {
    server.write(&home.path("server.pem"), &home.path("server.key"));
    std::fs::write(home.path("clients.pem"), &clients.pem).unwrap();
}

/// A client that trusts the authority and shows a certificate.
fn client(trusted: &Authority, shown: Option<&Issued>) -> Client {
    let trusted = reqwest::Certificate::from_pem(trusted.pem.as_bytes()).unwrap();
    let builder = Client::builder().tls_certs_only([trusted]).no_proxy().timeout(PATIENCE);
    match shown {
        Some(shown) => builder.identity(shown.identity()).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

/// The status and code of what an organisation answers; 0 where there is no connection.
async fn answer(client: &Client, bridge: &Bridge, org: &str, token: &str) -> (u16, String) {
    let request = client.post(format!("{}/soap/{org}", bridge.public)).header("Content-Type", "application/xml");
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    let Ok(answer) = request.body(bare("A1", "Interview")).send().await else { return (0, String::new()) };
    let (status, told) = (answer.status().as_u16(), answer.headers().contains_key("www-authenticate"));
    assert_eq!(told, status == 401, "a 401 names a way in");
    let text = answer.text().await.unwrap();
    let name = if status == 200 { "Event_Type" } else { "Code" };
    (status, element(&text, name).to_owned())
}

#[tokio::test]
async fn the_bridge_speaks_tls_and_says_https() {
    let (authority, clients) = (Authority::new("server"), Authority::new("clients"));
    let home = home(&authority, &clients, "[org.open]\nauth.none = true\nhandler = \"in_process\"\n");
    let checked = run(command(&home.path("")).args(["check", "--config", "bridge.toml"]));
    assert!(checked.contains("ok    tls: ") && checked.contains("client certificates are asked for"), "{checked}");
    let bridge = home.start();
    assert!(bridge.public.starts_with("https://127.0.0.1:"), "{}", bridge.public);
    let client = client(&authority, None);
    assert_eq!(answer(&client, &bridge, "open", "").await, (200, "interview_started".into()));
    let wsdl = client.get(format!("{}/soap/open?wsdl", bridge.public)).send().await.unwrap().text().await.unwrap();
    assert_eq!(wsdl.matches(&format!("location=\"{}/soap/open\"", bridge.public)).count(), 2, "{wsdl}");
    let clear = client.get(format!("{}/livez", bridge.public.replace("https:", "http:"))).send().await;
    assert!(clear.is_err(), "nothing is answered in clear: {clear:?}");
    assert_eq!(bridge.admin_get("/livez", "").await.status(), 200, "the admin listener has no part in it");
    assert!(bridge.terminate().success());
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_and_required_where_an_organisation_says_so() {
    let (server, clients) = (Authority::new("server"), Authority::new("clients"));
    let (studio, other) = (clients.client(STUDIO), clients.client(&[(DnType::CommonName, "studio")]));
    let stranger = Authority::new("strangers").client(STUDIO);
    let pinned = imper_bridge::certificate::Certificate::from_der(&other.der);
    assert_eq!(pinned.to_string(), "CN=studio");
    let home = home(&server, &clients, "");
    std::fs::write(home.path("other.pem"), &other.pem).unwrap();
    let printed = run(Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(home.path("other.pem")));
    let sha256 = printed.trim().rsplit('=').next().unwrap().to_owned();
    home.configure(&format!(
        "[tls]\ncert = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"clients.pem\"\n
         [org.named]\nauth.client_cert = {{ subject = 'CN=studio,O=Example\\, Inc.,C=US' }}\nhandler = \"in_process\"
         [org.pinned]\nauth.client_cert = {{ sha256 = \"{sha256}\" }}\nhandler = \"in_process\"
         [org.both]\nauth.client_cert = {{ sha256 = \"{sha256}\" }}\nauth.bearer = \"t0ken\"\nhandler = \"in_process\"
         [org.bearer]\nauth.bearer = \"t0ken\"\nhandler = \"in_process\"\n"
    ));
    let bridge = home.start();
    let shown = [None, Some(&studio), Some(&other), Some(&stranger)].map(|shown| client(&server, shown));
    for (org, token, statuses) in [
        ("named", "", [401, 200, 401, 0]),
        ("named", "t0ken", [401, 200, 401, 0]),
        ("pinned", "", [401, 401, 200, 0]),
        ("both", "", [401, 401, 401, 0]),
        ("both", "wrong", [401, 401, 401, 0]),
        ("both", "t0ken", [401, 401, 200, 0]),
        ("bearer", "", [401, 401, 401, 0]),
        ("bearer", "t0ken", [200, 200, 200, 0]),
    ] {
        for (client, status) in shown.iter().zip(statuses) {
            assert_eq!(answer(client, &bridge, org, token).await.0, status, "{org} with {token:?}: {client:?}");
        }
    }
    let request = shown[2].post(format!("{}/soap/named", bridge.public)).body(bare("A1", "Interview"));
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("The client certificate, CN=studio, is not the one"), "{text}");
    assert_eq!(bridge.events("").await.len(), 4, "one per organisation; the rest are duplicates or were refused");
}

/// What a command prints; it must succeed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {printed}{told}");
    printed.into_owned()
}

#[test]
fn curl_and_openssl_connect_with_a_client_certificate() {
    let (server, clients) = (Authority::new("server"), Authority::new("clients"));
    let organisation = "[org.named]\nauth.client_cert = { subject = \"CN=studio\" }\nhandler = \"in_process\"\n";
    let home = home(&server, &clients, organisation);
    std::fs::write(home.path("ca.pem"), &server.pem).unwrap();
    std::fs::write(home.path("message.xml"), bare("A1", "Interview")).unwrap();
    clients.client(&[(DnType::CommonName, "studio")]).write(&home.path("c.pem"), &home.path("c.key"));
    let bridge = home.start();
    let message = format!("@{}", home.path("message.xml").display());
    let url = format!("{}/soap/named", bridge.public);
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        let command =
            command.args(["-sS", "--noproxy", "*", "--max-time", "60", "-w", "\n%{http_code} %{http_version}"]);
        let command = command.arg("--cacert").arg(home.path("ca.pem")).args(["-H", "Content-Type: application/xml"]);
        run(command.args(["--data-binary", &message]).args(more).arg(&url))
    };
    let (certificate, key) = (home.path("c.pem"), home.path("c.key"));
    let shown = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let (flag, value) = version.split_once('=').map_or((version, None), |(flag, value)| (flag, Some(value)));
        let more: Vec<&str> = [flag].into_iter().chain(value).chain(shown).collect();
        let told = curl(&more);
        assert!(told.ends_with("\n200 1.1"), "{version}: {told}");
    }
    let told = curl(&[]);
    assert!(told.ends_with("\n401 1.1") && told.contains("client certificate is required"), "{told}");

    let address = bridge.public.strip_prefix("https://").unwrap();
    let mut command = Command::new("openssl");
    let command = command.args(["s_client", "-brief", "-verify_return_error", "-connect", address]);
    let command = command.arg("-CAfile").arg(home.path("ca.pem")).arg("-cert").arg(&certificate).arg("-key").arg(&key);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("TLSv1.3") && told.contains("Verification: OK"), "{told}");
    let old = Command::new("openssl").args(["s_client", "-tls1_1", "-connect", address]).stdin(Stdio::null()).output();
    assert!(!old.unwrap().status.success(), "nothing older than TLS 1.2 is spoken");
}

/// A connection that stays.
pub(crate) struct Held(TlsStream<TcpStream>);

impl Held {
    async fn open(bridge: &Bridge, trusted: &Authority) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(bridge.public.strip_prefix("https://").unwrap()).await?, trusted).await
    }

    /// Makes the handshake on a connection that is there.
    pub(crate) async fn over(stream: TcpStream, trusted: &Authority) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates([pem(&trusted.pem)]);
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        Ok(Self(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }

    async fn is_answered(&mut self) -> bool {
        self.takes("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await
    }

    /// Whether a request is answered with 200.
    pub(crate) async fn takes(&mut self, request: &str) -> bool {
        if self.0.write_all(request.as_bytes()).await.is_err() {
            return false;
        }
        let mut head = [0; 12];
        let mut rest = [0; 4096];
        self.0.read_exact(&mut head).await.is_ok() && self.0.read(&mut rest).await.is_ok() && head.ends_with(b" 200")
    }
}

fn pem(text: &str) -> CertificateDer<'static> {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
}

/// Waits until something holds.
async fn until(mut holds: impl AsyncFnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn certificates_are_reloaded_and_no_connection_drops() {
    let [first, second] = ["first", "second"].map(Authority::new);
    let [old_clients, new_clients] = ["old", "new"].map(Authority::new);
    let organisation = "[org.named]\nauth.client_cert = { subject = \"CN=studio\" }\nhandler = \"in_process\"\n";
    let home = home(&first, &old_clients, organisation);
    let bridge = home.start();
    let studio = |clients: &Authority| clients.client(&[(DnType::CommonName, "studio")]);
    let mut held = Held::open(&bridge, &first).await.unwrap();
    assert!(held.is_answered().await);
    assert_eq!(answer(&client(&first, Some(&studio(&old_clients))), &bridge, "named", "").await.0, 200);

    certify(&home, &second.server(), &new_clients);
    bridge.signal("HUP");
    until(async || Held::open(&bridge, &second).await.is_ok(), "the new certificate is not taken").await;
    assert!(Held::open(&bridge, &first).await.is_err(), "the old one is gone");
    assert!(held.is_answered().await, "a connection that was open keeps what it has");
    assert_eq!(answer(&client(&second, Some(&studio(&new_clients))), &bridge, "named", "").await.0, 200);
    assert_eq!(answer(&client(&second, Some(&studio(&old_clients))), &bridge, "named", "").await.0, 0);

    // A key that belongs to another certificate, as in the middle of a renewal.
    std::fs::write(home.path("server.key"), first.server().key).unwrap();
    bridge.signal("HUP");
    until(async || home.log().contains("the old one stays in force"), "the log says nothing").await;
    assert!(home.log().contains("tls.key: found a key that does not belong to the certificate"), "{}", home.log());
    assert!(held.is_answered().await && Held::open(&bridge, &second).await.unwrap().is_answered().await);
}

#[tokio::test]
async fn who_vouches_for_a_caller_is_asked_again_after_a_reload() {
    let server = Authority::new("server");
    let [left, kept] = ["left", "kept"].map(Authority::new);
    let organisation = "[org.named]\nauth.client_cert = { subject = \"CN=studio\" }\nhandler = \"in_process\"\n";
    let home = home(&server, &left, organisation);
    let both = format!("{}{}", left.pem, kept.pem);
    std::fs::write(home.path("clients.pem"), &both).unwrap();
    let bridge = home.start();
    let [leaves, stays] =
        [&left, &kept].map(|clients| client(&server, Some(&clients.client(&[(DnType::CommonName, "studio")]))));
    for client in [&leaves, &stays] {
        assert_eq!(answer(client, &bridge, "named", "").await.0, 200);
    }
    // On connections that stay open.
    for (authorities, statuses) in [(&kept.pem, [401, 200]), (&both, [200, 200])] {
        std::fs::write(home.path("clients.pem"), authorities).unwrap();
        let reloads = home.log().matches("the configuration was reloaded").count();
        bridge.signal("HUP");
        let reloaded = async || home.log().matches("the configuration was reloaded").count() > reloads;
        until(reloaded, "the configuration is not reloaded").await;
        for (client, status) in [&leaves, &stays].into_iter().zip(statuses) {
            assert_eq!(answer(client, &bridge, "named", "").await.0, status);
        }
    }
}
