//! How the deliveries of an organisation stand: whether its relay takes what waits.
//!
//! It is concluded from the event that waits the longest, as everything else of the organisation
//! waits for no longer: the attempts to deliver it since one last went otherwise. One look-up for
//! each organisation with anything waiting is all that it takes.

use std::time::Duration;

use jiff::Timestamp;

use super::{Admin, Problem};
use crate::journal::{AttemptOutcome, AttemptRecord, DeliveryState, OrganisationStats, PauseCause};

/// For how long an attempt may fail or be under way before that is spoken of, unless it is repeated.
const SPOKEN_OF: Duration = Duration::from_secs(30);

/// For how long it may before something counts as broken.
const BROKEN: Duration = Duration::from_secs(2 * 60);

/// How the deliveries of one organisation stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether a start of an interview waits for longer than it is of use.
    pub(super) overdue: bool,
    /// Until when the relay has asked for quiet.
    pub(super) held_until: Option<Timestamp>,
    /// Since when and why what waits the longest is not taken.
    failing: Option<Failing>,
}

/// Attempts to deliver what waits the longest that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failing {
    /// When the first of them began.
    pub(super) since: Timestamp,
    /// How many have ended.
    pub(super) attempts: u64,
    /// What the last of these ran into; none where the first is still under way.
    pub(super) error: Option<String>,
    /// Whether it says that the set-up is wrong.
    by_set_up: bool,
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gravity {
    /// It deserves a look.
    Look,
    /// It does not work.
    Broken,
}

impl Standing {
    /// How the deliveries that these figures are of stand now.
    pub(super) async fn of(admin: &Admin, stats: &OrganisationStats, now: Timestamp) -> Result<Self, Problem> {
        if stats.pending == 0 {
            return Ok(Self::default());
        }
        let useful = admin.policy.load().useful_within;
        let pulses = admin.journal.pulse();
        let oldest_start = pulses.iter().find(|pulse| pulse.org == stats.org).and_then(|pulse| pulse.oldest_start);
        let failing = match stats.oldest_event {
            Some(event) => {
                let found = admin.journal.event(event).await?;
                let waits = found.filter(|(record, _)| record.state == DeliveryState::Pending);
                waits.and_then(|(_, attempts)| Failing::of(&attempts))
            }
            None => None,
        };
        Ok(Self {
            overdue: oldest_start.is_some_and(|since| elapsed(since, now) > useful),
            held_until: stats.held_until.filter(|until| *until > now),
            failing,
        })
    }

    /// What is to be said of deliveries that fail, and how grave that is; of single failures, which
    /// the next attempt mends, nothing.
    pub(super) fn failing(&self, now: Timestamp) -> Option<(&Failing, Gravity)> {
        let failing = self.failing.as_ref()?;
        let lasts = elapsed(failing.since, now);
        let gravity = match () {
            () if self.overdue || lasts >= BROKEN => Gravity::Broken,
            () if failing.attempts >= 2 || lasts >= SPOKEN_OF || self.held_until.is_some() => Gravity::Look,
            () => return None,
        };
        Some((failing, gravity))
    }

    /// Since when deliveries that stand still do so. A reload and an operator's resuming only begin the
    /// pause of a wrong set-up anew: what counts is when it was first found wrong.
    pub(super) fn paused_since(&self, stats: &OrganisationStats) -> Option<Timestamp> {
        let paused = stats.paused.as_ref()?;
        let found = self.failing.as_ref().filter(|failing| failing.by_set_up && paused.cause == PauseCause::SetUp);
        Some(found.map_or(paused.since, |failing| failing.since.min(paused.since)))
    }
}

impl Failing {
    /// What the latest attempts have in common, of all that there were in their order.
    fn of(attempts: &[AttemptRecord]) -> Option<Self> {
        let attempts = since_settled(attempts);
        let ended = |attempt: &&AttemptRecord| attempt.outcome != AttemptOutcome::Unknown;
        let last = attempts.iter().rev().find(ended);
        let outcome = last.map_or(AttemptOutcome::Unknown, |last| last.outcome);
        let alike = |attempt: &&AttemptRecord| [outcome, AttemptOutcome::Unknown].contains(&attempt.outcome);
        let run: Vec<_> = attempts.iter().rev().take_while(alike).collect();
        Some(Self {
            since: run.last()?.at,
            attempts: run.iter().copied().filter(ended).count() as u64,
            error: last.and_then(|last| last.error.clone()),
            by_set_up: outcome == AttemptOutcome::Paused,
        })
    }

    /// Why it fails, as the predicate of a sentence.
    pub(super) fn says(&self) -> String {
        match self.error.as_deref() {
            Some(error) if self.by_set_up => refuses(error),
            Some(error) if error.starts_with("the relay answered") => format!("the relay cannot take events ({error})"),
            Some(error) => format!("the relay does not answer ({error})"),
            None => "the relay has not answered yet".into(),
        }
    }
}

/// The attempts after the last one that settled the event, which is replayed then.
fn since_settled(attempts: &[AttemptRecord]) -> &[AttemptRecord] {
    let settles = |attempt: &AttemptRecord| matches!(attempt.outcome, AttemptOutcome::Delivered | AttemptOutcome::Dead);
    &attempts[attempts.iter().rposition(settles).map_or(0, |last| last + 1)..]
}

/// What an answer of the relay that calls the set-up wrong means.
pub(super) fn refuses(reason: &str) -> String {
    let status = reason.split_whitespace().next_back().unwrap_or_default();
    match status {
        "401" | "403" => format!("the relay refuses the API key ({reason})"),
        "404" | "410" => format!("the relay does not know the URL ({reason})"),
        _ => format!("the relay calls the set-up wrong ({reason})"),
    }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn attempt(second: i64, outcome: AttemptOutcome) -> AttemptRecord {
        let error = (outcome != AttemptOutcome::Unknown).then(|| format!("the relay answered {second}"));
        AttemptRecord { at: at(second), outcome, status: None, latency_ms: None, error, answer: None }
    }

    fn standing(attempts: &[AttemptRecord]) -> Standing {
        Standing { failing: Failing::of(attempts), ..Standing::default() }
    }

    #[test]
    fn a_relay_that_is_away_is_spoken_of_at_the_second_failure_and_broken_after_two_minutes() {
        use AttemptOutcome::{Retry, Unknown};
        let gravity = |attempts: &[AttemptRecord], now| standing(attempts).failing(at(now)).map(|(_, gravity)| gravity);
        assert_eq!(gravity(&[], 900), None);
        assert_eq!(gravity(&[attempt(100, Retry)], 129), None, "it may have been a hiccup");
        assert_eq!(gravity(&[attempt(100, Retry)], 130), Some(Gravity::Look), "and waits for long");
        assert_eq!(gravity(&[attempt(100, Retry), attempt(102, Unknown)], 103), None, "one has failed");
        assert_eq!(gravity(&[attempt(100, Retry), attempt(102, Retry)], 103), Some(Gravity::Look));
        assert_eq!(gravity(&[attempt(100, Unknown)], 131), Some(Gravity::Look), "it is under way for so long");
        assert_eq!(gravity(&[attempt(100, Retry), attempt(102, Retry)], 219), Some(Gravity::Look));
        assert_eq!(gravity(&[attempt(100, Retry), attempt(102, Retry)], 220), Some(Gravity::Broken));
        let overdue = Standing { overdue: true, ..standing(&[attempt(100, Retry)]) };
        assert_eq!(overdue.failing(at(101)).unwrap().1, Gravity::Broken);
        let held = Standing { held_until: Some(at(700)), ..standing(&[attempt(100, Retry)]) };
        assert_eq!(held.failing(at(101)).unwrap().1, Gravity::Look, "the relay said itself that it lasts");
    }

    #[test]
    fn what_counts_is_what_the_latest_attempts_have_in_common() {
        use AttemptOutcome::{Dead, Paused, Retry, Unknown};
        let since = |attempts: &[AttemptRecord]| Failing::of(attempts).map(|failing| failing.since.as_second());
        assert_eq!(since(&[attempt(1, Retry), attempt(2, Unknown), attempt(3, Retry), attempt(4, Unknown)]), Some(1));
        let refused = [attempt(1, Retry), attempt(2, Paused), attempt(3, Paused)];
        assert_eq!(since(&refused), Some(2), "before it was away, which is another matter");
        assert_eq!(Failing::of(&refused).unwrap().error.as_deref(), Some("the relay answered 3"));
        assert_eq!(since(&[attempt(1, Retry), attempt(2, Dead)]), None, "it is replayed and not tried yet");
        assert_eq!(since(&[attempt(1, Dead), attempt(5, Unknown)]), Some(5));
        assert_eq!(since(&[attempt(1, Dead), attempt(5, Retry), attempt(6, Retry)]), Some(5));
    }
}
