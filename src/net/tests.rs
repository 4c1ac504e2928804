//! The listener, met with raw sockets. Times are short where something must end and long where
//! something must not; a test that hangs fails by the socket's own time-out.

use super::*;
use actix_web::{App, HttpRequest, HttpResponse, http::StatusCode, web};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as Client};
use std::thread;
use std::time::Instant;

mod ahead;
mod crowd;
mod handshakes;
mod patience;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);
/// Longer than this, and something hangs.
const HANGS: Duration = Duration::from_secs(20);

async fn echo(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match read_body(&request, payload, BodyLimits { bytes: 1000, within: LONG, sender: Sender::Stranger }).await {
        Ok(body) => HttpResponse::Ok().body(body),
        Err(Unread { refusal, .. }) => {
            HttpResponse::build(StatusCode::from_u16(refusal.code.http_status().unwrap()).unwrap())
                .body(refusal.code.as_str())
        }
    }
}

async fn slow() -> &'static str {
    actix_rt::time::sleep(SHORT * 3).await;
    "slept"
}

/// Answers at once, whatever comes of the body.
async fn refuse() -> HttpResponse {
    HttpResponse::Unauthorized().body("no")
}

async fn large() -> Vec<u8> {
    vec![b'x'; 64 << 20]
}

fn start(limits: Limits) -> (SocketAddr, actix_server::ServerHandle) {
    start_with(limits, None)
}

fn start_with(limits: Limits, handshakes: Option<Handshakes>) -> (SocketAddr, actix_server::ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            let app = || {
                App::new()
                    .route("/echo", web::post().to(echo))
                    .route("/refuse", web::post().to(refuse))
                    .route("/slow", web::get().to(slow))
                    .route("/toil", web::get().to(ahead::toil))
                    .route("/large", web::get().to(large))
            };
            let server = serve(listener, 1, limits, handshakes, app).unwrap();
            sender.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    (address, receiver.recv().unwrap())
}

fn limits(request: Duration, idle: Duration) -> Limits {
    Limits { request: Patience::new(request), idle, connections: 100 }
}

fn connect(address: SocketAddr) -> Client {
    let client = Client::connect(address).unwrap();
    client.set_read_timeout(Some(HANGS)).unwrap();
    client.set_write_timeout(Some(HANGS)).unwrap();
    client
}

fn post(body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Reads one answer with a Content-Length.
fn answer(client: &mut Client) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// Waits for the other side to end the connection; gives what it said before.
fn ends(client: &mut Client) -> String {
    let begun = Instant::now();
    let mut said = Vec::new();
    // A reset ends it as well.
    let _ = client.read_to_end(&mut said);
    assert!(begun.elapsed() < HANGS, "the connection was not ended");
    String::from_utf8_lossy(&said).into_owned()
}

/// Sends a byte every 20 ms until the other side does not take it any more.
fn drip(client: &mut Client, byte: &[u8]) {
    let begun = Instant::now();
    while client.write_all(byte).is_ok() {
        assert!(begun.elapsed() < HANGS, "the connection was not ended");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_request_is_answered_and_the_connection_kept() {
    let (address, _) = start(limits(LONG, LONG));
    let mut client = connect(address);
    for body in ["one", "", "two"] {
        client.write_all(post(body).as_bytes()).unwrap();
        assert!(answer(&mut client).ends_with(&format!("\r\n\r\n{body}")));
    }
    client
        .write_all(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
        )
        .unwrap();
    assert!(answer(&mut client).ends_with("abcde"));
    client.write_all(format!("{}{}", post("p1"), post("p2")).as_bytes()).unwrap();
    assert!(answer(&mut client).ends_with("p1") && answer(&mut client).ends_with("p2"), "pipelined");
}

#[test]
fn a_first_head_that_drips_or_does_not_come_ends_the_connection() {
    let (address, _) = start(limits(SHORT, LONG));
    ends(&mut connect(address));
    let mut client = connect(address);
    client.write_all(b"POST /echo HTTP/1.1\r\nX: ").unwrap();
    drip(&mut client, b"x");
}

#[test]
fn a_second_head_that_drips_ends_the_connection() {
    let (address, _) = start(limits(SHORT, LONG));
    let mut client = connect(address);
    client.write_all(post("a").as_bytes()).unwrap();
    answer(&mut client);
    client.write_all(b"POST /echo HTTP/1.1\r\nX: ").unwrap();
    drip(&mut client, b"x");
}

#[test]
fn a_second_head_that_stops_half_way_ends_the_connection() {
    let (address, _) = start(limits(SHORT, LONG));
    let mut client = connect(address);
    client.write_all(post("a").as_bytes()).unwrap();
    answer(&mut client);
    client.write_all(b"POST /echo HTTP/1.1\r\nX: ").unwrap();
    ends(&mut client);
}

#[test]
fn an_idle_connection_ends() {
    let (address, _) = start(limits(LONG, SHORT));
    let mut client = connect(address);
    client.write_all(post("a").as_bytes()).unwrap();
    answer(&mut client);
    ends(&mut client);
}

#[test]
fn a_body_that_drips_or_stops_is_answered_408() {
    let (address, _) = start(limits(SHORT, LONG));
    for head in ["Content-Length: 900", "Transfer-Encoding: chunked"] {
        let mut client = connect(address);
        client.write_all(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n").as_bytes()).unwrap();
        let told = answer(&mut client);
        assert!(told.starts_with("HTTP/1.1 408") && told.ends_with("request_timeout"), "{told}");
        drip(&mut client, if head.starts_with('C') { b"x" } else { b"1\r\nx\r\n" });
    }
}

#[test]
fn a_body_over_the_limit_is_answered_413_before_it_is_read() {
    let (address, _) = start(limits(LONG, LONG));
    let mut client = connect(address);
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n").unwrap();
    assert!(answer(&mut client).starts_with("HTTP/1.1 413"));
    let mut client = connect(address);
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    client
        .write_all(
            format!("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}").as_bytes(),
        )
        .unwrap();
    assert!(answer(&mut client).starts_with("HTTP/1.1 413"));
    let mut client = connect(address);
    client.write_all(post(&"x".repeat(1000)).as_bytes()).unwrap();
    assert!(answer(&mut client).starts_with("HTTP/1.1 200"), "the limit itself is taken");
}

#[test]
fn a_body_that_nobody_wants_ends_with_its_connection() {
    let (address, _) = start(limits(LONG, LONG));
    let mut clients = ["Content-Length: 900", "Transfer-Encoding: chunked"].map(|length| {
        let mut client = connect(address);
        client.write_all(format!("POST /refuse HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n").as_bytes()).unwrap();
        assert!(answer(&mut client).starts_with("HTTP/1.1 401"));
        client
    });
    let mut dripping = connect(address);
    dripping.write_all(b"POST /refuse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    drip(&mut dripping, b"1\r\nx\r\n");
    clients.iter_mut().for_each(|client| assert_eq!(ends(client), ""));
}

#[test]
fn an_encoding_is_read_or_answered_415() {
    let (address, _) = start(limits(LONG, LONG));
    for (encoding, status) in [("gzip", "400"), ("br", "415"), ("x-unknown", "415"), ("Identity", "200")] {
        let mut client = connect(address);
        let head =
            format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\nContent-Length: 1\r\n\r\nx");
        client.write_all(head.as_bytes()).unwrap();
        assert!(answer(&mut client).starts_with(&format!("HTTP/1.1 {status}")), "{encoding}");
    }
}

#[test]
fn answering_may_take_longer_than_arriving() {
    let (address, _) = start(limits(SHORT, SHORT));
    let mut client = connect(address);
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(answer(&mut client).ends_with("slept"));
    ends(&mut client);
}

#[test]
fn answers_that_are_not_read_end_the_connection() {
    let (address, _) = start(limits(SHORT, LONG));
    let mut client = connect(address);
    client.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    thread::sleep(SHORT * 5);
    assert!(ends(&mut client).len() < 64 << 20, "the whole answer came after all");
}

#[test]
fn a_head_of_more_than_8_kib_is_answered_431_however_it_comes() {
    let (address, _) = start(limits(LONG, LONG));
    let line = format!("X: {}\r\n", "x".repeat(1000));
    for second in [false, true] {
        let mut client = connect(address);
        if second {
            client.write_all(post("a").as_bytes()).unwrap();
            answer(&mut client);
        }
        client.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\n").unwrap();
        // In pieces, each of which is a head that might still end.
        for _ in 0..50 {
            let _ = client.write_all(line.as_bytes());
        }
        assert!(ends(&mut client).starts_with("HTTP/1.1 431"));
    }
    let mut client = connect(address);
    let body = "b".repeat(900);
    let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{}Content-Length: 900\r\n\r\n", line.repeat(7));
    client.write_all(format!("{head}{body}").repeat(3).as_bytes()).unwrap();
    (0..3).for_each(|_| assert!(answer(&mut client).ends_with(&body), "7 KiB are taken, each time"));
}

#[test]
fn connections_beyond_the_limit_wait_until_one_ends() {
    let (address, _) = start(Limits { connections: 2, ..limits(LONG, LONG) });
    let mut held = [connect(address), connect(address)];
    for client in &mut held {
        client.write_all(post("a").as_bytes()).unwrap();
        answer(client);
    }
    let mut third = connect(address);
    third.write_all(post("third").as_bytes()).unwrap();
    let [mut first, second] = held;
    first.write_all(post("b").as_bytes()).unwrap();
    assert!(answer(&mut first).ends_with('b'), "those that are in go on");
    third.set_nonblocking(true).unwrap();
    assert!(third.read(&mut [0]).is_err(), "the third was let in");
    third.set_nonblocking(false).unwrap();
    drop(second);
    assert!(answer(&mut third).ends_with("third"));
}

#[test]
fn stopping_ends_idle_connections_and_finishes_what_is_under_way() {
    let (address, handle) = start(limits(LONG, LONG));
    let mut idle = connect(address);
    idle.write_all(post("a").as_bytes()).unwrap();
    answer(&mut idle);
    let mut busy = connect(address);
    let head = b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    busy.write_all(head).unwrap();
    assert!(answer(&mut busy).starts_with("HTTP/1.1 100"), "it is under way");
    let stopped = thread::spawn(move || actix_rt::System::new().block_on(handle.stop(true)));
    ends(&mut idle);
    busy.write_all(b"done").unwrap();
    assert!(answer(&mut busy).ends_with("done"));
    stopped.join().unwrap();
    assert!(Client::connect(address).is_err());
}
