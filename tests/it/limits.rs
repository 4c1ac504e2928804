//! What a connection may cost, with the real binary: heads, bodies, connections, and that nothing
//! of a body is waited for before its head was judged.

use std::process::Command;

use crate::bridge::{Home, bare, element};
use crate::raw::Raw;
use crate::relay::Relay;

const ORGS: &str = "[org.closed]\nauth.bearer = \"t0ken\"\nhandler = \"in_process\"\n";

/// A head of a message without its end.
fn head(more: &str) -> String {
    format!("POST /soap/closed HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml\r\n{more}\r\n")
}

#[test]
fn credentials_are_judged_before_any_of_the_body_was_sent() {
    let home = Home::new(ORGS);
    let bridge = home.start();
    let mut refused = Vec::new();
    let (whole, chunked) = ("Content-Length: 100000", "Transfer-Encoding: chunked");
    // No more failures than are free before they are slowed down.
    for (authorization, length, told) in [
        ("", whole, "Credentials are required"),
        ("", chunked, "Credentials are required"),
        ("Authorization: Bearer wrong\r\n", whole, "The credentials are wrong"),
        ("Authorization: Bearer wrong\r\n", chunked, "The credentials are wrong"),
        ("Authorization: Bearer\r\n", whole, "cannot be read"),
        ("Authorization: Digest x\r\n", chunked, "scheme"),
    ] {
        let mut raw = Raw::to(&bridge);
        let (status, text) = raw.send(head(&format!("{authorization}{length}\r\n"))).answer();
        assert_eq!((status, text.contains(told)), (401, true), "{text}");
        assert!(text.contains("http://www.w3.org/2003/05/soap-envelope"), "in the caller's version: {text}");
        refused.push(raw);
    }
    let nowhere = "POST /nothing/here HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut raw = Raw::to(&bridge);
    assert_eq!(raw.send(nowhere).answer().0, 404);
    refused.push(raw);
    assert!(refused.iter_mut().all(Raw::ends), "what would come of the body is not waited for");
    // The right ones wait for it.
    let body = bare("A1", "Interview");
    let length = format!("Authorization: Bearer t0ken\r\nContent-Length: {}\r\n", body.len());
    let right = head(&length).replace("soap+xml", "xml");
    let (status, text) = Raw::to(&bridge).send(right).send(body).answer();
    assert_eq!((status, element(&text, "Outcome")), (200, "Accepted"));
}

#[test]
fn a_head_without_measure_gets_a_clear_end() {
    let home = Home::new(ORGS);
    let bridge = home.start();
    let get = |more: &str| format!("GET /livez HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    let large = format!("X: {}\r\n", "a".repeat(1 << 20));
    let url = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20));
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    for (request, statuses) in [
        (get(&many), &[431][..]),
        (get(&large), &[431]),
        (get(&large).trim_end().to_owned(), &[431]),
        (url, &[400, 431]),
        ("\0\u{1}nonsense\r\n\r\n".to_owned(), &[400]),
        (get("X: a\r\n folded\r\n"), &[400]),
        ("GET /livez HTTP/1.1\r\n\r\n".to_owned(), &[400]),
        // What one side of a proxy reads otherwise than the other smuggles a request past it.
        (head(both) + "0\r\n\r\n", &[400]),
        (head("Content-Length: 5\r\nContent-Length: 6\r\n") + "<a/> ", &[400]),
        (head("Content-Length: +5\r\n") + "<a/> ", &[400]),
        (head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", &[400]),
    ] {
        // As the first head of its connection, and as the second one.
        for second in [false, true] {
            let mut raw = Raw::to(&bridge);
            if second {
                assert_eq!(raw.send(get("")).answer().0, 200);
            }
            let (status, _) = raw.send(&request).answer();
            let shown: String = request.chars().take(60).collect();
            assert!(statuses.contains(&status), "{status}: {shown:?}");
            assert!(raw.ends(), "{shown:?}");
        }
    }
    assert_eq!(Raw::to(&bridge).send(get("")).answer().0, 200, "others are served");
}

#[test]
fn a_body_that_does_not_come_is_a_408_in_the_callers_version() {
    let home = Home::new(&format!("[limits]\nrequest_seconds = 0.3\n{ORGS}"));
    let bridge = home.start();
    let trusted = "Authorization: Bearer t0ken\r\n";
    let mut refused = Vec::new();
    for body in [
        format!("Content-Length: 100\r\n{trusted}\r\n<a>"),
        format!("Transfer-Encoding: chunked\r\n{trusted}\r\n5;{}", "a".repeat(300_000)),
        format!("Transfer-Encoding: chunked\r\n{trusted}\r\n3\r\n<a>\r\n"),
    ] {
        let mut raw = Raw::to(&bridge);
        let (status, text) = raw.send(head("").trim_end()).send("\r\n").send(body).answer();
        assert_eq!((status, element(&text, "Code")), (408, "request_timeout"));
        assert!(text.contains("http://www.w3.org/2003/05/soap-envelope"), "{text}");
        refused.push(raw);
    }
    assert!(refused.iter_mut().all(Raw::ends), "a connection stands");
}

#[tokio::test]
async fn connections_leave_room_for_deliveries() {
    let relay = Relay::start();
    let home = Home::new(&format!(
        "[limits]\nrequest_seconds = 600\n[org.acme]\nauth.none = true\n\
         [org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\napi_key = \"k\"\n",
        relay.url()
    ));
    let mut shell = Command::new("sh");
    shell.current_dir(home.path("")).env_clear().env("PATH", "/usr/bin:/bin");
    shell.args(["-c", &format!("ulimit -n 256; exec {} \"$@\"", env!("CARGO_BIN_EXE_imper-bridge")), "sh"]);
    let bridge = home.started_by(shell);
    bridge.change("acme", "A1", "Screen").await;
    let silent: Vec<Raw> = (0..240).map(|_| Raw::to(&bridge)).collect();
    // By the connection that is open; the delivery needs one of its own.
    bridge.change("acme", "A1", "Interview").await;
    bridge.delivered().await;
    assert_eq!(relay.received().len(), 1);
    let mut late = Raw::to(&bridge);
    late.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    drop(silent);
    assert_eq!(late.answer().0, 200, "who waited is served once others have gone");
}
