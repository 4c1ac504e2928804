//! The durable format: the only place that knows how a record is written to `journal.db` and read
//! back.

mod stored;

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::keys::Keys;
use super::log;
use super::schema::{self, OpenError, Synchronous};
use crate::domain::protection::Change;
use crate::domain::{EventId, EventType, Outcome, Position, Reason, Source, Text};
use crate::journal::batch::{EventRef, Keyed, NewEvent};
use crate::journal::{Answered, LaneKind, Settlement, Verdict};

pub(super) use stored::{
    EVENT_COLUMNS, EVENT_WIDTH, Stored, attempt_outcome, change, millisecond, organisation, read, stored,
};

const MIGRATIONS: &[&str] =
    &[include_str!("journal/0001.sql"), include_str!("journal/0002.sql"), include_str!("journal/0003.sql")];

/// What is fixed for the life of a journal.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    pub(super) tag: u32,
    pub(super) keys: Keys,
}

impl Identity {
    pub(super) fn event_id(&self, event: &EventRef) -> EventId {
        EventId::compose(event.received_at.as_millisecond(), self.tag, event.sequence)
    }
}

/// Opens or makes the journal's file.
pub(super) fn open(path: &Path) -> Result<(Connection, Identity), OpenError> {
    let connection = schema::open(path, Synchronous::Full, MIGRATIONS)?;
    // A sync that failed may have left pages of the log in memory that count as written and are not
    // on the disk. Moved into the file, they are written anew.
    match schema::checkpoint(&connection) {
        Err(error) if log::is_unsynced(&error) => return Err(schema::sqlite(path)(error)),
        Err(error) => tracing::warn!(%error, "the journal's write-ahead log cannot be emptied yet"),
        Ok(()) => {}
    }
    let identity = identity(&connection).map_err(schema::sqlite(path))?;
    Ok((connection, identity))
}

fn identity(connection: &Connection) -> rusqlite::Result<Identity> {
    let stored = connection.query_row("SELECT tag, hash_key FROM journal", [], |row| {
        Ok(Identity { tag: row.get(0)?, keys: Keys::new(row.get(1)?) })
    });
    if let Some(identity) = stored.optional()? {
        return Ok(identity);
    }
    let mut key = [0; 16];
    let mut tag = [0; 4];
    let filled = getrandom::fill(&mut key).and_then(|()| getrandom::fill(&mut tag));
    filled.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.to_string().into()))?;
    let tag = u32::from_le_bytes(tag) & 0x3ff_ffff;
    connection.execute("INSERT INTO journal (tag, hash_key, probed) VALUES (?1, ?2, 0)", params![tag, key])?;
    Ok(Identity { tag, keys: Keys::new(key) })
}

/// Writes something that means nothing, as durably as anything else: whether the disk takes it.
pub(super) fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE journal SET probed = probed + 1")?.execute([]).map(drop)
}

/// The number of the last record, and the latest time that was recorded.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<(u64, Timestamp)> {
    // What was removed was numbered as well.
    let (mut last, mut latest) = connection.query_row("SELECT removed_upto, removed_at FROM journal", [], |row| {
        Ok((row.get::<_, u64>(0)?, millisecond(row, 1)?))
    })?;
    for table in ["event", "duplicate", "attempt", "settlement", "replay", "discard", "gate", "erasure"] {
        let time = if table == "event" { "received_at" } else { "at" };
        let sql = format!("SELECT sequence, {time} FROM {table} ORDER BY sequence DESC LIMIT 1");
        let end = connection.query_row(&sql, [], |row| Ok((row.get::<_, u64>(0)?, millisecond(row, 1)?))).optional()?;
        if let Some((sequence, at)) = end {
            (last, latest) = (last.max(sequence), latest.max(at));
        }
    }
    Ok((last, latest))
}

/// How many records there were when some were last removed.
pub(super) fn removed_upto(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT removed_upto FROM journal", [], |row| row.get(0))
}

/// Appends an event.
pub(super) fn event(
    connection: &Connection,
    sequence: u64,
    at: Timestamp,
    message: &Keyed,
    new: &NewEvent,
) -> rusqlite::Result<()> {
    let incoming = &message.incoming;
    let change = &incoming.change;
    let (previous, applied) = match (new.outcome, new.known) {
        (Outcome::Stale, Some(known)) => (known.head, known.applied.sequence),
        (_, known) => (known.map_or(0, |known| known.head), sequence),
    };
    let mut statement = connection.prepare_cached(
        "INSERT INTO event VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24)",
    )?;
    statement.execute(params![
        sequence,
        at.as_millisecond(),
        incoming.org.as_str(),
        change.application.as_str(),
        change.candidate.as_str(),
        change.requisition.as_str(),
        change.stage.as_ref().map(Text::as_str),
        change.step.as_ref().map(Text::as_str),
        change.status.as_ref().map(Text::as_str),
        change.told.map(position_code),
        change.occurred.map(|occurred| occurred.at.as_microsecond()),
        new.ordered_at.is_some(),
        code(&EventType::ALL, new.event_type),
        new.outcome == Outcome::Stale,
        new.was.map(position_code),
        position_code(new.now),
        code(&Reason::ALL, incoming.reason),
        code(&Source::ALL, incoming.source),
        new.deliver,
        incoming.message_id.as_deref(),
        incoming.trace.as_deref(),
        previous,
        applied,
        incoming.note.as_deref(),
    ])?;
    Ok(())
}

/// Appends a duplicate of an event.
pub(super) fn duplicate(connection: &Connection, sequence: u64, at: Timestamp, event: u64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO duplicate VALUES (?1, ?2, ?3)")?;
    statement.execute(params![sequence, at.as_millisecond(), event]).map(drop)
}

/// Appends the intent of an attempt.
pub(super) fn attempt(
    connection: &Connection,
    sequence: u64,
    at: Timestamp,
    event: u64,
    kind: LaneKind,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO attempt VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![sequence, at.as_millisecond(), event, kind.code()]).map(drop)
}

/// Appends what became of an attempt.
pub(super) fn settlement(
    connection: &Connection,
    sequence: u64,
    at: Timestamp,
    settlement: &Settlement,
) -> rusqlite::Result<()> {
    let Answered { status, latency, error, body } = &settlement.answered;
    let (verdict, due_at) = match settlement.verdict {
        Verdict::Delivered => (0, None),
        Verdict::Retry { after, .. } => (1, Some((at + after).as_millisecond())),
        Verdict::Dead => (2, None),
        Verdict::Paused { .. } => (3, Some(at.as_millisecond())),
    };
    let mut statement =
        connection.prepare_cached("INSERT INTO settlement VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
    statement.execute(params![
        sequence,
        at.as_millisecond(),
        settlement.fence.event,
        settlement.fence.attempt,
        verdict,
        due_at,
        status,
        u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        error,
        body,
        settlement.protection.map(|change| change == Change::Activated),
        settlement.late,
    ])?;
    Ok(())
}

fn position_code(position: Position) -> bool {
    position == Position::In
}

fn code<T: PartialEq>(all: &[T], value: T) -> i64 {
    all.iter().position(|each| *each == value).map_or(-1, |code| code as i64)
}
