//! What every journal must remove of a candidate, and what it says of that.

use imper_bridge::domain::{CandidateId, EventType, Outcome, protection};
use imper_bridge::journal::{
    Discarded, Erasure, EventFilter, Incoming, Journal, ProtectionFilter, Receipt, Settled, Settlement, Turn, Verdict,
};

use super::driver::Driver;
use super::{AGES, accept, all, claim, message, org, settle, settlement};

pub(super) fn erase(journal: &dyn Journal, candidate: &CandidateId, undelivered: bool) -> Erasure {
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

pub(super) fn an_erasure_says_whose_it_is_until_it_is_done<D: Driver>() {
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

pub(super) fn an_erasure_takes_what_relays_said_of_the_candidate_elsewhere<D: Driver>() {
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

pub(super) fn an_erasure_removes_a_candidate_and_leaves_a_receipt<D: Driver>() {
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
pub(super) fn what_concerns_no_event_holds_up_no_query<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    journal.turn(Turn::Pause(org("acme")), "anna".into()).wait().unwrap();
    assert!(all(&*journal, EventFilter::default()).is_empty());
    let nobody = CandidateId::new("nobody").unwrap();
    assert_eq!(erase(&*journal, &nobody, false).events, 0);
    journal.turn(Turn::Resume(org("acme")), "anna".into()).wait().unwrap();
    assert!(all(&*journal, EventFilter::default()).is_empty());
}

pub(super) fn what_waits_may_be_deleted_and_erased_undelivered<D: Driver>() {
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
