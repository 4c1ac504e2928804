//! Reading the seed envelope, beside quick-xml's own reader without any check:
//! `cargo bench --no-default-features --bench parse`.

use divan::{Bencher, black_box};
use imper_bridge::soap::{Head, Profile, read};
use imper_bridge::xml::Limits;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
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

/// The six fields with quick-xml's `NsReader` as one would read them at first: each element's namespace
/// compared, each text trimmed and kept, nothing else checked.
#[divan::bench]
fn six_fields_unchecked(bencher: Bencher) {
    bencher.bench(|| {
        let fields = six_fields(black_box(SEED));
        assert!(fields.iter().all(|field| !field.is_empty()));
        fields
    });
}

fn six_fields(xml: &str) -> [String; 6] {
    const NAMESPACE: ResolveResult<'_> = ResolveResult::Bound(Namespace("http://your-company.com/workday/webhooks"));
    let (mut reader, mut fields, mut within) = (NsReader::from_str(xml), <[String; 6]>::default(), None);
    loop {
        match reader.read_resolved_event().expect("XML") {
            (NAMESPACE, Event::Start(start)) => match start.local_name().as_ref() {
                "Job_Application_ID" => within = Some(0),
                "Candidate_Reference" => within = Some(1),
                "Requisition_Reference" => within = Some(2),
                "Stage" => within = Some(3),
                "Step" => within = Some(4),
                "Current_Status" => within = Some(5),
                _ => {}
            },
            (_, Event::Text(text)) => {
                if let Some(field) = within.filter(|_| !text.trim().is_empty()) {
                    fields[field].push_str(text.trim());
                }
            }
            (_, Event::End(end)) if end.local_name().as_ref() != "ID" => within = None,
            (_, Event::Eof) => return fields,
            _ => {}
        }
    }
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
