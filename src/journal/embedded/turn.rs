//! One transaction under way: each command decided and appended, its effects and answers kept until
//! the commit.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::amendment::Amended;
use super::append::{self, Identity};
use super::command::Command;
use super::fact::Fact;
use super::gate::Change;
use super::lanes::{Entry, LaneKey, Lanes, Pick, Strikes};
use super::standings::Standings;
use super::writer::LOOK;
use crate::domain::{EventType, OrgId, Outcome};
use crate::journal::batch::{Batch, Decided, EventRef, Keyed};
use crate::journal::{
    Claimed, Claims, Fence, LaneKind, Promise, Quota, ReadBack, Receipt, Settled, Settlement, Taken, Unavailable,
    Verdict, count,
};

/// What a batch will mean once it is committed.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) pushed: Vec<(OrgId, LaneKey, Entry)>,
    pub(super) claimed: Vec<(Pick, u64, Duration)>,
    pub(super) settled: Vec<(Fence, Verdict)>,
    /// Events that are not to be delivered any more.
    pub(super) dropped: Vec<(OrgId, LaneKey, u64)>,
    /// Changes of gates, with their reasons.
    pub(super) gated: Vec<(OrgId, Change, Option<String>)>,
    pub(super) facts: Vec<Fact>,
    pub(super) answers: Vec<Answer>,
    /// What was taken of whom, for the figures.
    pub(super) taken_of: Vec<(Taken, u64)>,
    /// Lanes that this batch claims or settles already.
    pub(super) taken: HashSet<LaneKey>,
    /// Whether there may be work that was not there before, for another reason than the above.
    pub(super) stirred: bool,
}

pub(super) enum Answer {
    Accepted(Promise<Receipt>, Result<Receipt, Unavailable>),
    Claimed(Promise<Claims>, Claims),
    Settled(Promise<Settled>, Settled),
    Amended(Promise<Amended>, Amended),
    Turned(Promise<()>),
}

impl Answer {
    pub(super) fn give(self, failure: Option<&Unavailable>) {
        fn or<T>(failure: Option<&Unavailable>, result: Result<T, Unavailable>) -> Result<T, Unavailable> {
            failure.map_or(result, |failure| Err(failure.clone()))
        }
        match self {
            Self::Accepted(promise, result) => promise.keep(or(failure, result)),
            Self::Claimed(promise, claims) => promise.keep(or(failure, Ok(claims))),
            Self::Settled(promise, settled) => promise.keep(or(failure, Ok(settled))),
            Self::Amended(promise, amended) => promise.keep(or(failure, Ok(amended))),
            Self::Turned(promise) => promise.keep(or(failure, Ok(()))),
        }
    }
}

/// One transaction under way.
pub(super) struct Turn<'t> {
    pub(super) journal: &'t Connection,
    pub(super) identity: &'t Identity,
    pub(super) lanes: &'t mut Lanes,
    pub(super) batch: Batch<'t, Standings>,
    pub(super) last: u64,
    pub(super) effects: &'t mut Effects,
    pub(super) low_disk: Option<Unavailable>,
    pub(super) now: Duration,
}

impl Turn<'_> {
    pub(super) fn take(&mut self, command: Command) -> rusqlite::Result<()> {
        match command {
            Command::Accept(message, promise) => {
                let (org, source) = (message.incoming.org.clone(), message.incoming.source);
                let (result, failed) = split(self.accept(*message), Err(Unavailable::Stopped));
                if let Some(receipt) = result.as_ref().ok().filter(|receipt| !receipt.is_overtaken()) {
                    let (outcome, event_type) = (receipt.outcome, receipt.event_type);
                    count(&mut self.effects.taken_of, Taken { org, source, outcome, event_type });
                }
                self.effects.answers.push(Answer::Accepted(promise, result));
                failed
            }
            Command::Claim(quota, lease, promise) => {
                let (claims, failed) = split(self.claim(&quota, lease), Claims::default());
                self.effects.answers.push(Answer::Claimed(promise, claims));
                failed
            }
            Command::Settle(settlement, promise) => {
                let (settled, failed) = split(self.settle(&settlement), Settled::Stale);
                self.effects.answers.push(Answer::Settled(promise, settled));
                failed
            }
            Command::Amend(amendment, promise) => {
                let (amended, failed) = split(self.amend(*amendment), Amended::default());
                self.effects.answers.push(Answer::Amended(promise, amended));
                failed
            }
            Command::Turn(amendment, promise) => {
                self.effects.answers.push(Answer::Turned(promise));
                self.amend(*amendment).map(drop)
            }
            Command::Truncate(_) | Command::Close => Ok(()),
        }
    }

    pub(super) fn sequence(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn accept(&mut self, message: Keyed) -> rusqlite::Result<Result<Receipt, Unavailable>> {
        let at = self.batch.at();
        let dry_run = message.incoming.dry_run;
        let new = match self.batch.decide(&message)? {
            Decided::New(new) => new,
            Decided::Overtaken => return Ok(Ok(Receipt::overtaken())),
            Decided::Duplicate(event) => {
                let event_id = Some(self.identity.event_id(&event));
                let outcome = if dry_run { Outcome::DryRun } else { Outcome::Duplicate };
                if !dry_run {
                    let sequence = self.sequence();
                    append::duplicate(self.journal, sequence, at, event.sequence)?;
                    let org = message.incoming.org.clone();
                    self.effects.facts.push(Fact::Duplicate { event: event.sequence, at, org });
                }
                return Ok(Ok(Receipt { event_id, event_type: event.event_type, outcome }));
            }
        };
        if dry_run {
            return Ok(Ok(Receipt { event_id: None, event_type: new.event_type, outcome: Outcome::DryRun }));
        }
        if let Some(refused) = self.refused(&message, new.deliver) {
            return Ok(Err(refused));
        }
        let sequence = self.sequence();
        append::event(self.journal, sequence, at, &message, &new)?;
        self.batch.learn(&message, &new, sequence);
        if new.deliver {
            let entry = Entry {
                sequence,
                opened: sequence,
                since: at,
                attempts: 0,
                first_attempt: None,
                is_start: new.event_type == EventType::InterviewStarted,
                replay: None,
                strikes: Strikes::default(),
            };
            let lane = (message.application, LaneKind::Delivery);
            self.effects.pushed.push((message.incoming.org.clone(), lane, entry));
        }
        self.effects.facts.push(Fact::of_event(sequence, at, message, &new, self.identity));
        let event = EventRef { sequence, received_at: at, event_type: new.event_type };
        let event_id = Some(self.identity.event_id(&event));
        Ok(Ok(Receipt { event_id, event_type: new.event_type, outcome: new.outcome }))
    }

    fn refused(&self, message: &Keyed, deliver: bool) -> Option<Unavailable> {
        if self.low_disk.is_some() {
            return self.low_disk.clone();
        }
        let incoming = &message.incoming;
        if !deliver || incoming.pending_limit == 0 {
            return None;
        }
        let pushed = self.effects.pushed.iter().filter(|(org, ..)| *org == incoming.org).count() as u64;
        let pending = self.lanes.pending(&incoming.org) + pushed;
        (pending >= incoming.pending_limit).then_some(Unavailable::Backlog { pending })
    }

    fn claim(&mut self, quota: &Quota, lease: Duration) -> rusqlite::Result<Claims> {
        let mut claims = Claims::default();
        // Nothing is handed out whose result could not be recorded.
        if self.low_disk.is_some() {
            claims.next_due = Some(LOOK);
            return Ok(claims);
        }
        if quota.kind == LaneKind::Details {
            return self.claim_details(quota, lease);
        }
        for pick in self.lanes.pick(quota, self.now, &self.effects.taken) {
            let stored = append::read(self.journal, pick.entry.sequence, self.identity.tag)?;
            let Some(stored) = stored else { continue };
            let attempt = self.sequence();
            let at = self.batch.at();
            append::attempt(self.journal, attempt, at, pick.entry.sequence, pick.lane.1)?;
            let event = pick.entry.sequence;
            self.effects.facts.push(Fact::Attempt { sequence: attempt, event, at });
            let number = pick.entry.replay.unwrap_or(0);
            let suffix = if number == 0 { String::new() } else { format!(".{number}") };
            claims.claimed.push(Claimed {
                idempotency_key: format!("{}{suffix}", stored.event.event_id),
                fence: Fence { kind: LaneKind::Delivery, event, attempt },
                attempt: pick.entry.attempts + 1,
                since_first: self.since_first(&pick, at),
                replayed: pick.entry.replay.is_some(),
                strike: self.lanes.strike(&pick.org, &pick.entry),
                age: since(at, stored.event.received_at),
                trace: stored.trace,
                event: stored.event,
            });
            self.effects.taken.insert(pick.lane);
            self.effects.claimed.push((pick, attempt, self.now + lease));
        }
        claims.next_due = self.lanes.next_due(quota, self.now);
        Ok(claims)
    }

    /// How long its first attempt is ago, pauses not counted.
    fn since_first(&self, pick: &Pick, at: Timestamp) -> Duration {
        let Some(first) = pick.entry.first_attempt else { return Duration::ZERO };
        let paused = self.lanes.gate(&pick.org).map_or(Duration::ZERO, |gate| gate.paused_between(first, at));
        since(at, first).saturating_sub(paused)
    }

    fn settle(&mut self, settlement: &Settlement) -> rusqlite::Result<Settled> {
        if settlement.fence.kind == LaneKind::Details {
            return self.settle_details(settlement);
        }
        let at = self.batch.at();
        let Some((org, lane)) = self.lanes.held(settlement.fence).map(|(org, lane)| (org.clone(), lane)) else {
            return Ok(Settled::Stale);
        };
        let repeated = self.effects.settled.iter().any(|(fence, _)| *fence == settlement.fence);
        let taken_over = self.effects.taken.contains(&lane);
        if repeated || taken_over {
            return Ok(Settled::Stale);
        }
        let event_time = match settlement.protection {
            None => at,
            Some(_) => append::read(self.journal, settlement.fence.event, self.identity.tag)?
                .map_or(at, |stored| stored.event.timestamp),
        };
        let sequence = self.sequence();
        append::settlement(self.journal, sequence, at, settlement)?;
        self.turn_gate(&org, settlement)?;
        if settlement.read_back == ReadBack::Wanted {
            self.want_details(&org, lane.0, settlement.fence.event)?;
        }
        self.effects.facts.push(Fact::of_settlement(sequence, at, settlement, org, lane.0, event_time));
        self.effects.settled.push((settlement.fence, settlement.verdict));
        // Its next event may be claimed only once this is committed.
        self.effects.taken.insert(lane);
        Ok(Settled::Applied)
    }
}

impl Turn<'_> {
    /// Records what a settlement does to the gate of its organisation.
    fn turn_gate(&mut self, org: &OrgId, settlement: &Settlement) -> rusqlite::Result<()> {
        let in_batch = self.effects.gated.iter().rev().find(|(gated, ..)| gated == org).map(|(_, change, _)| change);
        let gate = self.lanes.gate(org);
        let (probing, stale) = match in_batch {
            Some(Change::SetUpWrong { .. }) => (true, true),
            Some(Change::SetUpMended | Change::Resumed) => (false, false),
            _ => gate.map_or((false, false), |gate| (gate.is_probing(), gate.is_stale(settlement.fence.attempt))),
        };
        let change = match settlement.verdict {
            Verdict::Paused { probe_after } if !probing => Change::SetUpWrong { probe_every: probe_after },
            Verdict::Delivered if probing && !stale => Change::SetUpMended,
            Verdict::Retry { after, hold_organisation: true } => Change::Held { wait: after },
            _ => return Ok(()),
        };
        self.gate(org.clone(), change, settlement.answered.error.as_deref())
    }
}

/// The value to answer with, and whether the batch goes on. Where it does not, all its answers are
/// replaced by the failure.
fn split<T>(result: rusqlite::Result<T>, otherwise: T) -> (T, rusqlite::Result<()>) {
    match result {
        Ok(value) => (value, Ok(())),
        Err(error) => (otherwise, Err(error)),
    }
}

fn since(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
