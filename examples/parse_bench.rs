//! Measures what reading one message costs, beside what quick-xml's own `NsReader` costs for taking
//! the same six fields out without any check:
//!
//! `cargo run --release --no-default-features --example parse_bench [FILE]`
//!
//! The two are measured in turns, so that a disturbance of the machine meets both; compare the
//! figures of one run only.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use imper_bridge::soap::{Head, Profile, read};
use imper_bridge::xml::{Document, Limits, Reader, Token};
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

const ROUNDS: usize = 41;
const PER_ROUND: usize = 5_000;

type Measured = (&'static str, Box<dyn Fn(&str) -> usize>);

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "fixtures/seed.xml".to_owned());
    let seed = std::fs::read_to_string(&path)?;
    let id = |i: u32| format!("WAPPLIC{:010}", i.wrapping_mul(2_654_435_761));
    let messages: Vec<String> = (0..256).map(|i| seed.replace("WAPPLIC12345", &id(i))).collect();
    let measured: [Measured; 5] = [
        ("NsReader, six fields, unchecked", Box::new(|text| bare(text).expect("a message").len())),
        ("quick-xml Reader, events, unchecked", Box::new(events)),
        ("xml: decode and scan", Box::new(|text| Document::decode(text.as_bytes(), None).expect("text").text().len())),
        ("xml: every token, checked", Box::new(tokens)),
        ("soap: read, to the state change", Box::new(whole)),
    ];
    let mut samples = vec![Vec::new(); measured.len()];
    for round in 0..ROUNDS {
        for ((_, run), samples) in measured.iter().zip(&mut samples) {
            let begun = Instant::now();
            for i in 0..PER_ROUND {
                black_box(run(black_box(&messages[(round + i) % messages.len()])));
            }
            samples.push(begun.elapsed().as_nanos() as usize / PER_ROUND);
        }
    }
    println!("{path}: {} bytes; ns per message", messages[0].len());
    for ((name, _), samples) in measured.iter().zip(&mut samples) {
        samples.sort_unstable();
        println!("{name:<36} median {:>6}  least {:>6}", samples[ROUNDS / 2], samples[0]);
    }
    Ok(())
}

fn whole(text: &str) -> usize {
    let head = Head { content_type: Some("text/xml; charset=utf-8"), ..Head::default() };
    thread_local!(static PROFILE: Profile = Profile::default());
    PROFILE.with(|profile| {
        let request = read(text.as_bytes(), &head, profile, Limits::default()).expect("a message");
        request.change.application.as_str().len()
    })
}

fn events(text: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut count = 0;
    while !matches!(reader.read_event().expect("XML"), Event::Eof) {
        count += 1;
    }
    count
}

fn tokens(text: &str) -> usize {
    let document = Document::decode(text.as_bytes(), None).expect("text");
    let mut reader = Reader::new(&document, Limits::default(), &[]);
    let mut count = 0;
    while reader.next().expect("well-formed XML") != Token::Eof {
        count += 1;
    }
    count
}

/// The place of an element, as far as the hurried reader below needs to know it.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Envelope,
    Body,
    Request,
    Application,
    Reference,
    Field,
    Other,
}

/// What a hurried reader would write: namespaces resolved, nothing checked.
fn bare(text: &str) -> Option<[String; 6]> {
    const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
    const PAYLOAD: &str = "http://your-company.com/workday/webhooks";
    let mut reader = NsReader::from_str(std::str::from_utf8(text.as_bytes()).ok()?);
    let mut path = [Place::Root; 16];
    let (mut depth, mut count) = (0, 0);
    let mut fields: [String; 6] = Default::default();
    loop {
        let (namespace, event) = reader.read_resolved_event().ok()?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                let is = |uri: &str| matches!(&namespace, ResolveResult::Bound(ns) if ns.as_ref() == uri);
                let place = match (path[depth], start.local_name().as_ref()) {
                    (Place::Root, "Envelope") if is(SOAP) => Place::Envelope,
                    (Place::Envelope, "Body") if is(SOAP) => Place::Body,
                    (Place::Body, "TriggerCandidateStateChange_Request") if is(PAYLOAD) => Place::Request,
                    (Place::Request, "Job_Application") if is(PAYLOAD) => Place::Application,
                    (Place::Application, "Candidate_Reference" | "Requisition_Reference") if is(PAYLOAD) => {
                        Place::Reference
                    }
                    (Place::Application, "Job_Application_ID" | "Stage" | "Step" | "Current_Status") if is(PAYLOAD) => {
                        Place::Field
                    }
                    (Place::Reference, "ID") if is(PAYLOAD) => {
                        start.try_get_attribute("type").ok()??;
                        Place::Field
                    }
                    _ => Place::Other,
                };
                if matches!(event, Event::Start(_)) {
                    depth += 1;
                    path[depth] = place;
                }
            }
            Event::End(_) => {
                count += usize::from(path[depth] == Place::Field);
                depth -= 1;
            }
            Event::Text(text) if path[depth] == Place::Field => fields[count].push_str(&text),
            Event::Eof => return Some(fields),
            _ => {}
        }
    }
}
