//! What every journal must keep of the lane in which details are read back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imper_bridge::domain::protection::Change;
use imper_bridge::domain::{CandidateId, Details};
use imper_bridge::journal::{
    Ages, Claimed, Claims, Journal, Keep, LaneKind, ProtectionFilter, Quota, ReadBack, ReadBackRecord, ReadBackState,
    Settled, Settlement, Turn, Verdict,
};

use super::driver::{Driver, PostgresDriver};
use super::{DAY, LEASE, SECOND, accept, claim, message, org, quota, settlement};

const HOUR: Duration = Duration::from_secs(3_600);

fn claims_of_details(journal: &dyn Journal) -> Claims {
    journal.claim(Quota { kind: LaneKind::Details, ..quota() }, LEASE).wait().unwrap()
}

fn claim_details(journal: &dyn Journal) -> Vec<Claimed> {
    claims_of_details(journal).claimed
}

fn settle(journal: &dyn Journal, claimed: &Claimed, verdict: Verdict) -> Settled {
    let read = ReadBack::Read(Box::new(fictitious()));
    let read_back = if verdict == Verdict::Delivered { read } else { ReadBack::Nothing };
    journal.settle(Settlement { read_back, ..settlement(claimed, verdict) }).wait().unwrap()
}

fn fictitious() -> Details {
    Details { first_name: Some("Testa".into()), job_profile: Some("Tester".into()), ..Details::default() }
}

/// Has the next event handled in-process, as its handler would.
fn handle(journal: &dyn Journal) {
    let claimed = claim(journal).remove(0);
    let protection = Change::of(claimed.event.event_type);
    let wanted = protection == Some(Change::Activated);
    let read_back = if wanted { ReadBack::Wanted } else { ReadBack::Nothing };
    let settlement = Settlement { protection, read_back, ..settlement(&claimed, Verdict::Delivered) };
    assert_eq!(journal.settle(settlement).wait().unwrap(), Settled::Applied);
}

fn started(journal: &dyn Journal, application: &str) {
    accept(journal, message(application, "Interview"));
    handle(journal);
}

fn ended(journal: &dyn Journal, application: &str) {
    accept(journal, message(application, "Offer"));
    handle(journal);
}

/// How reading back stands for the first protection.
fn shown(journal: &dyn Journal) -> Option<ReadBackRecord> {
    journal.protections(ProtectionFilter::default(), None, 10).wait().unwrap().items.remove(0).read_back
}

fn state(journal: &dyn Journal) -> Option<ReadBackState> {
    shown(journal).map(|record| record.state)
}

pub(super) fn details_wait_in_a_lane_of_their_own<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    started(&*journal, "A1");
    assert_eq!(state(&*journal), Some(ReadBackState::Waiting), "the protection is on and waits for nothing");
    assert!(claim(&*journal).is_empty(), "no delivery");
    let first = claim_details(&*journal).remove(0);
    assert_eq!((first.event.job_application_id.as_str(), first.attempt), ("A1", 1));
    assert!(claim_details(&*journal).is_empty(), "it is claimed");
    ended(&*journal, "A1");
    let again = Verdict::Retry { after: 10 * SECOND, hold_organisation: false };
    assert_eq!(settle(&*journal, &first, again), Settled::Applied);
    assert_eq!(shown(&*journal).unwrap().last_error.as_deref(), Some("the relay answered 503"));
    let claims = claims_of_details(&*journal);
    assert!(claims.claimed.is_empty() && claims.next_due.is_some_and(|due| due <= 10 * SECOND), "{claims:?}");
    driver.advance(10 * SECOND);
    let second = claim_details(&*journal).remove(0);
    assert_eq!((second.attempt, second.since_first >= 10 * SECOND), (2, true));
    assert_eq!(settle(&*journal, &first, Verdict::Delivered), Settled::Stale);
    assert_eq!(settle(&*journal, &second, Verdict::Delivered), Settled::Applied);
    assert_eq!(settle(&*journal, &second, Verdict::Delivered), Settled::Stale, "once is enough");
    drop(journal);
    let journal = driver.open();
    let record = shown(&*journal).unwrap();
    let (details, read_at) = record.details.unwrap();
    assert_eq!((record.state, record.last_error, details), (ReadBackState::Read, None, fictitious()));
    assert!(read_at <= driver.now());
    assert!(claim_details(&*journal).is_empty());
}

pub(super) fn what_was_being_read_is_read_again<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    started(&*journal, "A1");
    let lost = claim_details(&*journal).remove(0);
    driver.advance(LEASE + SECOND);
    let taken_over = claim_details(&*journal).remove(0);
    assert_eq!(taken_over.attempt, 2);
    assert_eq!(settle(&*journal, &lost, Verdict::Delivered), Settled::Stale);
    drop(journal);
    let journal = driver.open();
    let after_restart = claim_details(&*journal).remove(0);
    assert_eq!(after_restart.attempt, 3);
    assert_eq!(settle(&*journal, &after_restart, Verdict::Dead), Settled::Applied);
    assert_eq!(state(&*journal), Some(ReadBackState::Failed));
    assert!(claim_details(&*journal).is_empty(), "given up");
}

pub(super) fn a_wrong_set_up_stops_reading_but_no_delivery<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    started(&*journal, "A1");
    started(&*journal, "A2");
    let both = claim_details(&*journal);
    assert_eq!(both.len(), 2);
    let wrong = Verdict::Paused { probe_after: HOUR };
    assert_eq!(settle(&*journal, &both[0], wrong), Settled::Applied);
    assert_eq!(settle(&*journal, &both[1], wrong), Settled::Applied);
    started(&*journal, "A3");
    let claims = claims_of_details(&*journal);
    assert!(claims.claimed.is_empty(), "the account is not to be locked");
    assert!(claims.next_due.is_some_and(|due| due > 59 * 60 * SECOND && due <= HOUR), "{:?}", claims.next_due);
    driver.advance(HOUR);
    let probe = claim_details(&*journal);
    assert_eq!((probe.len(), claim_details(&*journal).len()), (1, 0), "one at a time");
    settle(&*journal, &probe[0], wrong);
    assert!(claim_details(&*journal).is_empty());
    drop(journal);
    let journal = driver.open();
    assert!(claim_details(&*journal).is_empty(), "a restart is no reason to try again");
    journal.turn(Turn::SetUpRead, "reload".into()).wait().unwrap();
    let claimed = claim_details(&*journal);
    assert_eq!(claimed.len(), 3, "somebody has looked at the set-up");
    settle(&*journal, &claimed[0], wrong);
    driver.advance(HOUR);
    let probe = claim_details(&*journal).remove(0);
    settle(&*journal, &probe, Verdict::Delivered);
    assert!(claims_of_details(&*journal).next_due.is_none_or(|due| due <= LEASE), "the pause is over");
}

pub(super) fn workday_that_asks_for_quiet_gets_it<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    started(&*journal, "A1");
    started(&*journal, "A2");
    let claimed = claim_details(&*journal);
    let quiet = Verdict::Retry { after: 30 * SECOND, hold_organisation: true };
    settle(&*journal, &claimed[0], quiet);
    settle(&*journal, &claimed[1], Verdict::Retry { after: Duration::ZERO, hold_organisation: false });
    assert!(claim_details(&*journal).is_empty(), "the whole organisation is quiet");
    driver.advance(30 * SECOND);
    assert_eq!(claim_details(&*journal).len(), 2);
}

pub(super) fn details_are_forgotten_in_time<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    started(&*journal, "A1");
    let claimed = claim_details(&*journal).remove(0);
    settle(&*journal, &claimed, Verdict::Delivered);
    let keep = |days: u32| Keep { each: [(org("acme"), days * DAY)].into(), otherwise: Duration::ZERO };
    let forget = |days| journal.forget_details(keep(days)).wait().unwrap();
    driver.advance(30 * DAY);
    assert_eq!(forget(7), 0, "the interview lasts");
    ended(&*journal, "A1");
    driver.advance(6 * DAY);
    assert_eq!(forget(7), 0);
    driver.advance(2 * DAY);
    assert_eq!(forget(9), 0);
    assert_eq!(forget(7), 1);
    assert!(shown(&*journal).is_none());
    // Another interview of the same application asks again.
    started(&*journal, "A1");
    assert_eq!(claim_details(&*journal).len(), 1);
    drop(journal);
    let journal = driver.open();
    assert_eq!(state(&*journal), Some(ReadBackState::Waiting));
}

pub(super) fn another_interview_reads_anew_and_shows_what_was_known<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    started(&*journal, "A1");
    let first = claim_details(&*journal).remove(0);
    settle(&*journal, &first, Verdict::Delivered);
    ended(&*journal, "A1");
    driver.advance(DAY);
    started(&*journal, "A1");
    let record = shown(&*journal).unwrap();
    assert_eq!(record.state, ReadBackState::Waiting);
    assert!(record.details.is_some_and(|(_, read_at)| read_at < driver.now() - DAY / 2), "with its age");
    let second = claim_details(&*journal).remove(0);
    assert_ne!(second.event.event_id, first.event.event_id);
    assert_eq!(settle(&*journal, &second, Verdict::Delivered), Settled::Applied);
}

pub(super) fn an_erasure_takes_the_details_with_it<D: Driver>() {
    let driver = D::fresh();
    let journal: Arc<dyn Journal> = driver.open();
    started(&*journal, "A1");
    let read = claim_details(&*journal).remove(0);
    settle(&*journal, &read, Verdict::Delivered);
    started(&*journal, "A2");
    let candidate = CandidateId::new("W12345").unwrap();
    let under_way = claim_details(&*journal).remove(0);
    let number = journal.erase(org("acme"), candidate, "anna".into()).wait().unwrap();
    let erased = journal.finish_erasure(number, true).wait().unwrap().expect("a receipt");
    assert!(erased.done_at.is_some(), "{erased:?}");
    assert_eq!(settle(&*journal, &under_way, Verdict::Delivered), Settled::Stale, "nothing comes back");
    assert!(journal.protections(ProtectionFilter::default(), None, 10).wait().unwrap().items.is_empty());
    driver.advance(LEASE + SECOND);
    assert!(claim_details(&*journal).is_empty());
}

pub(super) fn what_is_to_be_read_is_counted<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let ages = Ages { useful_within: HOUR, open_interview: DAY };
    let counted = || journal.stats(ages).wait().unwrap().remove(0).details;
    started(&*journal, "A1");
    started(&*journal, "A2");
    let waiting = counted();
    assert_eq!((waiting.waiting, waiting.failed, waiting.denied, waiting.error), (2, 0, false, None));
    assert!(waiting.oldest_waiting.is_some_and(|oldest| oldest <= driver.now()));
    let claimed = claim_details(&*journal);
    assert_eq!(counted().waiting, 2, "what is being read is not read yet");
    settle(&*journal, &claimed[0], Verdict::Dead);
    settle(&*journal, &claimed[1], Verdict::Paused { probe_after: HOUR });
    let denied = counted();
    assert_eq!((denied.waiting, denied.failed, denied.denied), (1, 1, true));
    assert_eq!(denied.error.as_deref(), Some("the relay answered 503"));
    journal.turn(Turn::Resume(org("acme")), "anna".into()).wait().unwrap();
    assert!(!counted().denied, "an operator lets it go");
    let again = claim_details(&*journal).remove(0);
    settle(&*journal, &again, Verdict::Delivered);
    let read = counted();
    assert_eq!((read.waiting, read.failed, read.oldest_waiting, read.error), (0, 1, None, None));
}

#[test]
fn two_bridges_never_read_the_same_at_once_and_one_takes_over_from_the_other() {
    let driver = PostgresDriver::fresh();
    let (one, other) = (driver.open(), driver.open());
    for number in 0..20 {
        started(&*one, &format!("A{number}"));
    }
    let quota = || Quota { kind: LaneKind::Details, total: 15, each: 15, ..quota() };
    let asked: Vec<_> = [&one, &other, &one, &other].map(|journal| journal.claim(quota(), LEASE)).into();
    let claimed: Vec<_> = asked.into_iter().map(|claims| claims.wait().unwrap().claimed).collect();
    let read: BTreeSet<_> = claimed.iter().flatten().map(|claimed| claimed.event.event_id).collect();
    assert_eq!((claimed.iter().flatten().count(), read.len()), (20, 20), "each by one of them");
    let lost = claimed.into_iter().flatten().next().unwrap();
    driver.advance(LEASE + SECOND);
    let again = claim_details(&*other);
    assert_eq!(again.len(), 20);
    assert_eq!(settle(&*one, &lost, Verdict::Delivered), Settled::Stale, "whoever was too slow says nothing");
    let same = again.iter().find(|again| again.event.event_id == lost.event.event_id).unwrap();
    assert_eq!(settle(&*other, same, Verdict::Delivered), Settled::Applied);
}
