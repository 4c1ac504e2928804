//! Posts the seed envelope at a steady rate, for `benches/run`, and syncs a file on the same disk
//! meanwhile; prints the answers' and the disk's times.
//!
//! `cargo run --release --example steady URL RATE SECONDS CONNECTIONS FOLDER`
//!
//! An answer's time counts from when its message was due, not from when it could be sent: a server
//! that stalls is charged for all who would have waited.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SEED: &str = include_str!("../fixtures/seed.xml");

/// About what a small commit appends.
const APPENDED: usize = 4096;

/// Between two syncs, so that they are no load of their own.
const BETWEEN_SYNCS: Duration = Duration::from_millis(20);

struct Steady {
    host: String,
    path: String,
    begun: Instant,
    rate: u64,
    messages: u64,
    connections: u64,
    run: u128,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, rate, seconds, connections, folder] = arguments.as_slice() else {
        panic!("usage: steady URL RATE SECONDS CONNECTIONS FOLDER")
    };
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an http URL");
    let [rate, seconds, connections] = [rate, seconds, connections].map(|text| text.parse::<u64>().expect("a number"));
    let steady = Steady {
        host: host.to_owned(),
        path: format!("/{path}"),
        begun: Instant::now() + Duration::from_millis(200),
        rate,
        messages: rate * seconds,
        connections,
        run: SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_micros(),
    };
    let over = AtomicBool::new(false);
    let server = &steady;
    let (answers, syncs) = std::thread::scope(|scope| {
        let syncing = scope.spawn(|| syncs(Path::new(folder), &over));
        let senders: Vec<_> = (0..connections).map(|sender| scope.spawn(move || server.send(sender))).collect();
        let answers = senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect();
        over.store(true, Ordering::Relaxed);
        (answers, syncing.join().expect("a disk"))
    });
    print("answer", answers);
    print("fdatasync", syncs);
}

impl Steady {
    /// Every so-many-th message, on a connection of its own.
    fn send(&self, sender: u64) -> Vec<Duration> {
        let mut connection = TcpStream::connect(&self.host).expect("a connection");
        connection.set_nodelay(true).expect("an option");
        let mut answer = [0; 4096];
        let numbers = (sender..self.messages).step_by(self.connections as usize);
        let post = |number| {
            let due = self.begun + Duration::from_nanos(number * 1_000_000_000 / self.rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            connection.write_all(self.request(number).as_bytes()).expect("a connection");
            let length = connection.read(&mut answer).expect("an answer");
            assert!(answer[..length].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..length]));
            due.elapsed()
        };
        numbers.map(post).collect()
    }

    fn request(&self, number: u64) -> String {
        // Scattered, as ids are.
        let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let envelope = SEED.replace("WAPPLIC12345", &format!("S{:x}-{scattered:016x}", self.run));
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{envelope}",
            self.path,
            self.host,
            envelope.len()
        )
    }
}

/// How long the disk takes to sync what was appended to a file.
fn syncs(folder: &Path, over: &AtomicBool) -> Vec<Duration> {
    let path: PathBuf = folder.join("synced");
    let mut file = File::create(&path).expect("a file");
    let mut took = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        file.write_all(&[b'x'; APPENDED]).and_then(|()| file.sync_data()).expect("a disk");
        took.push(begun.elapsed());
        std::thread::sleep(BETWEEN_SYNCS);
    }
    std::fs::remove_file(&path).expect("a file");
    took
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what} {} {:.3} {:.3} {:.3}", took.len(), at(0.5), at(0.99), at(1.0));
}
