//! The commands as a shell sees them: exit codes, and what goes to which stream.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::bridge::{Home, command};

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).display().to_string()
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(folder: &Path, arguments: &[&str]) -> Said {
    said(command(folder).args(arguments).output().unwrap())
}

#[test]
fn bad_usage_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["conjure"][..], &["send"], &["sandbox", "--answer", "soon"], &["demo", "--loudly"], &[]] {
        let said = run(folder.path(), arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.err);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{arguments:?}");
    }
    assert_eq!(run(folder.path(), &["--version"]).out.trim(), concat!("imper-bridge ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn convert_gives_a_line_per_message_and_2_for_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let good = run(folder.path(), &["convert", &fixture("seed.xml"), &fixture("workday-style.xml")]);
    assert_eq!((good.code, good.err.as_str()), (0, ""));
    let events: Vec<serde_json::Value> = good.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["candidate_id"], &events[0]["orgid"]), (&"W12345".into(), &"demo".into()));
    let bad = run(folder.path(), &["convert", &fixture("seed.xml"), &fixture("dtd.xml")]);
    assert_eq!((bad.code, bad.out.lines().count()), (2, 1));
    assert!(bad.err.contains("dtd.xml") && bad.err.contains("dtd_refused"), "{}", bad.err);
    let mut piped = command(folder.path());
    let mut piped = piped.args(["convert", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(include_bytes!("../../fixtures/seed-bare.xml")).unwrap();
    assert!(said_by(piped).out.contains("interview_started"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it keeps no state");
}

fn said_by(child: std::process::Child) -> Said {
    said(child.wait_with_output().unwrap())
}

#[test]
fn the_starter_starts_once_its_secrets_are_set() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, 0);
    let again = run(folder.path(), &["init"]);
    assert_ne!(again.code, 0, "what is there is not overwritten");
    let text = std::fs::read_to_string(folder.path().join("bridge.toml")).unwrap();
    let missing = run(folder.path(), &["check", "--config", "bridge.toml"]);
    assert_ne!(missing.code, 0);
    let secrets: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split("env = \"").nth(1)?.split('"').next())
        .collect();
    assert!(
        !secrets.is_empty()
            && secrets.iter().all(|secret| missing.err.contains(secret) || missing.out.contains(secret))
    );
    let mut serve = command(folder.path());
    serve.args(["serve", "--config", "bridge.toml"]).envs(secrets.iter().map(|secret| (*secret, "a-secret")));
    // Its ports are fixed ones, which may be taken here.
    serve.env("IMPER_BRIDGE_LISTEN", "127.0.0.1:0").env("IMPER_BRIDGE_ADMIN__LISTEN", "127.0.0.1:0");
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let output = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut first).unwrap();
    child.kill().unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(first.starts_with("public http"), "{first}{}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn send_and_check_speak_to_a_running_bridge() {
    let home =
        Home::new("[org.acme]\nauth.basic = { username = \"imper\", password = \"pw\" }\nhandler = \"in_process\"\n");
    let bridge = home.start();
    let url = format!("{}/soap/acme", bridge.public);
    let folder = tempfile::tempdir().unwrap();
    let send = |files: &[&str], password: &str| {
        let mut send = command(folder.path());
        send.arg("send").args(files.iter().map(|file| fixture(file))).args(["--to", &url]);
        said(send.args(["--user", "imper", "--password-env", "PW"]).env("PW", password).output().unwrap())
    };
    let good = send(&["seed.xml", "seed-soap12.xml"], "pw");
    assert_eq!(good.code, 0, "{}", good.err);
    assert!(good.out.contains("Accepted") && good.out.contains("Duplicate"), "{}", good.out);
    let bad = send(&["seed.xml", "missing-candidate.xml"], "pw");
    assert_eq!(bad.code, 1);
    assert!(bad.out.contains("missing_element"), "{}", bad.out);
    assert_eq!(send(&["seed.xml"], "wrong").code, 1);
    let check = run(home.path("").as_path(), &["check", "--config", "bridge.toml"]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    assert!(check.out.contains("in use by a bridge that runs"), "{}", check.out);
    assert!(bridge.terminate().success());
    let check = run(home.path("").as_path(), &["check", "--config", "bridge.toml"]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    assert!(check.out.lines().count() >= 2, "a line per check: {}", check.out);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.configure(&format!(
        "[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"http://{closed}/x\"\napi_key = \"k\"\n"
    ));
    let check = run(home.path("").as_path(), &["check", "--config", "bridge.toml"]);
    assert_eq!(check.code, 1, "{}", check.out);
    assert!(check.out.lines().any(|line| line.starts_with("FAIL") && line.contains("org.acme")), "{}", check.out);
}

#[test]
fn wsdl_prints_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &["wsdl", "--address", "https://bridge.example.com/soap/acme"]);
    assert_eq!(said.code, 0);
    assert_eq!(said.out.matches("location=\"https://bridge.example.com/soap/acme\"").count(), 2);
}
