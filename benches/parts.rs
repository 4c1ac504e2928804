//! Deciding a message and writing its answer: `cargo bench --bench parts`. Reading is in `parse`, the
//! commit in `accept`.
//!
//! divan rather than criterion: the same least and median times of so many samples, with one small
//! dependency, and without a report that nobody opens.

use std::convert::Infallible;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use imper_bridge::domain::lifecycle::Likeness;
use imper_bridge::domain::{EventId, EventType, Outcome, Source, StagePolicy};
use imper_bridge::journal::Incoming;
use imper_bridge::journal::batch::{Batch, Decided, EventRef, Key, Keyed, Knowledge, Known};
use imper_bridge::soap::{self, Head, Profile, Success, Version};
use imper_bridge::xml::Limits;

const SEED: &str = include_str!("../fixtures/seed.xml");

/// How many messages share a commit under load.
const BATCH: u64 = 32;

fn main() {
    divan::main();
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

fn message(number: u64) -> Keyed {
    let head = Head { content_type: Some("text/xml"), ..Head::default() };
    let request = soap::read(SEED.as_bytes(), &head, &Profile::default(), Limits::default()).expect("a message");
    let placed = StagePolicy::default().position(&request.change);
    let incoming = Incoming::new("acme".parse().expect("an id"), request.change, placed, Source::Soap);
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Keyed { incoming, application: scattered.into(), message: None, likeness: Likeness(number.into()) }
}

/// A batch of messages of applications that nobody has heard of.
#[divan::bench]
fn decide_a_batch(bencher: Bencher) {
    let messages: Vec<_> = (0..BATCH).map(message).collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut nothing = Nothing;
        let mut batch = Batch::new(&mut nothing, jiff::Timestamp::UNIX_EPOCH);
        for (sequence, message) in (1..).zip(black_box(&messages)) {
            if let Ok(Decided::New(new)) = batch.decide(message) {
                batch.learn(message, &new, sequence);
            }
        }
        batch.finish()
    });
}

/// The answer to a message that was taken.
#[divan::bench]
fn encode_an_answer(bencher: Bencher) {
    let profile = Profile::default();
    let success = Success {
        event_id: Some(EventId::compose(1_700_000_000_000, 1, 1)),
        event_type: EventType::InterviewStarted,
        outcome: Outcome::Accepted,
    };
    bencher.bench(|| soap::success(Version::Soap11, None, &profile.namespace, black_box(&success)));
}
