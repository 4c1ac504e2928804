//! What every journal must keep of messages: one decision, and what is the same or stale.

use std::time::Duration;

use imper_bridge::domain::{ApplicationId, EventType, Occurred, Outcome, Position};
use imper_bridge::journal::{
    After, Deliver, DeliveryState, EventFilter, Health, Incoming, Receipt, Ticket, Unavailable, Verdict,
};

use super::driver::Driver;
use super::{AGES, SECOND, accept, all, claim, message, settle};

pub(super) fn decides_once_and_shows_it<D: Driver>() {
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

pub(super) fn remembers_after_reopening<D: Driver>() {
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

pub(super) fn orders_stale_messages<D: Driver>() {
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

pub(super) fn knows_a_late_retry_by_its_message_id<D: Driver>() {
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

pub(super) fn a_dry_run_leaves_no_trace<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let dry = accept(&*journal, Incoming { dry_run: true, ..message("A1", "Interview") });
    assert_eq!((dry.outcome(), dry.event_id()), (Outcome::DryRun, None));
    assert_eq!(dry.event_type(), EventType::InterviewStarted);
    assert!(all(&*journal, EventFilter::default()).is_empty());
    assert_eq!(accept(&*journal, message("A1", "Interview")).outcome(), Outcome::Accepted);
}

pub(super) fn only_what_has_somewhere_to_go_waits<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Screen"));
    assert!(claim(&*journal).is_empty(), "no boundary");
    assert_eq!(all(&*journal, EventFilter::default())[0].state, DeliveryState::None);
    accept(&*journal, Incoming { deliver: Deliver::Everything, ..message("A2", "Screen") });
    assert_eq!(claim(&*journal).len(), 1);
}

pub(super) fn a_full_backlog_is_refused_but_duplicates_are_still_answered<D: Driver>() {
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

pub(super) fn many_at_once_are_each_answered<D: Driver>() {
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

/// A conclusion holds only as long as nothing else was heard of the application.
pub(super) fn what_was_concluded_from_an_earlier_event_is_void<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let after = |event, stage| Incoming { after: Some(After(event)), ..message("A1", stage) };
    let first = accept(&*journal, after(None, "Interview"));
    assert_eq!(first.outcome(), Outcome::Accepted, "nothing was known, and that was so");
    let void = accept(&*journal, after(None, "Offer"));
    assert!(void.is_overtaken() && void.event_id().is_none());
    accept(&*journal, message("A1", "Second Interview"));
    assert!(accept(&*journal, after(first.event_id(), "Offer")).is_overtaken(), "something else was heard");
    let latest = all(&*journal, EventFilter::default())[0].event.event_id;
    assert_eq!(all(&*journal, EventFilter::default()).len(), 2, "nothing is stored of what is void");
    drop(journal);
    let journal = driver.open();
    assert!(accept(&*journal, after(first.event_id(), "Offer")).is_overtaken(), "also after a start");
    assert_eq!(accept(&*journal, after(Some(latest), "Offer")).outcome(), Outcome::Accepted);
    // Both in one batch: the second is judged by what the first left.
    let both = [journal.accept(after(None, "Screen")), journal.accept(message("A2", "Interview"))];
    let [void, other] = both.map(|ticket| ticket.unwrap().wait().unwrap());
    assert!(void.is_overtaken() && other.outcome() == Outcome::Accepted);
}
