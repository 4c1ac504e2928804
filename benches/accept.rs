//! Durable accepts by so many waiting senders at once, beside appending as many bytes to a file and
//! syncing it once: `cargo bench --bench accept`. The journal is on the disk of the target folder.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use imper_bridge::clock::SystemClock;
use imper_bridge::domain::{ApplicationId, CandidateId, RequisitionId, Source, StagePolicy, StateChange, Text};
use imper_bridge::journal::embedded::{Embedded, Options};
use imper_bridge::journal::{Incoming, Intake};

const SENDERS: [usize; 4] = [1, 16, 64, 256];

/// About what a row of an event takes.
const ROW: usize = 160;

fn main() {
    divan::main();
}

/// A folder on a real disk: what is in memory syncs at no cost.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a folder")
}

fn message(number: u64) -> Incoming {
    // Scattered, as ids are.
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let change = StateChange {
        application: ApplicationId::new(&format!("WAPPLIC{scattered:016x}")).expect("an id"),
        candidate: CandidateId::new(&format!("W{scattered:016x}")).expect("an id"),
        requisition: RequisitionId::new("REQ678").expect("an id"),
        stage: Text::new("Interview"),
        stage_aliases: Vec::new(),
        step: Text::new("Phone Screen"),
        status: Text::new("Screening"),
        told: None,
        occurred: None,
    };
    let placed = StagePolicy::default().position(&change);
    Incoming::new("acme".parse().expect("an id"), change, placed, Source::Soap)
}

/// All are sent, and each is answered only once it is on disk.
#[divan::bench(args = SENDERS, sample_count = 50, sample_size = 10)]
fn journal(bencher: Bencher, senders: usize) {
    let folder = folder();
    let clock = Arc::new(SystemClock::new());
    let journal = Embedded::open(&folder.path().join("journal.db"), Options::default(), clock).expect("a journal");
    let next = AtomicU64::new(0);
    bencher.counter(ItemsCount::new(senders)).bench(|| {
        let first = next.fetch_add(senders as u64, Ordering::Relaxed);
        let tickets: Vec<_> = (first..first + senders as u64)
            .map(|number| journal.accept(message(number)).expect("room in the queue"))
            .collect();
        for ticket in tickets {
            ticket.wait().expect("a receipt");
        }
    });
}

/// What any durable store must at least do.
#[divan::bench(args = SENDERS, sample_count = 50, sample_size = 10)]
fn append_and_fdatasync(bencher: Bencher, rows: usize) {
    let folder = folder();
    let mut file = File::create(folder.path().join("log")).expect("a file");
    let bytes = vec![b'x'; ROW * rows];
    bencher.counter(ItemsCount::new(rows)).bench_local(|| {
        file.write_all(&bytes).expect("space");
        file.sync_data().expect("a disk");
    });
}
