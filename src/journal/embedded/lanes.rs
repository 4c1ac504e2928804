//! What waits for delivery, in memory: one lane per organisation, application and kind of work.
//!
//! Only the head of a lane is ever in flight. Everything here is derived from the journal and
//! changes only after the records that say so are committed. Times are of the monotonic clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::OrgId;
use crate::journal::batch::Key;
use crate::journal::{Fence, LaneKind, Quota, Settled, Verdict, Waiting};

/// Names a lane; the application's key covers its organisation.
pub(super) type LaneKey = (Key, LaneKind);

/// An event that waits.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) received_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) first_attempt: Option<Timestamp>,
}

/// The head of a due lane, picked to be claimed.
#[derive(Debug, Clone)]
pub(super) struct Pick {
    pub(super) lane: LaneKey,
    pub(super) entry: Entry,
}

#[derive(Debug)]
struct Lane {
    org: OrgId,
    waiting: VecDeque<Entry>,
    due: Duration,
    /// The attempt that holds the head.
    attempt: Option<u64>,
}

#[derive(Debug, Default)]
struct Organisation {
    /// Lanes by when they are due and then by the age of their heads.
    due: BTreeSet<(Duration, u64, LaneKey)>,
    pending: BTreeMap<u64, Timestamp>,
    held_until: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    organisations: HashMap<OrgId, Organisation>,
    in_flight: HashMap<u64, LaneKey>,
    /// Whose turn it was last, so that the next claim begins with someone else.
    turn: usize,
    changed: HashSet<OrgId>,
}

impl Lanes {
    /// Adds an event at the end of its lane; a lane that was empty becomes due at `due`.
    pub(super) fn push(&mut self, org: &OrgId, key: LaneKey, entry: Entry, due: Duration) {
        let organisation = self.organisations.entry(org.clone()).or_default();
        organisation.pending.insert(entry.sequence, entry.received_at);
        self.changed.insert(org.clone());
        let lane = self.lanes.entry(key).or_insert_with(|| Lane {
            org: org.clone(),
            waiting: VecDeque::with_capacity(1),
            due,
            attempt: None,
        });
        if lane.waiting.is_empty() {
            lane.due = due;
            organisation.due.insert((due, entry.sequence, key));
        }
        lane.waiting.push_back(entry);
    }

    /// How many events of the organisation wait.
    pub(super) fn pending(&self, org: &OrgId) -> u64 {
        self.organisations.get(org).map_or(0, |organisation| organisation.pending.len() as u64)
    }

    /// The heads of due lanes, in turns between organisations, as far as the quota goes and leaving
    /// out what `taken` already holds.
    pub(super) fn pick(&mut self, quota: &Quota, now: Duration, taken: &HashSet<LaneKey>) -> Vec<Pick> {
        let mut queues: Vec<_> = self
            .organisations
            .iter()
            .filter(|(_, organisation)| organisation.held_until <= now)
            .map(|(org, organisation)| {
                let due = organisation.due.iter().take_while(move |(due, ..)| *due <= now);
                due.filter(|(.., key)| !taken.contains(key)).take(quota.of(org))
            })
            .collect();
        if !queues.is_empty() {
            let turn = self.turn % queues.len();
            queues.rotate_left(turn);
            self.turn = turn + 1;
        }
        let mut picks = Vec::new();
        while !queues.is_empty() && picks.len() < quota.total {
            queues.retain_mut(|queue| {
                if picks.len() >= quota.total {
                    return false;
                }
                let Some((.., key)) = queue.next() else { return false };
                let head = self.lanes.get(key).and_then(|lane| lane.waiting.front());
                picks.extend(head.map(|entry| Pick { lane: *key, entry: entry.clone() }));
                true
            });
        }
        picks
    }

    /// When the next lane that may be claimed and is not due yet will be.
    pub(super) fn next_due(&self, quota: &Quota, now: Duration) -> Option<Duration> {
        let known = self.organisations.iter().filter(|(org, _)| quota.of(org) > 0);
        let next = known.filter_map(|(_, organisation)| {
            let after = (now.max(organisation.held_until), u64::MAX, (Key::MAX, LaneKind::Delivery));
            if organisation.held_until > now {
                return organisation.due.first().map(|(due, ..)| organisation.held_until.max(*due));
            }
            organisation.due.range(after..).next().map(|(due, ..)| *due)
        });
        next.min().map(|due| due.saturating_sub(now))
    }

    /// The lane's head is claimed by `attempt`, which nobody else gets before `until`.
    pub(super) fn claimed(&mut self, pick: &Pick, attempt: u64, at: Timestamp, until: Duration) {
        let Some(lane) = self.lanes.get_mut(&pick.lane) else { return };
        if let Some(before) = lane.attempt.replace(attempt) {
            self.in_flight.remove(&before);
        }
        self.in_flight.insert(attempt, pick.lane);
        if let Some(head) = lane.waiting.front_mut() {
            head.attempts += 1;
            head.first_attempt.get_or_insert(at);
        }
        self.reschedule(pick.lane, until);
    }

    /// Whose event the fence names, while its claim stands.
    pub(super) fn held(&self, fence: Fence) -> Option<(&OrgId, LaneKey)> {
        let key = self.in_flight.get(&fence.attempt)?;
        let lane = self.lanes.get(key)?;
        let head = lane.waiting.front()?;
        (head.sequence == fence.event).then_some((&lane.org, *key))
    }

    /// Applies a recorded settlement.
    pub(super) fn settled(&mut self, fence: Fence, verdict: Verdict, now: Duration) -> Settled {
        let Some((org, key)) = self.held(fence).map(|(org, key)| (org.clone(), key)) else {
            return Settled::Stale;
        };
        self.in_flight.remove(&fence.attempt);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.attempt = None;
        }
        match verdict {
            Verdict::Retry { after, hold_organisation } => {
                self.reschedule(key, now + after);
                if hold_organisation && let Some(organisation) = self.organisations.get_mut(&org) {
                    organisation.held_until = organisation.held_until.max(now + after);
                }
            }
            Verdict::Delivered | Verdict::Dead => self.advance(&org, key, now),
        }
        Settled::Applied
    }

    /// The lane's head is done with: the next one is due now.
    fn advance(&mut self, org: &OrgId, key: LaneKey, now: Duration) {
        let (Some(lane), Some(organisation)) = (self.lanes.get_mut(&key), self.organisations.get_mut(org)) else {
            return;
        };
        self.changed.insert(org.clone());
        if let Some(done) = lane.waiting.pop_front() {
            organisation.due.remove(&(lane.due, done.sequence, key));
            organisation.pending.remove(&done.sequence);
        }
        match lane.waiting.front() {
            Some(next) => {
                lane.due = now;
                organisation.due.insert((now, next.sequence, key));
            }
            None => drop(self.lanes.remove(&key)),
        }
    }

    fn reschedule(&mut self, key: LaneKey, due: Duration) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(head) = lane.waiting.front().map(|head| head.sequence) else { return };
        if let Some(organisation) = self.organisations.get_mut(&lane.org) {
            organisation.due.remove(&(lane.due, head, key));
            organisation.due.insert((due, head, key));
        }
        lane.due = due;
    }

    /// What waits in the organisations where that changed since it was asked last.
    pub(super) fn take_changed(&mut self) -> Vec<Waiting> {
        let changed = std::mem::take(&mut self.changed);
        let waiting = changed.into_iter().map(|org| {
            let pending = self.organisations.get(&org).map(|organisation| &organisation.pending);
            let oldest = pending.and_then(|pending| pending.values().next().copied());
            Waiting { pending: pending.map_or(0, |pending| pending.len() as u64), oldest, org }
        });
        waiting.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SECOND: Duration = Duration::from_secs(1);

    fn org(name: &str) -> OrgId {
        name.parse().unwrap()
    }

    fn entry(sequence: u64) -> Entry {
        Entry { sequence, received_at: Timestamp::UNIX_EPOCH, attempts: 0, first_attempt: None }
    }

    fn quota(total: usize, each: usize) -> Quota {
        let known = Arc::new([org("a"), org("b")].into());
        Quota { total, each, held: HashMap::new(), known }
    }

    fn picked(lanes: &mut Lanes, quota: &Quota, now: Duration) -> Vec<u64> {
        let picks = lanes.pick(quota, now, &HashSet::new());
        for pick in &picks {
            lanes.claimed(pick, pick.entry.sequence + 1000, Timestamp::UNIX_EPOCH, now + 10 * SECOND);
        }
        picks.iter().map(|pick| pick.entry.sequence).collect()
    }

    fn fence(event: u64) -> Fence {
        Fence { event, attempt: event + 1000 }
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
        assert_eq!(lanes.settled(Fence { event: 1, attempt: 5000 }, Verdict::Delivered, 11 * SECOND), Settled::Applied);
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
        assert!(picked(&mut lanes, &one, 4 * SECOND).is_empty());
        assert_eq!(lanes.next_due(&one, 4 * SECOND), Some(SECOND));
        assert_eq!(picked(&mut lanes, &one, 5 * SECOND), [2], "the one that waited longer");
        assert_eq!(picked(&mut lanes, &one, 5 * SECOND), [1]);
    }
}
