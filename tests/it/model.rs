//! Random histories of a journal, compared step by step with a small model of what it promises.
//!
//! The model is written from what is promised and not from the code: it decides for itself what each
//! message means, what may be claimed when, and which settlements count. A failure prints its seed;
//! `MODEL_SEED=n` runs that one alone, `MODEL_SEEDS=n` so many of them.

mod decision;
mod lanes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imper_bridge::clock::{Clock, ManualClock};
use imper_bridge::domain::{
    ApplicationId, CandidateId, EventId, EventType, Occurred, OrgId, Outcome, Position, RequisitionId, Source,
    StagePolicy, StateChange, Text,
};
use imper_bridge::journal::embedded::{Embedded, Options};
use imper_bridge::journal::{
    Ages, Answered, Claimed, Deliver, DeliveryState, Discarded, EventFilter, EventRecord, Incoming, Intake, Quota,
    ReadBack, Receipt, Records, Replay, Replayed, Settled, Settlement, Turn, Upkeep, Verdict, Which, Work,
};
use jiff::Timestamp;

use self::decision::{Applications, Expected, Message};
use self::lanes::Lanes;
use crate::chance::{Chance, Named};

const SEEDS: u64 = 250;
const STEPS: usize = 60;
const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const AGES: Ages = Ages { useful_within: DAY, open_interview: DAY };
const ORGANISATIONS: [&str; 2] = ["acme", "other"];

#[test]
fn random_histories_agree_with_the_model() {
    if let Ok(seed) = std::env::var("MODEL_SEED") {
        return run(seed.parse().expect("MODEL_SEED is a number"));
    }
    let seeds = std::env::var("MODEL_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("MODEL_SEEDS is a number"));
    let halves = [0, 1].map(|half| std::thread::spawn(move || (0..seeds).filter(|n| n % 2 == half).for_each(run)));
    assert!(halves.map(|half| half.join().is_ok()).iter().all(|passed| *passed));
}

fn run(seed: u64) {
    let _named = Named("MODEL_SEED", seed);
    let mut history = History::new(seed);
    for _ in 0..STEPS {
        history.step();
    }
    history.end();
}

/// An event that must exist, as the model sees it.
struct Event {
    id: EventId,
    message: Message,
    event_type: EventType,
    outcome: Outcome,
    was: Option<Position>,
    now: Position,
    duplicates: u64,
    deliver: bool,
    /// How often it was replayed after a delivery.
    replays: u32,
    /// An operator deleted it.
    discarded: bool,
}

struct History {
    chance: Chance,
    /// Whether the wall clock jumps in this history.
    jumps: bool,
    clock: ManualClock,
    /// The latest that the wall clock ever showed.
    latest: Timestamp,
    folder: tempfile::TempDir,
    journal: Option<Embedded>,
    applications: Applications,
    lanes: Lanes,
    /// In the order of acceptance.
    events: Vec<Event>,
    /// Claims that were handed out, settled or not, of this life of the journal or an earlier one.
    claims: Vec<Claimed>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let start: Timestamp = "2026-04-09T14:30:00Z".parse().unwrap();
        // In memory where there is such a place: durability is not what is looked at here.
        let memory = PathBuf::from("/dev/shm");
        let folder = tempfile::tempdir_in(&memory).or_else(|_| tempfile::tempdir()).unwrap();
        let mut history = Self {
            jumps: chance.one_in(2),
            chance,
            clock: ManualClock::at(start),
            latest: start,
            folder,
            journal: None,
            applications: Applications::default(),
            lanes: Lanes::default(),
            events: Vec::new(),
            claims: Vec::new(),
        };
        history.open();
        history
    }

    fn open(&mut self) {
        let path = self.folder.path().join("journal.db");
        self.journal = Some(Embedded::open(&path, Options::default(), Arc::new(self.clock.clone())).unwrap());
    }

    fn journal(&self) -> &Embedded {
        self.journal.as_ref().unwrap()
    }

    fn step(&mut self) {
        match self.chance.below(100) {
            0..45 => self.accept_some(),
            45..65 => self.claim(),
            65..84 => self.settle_some(),
            84..88 => self.operate(),
            88..94 => self.pass_time(),
            94..97 => self.reopen(),
            _ => self.compare(),
        }
    }

    /// Several messages at once, so that one batch decides them together.
    fn accept_some(&mut self) {
        let messages: Vec<_> = (0..=self.chance.below(4)).map(|_| self.message()).collect();
        let tickets: Vec<_> =
            messages.iter().map(|message| self.journal().accept(incoming(message)).unwrap()).collect();
        for (message, ticket) in messages.into_iter().zip(tickets) {
            self.accepted(message, &ticket.wait().unwrap());
        }
    }

    fn message(&mut self) -> Message {
        let chance = &mut self.chance;
        let now = self.clock.now();
        let occurred = match chance.below(6) {
            0..3 => None,
            // Ahead of whatever the journal may take for its clock.
            3 => Some((self.latest + Duration::from_secs(600 + chance.below(3)), true)),
            4 => Some((now - Duration::from_secs(chance.below(5)), false)),
            _ => Some((now - Duration::from_secs(60 * chance.below(20)), true)),
        };
        Message {
            org: chance.pick(&ORGANISATIONS),
            application: chance.pick(&["A1", "A2", "A3"]),
            stage: chance.pick(&["Interview", " interview", "Screen", "Offer"]),
            status: chance.pick(&[None, None, Some("Screening"), Some("rejected")]),
            told: chance.pick(&[None, None, None, None, Some(Position::In), Some(Position::Out)]),
            occurred: occurred.map(|(at, has_time)| Occurred { at, has_time }),
            message_id: chance.pick(&[None, Some("m1"), Some("m2"), Some("m3")]),
            dry_run: chance.one_in(12),
        }
    }

    fn accepted(&mut self, message: Message, receipt: &Receipt) {
        let expected = self.applications.decide(&message, self.clock.now());
        let got = (receipt.outcome(), receipt.event_type());
        let of = |expected: &Expected| match expected {
            Expected::New { event_type, outcome, .. } => (*outcome, *event_type),
            Expected::Duplicate(event) => (Outcome::Duplicate, self.events[*event].event_type),
        };
        let (outcome, event_type) = of(&expected);
        let outcome = if message.dry_run { Outcome::DryRun } else { outcome };
        assert_eq!(got, (outcome, event_type), "{message:?} after {:?}", self.applications.of(&message));
        match expected {
            Expected::Duplicate(event) => {
                assert_eq!(receipt.event_id(), Some(self.events[event].id), "a duplicate names the first: {message:?}");
                self.events[event].duplicates += u64::from(!message.dry_run);
            }
            Expected::New { .. } if message.dry_run => assert_eq!(receipt.event_id(), None),
            Expected::New { event_type, outcome, was, now } => {
                let id = receipt.event_id().expect("an event");
                assert!(self.events.last().is_none_or(|last| last.id < id), "ids rise with acceptance");
                let number = self.events.len();
                self.applications.learn(&message, number, outcome, now, self.clock.now());
                let everything = message.org == "other";
                let deliver = outcome == Outcome::Accepted && (everything || event_type != EventType::StateChanged);
                if deliver {
                    self.lanes.push(message.lane(), number, self.clock.monotonic());
                }
                self.events.push(Event {
                    id,
                    message,
                    event_type,
                    outcome,
                    was,
                    now,
                    duplicates: 0,
                    deliver,
                    replays: 0,
                    discarded: false,
                });
            }
        }
    }

    fn claim(&mut self) {
        let now = self.clock.monotonic();
        let claims = self.journal().claim(quota(), LEASE).wait().unwrap().claimed;
        let (must, probed) = (self.lanes.certainly_due(now), self.lanes.certainly_probed(now));
        for claimed in &claims {
            let number = self.number(claimed.event.event_id);
            let lane = self.events[number].message.lane();
            let attempt = self.lanes.claim(lane, number, now, now + LEASE, self.claims.len());
            assert_eq!(claimed.attempt, attempt, "{lane:?}");
            let id = claimed.event.event_id;
            let key = match self.events[number].replays {
                0 => id.to_string(),
                n => format!("{id}.{n}"),
            };
            assert_eq!(claimed.idempotency_key, key);
            assert_eq!(claimed.event.event_type, self.events[number].event_type);
            self.claims.push(claimed.clone());
        }
        let claimed: Vec<_> = claims.iter().map(|claimed| self.number(claimed.event.event_id)).collect();
        assert!(must.iter().all(|event| claimed.contains(event)), "due: {must:?}, claimed: {claimed:?}");
        let of = |org: &str| claimed.iter().filter(|number| self.events[**number].message.org == org).count();
        assert!(probed.iter().all(|org| of(org) == 1), "probed: {probed:?}, claimed: {claimed:?}");
    }

    fn number(&self, id: EventId) -> usize {
        self.events.iter().position(|event| event.id == id).expect("only accepted events are claimed")
    }

    /// Settles claims, most of them recent, some of them long void.
    fn settle_some(&mut self) {
        for _ in 0..=self.chance.below(3) {
            if self.claims.is_empty() {
                return;
            }
            let recent = self.chance.below(self.claims.len().min(6) as u64) as usize;
            let verdict = match self.chance.below(10) {
                0..5 => Verdict::Delivered,
                5 => Verdict::Dead,
                6 => Verdict::Paused { probe_after: lanes::PROBE },
                n => {
                    let after = Duration::from_millis(self.chance.pick(&[0, 500, 5_000, 600_000]));
                    Verdict::Retry { after, hold_organisation: n == 9 }
                }
            };
            self.settle(self.claims.len() - 1 - recent, verdict);
        }
    }

    fn settle(&mut self, claim: usize, verdict: Verdict) {
        let claimed = &self.claims[claim];
        let error = (verdict != Verdict::Delivered).then(|| "the relay answered 503".to_owned());
        let answered = Answered { error, ..Answered::default() };
        let settlement = Settlement {
            fence: claimed.fence,
            verdict,
            answered,
            protection: None,
            read_back: ReadBack::Nothing,
            late: false,
        };
        let settled = self.journal().settle(settlement).wait().unwrap();
        let number = self.number(claimed.event.event_id);
        let lane = self.events[number].message.lane();
        let applies = self.lanes.settle(lane, claim, verdict, self.clock.monotonic());
        assert_eq!(settled, if applies { Settled::Applied } else { Settled::Stale }, "claim {claim} of {lane:?}");
    }

    /// An operator acts.
    fn operate(&mut self) {
        let org = self.chance.pick(&ORGANISATIONS);
        let name: OrgId = org.parse().unwrap();
        let choice = self.chance.below(8);
        let turn = |turn| self.journal().turn(turn, "anna".into()).wait().unwrap();
        match choice {
            0 => {
                turn(Turn::Pause(name));
                self.lanes.pause(org);
            }
            1 | 2 => {
                turn(Turn::Resume(name));
                self.lanes.resume(org);
            }
            3 => {
                turn(Turn::SetUpRead);
                self.lanes.set_up_read();
            }
            4 => self.discard(),
            _ => self.replay(),
        }
    }

    fn discard(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let number = self.chance.below(self.events.len() as u64) as usize;
        let waiting = self.chance.one_in(2);
        let told = self.journal().discard(self.events[number].id, waiting, "anna".into()).wait().unwrap();
        let expected = match self.state(number) {
            _ if self.events[number].discarded => Discarded::Unknown,
            DeliveryState::Dead => Discarded::Done,
            DeliveryState::Pending if waiting => Discarded::Done,
            _ => Discarded::NotDead,
        };
        assert_eq!(told, expected);
        if told == Discarded::Done && self.state(number) == DeliveryState::Pending {
            self.lanes.drop_event(self.events[number].message.lane(), number, self.clock.monotonic());
        }
        self.events[number].discarded |= told == Discarded::Done;
    }

    fn replay(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let number = self.chance.below(self.events.len() as u64) as usize;
        let (event, force) = (&self.events[number], self.chance.one_in(2));
        let replay = Replay { which: Which::One(event.id), force, dry_run: false, actor: "anna".into() };
        let told = self.journal().replay(replay).wait().unwrap();
        let (none, state) = (Replayed::default(), self.state(number));
        let settled = matches!(state, DeliveryState::Dead | DeliveryState::Delivered);
        if event.discarded {
            assert_eq!(told, none);
        } else if !settled {
            assert_eq!(told, Replayed { unsettled: 1, ..none });
        } else if self.superseded(number) && !force {
            assert_eq!(told, Replayed { superseded: 1, ..none });
        } else {
            assert_eq!(told, Replayed { replayed: 1, ..none });
            let lane = self.events[number].message.lane();
            self.events[number].replays += u32::from(state == DeliveryState::Delivered);
            self.lanes.replay(lane, number, self.clock.monotonic());
        }
    }

    /// Whether a later boundary of its application has overtaken an event.
    fn superseded(&self, number: usize) -> bool {
        let lane = self.events[number].message.lane();
        let own = self.events.iter().enumerate().filter(|(_, event)| event.message.lane() == lane);
        let applied = own.filter(|(_, event)| event.outcome == Outcome::Accepted);
        let since = applied.fold(None, |since, (number, event)| match (event.was, event.now) {
            (_, Position::Out) => None,
            (Some(Position::In), Position::In) => since,
            _ => Some(number),
        });
        match self.events[number].event_type {
            EventType::InterviewStarted => since != Some(number),
            EventType::InterviewEnded => since.is_some_and(|since| since > number),
            EventType::StateChanged => false,
        }
    }

    fn pass_time(&mut self) {
        if self.jumps && self.chance.one_in(3) {
            let minutes = Duration::from_secs(60 * self.chance.below(180));
            let now = self.clock.now();
            self.clock.jump_to(if self.chance.one_in(4) { now + minutes } else { now - minutes });
            self.lanes.wall_jumped();
        } else {
            self.clock.advance(Duration::from_millis(self.chance.pick(&[1, 400, 5_000, 60_000, 900_000])));
        }
        self.latest = self.latest.max(self.clock.now());
    }

    /// The process ends with claims unsettled, and its successor finds what it left.
    fn reopen(&mut self) {
        self.journal = None;
        if self.chance.one_in(4) {
            let _ = std::fs::remove_file(self.folder.path().join("journal.db.index"));
        }
        self.open();
        self.lanes.reopened(self.clock.monotonic());
    }

    /// The records, read from the journal, are those of the model.
    fn compare(&self) {
        let (mut records, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.journal().events(EventFilter::default(), cursor, 50).wait().unwrap();
            records.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        records.reverse();
        let shown: Vec<_> = self.events.iter().enumerate().filter(|(_, event)| !event.discarded).collect();
        assert_eq!(records.len(), shown.len(), "no event is lost and none is invented");
        for ((number, event), record) in shown.into_iter().zip(&records) {
            self.compare_event(number, event, record);
        }
        let ordered = records.is_sorted_by_key(|record| record.event.received_at);
        assert!(ordered, "the time of receipt never goes back, whatever the wall clock does");
        self.compare_stats();
    }

    fn compare_event(&self, number: usize, event: &Event, record: &EventRecord) {
        assert_eq!(record.event.event_id, event.id);
        assert_eq!(record.event.job_application_id.as_str(), event.message.application);
        assert_eq!((record.event.event_type, record.outcome), (event.event_type, event.outcome), "{:?}", event.message);
        assert_eq!((record.was, record.now), (event.was, event.now), "{:?}", event.message);
        assert_eq!(record.duplicates, event.duplicates, "{:?}", event.message);
        assert_eq!((record.state, record.attempts), (self.state(number), self.lanes.attempts(number)));
        let settled = matches!(record.state, DeliveryState::Dead | DeliveryState::Delivered);
        assert_eq!(record.superseded, settled && self.superseded(number), "{:?}", event.message);
    }

    fn state(&self, number: usize) -> DeliveryState {
        if self.events[number].deliver { self.lanes.state(number) } else { DeliveryState::None }
    }

    fn compare_stats(&self) {
        let stats = self.journal().stats(AGES).wait().unwrap();
        for name in ORGANISATIONS {
            let count = |test: &dyn Fn(usize, &Event) -> bool| {
                let own = self.events.iter().enumerate().filter(|(_, event)| event.message.org == name);
                own.filter(|(number, event)| test(*number, event)).count() as u64
            };
            let expected = (
                count(&|_, event| event.outcome == Outcome::Accepted),
                count(&|number, _| self.state(number) == DeliveryState::Delivered),
                count(&|number, event| self.state(number) == DeliveryState::Dead && !event.discarded),
                count(&|number, event| self.state(number) == DeliveryState::Pending && !event.discarded),
            );
            let found = stats.iter().find(|stats| stats.org.as_str() == name);
            let found =
                found.map_or((0, 0, 0, 0), |stats| (stats.accepted, stats.delivered, stats.dead, stats.pending));
            assert_eq!(found, expected, "accepted, delivered, dead and pending of {name}");
        }
    }

    /// Once faults end, everything is delivered or dead.
    fn end(&mut self) {
        for org in ORGANISATIONS {
            self.journal().turn(Turn::Resume(org.parse().unwrap()), "anna".into()).wait().unwrap();
            self.lanes.resume(org);
        }
        for _ in 0..self.events.len() + 2 {
            self.clock.advance(DAY);
            let before = self.claims.len();
            self.claim();
            for claim in before..self.claims.len() {
                self.settle(claim, Verdict::Delivered);
            }
        }
        self.reopen();
        self.compare();
        let waits = |number: usize| self.state(number) == DeliveryState::Pending && !self.events[number].discarded;
        assert!(!(0..self.events.len()).any(waits));
        assert!(self.journal().pulse().iter().all(|waiting| waiting.pending == 0));
    }
}

fn quota() -> Quota {
    let known = ORGANISATIONS.iter().map(|name| name.parse().unwrap()).collect();
    Quota { kind: Default::default(), total: 100, each: 100, held: Default::default(), known: Arc::new(known) }
}

fn incoming(message: &Message) -> Incoming {
    let org: OrgId = message.org.parse().unwrap();
    let change = StateChange {
        application: ApplicationId::new(message.application).unwrap(),
        candidate: CandidateId::new("W12345").unwrap(),
        requisition: RequisitionId::new("REQ678").unwrap(),
        stage: Text::new(message.stage),
        stage_aliases: Vec::new(),
        step: None,
        status: message.status.and_then(Text::new),
        told: message.told,
        occurred: message.occurred,
    };
    let placed = StagePolicy::default().position(&change);
    let deliver = if message.org == "other" { Deliver::Everything } else { Deliver::Boundaries };
    Incoming {
        message_id: message.message_id.map(Into::into),
        deliver,
        dry_run: message.dry_run,
        ..Incoming::new(org, change, placed, Source::Soap)
    }
}
