//! Listeners that somebody else has opened, as systemd does for a socket unit: here the test has.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use crate::authority::Authority;
use crate::bridge::{Bridge, Home, bare, command, element};
use crate::https::Held;
use crate::raw::Raw;

const ACME: &str = "[org.acme]\nauth.none = true\nhandler = \"in_process\"\n";

/// What ends in being the bridge, with its standard input at 3 and announced by `LISTEN_PID`; at 4 as
/// well where that is announced as another public one.
const ACTIVATE: &str = r#"
exec 3<&0
[ "$LISTEN_FDNAMES" != public:public ] || exec 4<&0
exec </dev/null
export LISTEN_PID=$$
exec "$0" "$@"
"#;

/// The bridge as systemd starts it, handed one socket of this name.
fn activated(home: &Home, name: &str, socket: impl Into<OwnedFd>) -> Command {
    let bridge = command(&home.path(""));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(ACTIVATE).arg(bridge.get_program()).current_dir(home.path("")).env_clear();
    shell.env("PATH", "/usr/bin:/bin").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name);
    shell.stdin(Stdio::from(socket.into()));
    shell
}

/// A listener that outlives the bridges which take it.
struct Socket {
    listener: TcpListener,
    address: SocketAddr,
}

impl Socket {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    fn start(&self, home: &Home) -> Bridge {
        home.started_by(activated(home, "public", self.listener.try_clone().unwrap()))
    }
}

fn posted(application: &str) -> String {
    let body = bare(application, "Interview");
    let length = body.len();
    format!(
        "POST /soap/acme HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn what_comes_while_the_bridge_is_away_is_answered_once_it_is_back() {
    let (socket, home) = (Socket::open(), Home::new(ACME));
    let bridge = socket.start(&home);
    assert_eq!(bridge.public, format!("http://{}", socket.address));
    bridge.change("acme", "before", "Interview").await;
    assert!(home.log().contains("the socket that was handed over is used"), "{}", home.log());
    assert!(bridge.terminate().success());
    let mut waiting: Vec<_> = (0..20).map(|_| Raw::at(socket.address)).collect();
    for (number, raw) in waiting.iter_mut().enumerate() {
        raw.send(posted(&format!("A{number}")));
    }
    let bridge = socket.start(&home);
    for mut raw in waiting {
        let (status, answer) = raw.answer();
        assert_eq!((status, element(&answer, "Outcome")), (200, "Accepted"), "{answer}");
    }
    assert_eq!(bridge.events("").await.len(), 21);
    assert!(bridge.terminate().success());
}

#[tokio::test]
async fn within_tls_as_well() {
    let (socket, authority) = (Socket::open(), Authority::new("server"));
    let home = Home::new(&format!("[tls]\ncert = \"server.pem\"\nkey = \"server.key\"\n{ACME}"));
    authority.server().write(&home.path("server.pem"), &home.path("server.key"));
    assert!(socket.start(&home).terminate().success());
    let waits = tokio::net::TcpStream::connect(socket.address).await.unwrap();
    let bridge = socket.start(&home);
    assert_eq!(bridge.public, format!("https://{}", socket.address));
    let mut connection = Held::over(waits, &authority).await.unwrap();
    assert!(connection.takes(&posted("A1")).await);
    assert_eq!(bridge.events("").await.len(), 1);
}

#[tokio::test]
async fn the_admin_listener_may_be_handed_over_as_well() {
    let (socket, home) = (Socket::open(), Home::new(ACME));
    let bridge = home.started_by(activated(&home, "admin", socket.listener.try_clone().unwrap()));
    assert_eq!(bridge.admin, format!("http://{}", socket.address));
    assert_ne!(bridge.public, bridge.admin);
    bridge.change("acme", "A1", "Interview").await;
    assert_eq!(bridge.events("").await.len(), 1);
}

#[test]
fn what_cannot_be_listened_on_stops_the_start_and_is_named() {
    let home = Home::new(ACME);
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let fails = |mut command: Command, parts: &[&str]| {
        let output = command.args(["serve", "--config", "bridge.toml"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "{part}: {said}"));
    };
    let listening = listener();
    let connected = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let of_no_listener = ["handed over as `public`", "no TCP socket that listens", "ListenStream="];
    fails(activated(&home, "public", connected), &of_no_listener);
    fails(activated(&home, "public", UnixListener::bind(home.path("socket")).unwrap()), &of_no_listener);
    fails(activated(&home, "public", std::fs::File::open(home.path("bridge.toml")).unwrap()), &of_no_listener);
    fails(
        activated(&home, "imper-bridge.socket", listener()),
        &["\"imper-bridge.socket\"", "FileDescriptorName=public"],
    );
    let mut many = activated(&home, "public", listener());
    many.env("LISTEN_FDS", "many");
    fails(many, &["LISTEN_FDS", "no numbers"]);
    let mut twice = activated(&home, "public:public", listener());
    twice.env("LISTEN_FDS", "2");
    fails(twice, &["more than one socket named `public`", "keep one ListenStream="]);
    // Nothing but the first one is there.
    let mut lacking = activated(&home, "public:admin", listener());
    lacking.env("LISTEN_FDS", "2");
    fails(lacking, &["handed over as `admin`"]);
    // What the configuration allows as it listens on loopback would be open to all.
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    fails(activated(&home, "public", open), &["0.0.0.0:", "which others can reach", "`listen` is 127.0.0.1:0"]);
}

#[tokio::test]
async fn what_is_announced_to_another_process_is_left_alone() {
    let (socket, home) = (Socket::open(), Home::new(ACME));
    let mut other = command(&home.path(""));
    other.env("LISTEN_PID", "1").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "public");
    other.stdin(Stdio::from(OwnedFd::from(socket.listener)));
    let bridge = home.started_by(other);
    assert_ne!(bridge.public, format!("http://{}", socket.address));
    bridge.change("acme", "A1", "Interview").await;
}
