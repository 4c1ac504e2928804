//! Bodies on the wire: compressed, in chunks, announced with `Expect`; written to raw sockets.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::bridge::{Bridge, Home, PATIENCE, bare, element};

const ORGS: &str = "
[org.open]
auth.none = true
handler = \"in_process\"
[org.closed]
auth.basic = { username = \"imper\", password = \"s3cret\" }
handler = \"in_process\"
";

fn bridge() -> (Home, Bridge) {
    let home = Home::new(ORGS);
    let bridge = home.start();
    (home, bridge)
}

fn connect(bridge: &Bridge) -> TcpStream {
    let stream = TcpStream::connect(bridge.public.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn head(org: &str, fields: &str) -> String {
    format!("POST /soap/{org} HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n{fields}\r\n\r\n")
}

/// What comes until the end of a head.
fn read_head(stream: &mut TcpStream) -> String {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

/// One whole answer: its status and its body.
fn answer(stream: &mut TcpStream) -> (u16, String) {
    let head = read_head(stream).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
}

fn post(bridge: &Bridge, fields: &str, body: &[u8]) -> (u16, String) {
    let mut stream = connect(bridge);
    let fields = format!("{fields}\r\nContent-Length: {}", body.len());
    stream.write_all(head("open", &fields).as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    answer(&mut stream)
}

fn encoded(encoding: &str, plain: &[u8]) -> Vec<u8> {
    let best = Compression::best();
    match encoding {
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), best);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "bare deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), best);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        _ => {
            let mut encoder = GzEncoder::new(Vec::new(), best);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
    }
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let (_home, bridge) = bridge();
    let message = bare("A1", "Interview");
    for (place, encoding) in ["gzip", "x-gzip", "deflate", "bare deflate"].iter().enumerate() {
        let fields = format!("Content-Encoding: {}", encoding.trim_start_matches("bare "));
        let (status, text) = post(&bridge, &fields, &encoded(encoding, message.as_bytes()));
        let outcome = if place == 0 { "Accepted" } else { "Duplicate" };
        assert_eq!((status, element(&text, "Outcome")), (200, outcome), "{encoding}");
    }
}

#[tokio::test]
async fn compressed_bodies_that_are_none_are_refused_by_name() {
    let (_home, bridge) = bridge();
    let message = bare("A1", "Interview").into_bytes();
    let whole = encoded("gzip", &message);
    let (bomb, large) = (encoded("gzip", &[b' '; 200_000]), encoded("gzip", &vec![b' '; 64 << 20]));
    for (fields, body, status, says) in [
        ("Content-Encoding: br", &message, 415, "Send gzip (or x-gzip), deflate"),
        ("Content-Encoding: deflate, gzip", &whole, 415, "several encodings"),
        ("Content-Encoding: gzip\r\nContent-Encoding: gzip", &whole, 415, "several encodings"),
        ("Content-Encoding: gzip", &message, 400, "is not compressed"),
        ("Content-Encoding: gzip", &whole[..whole.len() - 1].to_vec(), 400, "ends before it is complete"),
        ("Content-Encoding: deflate", &whole, 400, "is no deflate stream"),
        ("Content-Encoding: gzip", &bomb, 413, "100 times its size"),
        ("Content-Encoding: gzip", &large, 413, "more than 262144 bytes"),
    ] {
        let (found, text) = post(&bridge, fields, body);
        assert_eq!(found, status, "{fields}: {text}");
        assert!(text.contains(says), "{fields}: {text}");
    }
    assert!(bridge.events("").await.is_empty());
}

#[tokio::test]
async fn chunks_of_any_size_are_one_body() {
    let (_home, bridge) = bridge();
    let message = encoded("gzip", bare("A1", "Interview").as_bytes());
    for size in [1, 7, 100_000] {
        let mut stream = connect(&bridge);
        let fields = "Transfer-Encoding: chunked\r\nContent-Encoding: gzip";
        stream.write_all(head("open", fields).as_bytes()).unwrap();
        for chunk in message.chunks(size) {
            stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).unwrap();
            stream.write_all(chunk).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        assert_eq!(answer(&mut stream).0, 200, "{size}");
        stream.write_all(head("open", "Content-Length: 0").as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).0, 400, "the connection goes on after the last chunk");
    }
    assert_eq!(bridge.events("").await.len(), 1);
}

#[tokio::test]
async fn a_body_that_is_announced_is_asked_for() {
    let (_home, bridge) = bridge();
    let message = bare("A1", "Interview");
    let mut stream = connect(&bridge);
    let fields = format!("Expect: 100-continue\r\nContent-Length: {}", message.len());
    stream.write_all(head("open", &fields).as_bytes()).unwrap();
    let asked = read_head(&mut stream);
    assert!(asked.starts_with("HTTP/1.1 100 "), "{asked}");
    stream.write_all(message.as_bytes()).unwrap();
    let (status, text) = answer(&mut stream);
    assert_eq!((status, element(&text, "Outcome")), (200, "Accepted"));
}

#[tokio::test]
async fn what_the_head_refuses_is_refused_before_the_body_is_sent() {
    let (_home, bridge) = bridge();
    let xml = "Content-Type: application/xml";
    let wrong = format!("{xml}\r\nAuthorization: Basic eDp5");
    let mut refused = Vec::new();
    for (org, fields, length, status) in [
        ("closed", xml, 100, 401),
        ("closed", &wrong, 100, 401),
        ("nobody", xml, 100, 404),
        ("open", "Content-Type: application/json", 100, 415),
        ("open", "Content-Type: text/xml\r\nContent-Encoding: br", 100, 415),
        ("open", xml, 100_000_000, 413),
    ] {
        for body in [format!("Content-Length: {length}"), "Transfer-Encoding: chunked".to_owned()] {
            if status == 413 && body.starts_with('T') {
                continue;
            }
            let mut stream = connect(&bridge);
            let head =
                format!("POST /soap/{org} HTTP/1.1\r\nHost: x\r\n{fields}\r\nExpect: 100-continue\r\n{body}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let (found, text) = answer(&mut stream);
            assert_eq!(found, status, "{org}, {fields}, {body}: {text}");
            refused.push(stream);
        }
    }
    for mut stream in refused {
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "nobody waits for the body");
    }
}

#[tokio::test]
async fn what_expects_to_be_asked_keeps_its_place_among_others() {
    let (_home, bridge) = bridge();
    let message = bare("A1", "Interview");
    let mut stream = connect(&bridge);
    let plain = head("open", &format!("Content-Length: {}", message.len())) + &message;
    let expecting = head("open", &format!("Expect: 100-continue\r\nContent-Length: {}", message.len()));
    for _ in 0..2 {
        stream.write_all(format!("{plain}{expecting}").as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).0, 200);
        let asked = read_head(&mut stream);
        assert!(asked.starts_with("HTTP/1.1 100 "), "{asked}");
        stream.write_all(format!("{message}{plain}").as_bytes()).unwrap();
        assert_eq!((answer(&mut stream).0, answer(&mut stream).0), (200, 200));
    }
    // It may as well not wait, and has nothing to wait for where there is no body.
    stream.write_all(format!("{expecting}{message}").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 100 "));
    assert_eq!(answer(&mut stream).0, 200);
    stream.write_all(head("open", "Expect: 100-continue\r\nContent-Length: 0").as_bytes()).unwrap();
    assert_eq!(answer(&mut stream).0, 400);
}
