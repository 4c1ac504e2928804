//! What waits for delivery, in memory: one lane per organisation, application and kind of work.
//!
//! Only the head of a lane is ever in flight. Everything here is derived from the journal and
//! changes only after the records that say so are committed. Times are of the monotonic clock.

mod entry;
mod pick;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::BuildHasherDefault;
use std::time::Duration;

use jiff::Timestamp;

pub(super) use self::entry::{Entry, Strikes};
pub(super) use self::pick::Pick;
use super::gate::{Change, Gate, Opening};
use crate::domain::OrgId;
use crate::journal::batch::{Key, KeyHasher};
use crate::journal::{Fence, LaneKind, Pulse, Settled, Verdict};

/// Names a lane; the application's key covers its organisation.
pub(super) type LaneKey = (Key, LaneKind);

/// What is shown of an organisation without a query.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) pulse: Pulse,
    /// The event that waits the longest.
    pub(super) oldest_event: Option<u64>,
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
    /// What waits, by the records that opened it: since when, and which event it is.
    pending: BTreeMap<u64, (Timestamp, u64)>,
    /// Those of them that start an interview.
    starts: BTreeMap<u64, Timestamp>,
    gate: Gate,
    /// How many deliveries went through since the process started.
    deliveries: u64,
    last_message_at: Option<Timestamp>,
}

impl Organisation {
    /// When the first of its lanes may be claimed that is not claimed already; none while its gate is
    /// closed and nobody knows until when.
    fn due(&self, now: Duration) -> Option<Duration> {
        let (due, ..) = self.due.first()?;
        match self.gate.opening(now) {
            Opening::Open | Opening::Probe => Some(*due),
            Opening::Closed(opens) => opens.map(|opens| opens.max(*due)),
        }
    }
}

/// A time of the monotonic clock, which shows `now` when the wall clock shows `at`.
fn by_the_wall_clock(time: Duration, at: Timestamp, now: Duration) -> Option<Timestamp> {
    match time.checked_sub(now) {
        Some(ahead) => at.checked_add(ahead).ok(),
        None => at.checked_sub(now - time).ok(),
    }
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<LaneKey, Lane, BuildHasherDefault<KeyHasher>>,
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
        organisation.pending.insert(entry.opened, (entry.since, entry.sequence));
        if entry.is_start {
            organisation.starts.insert(entry.opened, entry.since);
        }
        self.changed.insert(org.clone());
        let lane = self.lanes.entry(key).or_insert_with(|| Lane {
            org: org.clone(),
            waiting: VecDeque::with_capacity(1),
            due,
            attempt: None,
        });
        if lane.waiting.is_empty() {
            lane.due = due;
            organisation.due.insert((due, entry.opened, key));
        }
        lane.waiting.push_back(entry);
    }

    /// How many events of the organisation wait.
    pub(super) fn pending(&self, org: &OrgId) -> u64 {
        self.organisations.get(org).map_or(0, |organisation| organisation.pending.len() as u64)
    }

    /// The lane's head is claimed by `attempt`, which nobody else gets before `until`.
    pub(super) fn claimed(&mut self, pick: &Pick, attempt: u64, at: Timestamp, until: Duration) {
        let Some(lane) = self.lanes.get_mut(&pick.lane) else { return };
        if let Some(organisation) = self.organisations.get_mut(&pick.org) {
            organisation.gate.probe_started(attempt, until);
        }
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
        let (Some(lane), Some(organisation)) = (self.lanes.get_mut(&key), self.organisations.get_mut(&org)) else {
            return Settled::Stale;
        };
        lane.attempt = None;
        match verdict {
            Verdict::Delivered => organisation.deliveries += u64::from(!organisation.gate.is_stale(fence.attempt)),
            _ => organisation.gate.probe_failed(now),
        }
        match verdict {
            Verdict::Retry { after, .. } => self.reschedule(key, now + after),
            Verdict::Paused { .. } => {
                if let Some(head) = lane.waiting.front_mut() {
                    head.strikes = head.strikes.next(organisation.deliveries);
                }
                // Behind those that are due already, so that probes rotate.
                self.reschedule(key, now);
            }
            Verdict::Delivered | Verdict::Dead => self.advance(&org, key, now),
        }
        Settled::Applied
    }

    /// Whether an event waits in a lane.
    pub(super) fn holds(&self, key: LaneKey, event: u64) -> bool {
        self.lanes.get(&key).is_some_and(|lane| lane.waiting.iter().any(|entry| entry.sequence == event))
    }

    /// Takes an event out of its lane; should it be in flight, what comes of that is void.
    pub(super) fn drop_event(&mut self, org: &OrgId, key: LaneKey, event: u64, now: Duration) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        match lane.waiting.iter().position(|entry| entry.sequence == event) {
            None => {}
            Some(0) => {
                if let Some(attempt) = lane.attempt.take() {
                    self.in_flight.remove(&attempt);
                }
                self.advance(org, key, now);
            }
            Some(place) => {
                let Some(entry) = lane.waiting.remove(place) else { return };
                if let Some(organisation) = self.organisations.get_mut(org) {
                    organisation.pending.remove(&entry.opened);
                    organisation.starts.remove(&entry.opened);
                }
                self.changed.insert(org.clone());
            }
        }
    }

    /// The gate of an organisation; one that was never touched is open.
    pub(super) fn gate(&self, org: &OrgId) -> Option<&Gate> {
        self.organisations.get(org).map(|organisation| &organisation.gate)
    }

    /// Takes over a recorded change of a gate, `ago` before now.
    pub(super) fn gated(
        &mut self,
        org: &OrgId,
        change: &Change,
        reason: Option<&str>,
        at: Timestamp,
        now: Duration,
        ago: Duration,
    ) {
        self.changed.insert(org.clone());
        self.organisations.entry(org.clone()).or_default().gate.apply(change, reason, at, now, ago);
    }

    /// The organisations whose set-up counts as wrong.
    pub(super) fn probing(&self) -> impl Iterator<Item = &OrgId> {
        self.organisations.iter().filter(|(_, organisation)| organisation.gate.is_probing()).map(|(org, _)| org)
    }

    /// Which time it would be that this entry finds the set-up wrong.
    pub(super) fn strike(&self, org: &OrgId, entry: &Entry) -> u32 {
        let deliveries = self.organisations.get(org).map_or(0, |organisation| organisation.deliveries);
        entry.strikes.next(deliveries).count
    }

    /// A message of the organisation was taken.
    pub(super) fn heard(&mut self, org: &OrgId, at: Timestamp) {
        let organisation = self.organisations.entry(org.clone()).or_default();
        organisation.last_message_at = organisation.last_message_at.max(Some(at));
        self.changed.insert(org.clone());
    }

    /// The lane's head is done with: the next one is due now.
    fn advance(&mut self, org: &OrgId, key: LaneKey, now: Duration) {
        let (Some(lane), Some(organisation)) = (self.lanes.get_mut(&key), self.organisations.get_mut(org)) else {
            return;
        };
        self.changed.insert(org.clone());
        if let Some(done) = lane.waiting.pop_front() {
            organisation.due.remove(&(lane.due, done.opened, key));
            organisation.pending.remove(&done.opened);
            organisation.starts.remove(&done.opened);
        }
        match lane.waiting.front() {
            Some(next) => {
                lane.due = now;
                organisation.due.insert((now, next.opened, key));
            }
            None => drop(self.lanes.remove(&key)),
        }
    }

    fn reschedule(&mut self, key: LaneKey, due: Duration) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(head) = lane.waiting.front().map(|head| head.opened) else { return };
        if let Some(organisation) = self.organisations.get_mut(&lane.org) {
            organisation.due.remove(&(lane.due, head, key));
            organisation.due.insert((due, head, key));
        }
        if !self.changed.contains(&lane.org) {
            self.changed.insert(lane.org.clone());
        }
        lane.due = due;
    }

    /// The pulse of the organisations where it changed since it was asked last.
    pub(super) fn take_changed(&mut self, at: Timestamp, now: Duration) -> Vec<Seen> {
        let changed = std::mem::take(&mut self.changed);
        let pulse = |org: OrgId| {
            let organisation = self.organisations.get(&org)?;
            let oldest = organisation.pending.values().next().copied();
            let pulse = Pulse {
                pending: organisation.pending.len() as u64,
                oldest: oldest.map(|(since, _)| since),
                oldest_start: organisation.starts.values().next().copied(),
                due: organisation.due(now).and_then(|due| by_the_wall_clock(due, at, now)),
                paused: organisation.gate.paused(),
                held_until: organisation.gate.held(),
                last_message_at: organisation.last_message_at,
                org,
            };
            Some(Seen { pulse, oldest_event: oldest.map(|(_, event)| event) })
        };
        changed.into_iter().filter_map(pulse).collect()
    }
}

#[cfg(test)]
mod tests;
