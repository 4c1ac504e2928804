//! Lanes by themselves, with time as a number.

use std::sync::Arc;

use super::*;
use crate::journal::Quota;

const SECOND: Duration = Duration::from_secs(1);

fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

fn entry(sequence: u64) -> Entry {
    Entry {
        sequence,
        opened: sequence,
        since: Timestamp::UNIX_EPOCH,
        attempts: 0,
        first_attempt: None,
        is_start: false,
        replay: None,
        strikes: Strikes::default(),
    }
}

fn quota(total: usize, each: usize) -> Quota {
    let known = Arc::new([org("a"), org("b")].into());
    Quota { kind: LaneKind::Delivery, total, each, held: HashMap::new(), known }
}

fn picked(lanes: &mut Lanes, quota: &Quota, now: Duration) -> Vec<u64> {
    let picks = lanes.pick(quota, now, &HashSet::new());
    for pick in &picks {
        lanes.claimed(pick, pick.entry.sequence + 1000, Timestamp::UNIX_EPOCH, now + 10 * SECOND);
    }
    picks.iter().map(|pick| pick.entry.sequence).collect()
}

fn fence(event: u64) -> Fence {
    Fence { kind: LaneKind::Delivery, event, attempt: event + 1000 }
}

#[test]
fn only_the_head_of_a_lane_is_claimed_and_the_next_follows_its_end() {
    let mut lanes = Lanes::default();
    let key = (1, LaneKind::Delivery);
    lanes.push(&org("a"), key, entry(1), Duration::ZERO);
    lanes.push(&org("a"), key, entry(2), Duration::ZERO);
    let quota = quota(10, 10);
    assert_eq!(picked(&mut lanes, &quota, Duration::ZERO), [1]);
    assert!(picked(&mut lanes, &quota, Duration::ZERO).is_empty());
    assert_eq!(lanes.settled(fence(1), Verdict::Delivered, SECOND), Settled::Applied);
    assert_eq!(lanes.settled(fence(1), Verdict::Delivered, SECOND), Settled::Stale);
    assert_eq!(picked(&mut lanes, &quota, SECOND), [2]);
    assert_eq!(lanes.settled(fence(2), Verdict::Dead, SECOND), Settled::Applied);
    assert_eq!(lanes.pending(&org("a")), 0);
    assert!(lanes.lanes.is_empty() && lanes.in_flight.is_empty());
}

#[test]
fn a_claim_whose_lease_ran_out_is_given_away_and_its_settlement_is_stale() {
    let mut lanes = Lanes::default();
    lanes.push(&org("a"), (1, LaneKind::Delivery), entry(1), Duration::ZERO);
    let quota = quota(10, 10);
    assert_eq!(picked(&mut lanes, &quota, Duration::ZERO), [1]);
    let again = lanes.pick(&quota, 10 * SECOND, &HashSet::new());
    assert_eq!(again[0].entry.attempts, 1);
    lanes.claimed(&again[0], 5000, Timestamp::UNIX_EPOCH, 20 * SECOND);
    assert_eq!(lanes.settled(fence(1), Verdict::Delivered, 11 * SECOND), Settled::Stale);
    assert_eq!(
        lanes.settled(Fence { kind: LaneKind::Delivery, event: 1, attempt: 5000 }, Verdict::Delivered, 11 * SECOND),
        Settled::Applied
    );
}

#[test]
fn organisations_take_turns_within_their_quotas() {
    let mut lanes = Lanes::default();
    for n in 0..10 {
        lanes.push(&org("a"), (n, LaneKind::Delivery), entry(n as u64), Duration::ZERO);
    }
    lanes.push(&org("b"), (100, LaneKind::Delivery), entry(100), Duration::ZERO);
    lanes.push(&org("gone"), (200, LaneKind::Delivery), entry(200), Duration::ZERO);
    let got = picked(&mut lanes, &quota(4, 3), Duration::ZERO);
    assert_eq!(got.len(), 4);
    assert!(got.contains(&100), "{got:?}: the small one is not crowded out");
    assert!(!got.contains(&200), "an organisation that is not configured waits");
}

#[test]
fn a_retry_waits_and_may_hold_its_organisation() {
    let mut lanes = Lanes::default();
    lanes.push(&org("a"), (1, LaneKind::Delivery), entry(1), Duration::ZERO);
    lanes.push(&org("a"), (2, LaneKind::Delivery), entry(2), Duration::ZERO);
    let one = quota(1, 1);
    assert_eq!(picked(&mut lanes, &one, Duration::ZERO), [1]);
    lanes.settled(fence(1), Verdict::Retry { after: 5 * SECOND, hold_organisation: true }, Duration::ZERO);
    let held = Change::Held { wait: 5 * SECOND };
    lanes.gated(&org("a"), &held, None, Timestamp::UNIX_EPOCH, Duration::ZERO, Duration::ZERO);
    assert!(picked(&mut lanes, &one, 4 * SECOND).is_empty());
    assert_eq!(lanes.next_due(&one, 4 * SECOND), Some(SECOND));
    assert_eq!(picked(&mut lanes, &one, 5 * SECOND), [2], "the one that waited longer");
    assert_eq!(picked(&mut lanes, &one, 5 * SECOND), [1]);
}

#[test]
fn a_paused_organisation_is_probed_one_application_after_the_other() {
    let mut lanes = Lanes::default();
    for n in 1..=3 {
        lanes.push(&org("a"), (Key::from(n), LaneKind::Delivery), entry(n), Duration::ZERO);
    }
    let (one, all) = (quota(1, 1), quota(9, 9));
    assert_eq!(picked(&mut lanes, &one, Duration::ZERO), [1]);
    let paused = Verdict::Paused { probe_after: 30 * SECOND };
    let pause = Change::SetUpWrong { probe_every: 30 * SECOND };
    lanes.settled(fence(1), paused, SECOND);
    lanes.gated(&org("a"), &pause, None, Timestamp::UNIX_EPOCH, SECOND, Duration::ZERO);
    assert!(picked(&mut lanes, &all, SECOND).is_empty());
    assert_eq!(lanes.next_due(&all, SECOND), Some(30 * SECOND));
    assert_eq!(picked(&mut lanes, &all, 31 * SECOND), [2], "one, and not the one that was tried");
    assert!(picked(&mut lanes, &all, 31 * SECOND).is_empty(), "one at a time");
    lanes.settled(fence(2), Verdict::Retry { after: Duration::ZERO, hold_organisation: false }, 32 * SECOND);
    assert!(picked(&mut lanes, &all, 61 * SECOND).is_empty(), "a probe that fails another way is a probe");
    assert_eq!(picked(&mut lanes, &all, 62 * SECOND), [3]);
    lanes.settled(fence(3), Verdict::Delivered, 63 * SECOND);
    lanes.gated(&org("a"), &Change::SetUpMended, None, Timestamp::UNIX_EPOCH, 63 * SECOND, Duration::ZERO);
    assert_eq!(picked(&mut lanes, &all, 63 * SECOND), [1, 2]);
}

#[test]
fn only_what_fails_while_others_go_through_is_struck() {
    let none = Strikes::default();
    let once = none.next(5);
    assert_eq!((once.count, once.next(5).count, once.next(6).count), (1, 1, 2));
    assert_eq!(once.next(6).next(6).next(9).count, 3);
}
