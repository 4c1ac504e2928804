//! What stops or lets go the deliveries of an organisation: an operator, a relay that calls the
//! set-up wrong, a relay that asks for quiet. Recorded as changes, so that a gate outlives the
//! process; here it is what they add up to.

use std::time::Duration;

use jiff::Timestamp;

pub(super) use crate::journal::gate::Change;
use crate::journal::{PauseCause, Paused};

/// What the changes add up to. Times of the wall clock are the journal's, the others are monotonic.
#[derive(Debug, Default)]
pub(super) struct Gate {
    paused_since: Option<Timestamp>,
    by_operator: bool,
    probing: Option<Probing>,
    held_until: Duration,
    /// The same by the wall clock.
    held_at_wall: Option<Timestamp>,
    reason: Option<String>,
    /// The pauses that are over, oldest first.
    over: Vec<(Timestamp, Timestamp)>,
}

#[derive(Debug, Clone, Copy)]
struct Probing {
    every: Duration,
    next: Duration,
    /// The first attempt that was claimed since then: those before it say nothing of how it is now.
    first: Option<u64>,
}

/// How many pauses are remembered.
const KEPT: usize = 1_000;

/// How much of an organisation's work may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// All of it.
    Open,
    /// A single event.
    Probe,
    /// None before this; none at all where nobody knows.
    Closed(Option<Duration>),
}

impl Gate {
    /// Takes over a change that was recorded at `at`, which is `ago` before `now`.
    pub(super) fn apply(&mut self, change: &Change, reason: Option<&str>, at: Timestamp, now: Duration, ago: Duration) {
        match change {
            Change::Held { wait } => {
                self.held_until = self.held_until.max(now + wait.saturating_sub(ago));
                self.held_at_wall = self.held_at_wall.max(at.checked_add(*wait).ok());
                return;
            }
            Change::Paused => self.by_operator = true,
            Change::SetUpWrong { probe_every: every } => {
                self.probing = Some(Probing { every: *every, next: now + every.saturating_sub(ago), first: None });
            }
            Change::SetUpMended => self.probing = None,
            Change::Resumed => {
                (self.probing, self.by_operator) = (None, false);
                (self.held_until, self.held_at_wall) = (Duration::ZERO, None);
            }
        }
        if self.is_paused() {
            self.paused_since.get_or_insert(at);
            self.reason = reason.map(str::to_owned).or(self.reason.take());
        } else if let Some(since) = self.paused_since.take() {
            self.reason = None;
            self.over.push((since, at));
            // A set-up that comes and goes must not fill the memory; no event is that old and still tried.
            self.over.drain(..self.over.len().saturating_sub(KEPT));
        }
    }

    fn is_paused(&self) -> bool {
        self.by_operator || self.probing.is_some()
    }

    /// Whether the set-up counts as wrong.
    pub(super) fn is_probing(&self) -> bool {
        self.probing.is_some()
    }

    pub(super) fn opening(&self, now: Duration) -> Opening {
        match self.probing {
            _ if self.by_operator => Opening::Closed(None),
            _ if self.held_until > now => Opening::Closed(Some(self.held_until)),
            Some(probing) if probing.next > now => Opening::Closed(Some(probing.next)),
            Some(_) => Opening::Probe,
            None => Opening::Open,
        }
    }

    /// A probe is under way until then at the latest.
    pub(super) fn probe_started(&mut self, attempt: u64, until: Duration) {
        if let Some(probing) = &mut self.probing {
            probing.next = until;
            probing.first.get_or_insert(attempt);
        }
    }

    /// Whether an attempt was begun before the set-up was found wrong, and ends only now.
    pub(super) fn is_stale(&self, attempt: u64) -> bool {
        self.probing.is_some_and(|probing| probing.first.is_none_or(|first| attempt < first))
    }

    /// A probe failed, whatever way.
    pub(super) fn probe_failed(&mut self, now: Duration) {
        if let Some(probing) = &mut self.probing {
            probing.next = now + probing.every;
        }
    }

    /// How long the deliveries were paused between the two times.
    pub(super) fn paused_between(&self, from: Timestamp, to: Timestamp) -> Duration {
        let now = self.paused_since.map(|since| (since, to));
        let pauses = self.over.iter().copied().chain(now);
        pauses.map(|(begin, end)| between(begin.max(from), end.min(to))).sum()
    }

    /// Until when the relay has asked for quiet; it may be over.
    pub(super) fn held(&self) -> Option<Timestamp> {
        self.held_at_wall
    }

    /// What is told of a pause.
    pub(super) fn paused(&self) -> Option<Paused> {
        let since = self.paused_since?;
        let cause = if self.by_operator { PauseCause::Operator } else { PauseCause::SetUp };
        Some(Paused { since, cause, reason: self.reason.clone() })
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_wrong_set_up_is_probed_and_its_time_is_not_counted() {
        let mut gate = Gate::default();
        let wrong = Change::SetUpWrong { probe_every: 30 * SECOND };
        gate.apply(&wrong, Some("401"), at(100), SECOND, Duration::ZERO);
        assert_eq!(gate.opening(SECOND), Opening::Closed(Some(31 * SECOND)));
        assert_eq!(gate.opening(31 * SECOND), Opening::Probe);
        gate.probe_started(7, 91 * SECOND);
        assert_eq!(gate.opening(31 * SECOND), Opening::Closed(Some(91 * SECOND)), "one at a time");
        gate.probe_failed(33 * SECOND);
        assert_eq!(gate.opening(63 * SECOND), Opening::Probe);
        assert_eq!(gate.paused().unwrap().reason.as_deref(), Some("401"));
        assert_eq!(gate.paused_between(at(50), at(160)), 60 * SECOND);
        gate.apply(&Change::SetUpMended, None, at(160), 63 * SECOND, Duration::ZERO);
        assert_eq!((gate.opening(63 * SECOND), gate.paused()), (Opening::Open, None));
        assert_eq!(gate.paused_between(at(130), at(500)), 30 * SECOND);
        assert_eq!(gate.paused_between(at(200), at(500)), Duration::ZERO);
    }

    #[test]
    fn an_operators_pause_outlasts_a_mended_set_up_and_a_resume_ends_both() {
        let mut gate = Gate::default();
        gate.apply(&Change::SetUpWrong { probe_every: SECOND }, None, at(1), SECOND, Duration::ZERO);
        gate.apply(&Change::Paused, Some("by anna"), at(2), SECOND, Duration::ZERO);
        gate.apply(&Change::SetUpMended, None, at(3), SECOND, Duration::ZERO);
        assert_eq!(gate.opening(SECOND), Opening::Closed(None));
        assert_eq!(gate.paused().unwrap().cause, PauseCause::Operator);
        gate.apply(&Change::Resumed, None, at(5), SECOND, Duration::ZERO);
        assert_eq!(gate.opening(SECOND), Opening::Open);
        assert_eq!(gate.paused_between(at(0), at(9)), 4 * SECOND, "one pause from the first cause to the last");
    }

    #[test]
    fn what_a_relay_asked_for_is_still_owed_after_a_restart() {
        let mut gate = Gate::default();
        gate.apply(&Change::Held { wait: 60 * SECOND }, None, at(1), 5 * SECOND, 20 * SECOND);
        assert_eq!(gate.opening(5 * SECOND), Opening::Closed(Some(45 * SECOND)));
        assert_eq!(gate.opening(45 * SECOND), Opening::Open);
        assert_eq!(gate.held(), Some(at(61)));
        gate.apply(&Change::Resumed, None, at(9), 6 * SECOND, Duration::ZERO);
        assert_eq!((gate.opening(6 * SECOND), gate.held()), (Opening::Open, None), "an operator knows better");
    }
}
