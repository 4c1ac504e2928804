//! Does one part of what an accept takes so many times, for `tests/instructions` to count what it
//! costs: `cargo run --example instructions -- parse|decide|encode|commit TIMES`

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use imper_bridge::clock::SystemClock;
use imper_bridge::domain::lifecycle::Likeness;
use imper_bridge::domain::{ApplicationId, EventId, EventType, OrgId, Outcome, Source, StagePolicy, StateChange};
use imper_bridge::journal::batch::{Batch, Decided, EventRef, Key, Keyed, Knowledge, Known};
use imper_bridge::journal::embedded::{Embedded, Options};
use imper_bridge::journal::{Incoming, Intake};
use imper_bridge::soap::{self, Head, Profile, Request, Success, Version};
use imper_bridge::xml::Limits;

const SEED: &str = include_str!("../fixtures/seed.xml");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [part, times] = arguments.as_slice() else { panic!("usage: instructions parse|decide|encode|commit TIMES") };
    let times = times.parse().expect("a number");
    match part.as_str() {
        "parse" => (0..times).for_each(|_| drop(black_box(parse()))),
        "decide" => decide(times),
        "encode" => (0..times).for_each(encode),
        "commit" => commit(times),
        other => panic!("there is no part '{other}'"),
    }
}

/// From the bytes to the state change.
fn parse() -> Request {
    let head = Head { content_type: Some("text/xml; charset=utf-8"), ..Head::default() };
    soap::read(black_box(SEED.as_bytes()), &head, &Profile::default(), Limits::default()).expect("a message")
}

/// The answer to a message that was taken.
fn encode(number: u64) {
    let success = Success {
        event_id: Some(EventId::compose(1_700_000_000_000, 1, number)),
        event_type: EventType::InterviewStarted,
        outcome: Outcome::Accepted,
    };
    black_box(soap::success(Version::Soap11, None, &Profile::default().namespace, &success));
}

/// A store that has heard of nobody.
struct Nothing;

impl Knowledge for Nothing {
    type Error = Infallible;

    fn application(&mut self, _: Key) -> Result<Option<Known>, Infallible> {
        Ok(None)
    }

    fn message(&mut self, _: Key) -> Result<Option<EventRef>, Infallible> {
        Ok(None)
    }
}

/// Each application twice: it is new, and then it is known.
fn decide(times: u64) {
    let (mut nothing, change) = (Nothing, parse().change);
    let mut batch = Batch::new(&mut nothing, jiff::Timestamp::UNIX_EPOCH);
    for number in 0..times {
        let likeness = Likeness(number.into());
        let application = Key::from(number / 2);
        let message = Keyed { incoming: incoming(change.clone()), application, message: None, likeness };
        if let Ok(Decided::New(new)) = black_box(batch.decide(&message)) {
            batch.learn(&message, &new, number);
        }
    }
    black_box(batch.finish());
}

/// From the state change to the receipt, each with a commit of its own, and into the index behind it.
fn commit(times: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(SystemClock::new());
    let journal = Embedded::open(&folder.path().join("journal.db"), Options::default(), clock).expect("a journal");
    let change = parse().change;
    for number in 0..times {
        // Scattered, as ids are.
        let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let application = ApplicationId::new(&format!("WAPPLIC{scattered:016x}")).expect("an id");
        journal
            .accept(incoming(StateChange { application, ..change.clone() }))
            .expect("room")
            .wait()
            .expect("a receipt");
    }
}

fn incoming(change: StateChange) -> Incoming {
    let placed = StagePolicy::default().position(&change);
    Incoming::new("acme".parse::<OrgId>().expect("an id"), change, placed, Source::Soap)
}
