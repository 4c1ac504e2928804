//! What every journal must keep of replays and of dead letters that are deleted.

use std::time::Duration;

use imper_bridge::domain::EventType;
use imper_bridge::journal::{
    Claimed, Deliver, DeliveryState, Discarded, EventFilter, Incoming, Journal, Receipt, Replay, Replayed, Settled,
    Verdict, Which,
};

use super::driver::Driver;
use super::{AGES, DAY, accept, all, claim, message, org, settle};

pub(super) fn replay(journal: &dyn Journal, which: Which, force: bool) -> Replayed {
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

pub(super) fn a_replay_has_a_fresh_budget_and_the_right_key<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let receipt = accept(&*journal, message("A1", "Interview"));
    let id = receipt.event_id().unwrap();
    assert_eq!(replay(&*journal, Which::One(id), false).unsettled, 1, "it still waits");
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    driver.advance(DAY);
    assert_eq!(replay(&*journal, Which::One(id), false).replayed, 1);
    assert_eq!(state_of(&*journal, &receipt), DeliveryState::Pending);
    assert_eq!(journal.stats(AGES).wait().unwrap()[0].oldest_event, Some(id));
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

pub(super) fn a_superseded_boundary_is_replayed_by_force_alone<D: Driver>() {
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

pub(super) fn a_filter_replays_dead_letters_in_the_order_of_acceptance<D: Driver>() {
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

pub(super) fn a_deleted_dead_letter_is_gone_but_its_event_counts<D: Driver>() {
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
