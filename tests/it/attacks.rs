//! Hostile senders against the real binary. While they are at it another sender is answered as ever,
//! and the process stays small.

mod corpus;

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bridge::{Bridge, Home, PATIENCE, bare, element};
use corpus::Hostile;

/// A body of eight MiB is let in, so that it is the reader that has to stop these.
const ORG: &str = "
[limits]
body_bytes = 8388608
[org.demo]
auth.none = true
handler = \"in_process\"
[org.strict]
auth.none = true
handler = \"in_process\"
strict_soap_action = true
";

/// How many answers the well-behaved sender gets while an attack goes on.
const ANSWERS: usize = 30;
const MOST_TRIES: usize = 3;
const ATTACKERS: usize = 4;
const MOST_MEMORY_KIB: u64 = 150 * 1024;

fn bridge() -> (Home, Bridge) {
    let home = Home::new(ORG);
    let bridge = home.start();
    (home, bridge)
}

/// The most memory that the process ever had in use.
fn peak_memory_kib(bridge: &Bridge) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", bridge.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Posts what is hostile. Where several do so at once, one may be told to come again with it.
async fn refused(bridge: &Bridge, hostile: &Hostile, alone: bool) {
    let mut request = bridge.post("demo", "text/xml", hostile.body.clone());
    for (name, value) in hostile.headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap_or_else(|error| panic!("{}: {error}", hostile.name));
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    if !alone && status == 503 {
        return;
    }
    assert!(status.is_client_error() || status == 500, "{}: {status} {text}", hostile.name);
    assert!(hostile.refused_as.contains(&element(&text, "Code")), "{}: {text}", hostile.name);
    assert!(text.len() < 4_000, "{}: an answer of {} bytes", hostile.name, text.len());
}

/// Sends `attack`s from several sides at once for as long as the well-behaved sender needs for its
/// answers, and everything at least once.
async fn withstood(name: &str, bridge: &Bridge, attack: impl AsyncFn(usize)) {
    let over = AtomicBool::new(false);
    let attackers = async |first: usize| {
        let mut number = first;
        attack(number).await;
        while !over.load(Relaxed) {
            number += ATTACKERS;
            attack(number).await;
        }
    };
    let witness = async {
        answer_another(bridge).await;
        over.store(true, Relaxed);
    };
    tokio::time::timeout(PATIENCE, async {
        tokio::join!(witness, attackers(0), attackers(1), attackers(2), attackers(3));
    })
    .await
    .expect("another sender is answered all the while");
    stayed_small(name, bridge).await;
}

/// In a crowd a connection may be ended while it is silent, just as its next message sets out: what is
/// not acknowledged is sent again, as Workday does.
async fn answer_another(bridge: &Bridge) {
    for number in 0..ANSWERS {
        let message = bare(&format!("A{number}"), "Interview");
        let mut tries = 0;
        let answer = loop {
            match bridge.post("demo", "application/xml", message.clone()).send().await {
                Ok(answer) => break answer,
                Err(error) => assert!(tries < MOST_TRIES, "message {number}: {error:?}"),
            }
            tries += 1;
        };
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
}

async fn stayed_small(name: &str, bridge: &Bridge) {
    let peak = peak_memory_kib(bridge);
    println!("{name}: {ANSWERS} answers to another sender meanwhile, at most {} MiB in use", peak / 1024);
    assert!(peak < MOST_MEMORY_KIB, "the process grew to {peak} KiB");
    assert_eq!(bridge.events("").await.len(), ANSWERS, "nothing hostile left an event");
}

async fn corpus_is_refused(name: &str, corpus: Vec<Hostile>) {
    let (_home, bridge) = bridge();
    for hostile in &corpus {
        refused(&bridge, hostile, true).await;
    }
    withstood(name, &bridge, async |number| refused(&bridge, &corpus[number % corpus.len()], false).await).await;
}

#[tokio::test]
async fn floods_are_refused_within_memory() {
    corpus_is_refused("floods", corpus::floods()).await;
}

#[tokio::test]
async fn entities_are_refused_and_nobody_is_called() {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    corpus_is_refused("entities", corpus::entities(&canary.local_addr().unwrap().to_string())).await;
    assert_eq!(canary.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the canary was called");
}

#[tokio::test]
async fn spoofs_are_refused() {
    corpus_is_refused("spoofs", corpus::spoofs()).await;
}

/// What names an address is read past: schemas, style sheets, inclusions, endpoints for answers.
#[tokio::test]
async fn no_address_in_a_message_is_called() {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", canary.local_addr().unwrap());
    let (_home, bridge) = bridge();
    for (number, namespace) in
        ["http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"].iter().enumerate()
    {
        let to = |name: &str| format!("<w:{name}><w:Address>{url}</w:Address></w:{name}>");
        let header = format!("{}{}{}<w:To>{url}</w:To>", to("ReplyTo"), to("FaultTo"), to("From"));
        for application in [format!("R{number}"), String::new()] {
            let body = bare(&application, "Interview").replace(
                "<Stage>",
                &format!(
                    "<x xmlns:i=\"http://www.w3.org/2001/XInclude\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                     xsi:schemaLocation=\"urn:x {url}\"><i:include href=\"{url}\"/></x><Stage>"
                ),
            );
            let envelope = format!(
                "<?xml-stylesheet href=\"{url}\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\
                 <s:Header xmlns:w=\"{namespace}\">{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
            );
            let answer = bridge.post("demo", "text/xml", envelope).send().await.unwrap();
            assert_eq!(answer.status(), if application.is_empty() { 500 } else { 200 });
        }
    }
    bridge.delivered().await;
    assert_eq!(canary.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the canary was called");
}

/// The element in the Body decides; an organisation may ask that the action says the same.
#[tokio::test]
async fn a_spoofed_action_changes_nothing_or_is_refused() {
    let (_home, bridge) = bridge();
    let post = |org: &str| bridge.post(org, "text/xml", bare("S1", "Interview"));
    let spoofed = ("SOAPAction", "\"http://your-company.com/workday/webhooks/DeleteCandidate\"");
    let answer = post("demo").header(spoofed.0, spoofed.1).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer = post("strict").header(spoofed.0, spoofed.1).send().await.unwrap();
    assert_eq!(element(&answer.text().await.unwrap(), "Code"), "action_mismatch");
}

/// As costly as the limits allow, and over and over: the others are still answered.
#[tokio::test]
async fn costly_messages_hold_nobody_up() {
    let costly = corpus::costly();
    let (_home, bridge) = bridge();
    let post = async |number: usize| {
        let (name, body) = &costly[number % costly.len()];
        let answer = bridge.post("demo?dry_run=1", "application/xml", body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    };
    for number in 0..costly.len() {
        post(number).await;
    }
    withstood("costly messages", &bridge, post).await;
}

/// 100 MB of white space after a request, and of white space alone, as some 100 kB.
#[tokio::test]
async fn compressed_bombs_are_refused_within_memory() {
    let (_home, bridge) = bridge();
    let bombs = ["", &bare("bomb", "Interview")].map(|start| gzipped(start, 100_000_000));
    withstood("compressed bombs", &bridge, async |number| {
        let bomb = bombs[number % bombs.len()].clone();
        let encoding = ["gzip", "x-gzip", "gzip, gzip"][number % 3];
        let request = bridge.post("demo", "text/xml", bomb).header("Content-Encoding", encoding);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        assert!(matches!(status, 400 | 413 | 415 | 500 | 503), "{encoding}: {status}");
    })
    .await;
}

fn gzipped(start: &str, spaces: usize) -> Vec<u8> {
    let script = format!("printf %s '{start}'; head -c {spaces} /dev/zero | tr '\\0' ' '");
    let mut source = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let output = Command::new("gzip").arg("-9c").stdin(source.stdout.take().unwrap()).output().unwrap();
    assert!(source.wait().unwrap().success() && output.status.success());
    output.stdout
}

/// Senders that drip their heads and their bodies, or send all of a long body but its end: each is done
/// with in bounded time, and what they hold together is bounded.
#[tokio::test]
async fn slow_senders_hold_nobody_up_and_are_let_go() {
    let home = Home::new("[limits]\nrequest_seconds = 5\n[org.demo]\nauth.none = true\nhandler = \"in_process\"\n");
    let bridge = home.start();
    let address = bridge.public.trim_start_matches("http://");
    let head = "POST /soap/demo HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n";
    let long = format!("{head}Content-Length: 262144\r\n\r\n{}", "x".repeat(250_000));
    let kinds: [Arc<str>; 3] = [head.into(), format!("{head}Content-Length: 1000\r\n\r\n<a>").into(), long.into()];
    let mut slow = tokio::task::JoinSet::new();
    for number in 0..500 {
        let kind = if number < 200 { number % 2 } else { 2 };
        let (begin, address) = (Arc::clone(&kinds[kind]), address.to_owned());
        slow.spawn(async move { drip(&address, &begin).await });
    }
    withstood("slow senders", &bridge, async |number| {
        let answer = bridge.post("demo", "text/xml", format!("<a>{number}")).send().await.unwrap();
        assert_eq!(answer.status(), 500);
    })
    .await;
    let released = tokio::time::timeout(PATIENCE, slow.join_all()).await.expect("no connection is held for ever");
    assert_eq!(released.len(), 500);
}

/// Very many long bodies at once, each without its last byte, where the sender is to be known from the
/// body: most are told at once to come again, the others run out of time, and none of them holds much.
#[tokio::test]
async fn long_bodies_that_stop_short_hold_little() {
    let room = rustix::process::getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: room, maximum: room }).unwrap();
    let count = room.map_or(1_500, |room| room.min(3_600) as usize / 2 - 300);
    let head = "POST /soap/signed HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n";
    let text = " ".repeat(250_000);
    let long_head: String = (0..80).map(|number| format!("X-{number}: {}\r\n", "a".repeat(82))).collect();
    for (name, count, begin) in [
        ("announced bodies without an end", count, format!("{head}Content-Length: 250001\r\n\r\n{text}")),
        (
            "chunks without an end",
            count * 2 / 3,
            format!("{head}Transfer-Encoding: chunked\r\n\r\n3d090\r\n{text}\r\n"),
        ),
        ("chunks of a byte", count, format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", "1\r\nx\r\n".repeat(50_000))),
        ("long heads", count, format!("{head}{long_head}Content-Length: 16383\r\n\r\n{}", &text[..16_382])),
    ] {
        let home = Home::new(concat!(
            "[limits]\nrequest_seconds = 5\n[org.demo]\nauth.none = true\nhandler = \"in_process\"\n",
            "[org.signed]\nauth.wsse = { username = \"u\", password = \"p\" }\nhandler = \"in_process\"\n"
        ));
        let bridge = home.start();
        let address: Arc<str> = bridge.public.trim_start_matches("http://").into();
        let begin: Arc<str> = begin.into();
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..count {
            let (address, begin) = (Arc::clone(&address), Arc::clone(&begin));
            senders.spawn(async move { stop_short(&address, &begin).await });
        }
        answer_another(&bridge).await;
        let statuses = tokio::time::timeout(PATIENCE, senders.join_all()).await.expect("none is held for ever");
        let ended = statuses.iter().filter(|each| each.is_none()).count();
        let times = |status: u16| statuses.iter().filter(|each| **each == Some(status)).count();
        assert_eq!(times(503) + times(408) + ended, count, "{name}: {statuses:?}");
        // What says how long it is finds no room at once; the others may be too slow to ask for any.
        assert!(times(503) > 0 || !name.starts_with("announced"), "{name}: some find no room");
        stayed_small(name, &bridge).await;
    }
}

/// Requests without end whose answers nobody reads: none is answered before the one ahead of it was taken.
#[tokio::test]
async fn answers_that_nobody_reads_are_not_made() {
    for path in ["/soap/demo", "/soap/demo?wsdl", "/schemas/candidate-event.json", "/nowhere"] {
        let (_home, bridge) = bridge();
        let address = bridge.public.trim_start_matches("http://");
        let requests = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(5_000);
        let mut senders = Vec::new();
        for _ in 0..100 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // As much as is taken.
            let _ = tokio::time::timeout(Duration::from_millis(20), stream.write_all(requests.as_bytes())).await;
            senders.push(stream);
        }
        answer_another(&bridge).await;
        stayed_small(path, &bridge).await;
        // Whoever reads gets them all the same.
        let mut first = senders.swap_remove(0);
        let mut read = vec![0; 1 << 16];
        let mut all = 0;
        while all <= 100_000 {
            let count = tokio::time::timeout(PATIENCE, first.read(&mut read)).await.expect("it goes on").unwrap();
            if count == 0 {
                break;
            }
            all += count;
        }
        assert!(all > 100_000, "{path}: only {all} bytes of answers came");
    }
}

/// Sends what there is of a request and waits for the answer; none where the connection just ended, as it
/// may while the rest is still being sent.
async fn stop_short(address: &str, begin: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let sending = async {
        let _ = write.write_all(begin.as_bytes()).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sending => {}
        _ = read.read_to_end(&mut answer) => {}
    }
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

/// Begins a request and goes on with it a byte at a time until the server has had enough.
async fn drip(address: &str, begin: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let dripping = async {
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        let mut going = write.write_all(begin.as_bytes()).await.is_ok();
        while going {
            pause.tick().await;
            going = write.write_all(b"x").await.is_ok();
        }
    };
    tokio::select! {
        () = dripping => {}
        _ = read.read_to_end(&mut answer) => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    let let_go = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 503");
    assert!(let_go, "{answer}");
}
