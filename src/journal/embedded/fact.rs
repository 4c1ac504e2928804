//! A committed record, reduced to what the index is made of.

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::append::{self, EVENT_COLUMNS, EVENT_WIDTH, Identity, Stored, millisecond};
use crate::domain::protection::Change;
use crate::domain::{EventType, OrgId, Outcome, Position, Reason, Text};
use crate::journal::batch::{Key, Keyed, NewEvent};
use crate::journal::{Settlement, Verdict};

/// What the index learns from one record.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    Event(Box<EventFact>),
    Duplicate { event: u64, at: Timestamp, org: OrgId },
    Attempt { sequence: u64, event: u64, at: Timestamp },
    Settled(Box<SettledFact>),
    Replayed { sequence: u64, event: u64, at: Timestamp, org: OrgId, number: u32, was_dead: bool },
    Discarded { sequence: u64, event: u64, org: OrgId, was_dead: bool },
    Removed(Box<RemovedFact>),
}

/// An event that is no longer in the journal.
#[derive(Debug, Clone)]
pub(super) struct RemovedFact {
    pub(super) event: u64,
    pub(super) org: OrgId,
    pub(super) application: Key,
    pub(super) candidate: i64,
    pub(super) message: Option<Key>,
    pub(super) was_dead: bool,
    /// It waits for delivery.
    pub(super) waits: bool,
    /// Its application is forgotten with it.
    pub(super) forget: bool,
}

#[derive(Debug, Clone)]
pub(super) struct EventFact {
    pub(super) sequence: u64,
    pub(super) at: Timestamp,
    pub(super) org: OrgId,
    pub(super) application: Key,
    pub(super) candidate: i64,
    pub(super) message: Option<Key>,
    pub(super) event_type: EventType,
    pub(super) accepted: bool,
    pub(super) deliver: bool,
    /// What it does to its application's interview.
    pub(super) interview_since: Since,
    pub(super) stage: Option<Text>,
    pub(super) interview: bool,
}

/// What an event does to the start of its application's interview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing: it goes on as it was.
    Kept,
    /// It starts one.
    Started,
    /// There is none now.
    None,
}

impl Since {
    fn of(outcome: Outcome, was: Option<Position>, now: Position) -> Self {
        match (outcome, was, now) {
            (Outcome::Accepted, _, Position::Out) => Self::None,
            (Outcome::Accepted, None | Some(Position::Out), Position::In) => Self::Started,
            _ => Self::Kept,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct SettledFact {
    pub(super) sequence: u64,
    pub(super) event: u64,
    pub(super) org: OrgId,
    pub(super) end: End,
    pub(super) late: bool,
    pub(super) protection: Option<(Key, Change, Timestamp)>,
}

/// What a settlement did to its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Delivered,
    Retry { due_at: Timestamp },
    Dead,
}

impl Fact {
    pub(super) fn of_event(sequence: u64, at: Timestamp, message: Keyed, new: &NewEvent, identity: &Identity) -> Self {
        let incoming = message.incoming;
        Self::Event(Box::new(EventFact {
            sequence,
            at,
            application: message.application,
            candidate: identity.keys.candidate(&incoming.org, incoming.change.candidate.as_str()),
            message: message.message,
            event_type: new.event_type,
            accepted: new.outcome == Outcome::Accepted,
            deliver: new.deliver,
            interview_since: Since::of(new.outcome, new.was, new.now),
            stage: incoming.change.stage,
            interview: incoming.position == Position::In,
            org: incoming.org,
        }))
    }

    pub(super) fn of_settlement(
        sequence: u64,
        at: Timestamp,
        settlement: &Settlement,
        org: OrgId,
        application: Key,
        event_time: Timestamp,
    ) -> Self {
        let end = match settlement.verdict {
            Verdict::Delivered => End::Delivered,
            Verdict::Retry { after, .. } => End::Retry { due_at: at + after },
            Verdict::Paused { .. } => End::Retry { due_at: at },
            Verdict::Dead => End::Dead,
        };
        Self::Settled(Box::new(SettledFact {
            sequence,
            event: settlement.fence.event,
            org,
            end,
            late: settlement.late,
            protection: settlement.protection.map(|change| (application, change, event_time)),
        }))
    }
}

/// The facts of the journal's records in `(after, upto]`, in the order of their numbers.
pub(super) fn of_records(
    journal: &Connection,
    identity: &Identity,
    after: u64,
    upto: u64,
) -> rusqlite::Result<Vec<Fact>> {
    let mut facts = Vec::new();
    let mut collect = |sql: &str, read: &dyn Fn(&Row<'_>) -> rusqlite::Result<(u64, Fact)>| {
        let mut statement = journal.prepare_cached(sql)?;
        let mut rows = statement.query([after, upto])?;
        while let Some(row) = rows.next()? {
            facts.push(read(row)?);
        }
        Ok::<_, rusqlite::Error>(())
    };
    let range = "sequence > ?1 AND sequence <= ?2";
    collect(&format!("SELECT {EVENT_COLUMNS} FROM event WHERE {range}"), &|row| event(row, identity))?;
    let duplicates = "SELECT d.sequence, d.event, d.at, event.orgid
         FROM duplicate d JOIN event ON event.sequence = d.event WHERE d.sequence > ?1 AND d.sequence <= ?2";
    collect(duplicates, &|row| {
        let org = append::organisation(row, 3)?;
        Ok((row.get(0)?, Fact::Duplicate { event: row.get(1)?, at: millisecond(row, 2)?, org }))
    })?;
    collect(&format!("SELECT sequence, event, at FROM attempt WHERE {range}"), &|row| {
        let sequence = row.get(0)?;
        Ok((sequence, Fact::Attempt { sequence, event: row.get(1)?, at: millisecond(row, 2)? }))
    })?;
    let settlements = format!(
        "SELECT {EVENT_COLUMNS}, s.sequence, s.verdict, s.due_at, s.protection, s.late
         FROM settlement s JOIN event ON event.sequence = s.event WHERE s.sequence > ?1 AND s.sequence <= ?2"
    );
    collect(&settlements, &|row| settlement(row, identity))?;
    let replays = "SELECT r.sequence, r.event, r.at, event.orgid, r.number, r.was
         FROM replay r JOIN event ON event.sequence = r.event WHERE r.sequence > ?1 AND r.sequence <= ?2";
    collect(replays, &|row| {
        let (sequence, event, at) = (row.get(0)?, row.get(1)?, millisecond(row, 2)?);
        let (org, number, was_dead) = (append::organisation(row, 3)?, row.get(4)?, row.get(5)?);
        Ok((sequence, Fact::Replayed { sequence, event, at, org, number, was_dead }))
    })?;
    let discards = "SELECT d.sequence, d.event, event.orgid, d.was
         FROM discard d JOIN event ON event.sequence = d.event WHERE d.sequence > ?1 AND d.sequence <= ?2";
    collect(discards, &|row| {
        let (sequence, event, was_dead) = (row.get(0)?, row.get(1)?, row.get(3)?);
        Ok((sequence, Fact::Discarded { sequence, event, org: append::organisation(row, 2)?, was_dead }))
    })?;
    facts.sort_unstable_by_key(|(sequence, _)| *sequence);
    Ok(facts.into_iter().map(|(_, fact)| fact).collect())
}

fn event(row: &Row<'_>, identity: &Identity) -> rusqlite::Result<(u64, Fact)> {
    let stored = append::stored(row, identity.tag)?;
    let application = application(&stored, identity);
    let Stored { event, told, message_id, .. } = &stored;
    let (stage, step, status) = (event.stage.as_ref(), event.step.as_ref(), event.status.as_ref());
    let message = message_id.as_deref().map(|message_id| {
        identity.keys.message(application, message_id, identity.keys.likeness(stage, step, status, *told))
    });
    // What the message itself said: of a stale one, that is not where the application is.
    let interview = match stored.reason {
        Reason::Told => *told == Some(Position::In),
        reason => reason == Reason::InterviewStage,
    };
    let fact = EventFact {
        sequence: stored.sequence,
        at: event.received_at,
        org: event.orgid.clone(),
        application,
        candidate: identity.keys.candidate(&event.orgid, event.candidate_id.as_str()),
        message,
        event_type: event.event_type,
        accepted: stored.outcome == Outcome::Accepted,
        deliver: stored.deliver,
        interview_since: Since::of(stored.outcome, stored.was, stored.now),
        stage: event.stage.clone(),
        interview,
    };
    Ok((stored.sequence, Fact::Event(Box::new(fact))))
}

fn settlement(row: &Row<'_>, identity: &Identity) -> rusqlite::Result<(u64, Fact)> {
    let stored = append::stored(row, identity.tag)?;
    let columns = EVENT_WIDTH;
    let sequence = row.get(columns)?;
    let end = match row.get::<_, i64>(columns + 1)? {
        0 => End::Delivered,
        1 | 3 => End::Retry { due_at: millisecond(row, columns + 2)? },
        _ => End::Dead,
    };
    let protection = row.get::<_, Option<bool>>(columns + 3)?;
    let fact = SettledFact {
        sequence,
        event: stored.sequence,
        end,
        late: row.get(columns + 4)?,
        protection: protection
            .map(|activated| (application(&stored, identity), append::change(activated), stored.event.timestamp)),
        org: stored.event.orgid,
    };
    Ok((sequence, Fact::Settled(Box::new(fact))))
}

pub(super) fn application(stored: &Stored, identity: &Identity) -> Key {
    identity.keys.application(&stored.event.orgid, stored.event.job_application_id.as_str())
}
