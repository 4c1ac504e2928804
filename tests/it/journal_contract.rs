//! What every journal must keep, whatever stores it. The suite takes a driver, which opens,
//! reopens and moves time; a further implementation adds a driver and a line per test.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use imper_bridge::clock::ManualClock;
use imper_bridge::domain::{
    ApplicationId, CandidateId, EventType, Occurred, OrgId, Outcome, Position, RequisitionId, Source, StagePolicy,
    StateChange, Text, protection,
};
use imper_bridge::journal::embedded::{Embedded, OpenError, Options};
use imper_bridge::journal::postgres::Postgres;
use imper_bridge::journal::{
    Ages, Answered, ApplicationFilter, AttemptOutcome, Claimed, Claims, Deliver, DeliveryState, Discarded, Erasure,
    EventFilter, Health, Incoming, Journal, LaneKind, PauseCause, ProtectionFilter, Quota, ReadBack, Receipt, Replay,
    Replayed, Settled, Settlement, Ticket, Turn, Unavailable, Verdict, Which,
};
use jiff::Timestamp;

use crate::cluster::{self, Database};
use crate::details_contract::{
    a_wrong_set_up_stops_reading_but_no_delivery, an_erasure_takes_the_details_with_it,
    another_interview_reads_anew_and_shows_what_was_known, details_are_forgotten_in_time,
    details_wait_in_a_lane_of_their_own, what_is_to_be_read_is_counted, what_was_being_read_is_read_again,
    workday_that_asks_for_quiet_gets_it,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
const AGES: Ages = Ages { useful_within: Duration::from_secs(300), open_interview: Duration::from_secs(30 * 86_400) };

/// Opens one store again and again, with time under control.
pub(crate) trait Driver {
    /// A new, empty store.
    fn fresh() -> Self;
    /// Opens the store; whatever had it open must be dropped before.
    fn open(&self) -> Arc<dyn Journal>;
    /// Lets time pass.
    fn advance(&self, duration: Duration);
    /// What the journal's clock shows.
    fn now(&self) -> Timestamp;
}

struct EmbeddedDriver {
    folder: tempfile::TempDir,
    clock: ManualClock,
}

impl EmbeddedDriver {
    fn path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    fn try_open(&self) -> Result<Embedded, OpenError> {
        Embedded::open(&self.path(), Options::default(), Arc::new(self.clock.clone()))
    }
}

impl Driver for EmbeddedDriver {
    fn fresh() -> Self {
        let clock = ManualClock::at("2026-04-09T14:30:01.123Z".parse().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(self.try_open().unwrap())
    }

    fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    fn now(&self) -> Timestamp {
        imper_bridge::clock::Clock::now(&self.clock)
    }
}

/// A database of the cluster that all tests share, whose journal's clock is a row.
struct PostgresDriver {
    database: Database,
    now: Mutex<Timestamp>,
}

impl PostgresDriver {
    fn try_open(database: &Database) -> Result<Postgres, imper_bridge::journal::postgres::OpenError> {
        Postgres::open(imper_bridge::journal::postgres::Options {
            url: database.url().into(),
            password: None,
            keep_refused: DAY,
            observer: Arc::new(()),
        })
    }

    /// Made once, and copied by each test.
    fn template() -> &'static Database {
        static TEMPLATE: OnceLock<Database> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            let database = cluster::shared().database(None);
            drop(Self::try_open(&database).unwrap());
            database.run(
                "CREATE TABLE test_clock (now bigint);
                 INSERT INTO test_clock VALUES (0);
                 CREATE OR REPLACE FUNCTION journal_now() RETURNS bigint LANGUAGE sql VOLATILE
                     AS 'SELECT now FROM test_clock'",
            );
            database
        })
    }

    fn show(&self) {
        self.database.run(&format!("UPDATE test_clock SET now = {}", self.now().as_millisecond()));
    }
}

impl Driver for PostgresDriver {
    fn fresh() -> Self {
        let now = Mutex::new("2026-04-09T14:30:01.123Z".parse().unwrap());
        let driver = Self { database: cluster::shared().database(Some(Self::template())), now };
        driver.show();
        driver
    }

    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(Self::try_open(&self.database).unwrap())
    }

    fn advance(&self, duration: Duration) {
        *self.now.lock().unwrap() += duration;
        self.show();
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }
}

pub(crate) fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

pub(crate) fn message(application: &str, stage: &str) -> Incoming {
    let change = StateChange {
        application: ApplicationId::new(application).unwrap(),
        candidate: CandidateId::new("W12345").unwrap(),
        requisition: RequisitionId::new("REQ678").unwrap(),
        stage: Text::new(stage),
        stage_aliases: Vec::new(),
        step: Text::new("Phone Screen"),
        status: None,
        told: None,
        occurred: None,
    };
    placed(change)
}

fn placed(change: StateChange) -> Incoming {
    let (position, reason) = StagePolicy::default().position(&change);
    Incoming {
        org: org("acme"),
        change,
        position,
        reason,
        message_id: None,
        source: Source::Soap,
        deliver: Deliver::Boundaries,
        pending_limit: 0,
        dry_run: false,
        trace: None,
        note: None,
    }
}

pub(crate) fn accept(journal: &dyn Journal, incoming: Incoming) -> Receipt {
    journal.accept(incoming).unwrap().wait().unwrap()
}

pub(crate) fn quota() -> Quota {
    let known = [org("acme"), org("other")].into();
    Quota { kind: LaneKind::Delivery, total: 100, each: 100, held: Default::default(), known: Arc::new(known) }
}

pub(crate) fn claim(journal: &dyn Journal) -> Vec<Claimed> {
    claims(journal).claimed
}

fn claims(journal: &dyn Journal) -> Claims {
    journal.claim(quota(), LEASE).wait().unwrap()
}

fn settle(journal: &dyn Journal, claimed: &Claimed, verdict: Verdict) -> Settled {
    journal.settle(settlement(claimed, verdict)).wait().unwrap()
}

pub(crate) fn settlement(claimed: &Claimed, verdict: Verdict) -> Settlement {
    let error = (verdict != Verdict::Delivered).then(|| "the relay answered 503".to_owned());
    let answered = Answered { status: Some(200), latency: SECOND, error, body: Some("{}".into()) };
    Settlement { fence: claimed.fence, verdict, answered, protection: None, read_back: ReadBack::Nothing, late: false }
}

fn all(journal: &dyn Journal, filter: EventFilter) -> Vec<imper_bridge::journal::EventRecord> {
    journal.events(filter, None, 1000).wait().unwrap().items
}

fn decides_once_and_shows_it<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let started = accept(&*journal, message("A1", "Interview"));
    assert_eq!((started.event_type(), started.outcome()), (EventType::InterviewStarted, Outcome::Accepted));
    let shown = all(&*journal, EventFilter::default());
    assert_eq!(shown.len(), 1, "a query after the receipt shows the event");
    assert_eq!(shown[0].event.event_id, started.event_id().unwrap());
    assert_eq!(shown[0].event.received_at, driver.now());
    assert_eq!((shown[0].was, shown[0].now), (None, Position::In));

    driver.advance(SECOND);
    let again = accept(&*journal, message("A1", "Interview"));
    assert_eq!((again.outcome(), again.event_id()), (Outcome::Duplicate, started.event_id()));
    assert_eq!(again.event_type(), EventType::InterviewStarted, "a duplicate is told the first one's type");
    let shown = all(&*journal, EventFilter::default());
    assert_eq!((shown.len(), shown[0].duplicates, shown[0].last_duplicate_at), (1, 1, Some(driver.now())));
    assert_eq!(journal.stats(AGES).wait().unwrap()[0].last_message_at, Some(driver.now()), "a duplicate is a message");

    let ended = accept(&*journal, message("A1", "Offer"));
    assert_eq!(ended.event_type(), EventType::InterviewEnded);
    let shown = all(&*journal, EventFilter::default());
    assert_eq!(shown[0].event.event_id, ended.event_id().unwrap(), "newest first");
}

fn remembers_after_reopening<D: Driver>() {
    let driver = D::fresh();
    let first = accept(&*driver.open(), message("A1", "Interview")).event_id();
    let journal = driver.open();
    let again = accept(&*journal, message("A1", "Interview"));
    assert_eq!((again.outcome(), again.event_id()), (Outcome::Duplicate, first));
    assert_eq!(accept(&*journal, message("A1", "Offer")).event_type(), EventType::InterviewEnded);
    drop(journal);
    let journal = driver.open();
    let claimed = claim(&*journal);
    assert_eq!(claimed.len(), 1, "the head of the lane alone");
    assert_eq!(Some(claimed[0].event.event_id), first);
}

fn orders_stale_messages<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let at = |stage, seconds: i64| {
        let mut incoming = message("A1", stage);
        let at = driver.now() - Duration::from_secs(3600) + Duration::from_secs(seconds as u64);
        incoming.change.occurred = Some(Occurred { at, has_time: true });
        incoming
    };
    assert_eq!(accept(&*journal, at("Interview", 10)).event_type(), EventType::InterviewStarted);
    let stale = accept(&*journal, at("Screen", 5));
    assert_eq!((stale.outcome(), stale.event_type()), (Outcome::Stale, EventType::StateChanged));
    drop(journal);
    let journal = driver.open();
    assert_eq!(accept(&*journal, at("Interview", 10)).outcome(), Outcome::Duplicate, "the applied one still stands");
    assert_eq!(accept(&*journal, at("Offer", 20)).event_type(), EventType::InterviewEnded);
    let filter = EventFilter { application: Some(ApplicationId::new("A1").unwrap()), ..EventFilter::default() };
    let outcomes: Vec<_> = all(&*journal, filter).iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Accepted, Outcome::Stale, Outcome::Accepted]);
}

fn knows_a_late_retry_by_its_message_id<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let with_id = |stage| Incoming { message_id: Some("urn:uuid:1".into()), ..message("A1", stage) };
    let first = accept(&*journal, with_id("Interview"));
    let second = accept(&*journal, with_id("Offer"));
    assert_eq!(second.outcome(), Outcome::Accepted, "an equal MessageID on a different message means nothing");
    let retry = accept(&*journal, with_id("Interview"));
    assert_eq!((retry.outcome(), retry.event_id()), (Outcome::Duplicate, first.event_id()));
    drop(journal);
    let journal = driver.open();
    let retry = accept(&*journal, with_id("Interview"));
    assert_eq!((retry.outcome(), retry.event_id()), (Outcome::Duplicate, first.event_id()));
}

fn a_dry_run_leaves_no_trace<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let dry = accept(&*journal, Incoming { dry_run: true, ..message("A1", "Interview") });
    assert_eq!((dry.outcome(), dry.event_id()), (Outcome::DryRun, None));
    assert_eq!(dry.event_type(), EventType::InterviewStarted);
    assert!(all(&*journal, EventFilter::default()).is_empty());
    assert_eq!(accept(&*journal, message("A1", "Interview")).outcome(), Outcome::Accepted);
}

fn fences_settlements<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    accept(&*journal, message("A1", "Offer"));
    let first = claim(&*journal);
    assert_eq!(first.len(), 1);
    assert!(claim(&*journal).is_empty(), "what is claimed is claimed");
    driver.advance(LEASE);
    let second = claim(&*journal);
    assert_eq!((second.len(), second[0].attempt), (1, 2), "the lease ran out");
    assert_eq!(second[0].since_first, LEASE);
    assert_eq!(settle(&*journal, &first[0], Verdict::Delivered), Settled::Stale);
    assert!(claim(&*journal).is_empty(), "a stale settlement changes nothing");
    assert_eq!(settle(&*journal, &second[0], Verdict::Delivered), Settled::Applied);
    assert_eq!(settle(&*journal, &second[0], Verdict::Dead), Settled::Stale);
    assert_eq!(claim(&*journal)[0].event.event_type, EventType::InterviewEnded);
    let (record, log) = journal.event(second[0].event.event_id).wait().unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (DeliveryState::Delivered, 2));
    let outcomes: Vec<_> = log.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Unknown, AttemptOutcome::Delivered]);
    assert_eq!(log[1].latency_ms, Some(1000));
}

fn a_retry_waits_its_time_even_across_a_restart<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    let claimed = claim(&*journal);
    let retry = Verdict::Retry { after: 10 * SECOND, hold_organisation: false };
    assert_eq!(settle(&*journal, &claimed[0], retry), Settled::Applied);
    let none = claims(&*journal);
    assert_eq!((none.claimed.len(), none.next_due), (0, Some(10 * SECOND)));
    drop(journal);
    driver.advance(4 * SECOND);
    let journal = driver.open();
    assert_eq!(claims(&*journal).next_due, Some(6 * SECOND));
    let shown = &all(&*journal, EventFilter::default())[0];
    assert_eq!(shown.next_attempt_at, Some(driver.now() + 6 * SECOND));
    assert_eq!(shown.last_error.as_deref(), Some("the relay answered 503"));
    driver.advance(6 * SECOND);
    let again = claim(&*journal);
    assert_eq!((again[0].attempt, again[0].since_first), (2, 10 * SECOND));
    assert_eq!(again[0].idempotency_key, claimed[0].idempotency_key);
}

fn what_was_in_flight_is_claimed_again_after_a_restart<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    let before = claim(&*journal);
    drop(journal);
    let journal = driver.open();
    let after = claim(&*journal);
    assert_eq!((after.len(), after[0].attempt), (1, 2));
    assert_eq!(settle(&*journal, &before[0], Verdict::Delivered), Settled::Stale);
    assert_eq!(settle(&*journal, &after[0], Verdict::Delivered), Settled::Applied);
    drop(journal);
    assert!(claim(&*driver.open()).is_empty());
}

fn a_dead_letter_lets_the_next_go<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    accept(&*journal, message("A1", "Offer"));
    let claimed = claim(&*journal);
    settle(&*journal, &claimed[0], Verdict::Dead);
    assert_eq!(claim(&*journal)[0].event.event_type, EventType::InterviewEnded);
    let dead = EventFilter { state: Some(DeliveryState::Dead), ..EventFilter::default() };
    assert_eq!(all(&*journal, dead.clone())[0].event.event_id, claimed[0].event.event_id);
    let stats = journal.stats(AGES).wait().unwrap();
    assert_eq!((stats[0].accepted, stats[0].delivered, stats[0].dead, stats[0].pending), (2, 0, 1, 1));
    drop(journal);
    assert_eq!(all(&*driver.open(), dead).len(), 1, "it stays until somebody acts");
}

fn applications_do_not_wait_for_each_other<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    for application in ["A1", "A2", "A3"] {
        accept(&*journal, message(application, "Interview"));
    }
    accept(&*journal, Incoming { org: org("removed"), ..message("A1", "Interview") });
    let claimed = claim(&*journal);
    assert_eq!(claimed.len(), 3, "and the events of an organisation that is not configured wait");
    let waiting: Vec<_> = journal.pulse().into_iter().map(|each| (each.org.to_string(), each.pending)).collect();
    assert!(waiting.contains(&("removed".into(), 1)) && waiting.contains(&("acme".into(), 3)), "{waiting:?}");
}

fn only_what_has_somewhere_to_go_waits<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Screen"));
    assert!(claim(&*journal).is_empty(), "no boundary");
    assert_eq!(all(&*journal, EventFilter::default())[0].state, DeliveryState::None);
    accept(&*journal, Incoming { deliver: Deliver::Everything, ..message("A2", "Screen") });
    assert_eq!(claim(&*journal).len(), 1);
}

fn a_full_backlog_is_refused_but_duplicates_are_still_answered<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let limited = |application| Incoming { pending_limit: 1, ..message(application, "Interview") };
    accept(&*journal, limited("A1"));
    let refused = journal.accept(limited("A2")).unwrap().wait();
    assert_eq!(refused, Err(Unavailable::Backlog { pending: 1 }));
    assert_eq!(accept(&*journal, limited("A1")).outcome(), Outcome::Duplicate);
    let claimed = claim(&*journal);
    settle(&*journal, &claimed[0], Verdict::Delivered);
    assert_eq!(accept(&*journal, limited("A2")).outcome(), Outcome::Accepted, "nothing was kept of the refused one");
}

fn protections_follow_settlements<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    accept(&*journal, message("A1", "Offer"));
    let handle = |change| {
        let claimed = claim(&*journal);
        let settlement = Settlement { protection: Some(change), ..settlement(&claimed[0], Verdict::Delivered) };
        journal.settle(settlement).wait().unwrap();
        claimed[0].event.timestamp
    };
    let active = |wanted| {
        let filter = ProtectionFilter { active: Some(wanted), ..ProtectionFilter::default() };
        journal.protections(filter, None, 10).wait().unwrap().items
    };
    let started = handle(protection::Change::Activated);
    let on = active(true);
    assert_eq!((on.len(), on[0].span.started_at, on[0].application.as_str()), (1, Some(started), "A1"));
    let ended = handle(protection::Change::Ended);
    assert!(active(true).is_empty());
    assert_eq!(active(false)[0].span, protection::Span { started_at: Some(started), ended_at: Some(ended) });
}

fn lists_page_by_page<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let ids: Vec<_> = (0..7)
        .map(|n| {
            driver.advance(SECOND);
            accept(&*journal, message(&format!("A{n}"), "Interview")).event_id().unwrap()
        })
        .collect();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = journal.events(EventFilter::default(), cursor, 3).wait().unwrap();
        seen.extend(page.items.iter().map(|record| record.event.event_id));
        accept(&*journal, message(&format!("later {}", seen.len()), "Interview"));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids.iter().rev().copied().collect::<Vec<_>>(), "a cursor is stable under inserts");
    let third = journal.event(ids[2]).wait().unwrap().unwrap().0.event.received_at;
    let since = EventFilter { since: Some(third), until: Some(third + SECOND), ..EventFilter::default() };
    let between: Vec<_> = all(&*journal, since).iter().map(|record| record.event.event_id).collect();
    assert_eq!(between, [ids[2]], "since is inclusive, until exclusive");
    let later = EventFilter { since: Some(third + Duration::from_micros(1)), ..EventFilter::default() };
    assert!(all(&*journal, later).iter().all(|record| record.event.event_id != ids[2]));
}

fn filters_combine<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    accept(&*journal, Incoming { org: org("other"), ..message("A1", "Interview") });
    accept(&*journal, message("A1", "Offer"));
    let candidate = Some(CandidateId::new("W12345").unwrap());
    let count = |filter| all(&*journal, filter).len();
    assert_eq!(count(EventFilter { candidate: candidate.clone(), ..EventFilter::default() }), 3);
    let acme = EventFilter { orgs: Some(vec![org("acme")]), candidate, ..EventFilter::default() };
    assert_eq!(count(acme.clone()), 2);
    assert_eq!(count(EventFilter { event_type: Some(EventType::InterviewEnded), ..acme.clone() }), 1);
    assert_eq!(count(EventFilter { state: Some(DeliveryState::Delivered), ..acme }), 0);
    let nobody = EventFilter { candidate: Some(CandidateId::new("nobody").unwrap()), ..EventFilter::default() };
    assert_eq!(count(nobody), 0);
}

fn many_at_once_are_each_answered<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let tickets: Vec<Ticket<Receipt>> = (0..3000)
        .map(|n| {
            journal.accept(message(&format!("A{}", n % 1500), if n < 1500 { "Interview" } else { "Offer" })).unwrap()
        })
        .collect();
    let receipts: Vec<_> = tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect();
    let started = receipts.iter().filter(|receipt| receipt.event_type() == EventType::InterviewStarted).count();
    assert_eq!((started, receipts.len()), (1500, 3000));
    assert_eq!(journal.stats(AGES).wait().unwrap()[0].accepted, 3000);
    assert_eq!(journal.health(), Health::Ready);
}

fn replay(journal: &dyn Journal, which: Which, force: bool) -> Replayed {
    journal.replay(Replay { which, force, dry_run: false, actor: "anna".into() }).wait().unwrap()
}

fn deliver_next(journal: &dyn Journal) -> Claimed {
    let claimed = claim(journal).remove(0);
    assert_eq!(settle(journal, &claimed, Verdict::Delivered), Settled::Applied);
    claimed
}

fn state_of(journal: &dyn Journal, receipt: &Receipt) -> DeliveryState {
    journal.event(receipt.event_id().unwrap()).wait().unwrap().unwrap().0.state
}

fn a_replay_has_a_fresh_budget_and_the_right_key<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let receipt = accept(&*journal, message("A1", "Interview"));
    let id = receipt.event_id().unwrap();
    assert_eq!(replay(&*journal, Which::One(id), false).unsettled, 1, "it still waits");
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    driver.advance(DAY);
    assert_eq!(replay(&*journal, Which::One(id), false).replayed, 1);
    assert_eq!(state_of(&*journal, &receipt), DeliveryState::Pending);
    drop(journal);
    let journal = driver.open();
    let again = claim(&*journal).remove(0);
    assert_eq!((again.attempt, again.since_first, again.replayed), (1, Duration::ZERO, true));
    assert_eq!(again.idempotency_key, id.to_string(), "a dead letter keeps its key");
    settle(&*journal, &again, Verdict::Delivered);
    for (n, dies) in [(1, true), (1, false), (2, false)] {
        assert_eq!(replay(&*journal, Which::One(id), false).replayed, 1);
        let claimed = claim(&*journal).remove(0);
        assert_eq!(claimed.idempotency_key, format!("{id}.{n}"), "the n-th replay of a delivered event");
        settle(&*journal, &claimed, if dies { Verdict::Dead } else { Verdict::Delivered });
    }
    let (record, log) = journal.event(id).wait().unwrap().unwrap();
    assert_eq!((record.state, record.attempts, log.len()), (DeliveryState::Delivered, 5, 5));
    let stats = &journal.stats(AGES).wait().unwrap()[0];
    assert_eq!((stats.accepted, stats.delivered, stats.dead, stats.pending), (1, 1, 0, 0));
}

fn a_superseded_boundary_is_replayed_by_force_alone<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let started = accept(&*journal, message("A1", "Interview"));
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    let one = || Which::One(started.event_id().unwrap());
    let flagged = || journal.event(started.event_id().unwrap()).wait().unwrap().unwrap().0.superseded;
    assert!(!flagged());
    let ended = accept(&*journal, message("A1", "Offer"));
    deliver_next(&*journal);
    assert!(flagged(), "its interview is over");
    assert_eq!(replay(&*journal, one(), false), Replayed { superseded: 1, ..Replayed::default() });
    let everything = || Which::All(EventFilter { state: Some(DeliveryState::Dead), ..EventFilter::default() });
    assert_eq!(replay(&*journal, everything(), false).superseded, 1);
    accept(&*journal, message("A1", "Interview"));
    deliver_next(&*journal);
    let one_ended = Which::One(ended.event_id().unwrap());
    assert_eq!(replay(&*journal, one_ended, false).superseded, 1, "an interview has begun since");
    assert_eq!(replay(&*journal, one(), true).replayed, 1);
    assert_eq!(claim(&*journal)[0].event.event_id, started.event_id().unwrap());
}

fn a_filter_replays_dead_letters_in_the_order_of_acceptance<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let many = 1200;
    for n in 0..many {
        accept(&*journal, Incoming { deliver: Deliver::Everything, ..message("A1", &format!("stage {n}")) });
    }
    for _ in 0..many {
        settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    }
    let delivered = accept(&*journal, message("A2", "Interview"));
    deliver_next(&*journal);
    let mine = || EventFilter { orgs: Some(vec![org("acme")]), ..EventFilter::default() };
    let dry = Replay { which: Which::All(mine()), force: false, dry_run: true, actor: "anna".into() };
    assert_eq!(journal.replay(dry).wait().unwrap().replayed, many);
    assert!(claim(&*journal).is_empty(), "it was only counted");
    assert_eq!(replay(&*journal, Which::All(mine()), false).replayed, many);
    assert_eq!(state_of(&*journal, &delivered), DeliveryState::Delivered, "without a state, the dead ones");
    let stages: Vec<_> = (0..many).map(|_| deliver_next(&*journal).event.stage.unwrap().as_str().to_owned()).collect();
    assert_eq!(stages, (0..many).map(|n| format!("stage {n}")).collect::<Vec<_>>());
}

fn a_deleted_dead_letter_is_gone_but_its_event_counts<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let started = accept(&*journal, message("A1", "Interview"));
    let id = started.event_id().unwrap();
    let discard = |journal: &dyn Journal| journal.discard(id, false, "anna".into()).wait().unwrap();
    assert_eq!(discard(&*journal), Discarded::NotDead);
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    assert_eq!(discard(&*journal), Discarded::Done);
    for _ in 0..2 {
        assert!(journal.event(id).wait().unwrap().is_none());
        assert!(all(&*journal, EventFilter::default()).is_empty());
        assert_eq!(journal.stats(AGES).wait().unwrap()[0].dead, 0);
    }
    assert_eq!(discard(&*journal), Discarded::Unknown);
    drop(journal);
    let journal = driver.open();
    assert!(journal.event(id).wait().unwrap().is_none());
    assert_eq!(accept(&*journal, message("A1", "Offer")).event_type(), EventType::InterviewEnded);
}

fn a_wrong_set_up_pauses_and_is_probed_until_one_goes_through<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    for application in ["A1", "A2", "A3"] {
        accept(&*journal, message(application, "Interview"));
    }
    accept(&*journal, Incoming { org: org("other"), ..message("B1", "Interview") });
    let paused = Verdict::Paused { probe_after: 30 * SECOND };
    let first = claim(&*journal);
    assert_eq!(first.len(), 4);
    for claimed in &first {
        let verdict = if claimed.event.orgid == org("acme") { paused } else { Verdict::Delivered };
        assert_eq!(settle(&*journal, claimed, verdict), Settled::Applied);
    }
    let pause = |journal: &dyn Journal| {
        let stats = journal.stats(AGES).wait().unwrap();
        stats.into_iter().find(|stats| stats.org == org("acme")).unwrap().paused
    };
    let told = pause(&*journal).expect("the organisation is paused");
    assert_eq!((told.cause, told.reason.as_deref()), (PauseCause::SetUp, Some("the relay answered 503")));
    assert!(claim(&*journal).is_empty(), "no probe before its time");
    drop(journal);
    driver.advance(29 * SECOND);
    let journal = driver.open();
    assert!(claim(&*journal).is_empty());
    assert!(pause(&*journal).is_some(), "it outlives the process");
    driver.advance(SECOND);
    let mut probed = std::collections::HashSet::new();
    for _ in 0..3 {
        let probe = claim(&*journal);
        assert_eq!(probe.len(), 1, "one event at a time");
        assert_eq!(probe[0].strike, 1, "nothing else goes through");
        probed.insert(probe[0].event.job_application_id.clone());
        assert!(claim(&*journal).is_empty());
        settle(&*journal, &probe[0], paused);
        driver.advance(30 * SECOND);
    }
    assert_eq!(probed.len(), 3, "probes rotate over applications");
    driver.advance(100 * DAY);
    let probe = claim(&*journal);
    assert!(probe[0].since_first < 10 * SECOND, "paused time is not counted: {:?}", probe[0].since_first);
    settle(&*journal, &probe[0], Verdict::Delivered);
    assert_eq!(pause(&*journal), None);
    assert_eq!(claim(&*journal).len(), 2, "all that waited goes on");
}

/// What was sent before says nothing of how it is now: a key that was revoked while slow answers were
/// still on their way.
fn an_attempt_that_was_begun_before_does_not_end_the_pause<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    for application in ["A1", "A2", "A3", "A4", "A5"] {
        accept(&*journal, message(application, "Interview"));
    }
    let paused = Verdict::Paused { probe_after: 30 * SECOND };
    let slow = claim(&*journal);
    assert_eq!(slow.len(), 5);
    driver.advance(SECOND);
    assert_eq!(settle(&*journal, &slow[0], paused), Settled::Applied);
    let pause = || journal.stats(AGES).wait().unwrap().remove(0).paused;
    for late in &slow[1..3] {
        driver.advance(SECOND);
        assert_eq!(settle(&*journal, late, Verdict::Delivered), Settled::Applied);
        assert!(pause().is_some() && claim(&*journal).is_empty());
    }
    driver.advance(30 * SECOND);
    let probe = claim(&*journal);
    assert_eq!((probe.len(), probe[0].event.event_id), (1, slow[0].event.event_id));
    assert_eq!(settle(&*journal, &slow[3], Verdict::Delivered), Settled::Applied);
    assert!(pause().is_some(), "neither while a probe is under way");
    driver.advance(SECOND);
    assert_eq!(settle(&*journal, &probe[0], Verdict::Delivered), Settled::Applied);
    assert_eq!(pause(), None);
}

fn everything_before_the_watermark_is_delivered<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let through = || journal.stats(AGES).wait().unwrap().remove(0).delivered_through(driver.now());
    let mut accepted = Vec::new();
    for application in ["A1", "A2", "A3"] {
        accepted.push((driver.now(), accept(&*journal, message(application, "Interview")).event_id().unwrap()));
        driver.advance(SECOND);
    }
    assert_eq!(through(), accepted[0].0);
    let claimed = claim(&*journal);
    settle(&*journal, &claimed[0], Verdict::Delivered);
    settle(&*journal, &claimed[1], Verdict::Dead);
    settle(&*journal, &claimed[2], Verdict::Delivered);
    assert_eq!(through(), accepted[1].0, "what was given up is not delivered");
    journal.discard(accepted[1].1, false, "anna".into()).wait().unwrap();
    assert_eq!(through(), driver.now());
}

fn an_event_that_alone_finds_the_set_up_wrong_is_struck<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let paused = Verdict::Paused { probe_after: SECOND };
    accept(&*journal, message("bad", "Interview"));
    for strike in 1..=3 {
        let bad = claim(&*journal).remove(0);
        assert_eq!((bad.event.job_application_id.as_str(), bad.strike), ("bad", strike));
        settle(&*journal, &bad, paused);
        driver.advance(SECOND);
        let again = claim(&*journal).remove(0);
        assert_eq!(again.strike, strike, "it is not counted while nothing goes through");
        settle(&*journal, &again, paused);
        accept(&*journal, message(&format!("good {strike}"), "Interview"));
        driver.advance(SECOND);
        // The event that was just probed is behind the other one only if that waits for longer.
        let mut probe = claim(&*journal).remove(0);
        if probe.event.job_application_id.as_str() == "bad" {
            settle(&*journal, &probe, paused);
            driver.advance(SECOND);
            probe = claim(&*journal).remove(0);
        }
        assert_ne!(probe.event.job_application_id.as_str(), "bad", "probes rotate");
        settle(&*journal, &probe, Verdict::Delivered);
    }
}

fn an_operator_pauses_and_resumes<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    journal.turn(Turn::Pause(org("acme")), "anna".into()).wait().unwrap();
    assert!(journal.stats(AGES).wait().unwrap()[0].paused.is_some(), "what a turn recorded holds up no query");
    driver.advance(DAY);
    assert!(claim(&*journal).is_empty());
    drop(journal);
    let journal = driver.open();
    assert!(claim(&*journal).is_empty(), "it outlives the process");
    journal.turn(Turn::SetUpRead, "reload".into()).wait().unwrap();
    assert!(claim(&*journal).is_empty(), "a reload ends only what a wrong set-up stopped");
    let told = journal.pulse().into_iter().find(|pulse| pulse.org == org("acme")).unwrap().paused.unwrap();
    assert_eq!((told.cause, told.reason.as_deref()), (PauseCause::Operator, Some("anna")));
    journal.turn(Turn::Resume(org("acme")), "anna".into()).wait().unwrap();
    assert_eq!(claim(&*journal).len(), 1);
}

fn a_relay_that_asks_for_quiet_gets_it_across_a_restart<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    accept(&*journal, message("A2", "Interview"));
    let first = claim(&*journal);
    settle(&*journal, &first[1], Verdict::Delivered);
    settle(&*journal, &first[0], Verdict::Retry { after: 60 * SECOND, hold_organisation: true });
    accept(&*journal, message("A3", "Interview"));
    drop(journal);
    driver.advance(50 * SECOND);
    let journal = driver.open();
    assert!(claim(&*journal).is_empty());
    let held = journal.pulse().into_iter().find(|pulse| pulse.org == org("acme")).unwrap().held_until;
    assert_eq!(held, Some(driver.now() + 10 * SECOND));
    driver.advance(10 * SECOND);
    let claimed = claim(&*journal);
    assert_eq!(claimed.len(), 2);
    settle(&*journal, &claimed[0], Verdict::Retry { after: DAY, hold_organisation: true });
    settle(&*journal, &claimed[1], Verdict::Retry { after: Duration::ZERO, hold_organisation: false });
    assert!(claim(&*journal).is_empty());
    journal.turn(Turn::Resume(org("acme")), "anna".into()).wait().unwrap();
    assert_eq!(claim(&*journal).len(), 1, "an operator ends the quiet");
}

fn open_interviews_are_listed_and_reported_but_not_closed<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let listed = |journal: &dyn Journal| {
        let filter = ApplicationFilter { orgs: Some(vec![org("acme")]) };
        let page = journal.in_interview(filter, None, 10).wait().unwrap();
        let name = |record: &imper_bridge::journal::ApplicationRecord| {
            record.latest.event.job_application_id.as_str().to_owned()
        };
        page.items.iter().map(name).collect::<Vec<_>>()
    };
    let begun = driver.now();
    accept(&*journal, message("A1", "Interview"));
    driver.advance(DAY);
    accept(&*journal, message("A2", "Interview"));
    accept(&*journal, Incoming { org: org("other"), ..message("A3", "Interview") });
    let mut moved = message("A1", "Interview");
    moved.change.step = Text::new("Panel");
    accept(&*journal, moved);
    assert_eq!(listed(&*journal), ["A1", "A2"]);
    let one = journal.application(org("acme"), ApplicationId::new("A1").unwrap()).wait().unwrap().unwrap();
    assert_eq!(one.in_interview_since, Some(begun), "moving between interview stages goes on with it");
    driver.advance(29 * DAY + SECOND);
    assert_eq!(journal.stats(AGES).wait().unwrap()[0].open_too_long, 1);
    accept(&*journal, message("A1", "Offer"));
    assert_eq!(listed(&*journal), ["A2"]);
    let one = journal.application(org("acme"), ApplicationId::new("A1").unwrap()).wait().unwrap().unwrap();
    assert_eq!(one.in_interview_since, None);
    assert!(journal.application(org("other"), ApplicationId::new("A1").unwrap()).wait().unwrap().is_none());
}

fn a_start_that_waits_for_too_long_counts_as_late<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    let late = || journal.stats(AGES).wait().unwrap()[0].late;
    driver.advance(300 * SECOND);
    assert_eq!(late(), 0);
    driver.advance(SECOND);
    assert_eq!(late(), 1, "while it waits");
    let claimed = claim(&*journal).remove(0);
    let settlement = Settlement { late: true, ..settlement(&claimed, Verdict::Delivered) };
    journal.settle(settlement).wait().unwrap();
    assert_eq!(late(), 1, "and once it is delivered");
}

fn purging_leaves_what_is_needed<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let names = |journal: &dyn Journal| {
        let mut names: Vec<_> = all(journal, EventFilter::default())
            .iter()
            .map(|record| {
                let event = &record.event;
                format!("{} {}", event.job_application_id.as_str(), event.stage.as_ref().unwrap().as_str())
            })
            .collect();
        names.sort();
        names
    };
    for (application, stages) in [
        ("done", &["Interview", "Offer"][..]),
        ("open", &["Screen", "Interview", " interview "]),
        ("back", &["Interview", "Offer"]),
        ("dead", &["Interview", "Offer"]),
        ("repeated", &["Screen"]),
    ] {
        for stage in stages {
            accept(&*journal, message(application, stage));
        }
    }
    loop {
        let claimed = claim(&*journal);
        if claimed.is_empty() {
            break;
        }
        for claimed in claimed {
            let event = &claimed.event;
            let dies = event.job_application_id.as_str() == "dead" && event.event_type == EventType::InterviewStarted;
            settle(&*journal, &claimed, if dies { Verdict::Dead } else { Verdict::Delivered });
        }
    }
    driver.advance(30 * DAY);
    accept(&*journal, message("back", "Interview"));
    accept(&*journal, message("waits", "Interview"));
    assert_eq!(accept(&*journal, message("repeated", "Screen")).outcome(), Outcome::Duplicate);
    let stats = |journal: &dyn Journal| {
        let stats = journal.stats(AGES).wait().unwrap().remove(0);
        (stats.accepted, stats.delivered, stats.dead, stats.last_message_at, stats.last_started_at)
    };
    let before = stats(&*journal);
    driver.advance(SECOND);
    assert_eq!(journal.purge(30 * DAY).wait().unwrap(), 2);
    // "dead Offer" follows a dead letter, and a history has no gap; what is in interview stays whole.
    let kept = ["back Interview", "back Interview", "back Offer", "dead Interview", "dead Offer", "open Interview"];
    let kept = kept.into_iter().chain(["open Screen", "open interview", "repeated Screen", "waits Interview"]);
    assert_eq!(names(&*journal), kept.map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(stats(&*journal), before, "the figures are since the journal began");
    assert_eq!(journal.purge(30 * DAY).wait().unwrap(), 0);
    let unknown = journal.application(org("acme"), ApplicationId::new("done").unwrap()).wait().unwrap();
    assert!(unknown.is_none(), "what was out and silent is forgotten");
    let anew = accept(&*journal, message("done", "Offer"));
    assert_eq!((anew.outcome(), anew.event_type()), (Outcome::Accepted, EventType::StateChanged));
    assert_eq!(accept(&*journal, message("open", "Offer")).event_type(), EventType::InterviewEnded);
    assert_eq!(accept(&*journal, message("back", "Offer")).event_type(), EventType::InterviewEnded);
    let last = accept(&*journal, message("repeated", "Interview"));
    drop(journal);
    let journal = driver.open();
    assert_eq!(accept(&*journal, message("repeated", "Interview")).event_id(), last.event_id());
    let newest = accept(&*journal, message("later", "Interview"));
    assert!(newest.event_id() > last.event_id(), "numbers are never given twice");
}

fn everything_may_be_purged_and_numbers_still_rise<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let last = accept(&*journal, message("A1", "Screen")).event_id().unwrap();
    driver.advance(DAY);
    driver.advance(SECOND);
    assert_eq!(journal.purge(DAY).wait().unwrap(), 1);
    drop(journal);
    let journal = driver.open();
    let next = accept(&*journal, message("A1", "Screen")).event_id().unwrap();
    assert!(next.sequence() > last.sequence());
    assert_eq!(all(&*journal, EventFilter::default()).len(), 1);
}

fn erase(journal: &dyn Journal, candidate: &CandidateId, undelivered: bool) -> Erasure {
    let number = journal.erase(org("acme"), candidate.clone(), "anna".into()).wait().unwrap();
    journal.finish_erasure(number, undelivered).wait().unwrap().unwrap()
}

/// Does those that nothing holds up.
fn finish_erasures(journal: &dyn Journal) -> usize {
    let waiting = journal.waiting_erasures().wait().unwrap();
    let free = waiting.into_iter().filter(|waiting| !waiting.held);
    let receipts = free.map(|waiting| journal.finish_erasure(waiting.number, false).wait().unwrap().unwrap());
    receipts.filter(|receipt| receipt.done_at.is_some()).count()
}

fn an_erasure_says_whose_it_is_until_it_is_done<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    for application in ["A2", "A1"] {
        accept(&*journal, message(application, "Interview"));
    }
    let candidate = CandidateId::new("W12345").unwrap();
    let receipt = erase(&*journal, &candidate, false);
    let waiting = journal.waiting_erasures().wait().unwrap().remove(0);
    let mut names = waiting.names.clone();
    names.sort_unstable();
    assert_eq!((waiting.number, waiting.held, names.join(" ")), (receipt.number, true, "A1 A2 W12345".into()));
    let still = journal.finish_erasure(receipt.number, false).wait().unwrap().unwrap();
    assert_eq!((still.done_at, still.events), (None, 0), "nothing is forced by asking again");
    let done = journal.finish_erasure(receipt.number, true).wait().unwrap().unwrap();
    assert_eq!((done.done_at.is_some(), done.events), (true, 2));
    assert!(journal.waiting_erasures().wait().unwrap().is_empty());
    assert_eq!(journal.finish_erasure(receipt.number, true).wait().unwrap(), Some(done), "and once only");
    assert_eq!(journal.finish_erasure(receipt.number + 99, true).wait().unwrap(), None);
}

fn an_erasure_takes_what_relays_said_of_the_candidate_elsewhere<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Screen"));
    let answers = [("B1", "W12345 was here"), ("B2", "see A1"), ("B3", "all is well")];
    for (application, answer) in answers {
        let mut incoming = message(application, "Interview");
        incoming.change.candidate = CandidateId::new("W99").unwrap();
        accept(&*journal, incoming);
        let claimed = claim(&*journal).remove(0);
        let mut settlement = settlement(&claimed, Verdict::Dead);
        settlement.answered.body = Some(answer.into());
        journal.settle(settlement).wait().unwrap();
    }
    erase(&*journal, &CandidateId::new("W12345").unwrap(), false);
    let left = all(&*journal, EventFilter::default());
    let left: Vec<_> = left
        .iter()
        .map(|record| journal.event(record.event.event_id).wait().unwrap().unwrap().1.remove(0).answer)
        .collect();
    assert_eq!(left, [Some("all is well".to_owned()), None, None]);
}

fn an_erasure_removes_a_candidate_and_leaves_a_receipt<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let other = CandidateId::new("W99").unwrap();
    let of_other = |application, stage| {
        let mut incoming = message(application, stage);
        incoming.change.candidate = other.clone();
        incoming
    };
    let mut with_id = message("A1", "Interview");
    with_id.message_id = Some("urn:uuid:1".into());
    accept(&*journal, with_id.clone());
    accept(&*journal, message("A2", "Screen"));
    accept(&*journal, Incoming { org: org("other"), ..message("A1", "Screen") });
    accept(&*journal, of_other("A3", "Interview"));
    let candidate = CandidateId::new("W12345").unwrap();
    let receipt = erase(&*journal, &candidate, false);
    assert_eq!((receipt.done_at, receipt.events), (None, 0), "an interview is open");
    accept(&*journal, message("A1", "Offer"));
    assert_eq!(finish_erasures(&*journal), 0, "its end still waits for delivery");
    for _ in 0..2 {
        for claimed in claim(&*journal) {
            let settlement = Settlement {
                protection: protection::Change::of(claimed.event.event_type),
                ..settlement(&claimed, Verdict::Delivered)
            };
            journal.settle(settlement).wait().unwrap();
        }
    }
    let before = journal.stats(AGES).wait().unwrap().remove(0);
    assert_eq!(finish_erasures(&*journal), 1);
    let done = journal.erasures(9).wait().unwrap().remove(0);
    assert_eq!((done.number, done.events, done.done_at), (receipt.number, 3, Some(driver.now())));
    let left: Vec<_> = all(&*journal, EventFilter::default())
        .iter()
        .map(|record| (record.event.orgid.to_string(), record.event.job_application_id.as_str().to_owned()))
        .collect();
    assert_eq!(left, [("acme".into(), "A3".into()), ("other".into(), "A1".into())]);
    let protections = journal.protections(ProtectionFilter::default(), None, 9).wait().unwrap().items;
    assert!(protections.iter().all(|protection| protection.candidate == other), "{protections:?}");
    let after = journal.stats(AGES).wait().unwrap().remove(0);
    assert_eq!((after.accepted, after.delivered), (before.accepted, before.delivered));
    let again = accept(&*journal, with_id);
    let got = (again.outcome(), again.event_type());
    assert_eq!(got, (Outcome::Accepted, EventType::InterviewStarted), "nothing is known of it");
    let nobody = CandidateId::new("nobody").unwrap();
    let none = erase(&*journal, &nobody, false);
    assert_eq!((none.events, none.done_at), (0, Some(driver.now())), "there was nothing, and that is on record");
}

/// Each of these is on record without being of any event.
fn what_concerns_no_event_holds_up_no_query<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    journal.turn(Turn::Pause(org("acme")), "anna".into()).wait().unwrap();
    assert!(all(&*journal, EventFilter::default()).is_empty());
    let nobody = CandidateId::new("nobody").unwrap();
    assert_eq!(erase(&*journal, &nobody, false).events, 0);
    journal.turn(Turn::Resume(org("acme")), "anna".into()).wait().unwrap();
    assert!(all(&*journal, EventFilter::default()).is_empty());
}

fn what_waits_may_be_deleted_and_erased_undelivered<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let [first, second] = ["Interview", "Offer"].map(|stage| accept(&*journal, message("A1", stage)));
    let third = accept(&*journal, message("A1", "Interview"));
    let discard = |receipt: &Receipt| journal.discard(receipt.event_id().unwrap(), true, "anna".into()).wait().unwrap();
    assert_eq!(discard(&second), Discarded::Done, "from the middle of its lane");
    let claimed = claim(&*journal).remove(0);
    assert_eq!(discard(&first), Discarded::Done, "while it is in flight");
    assert_eq!(settle(&*journal, &claimed, Verdict::Delivered), Settled::Stale);
    assert_eq!(claim(&*journal)[0].event.event_id, third.event_id().unwrap());
    let stats = journal.stats(AGES).wait().unwrap().remove(0);
    assert_eq!((stats.pending, stats.delivered, stats.dead), (1, 0, 0));

    accept(&*journal, message("A2", "Interview"));
    let candidate = CandidateId::new("W12345").unwrap();
    let erased = erase(&*journal, &candidate, true);
    assert_eq!((erased.events, erased.done_at.is_some()), (4, true), "an open interview and what waits as well");
    for _ in 0..2 {
        assert!(claim(&*journal).is_empty() && all(&*journal, EventFilter::default()).is_empty());
        assert_eq!(journal.pulse().into_iter().map(|pulse| pulse.pending).sum::<u64>(), 0);
    }
    drop(journal);
    let journal = driver.open();
    assert!(claim(&*journal).is_empty());
    assert_eq!(accept(&*journal, message("A1", "Interview")).outcome(), Outcome::Accepted, "nothing is known of it");
}

macro_rules! contract {
    ($driver:ty: $($test:ident),+ $(,)?) => {
        $(#[test] fn $test() { super::$test::<$driver>(); })+
    };
}

mod embedded {
    use super::EmbeddedDriver;

    contract!(EmbeddedDriver:
        decides_once_and_shows_it,
        remembers_after_reopening,
        orders_stale_messages,
        knows_a_late_retry_by_its_message_id,
        a_dry_run_leaves_no_trace,
        fences_settlements,
        a_retry_waits_its_time_even_across_a_restart,
        what_was_in_flight_is_claimed_again_after_a_restart,
        a_dead_letter_lets_the_next_go,
        applications_do_not_wait_for_each_other,
        only_what_has_somewhere_to_go_waits,
        a_full_backlog_is_refused_but_duplicates_are_still_answered,
        protections_follow_settlements,
        lists_page_by_page,
        filters_combine,
        many_at_once_are_each_answered,
        a_replay_has_a_fresh_budget_and_the_right_key,
        a_superseded_boundary_is_replayed_by_force_alone,
        a_filter_replays_dead_letters_in_the_order_of_acceptance,
        a_deleted_dead_letter_is_gone_but_its_event_counts,
        a_wrong_set_up_pauses_and_is_probed_until_one_goes_through,
        an_event_that_alone_finds_the_set_up_wrong_is_struck,
        an_attempt_that_was_begun_before_does_not_end_the_pause,
        everything_before_the_watermark_is_delivered,
        an_operator_pauses_and_resumes,
        a_relay_that_asks_for_quiet_gets_it_across_a_restart,
        open_interviews_are_listed_and_reported_but_not_closed,
        a_start_that_waits_for_too_long_counts_as_late,
        purging_leaves_what_is_needed,
        everything_may_be_purged_and_numbers_still_rise,
        an_erasure_removes_a_candidate_and_leaves_a_receipt,
        an_erasure_says_whose_it_is_until_it_is_done,
        an_erasure_takes_what_relays_said_of_the_candidate_elsewhere,
        what_waits_may_be_deleted_and_erased_undelivered,
        what_concerns_no_event_holds_up_no_query,
        details_wait_in_a_lane_of_their_own,
        what_was_being_read_is_read_again,
        a_wrong_set_up_stops_reading_but_no_delivery,
        workday_that_asks_for_quiet_gets_it,
        details_are_forgotten_in_time,
        another_interview_reads_anew_and_shows_what_was_known,
        an_erasure_takes_the_details_with_it,
        what_is_to_be_read_is_counted,
    );
}

mod postgres {
    use super::PostgresDriver;

    contract!(PostgresDriver:
        decides_once_and_shows_it,
        remembers_after_reopening,
        orders_stale_messages,
        knows_a_late_retry_by_its_message_id,
        a_dry_run_leaves_no_trace,
        fences_settlements,
        a_retry_waits_its_time_even_across_a_restart,
        what_was_in_flight_is_claimed_again_after_a_restart,
        a_dead_letter_lets_the_next_go,
        applications_do_not_wait_for_each_other,
        only_what_has_somewhere_to_go_waits,
        a_full_backlog_is_refused_but_duplicates_are_still_answered,
        protections_follow_settlements,
        lists_page_by_page,
        filters_combine,
        many_at_once_are_each_answered,
        a_replay_has_a_fresh_budget_and_the_right_key,
        a_superseded_boundary_is_replayed_by_force_alone,
        a_filter_replays_dead_letters_in_the_order_of_acceptance,
        a_deleted_dead_letter_is_gone_but_its_event_counts,
        a_wrong_set_up_pauses_and_is_probed_until_one_goes_through,
        an_event_that_alone_finds_the_set_up_wrong_is_struck,
        an_attempt_that_was_begun_before_does_not_end_the_pause,
        everything_before_the_watermark_is_delivered,
        an_operator_pauses_and_resumes,
        a_relay_that_asks_for_quiet_gets_it_across_a_restart,
        open_interviews_are_listed_and_reported_but_not_closed,
        a_start_that_waits_for_too_long_counts_as_late,
        purging_leaves_what_is_needed,
        everything_may_be_purged_and_numbers_still_rise,
        an_erasure_removes_a_candidate_and_leaves_a_receipt,
        an_erasure_says_whose_it_is_until_it_is_done,
        an_erasure_takes_what_relays_said_of_the_candidate_elsewhere,
        what_waits_may_be_deleted_and_erased_undelivered,
        details_wait_in_a_lane_of_their_own,
        what_was_being_read_is_read_again,
        a_wrong_set_up_stops_reading_but_no_delivery,
        workday_that_asks_for_quiet_gets_it,
        details_are_forgotten_in_time,
        another_interview_reads_anew_and_shows_what_was_known,
        an_erasure_takes_the_details_with_it,
        what_is_to_be_read_is_counted,
    );
}

#[test]
fn a_second_process_is_told_that_the_journal_is_in_use() {
    let driver = EmbeddedDriver::fresh();
    let _first = driver.open();
    let refused = driver.try_open().err().expect("one owner at a time").to_string();
    assert!(refused.contains("in use by another process"), "{refused}");
}

#[test]
fn the_index_is_disposable() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    for application in ["A1", "A2"] {
        accept(&*journal, message(application, "Interview"));
    }
    let claimed = claim(&*journal);
    let settlement =
        Settlement { protection: Some(protection::Change::Activated), ..settlement(&claimed[0], Verdict::Delivered) };
    journal.settle(settlement).wait().unwrap();
    accept(&*journal, message("A2", "Interview"));
    accept(&*journal, message("gone", "Screen"));
    let candidate = CandidateId::new("W-gone").unwrap();
    let mut gone = message("erased", "Screen");
    gone.change.candidate = candidate.clone();
    accept(&*journal, gone);
    erase(&*journal, &candidate, false);
    let mut dead = accept(&*journal, message("dead", "Interview")).event_id().unwrap();
    settle(&*journal, claim(&*journal).last().unwrap(), Verdict::Dead);
    journal.discard(dead, false, "anna".into()).wait().unwrap();
    dead = accept(&*journal, message("dead", "Offer")).event_id().unwrap();
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    replay(&*journal, Which::One(dead), false);
    replay(&*journal, Which::One(claimed[0].event.event_id), true);
    driver.advance(31 * DAY);
    accept(&*journal, message("A3", "Interview"));
    assert_eq!(journal.purge(30 * DAY).wait().unwrap(), 2, "what was deleted goes in its time as well");
    let look = |journal: &dyn Journal| {
        let events = format!("{:?}", all(journal, EventFilter::default()));
        let protections = format!("{:?}", journal.protections(ProtectionFilter::default(), None, 9).wait().unwrap());
        let mut stats = journal.stats(AGES).wait().unwrap();
        // How often a stage was seen is told of what is kept.
        stats.iter_mut().for_each(|stats| stats.stages.clear());
        let open = journal.in_interview(ApplicationFilter::default(), None, 9).wait().unwrap();
        (events, protections, format!("{stats:?} {open:?}"))
    };
    let before = look(&*journal);
    drop(journal);
    std::fs::remove_file(driver.folder.path().join("journal.db.index")).unwrap();
    let journal = driver.open();
    assert_eq!(look(&*journal), before, "made anew from the journal alone");
    drop(journal);
    std::fs::write(driver.folder.path().join("journal.db.index"), b"this is no database").unwrap();
    assert_eq!(look(&*driver.open()), before, "a damaged one is made anew as well");
}

#[test]
fn what_is_erased_stands_in_no_file() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    let secret = "W-to-be-forgotten";
    for n in 0..50 {
        let mut incoming = message(&format!("APP-{secret}-{n}"), "Screen");
        incoming.deliver = Deliver::Everything;
        incoming.change.candidate = CandidateId::new(secret).unwrap();
        incoming.message_id = Some(format!("urn:{secret}:{n}").into());
        accept(&*journal, incoming);
    }
    for claimed in claim(&*journal) {
        let answered = Answered { body: Some(format!("took {secret}")), ..Answered::default() };
        journal.settle(Settlement { answered, ..settlement(&claimed, Verdict::Delivered) }).wait().unwrap();
    }
    accept(&*journal, message("A1", "Interview"));
    let stands = || {
        let files = std::fs::read_dir(driver.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let holds = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
        };
        files.filter(holds).map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(!stands().is_empty());
    let erased = erase(&*journal, &CandidateId::new(secret).unwrap(), false);
    assert_eq!(erased.events, 50);
    assert_eq!(stands(), Vec::<std::ffi::OsString>::new());
    assert_eq!(all(&*journal, EventFilter::default()).len(), 1, "nobody else is touched");
}

/// The process may die between a removal and the index's learning of it.
#[test]
fn an_index_that_missed_a_removal_is_made_anew() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    accept(&*journal, message("A1", "Offer"));
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    drop(journal);
    let before = driver.folder.path().join("before");
    std::fs::copy(driver.folder.path().join("journal.db.index"), &before).unwrap();
    let journal = driver.open();
    let candidate = CandidateId::new("W12345").unwrap();
    assert_eq!(erase(&*journal, &candidate, false).events, 2);
    drop(journal);
    std::fs::rename(before, driver.folder.path().join("journal.db.index")).unwrap();
    let journal = driver.open();
    assert_eq!(journal.stats(AGES).wait().unwrap()[0].dead, 0);
    assert!(journal.application(org("acme"), ApplicationId::new("A1").unwrap()).wait().unwrap().is_none());
}

#[test]
fn a_backup_of_the_journal_file_alone_is_complete() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    let copy = EmbeddedDriver::fresh();
    let source = rusqlite::Connection::open(driver.path()).unwrap();
    source.execute("VACUUM INTO ?1", [copy.path().to_string_lossy()]).unwrap();
    let restored = copy.open();
    assert_eq!(all(&*restored, EventFilter::default()).len(), 1);
    assert_eq!(claim(&*restored).len(), 1);
    let id: String = source.query_row("SELECT event_id FROM events", [], |row| row.get(0)).unwrap();
    let shown = all(&*journal, EventFilter::default())[0].event.event_id.to_string();
    assert_eq!(id, shown, "whoever looks with sqlite3 sees the same id");
}
