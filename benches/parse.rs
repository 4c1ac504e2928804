//! Reading the seed envelope, beside quick-xml's own reader without any check:
//! `cargo bench --no-default-features --bench parse`.

use divan::{Bencher, black_box};
use imper_bridge::soap::{Head, Profile, read};
use imper_bridge::xml::Limits;
use quick_xml::events::Event;
use quick_xml::reader::{NsReader, Reader};

const SEED: &str = include_str!("../fixtures/seed.xml");

fn main() {
    divan::main();
}

/// Strictly, to the state change.
#[divan::bench]
fn soap_read(bencher: Bencher) {
    let (head, profile) = (Head { content_type: Some("text/xml"), ..Head::default() }, Profile::default());
    bencher.bench(|| read(black_box(SEED.as_bytes()), &head, &profile, Limits::default()).expect("a message"));
}

/// Every event with its namespace resolved, nothing checked or kept.
#[divan::bench]
fn quick_xml_ns_reader(bencher: Bencher) {
    bencher.bench(|| {
        let mut reader = NsReader::from_str(black_box(SEED));
        let mut events = 0;
        while !matches!(reader.read_resolved_event().expect("XML").1, Event::Eof) {
            events += 1;
        }
        events
    });
}

/// Every event, without namespaces.
#[divan::bench]
fn quick_xml_reader(bencher: Bencher) {
    bencher.bench(|| {
        let mut reader = Reader::from_str(black_box(SEED));
        let mut events = 0;
        while !matches!(reader.read_event().expect("XML"), Event::Eof) {
            events += 1;
        }
        events
    });
}
