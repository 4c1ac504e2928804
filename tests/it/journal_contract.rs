//! What every journal must keep, whatever stores it. The suite takes a driver, which opens,
//! reopens and moves time; a further implementation adds a driver and a line per test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imper_bridge::clock::ManualClock;
use imper_bridge::domain::{
    ApplicationId, CandidateId, EventType, Occurred, OrgId, Outcome, Position, RequisitionId, Source, StagePolicy,
    StateChange, Text, protection,
};
use imper_bridge::journal::embedded::{Embedded, OpenError, Options};
use imper_bridge::journal::{
    Answered, AttemptOutcome, Claimed, Claims, Deliver, DeliveryState, EventFilter, Health, Incoming, Journal,
    ProtectionFilter, Quota, Receipt, Settled, Settlement, Ticket, Unavailable, Verdict,
};
use jiff::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(60);

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

fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

fn message(application: &str, stage: &str) -> Incoming {
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
    }
}

fn accept(journal: &dyn Journal, incoming: Incoming) -> Receipt {
    journal.accept(incoming).unwrap().wait().unwrap()
}

fn quota() -> Quota {
    let known = [org("acme"), org("other")].into();
    Quota { total: 100, each: 100, held: Default::default(), known: Arc::new(known) }
}

fn claim(journal: &dyn Journal) -> Vec<Claimed> {
    claims(journal).claimed
}

fn claims(journal: &dyn Journal) -> Claims {
    journal.claim(quota(), LEASE).wait().unwrap()
}

fn settle(journal: &dyn Journal, claimed: &Claimed, verdict: Verdict) -> Settled {
    journal.settle(settlement(claimed, verdict)).wait().unwrap()
}

fn settlement(claimed: &Claimed, verdict: Verdict) -> Settlement {
    let error = (verdict != Verdict::Delivered).then(|| "the relay answered 503".to_owned());
    let answered = Answered { status: Some(200), latency: SECOND, error, body: Some("{}".into()) };
    Settlement { fence: claimed.fence, verdict, answered, protection: None, late: false }
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
    assert_eq!(journal.stats().wait().unwrap()[0].last_message_at, Some(driver.now()), "a duplicate is a message");

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
    let stats = journal.stats().wait().unwrap();
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
    let waiting: Vec<_> = journal.waiting().into_iter().map(|each| (each.org.to_string(), each.pending)).collect();
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
    assert_eq!(journal.stats().wait().unwrap()[0].accepted, 3000);
    assert_eq!(journal.health(), Health::Ready);
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
    let look = |journal: &dyn Journal| {
        let events = format!("{:?}", all(journal, EventFilter::default()));
        let protections = format!("{:?}", journal.protections(ProtectionFilter::default(), None, 9).wait().unwrap());
        let stats = format!("{:?}", journal.stats().wait().unwrap());
        (events, protections, stats)
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
