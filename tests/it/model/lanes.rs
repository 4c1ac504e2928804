//! What may and what must be claimed, and which settlements count.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use imper_bridge::journal::{DeliveryState, Verdict};

/// How long to wait before each probe.
pub(super) const PROBE: Duration = Duration::from_secs(30);

type Key = (&'static str, &'static str);

/// When something is due: not before the first, certainly at the second.
type Due = (Duration, Duration);

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<usize>,
    due: Due,
    /// The claim that holds the head, until somebody else gets it.
    claim: Option<usize>,
    /// How long the head was to wait after a failure.
    retry: Option<Duration>,
}

#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<Key, Lane>,
    held: HashMap<&'static str, Due>,
    /// Organisations that an operator paused.
    paused: HashSet<&'static str>,
    /// Organisations whose set-up counts as wrong, and when the next probe is due.
    probing: HashMap<&'static str, Due>,
    /// The first claim since then. One that was begun before says nothing of how it is now.
    first_probe: HashMap<&'static str, usize>,
    /// The longest that a relay ever asked its organisation to wait.
    longest_hold: HashMap<&'static str, Duration>,
    /// In all, and since the event was last opened.
    attempts: HashMap<usize, (u32, u32)>,
    delivered: HashSet<usize>,
    dead: HashSet<usize>,
    jumped: bool,
}

impl Lanes {
    pub(super) fn push(&mut self, key: Key, event: usize, now: Duration) {
        let lane = self.lanes.entry(key).or_default();
        if lane.waiting.is_empty() {
            lane.due = (now, now);
        }
        lane.waiting.push_back(event);
    }

    /// A settled event is delivered anew.
    pub(super) fn replay(&mut self, key: Key, event: usize, now: Duration) {
        self.delivered.remove(&event);
        self.dead.remove(&event);
        self.attempts.entry(event).or_default().1 = 0;
        self.push(key, event, now);
    }

    pub(super) fn pause(&mut self, org: &'static str) {
        self.paused.insert(org);
    }

    pub(super) fn resume(&mut self, org: &'static str) {
        self.paused.remove(org);
        self.probing.remove(org);
        self.first_probe.remove(org);
        self.held.remove(org);
    }

    /// An event that waits is deleted.
    pub(super) fn drop_event(&mut self, key: Key, event: usize, now: Duration) {
        let lane = self.lanes.get_mut(&key).expect("a lane");
        let place = lane.waiting.iter().position(|waiting| *waiting == event).expect("an event that waits");
        lane.waiting.remove(place);
        if place == 0 {
            (lane.due, lane.claim, lane.retry) = ((now, now), None, None);
        }
    }

    /// Every set-up was looked at.
    pub(super) fn set_up_read(&mut self) {
        self.probing.clear();
        self.first_probe.clear();
    }

    /// Of which organisations a claim must find one event, whichever.
    pub(super) fn certainly_probed(&self, now: Duration) -> Vec<&'static str> {
        let free =
            |org: &&'static str| !self.paused.contains(org) && self.held.get(org).is_none_or(|held| held.1 <= now);
        let due = |org: &&'static str| {
            let own = self.lanes.iter().filter(|((of, _), lane)| of == org && !lane.waiting.is_empty());
            own.map(|(_, lane)| lane.due.1).any(|due| due <= now)
        };
        let probing = self.probing.iter().filter(|(_, next)| next.1 <= now).map(|(org, _)| *org);
        probing.filter(|org| free(org) && due(org)).collect()
    }

    /// The events that a claim must find.
    pub(super) fn certainly_due(&self, now: Duration) -> Vec<usize> {
        let held = |org| {
            let stands = self.paused.contains(org) || self.probing.contains_key(org);
            stands || self.held.get(org).is_some_and(|(_, until)| *until > now)
        };
        let due = self.lanes.iter().filter(|((org, _), lane)| lane.due.1 <= now && !held(*org));
        due.filter_map(|(_, lane)| lane.waiting.front().copied()).collect()
    }

    /// The journal handed out this event; how many attempts of it there must have been.
    pub(super) fn claim(&mut self, key: Key, event: usize, now: Duration, until: Duration, claim: usize) -> u32 {
        let held = self.held.get(key.0).is_some_and(|(from, _)| *from > now);
        assert!(!held, "{key:?} was claimed while its organisation waits");
        assert!(!self.paused.contains(key.0), "{key:?} was claimed while an operator paused its organisation");
        if let Some(next) = self.probing.get_mut(key.0) {
            assert!(next.0 <= now, "{key:?}: one probe at a time, each in its time");
            *next = (until, until);
            self.first_probe.entry(key.0).or_insert(claim);
        }
        let lane = self.lanes.get_mut(&key).expect("a lane");
        assert_eq!(lane.waiting.front(), Some(&event), "{key:?}: only the oldest unsettled event is claimed");
        assert!(lane.due.0 <= now, "{key:?} was claimed before it was due");
        (lane.due, lane.claim, lane.retry) = ((until, until), Some(claim), None);
        let attempts = self.attempts.entry(event).or_default();
        *attempts = (attempts.0 + 1, attempts.1 + 1);
        attempts.1
    }

    /// Whether the settlement counts, and if so, does what it says.
    pub(super) fn settle(&mut self, key: Key, claim: usize, verdict: Verdict, now: Duration) -> bool {
        let Some(lane) = self.lanes.get_mut(&key).filter(|lane| lane.claim == Some(claim)) else { return false };
        lane.claim = None;
        match (verdict, self.probing.get_mut(key.0)) {
            (Verdict::Delivered, _) if self.first_probe.get(key.0).is_some_and(|first| claim >= *first) => {
                self.probing.remove(key.0);
                self.first_probe.remove(key.0);
            }
            (Verdict::Delivered, _) => {}
            (_, Some(next)) => *next = (now + PROBE, now + PROBE),
            (Verdict::Paused { .. }, None) => drop(self.probing.insert(key.0, (now + PROBE, now + PROBE))),
            _ => {}
        }
        if let Verdict::Paused { .. } = verdict {
            lane.due = (now, now);
            return true;
        }
        let Verdict::Retry { after, hold_organisation } = verdict else {
            let event = lane.waiting.pop_front().expect("a claimed head");
            let done = if verdict == Verdict::Dead { &mut self.dead } else { &mut self.delivered };
            assert!(done.insert(event), "an event is settled for good once");
            lane.due = (now, now);
            return true;
        };
        let due = now + after;
        (lane.due, lane.retry) = ((due, due), Some(after));
        if hold_organisation {
            let held = self.held.entry(key.0).or_default();
            *held = (held.0.max(due), held.1.max(due));
            let longest = self.longest_hold.entry(key.0).or_default();
            *longest = after.max(*longest);
        }
        true
    }

    /// From now on the wall clock says nothing about how much time has passed.
    pub(super) fn wall_jumped(&mut self) {
        self.jumped = true;
    }

    /// The process died: what it had claimed is due at once, and what waits does so by the wall clock.
    pub(super) fn reopened(&mut self, now: Duration) {
        for lane in self.lanes.values_mut() {
            lane.claim = None;
            lane.due = match lane.retry {
                None => (now, now),
                Some(after) if self.jumped => (now, now + after),
                Some(_) => (lane.due.0.max(now), lane.due.1.max(now)),
            };
        }
        // When a probe was tried last is not recorded, but when the set-up was found wrong is.
        for next in self.probing.values_mut() {
            *next = (now, next.1.max(now + PROBE));
        }
        // What a relay asked for holds across a restart, as far as the wall clock can tell.
        for (org, held) in self.held.iter_mut().filter(|_| self.jumped) {
            *held = (now, now + self.longest_hold[org]);
        }
    }

    pub(super) fn attempts(&self, event: usize) -> u32 {
        self.attempts.get(&event).map_or(0, |attempts| attempts.0)
    }

    pub(super) fn state(&self, event: usize) -> DeliveryState {
        if self.delivered.contains(&event) {
            DeliveryState::Delivered
        } else if self.dead.contains(&event) {
            DeliveryState::Dead
        } else {
            DeliveryState::Pending
        }
    }
}
