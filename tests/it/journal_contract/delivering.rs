//! What every journal must keep of claims and settlements.

use imper_bridge::domain::{EventType, protection};
use imper_bridge::journal::{
    AttemptOutcome, DeliveryState, EventFilter, Incoming, ProtectionFilter, Settled, Settlement, Verdict,
};

use super::driver::Driver;
use super::{AGES, LEASE, SECOND, accept, all, claim, claims, message, org, settle, settlement};

pub(super) fn fences_settlements<D: Driver>() {
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

pub(super) fn a_retry_waits_its_time_even_across_a_restart<D: Driver>() {
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

pub(super) fn what_was_in_flight_is_claimed_again_after_a_restart<D: Driver>() {
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

pub(super) fn a_dead_letter_lets_the_next_go<D: Driver>() {
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

pub(super) fn applications_do_not_wait_for_each_other<D: Driver>() {
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

pub(super) fn protections_follow_settlements<D: Driver>() {
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
    assert_eq!(active(false).len(), 1, "what was never on does not end");
    assert_eq!(active(false)[0].span, protection::Span { started_at: Some(started), ended_at: Some(ended) });
}

pub(super) fn everything_before_the_watermark_is_delivered<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let through = || journal.stats(AGES).wait().unwrap().remove(0).delivered_through(driver.now());
    let mut accepted = Vec::new();
    for application in ["A1", "A2", "A3"] {
        accepted.push((driver.now(), accept(&*journal, message(application, "Interview")).event_id().unwrap()));
        driver.advance(SECOND);
    }
    let oldest = || journal.stats(AGES).wait().unwrap().remove(0).oldest_event;
    assert_eq!((through(), oldest()), (accepted[0].0, Some(accepted[0].1)));
    let claimed = claim(&*journal);
    settle(&*journal, &claimed[0], Verdict::Delivered);
    assert_eq!(oldest(), Some(accepted[1].1));
    settle(&*journal, &claimed[1], Verdict::Dead);
    settle(&*journal, &claimed[2], Verdict::Delivered);
    assert_eq!((through(), oldest()), (accepted[1].0, None), "what was given up is not delivered");
    journal.discard(accepted[1].1, false, "anna".into()).wait().unwrap();
    assert_eq!(through(), driver.now());
}

pub(super) fn a_start_that_waits_for_too_long_counts_as_late<D: Driver>() {
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
