//! Fills a journal for `benches/run`, as if so many messages had come; the last ones wait for delivery,
//! and the organisation `acme`, whose they are, is paused.
//!
//! `cargo run --release --example fill JOURNAL EVENTS WAITING`

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use imper_bridge::clock::SystemClock;
use imper_bridge::domain::{ApplicationId, CandidateId, OrgId, RequisitionId, Source, StagePolicy, StateChange, Text};
use imper_bridge::journal::embedded::{Embedded, Options};
use imper_bridge::journal::{Incoming, Intake, Turn, Upkeep};

/// How many wait for a receipt at once: below what the journal's queue holds.
const UNDER_WAY: usize = 4_096;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().expect("usage: fill JOURNAL EVENTS WAITING");
    let path = PathBuf::from(argument());
    let [events, waiting]: [u64; 2] = [argument(), argument()].map(|number| number.parse().expect("a number"));
    let journal = Embedded::open(&path, Options::default(), Arc::new(SystemClock::new())).expect("a journal");
    let org: OrgId = "acme".parse().expect("an id");
    journal.turn(Turn::Pause(org.clone()), "benches/run".into()).wait().expect("a disk");
    // No two fillings of one journal speak of the same application.
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
    let mut under_way = VecDeque::with_capacity(UNDER_WAY);
    for number in 0..events {
        if under_way.len() == UNDER_WAY {
            under_way.drain(..UNDER_WAY / 2).for_each(settled);
        }
        let message = message(&org, since_1970.wrapping_add(number), number + waiting >= events);
        under_way.push_back(journal.accept(message).expect("room in the queue"));
    }
    under_way.into_iter().for_each(settled);
}

fn settled(ticket: imper_bridge::journal::Ticket<imper_bridge::journal::Receipt>) {
    ticket.wait().expect("a receipt");
}

fn message(org: &OrgId, number: u64, in_interview: bool) -> Incoming {
    // Scattered, as ids are.
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let change = StateChange {
        application: ApplicationId::new(&format!("F{scattered:016x}")).expect("an id"),
        candidate: CandidateId::new(&format!("W{scattered:016x}")).expect("an id"),
        requisition: RequisitionId::new("REQ678").expect("an id"),
        stage: Text::new(if in_interview { "Interview" } else { "Review" }),
        stage_aliases: Vec::new(),
        step: Text::new("Phone Screen"),
        status: Text::new("Screening"),
        told: None,
        occurred: None,
    };
    let placed = StagePolicy::default().position(&change);
    Incoming::new(org.clone(), change, placed, Source::Soap)
}
