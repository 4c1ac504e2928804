//! The durable format: the only place that knows how a record is written to `journal.db` and read
//! back.

use std::path::Path;
use std::sync::LazyLock;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::keys::Keys;
use super::log;
use super::schema::{self, OpenError, Synchronous};
use crate::domain::protection::Change;
use crate::domain::{
    ApplicationId, CandidateEvent, CandidateId, EventId, EventType, OrgId, Outcome, Position, Reason, RequisitionId,
    Source, Text,
};
use crate::journal::batch::{EventRef, Keyed, NewEvent};
use crate::journal::{Answered, AttemptOutcome, LaneKind, Settlement, Verdict};

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

/// An event as it was stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) event: CandidateEvent,
    pub(super) told: Option<Position>,
    pub(super) ordered_at: Option<Timestamp>,
    pub(super) outcome: Outcome,
    pub(super) was: Option<Position>,
    pub(super) now: Position,
    pub(super) reason: Reason,
    pub(super) deliver: bool,
    pub(super) message_id: Option<Box<str>>,
    pub(super) trace: Option<Box<str>>,
    pub(super) previous: u64,
    pub(super) applied: u64,
    pub(super) note: Option<String>,
}

impl Stored {
    pub(super) fn reference(&self) -> EventRef {
        EventRef { sequence: self.sequence, received_at: self.event.received_at, event_type: self.event.event_type }
    }
}

/// The columns that [`stored`] reads, in its order.
pub(super) const EVENT_COLUMNS: &str = "event.sequence, event.received_at, event.orgid, event.job_application_id, \
     event.candidate_id, event.job_requisition_id, event.stage, event.step, event.status, event.told, \
     event.occurred_at, event.ordered, event.event_type, event.outcome, event.was, event.now, event.reason, \
     event.source, event.deliver, event.message_id, event.trace, event.previous, event.applied, event.note";

/// How many these are.
pub(super) const EVENT_WIDTH: usize = 24;

/// Reads an event from a row that begins with [`EVENT_COLUMNS`].
pub(super) fn stored(row: &Row<'_>, tag: u32) -> rusqlite::Result<Stored> {
    let sequence = row.get(0)?;
    let received_at = millisecond(row, 1)?;
    let occurred = row.get::<_, Option<i64>>(10)?.map(Timestamp::from_microsecond).transpose();
    let occurred = occurred.map_err(|error| invalid(10, error))?;
    let ordered = row.get::<_, bool>(11)?;
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?.and_then(Text::new));
    let event = CandidateEvent {
        event_id: EventId::compose(received_at.as_millisecond(), tag, sequence),
        orgid: organisation(row, 2)?,
        event_type: decoded(row, 12, &EventType::ALL)?,
        candidate_id: parsed(row, 4, CandidateId::new)?,
        job_application_id: parsed(row, 3, ApplicationId::new)?,
        job_requisition_id: parsed(row, 5, RequisitionId::new)?,
        stage: text(6)?,
        step: text(7)?,
        status: text(8)?,
        timestamp: occurred.unwrap_or(received_at),
        received_at,
        source: decoded(row, 17, &Source::ALL)?,
    };
    Ok(Stored {
        sequence,
        event,
        told: row.get::<_, Option<bool>>(9)?.map(position),
        ordered_at: occurred.filter(|_| ordered),
        outcome: if row.get(13)? { Outcome::Stale } else { Outcome::Accepted },
        was: row.get::<_, Option<bool>>(14)?.map(position),
        now: position(row.get(15)?),
        reason: decoded(row, 16, &Reason::ALL)?,
        deliver: row.get(18)?,
        message_id: row.get(19)?,
        trace: row.get(20)?,
        previous: row.get(21)?,
        applied: row.get(22)?,
        note: row.get(23)?,
    })
}

/// The event at this place.
pub(super) fn read(connection: &Connection, sequence: u64, tag: u32) -> rusqlite::Result<Option<Stored>> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("SELECT {EVENT_COLUMNS} FROM event WHERE sequence = ?1"));
    connection.prepare_cached(&SQL)?.query_row([sequence], |row| stored(row, tag)).optional()
}

/// The outcome that a settlement's verdict code stands for.
pub(super) fn attempt_outcome(verdict: Option<i64>) -> AttemptOutcome {
    match verdict {
        Some(0) => AttemptOutcome::Delivered,
        Some(1) => AttemptOutcome::Retry,
        Some(3) => AttemptOutcome::Paused,
        Some(_) => AttemptOutcome::Dead,
        None => AttemptOutcome::Unknown,
    }
}

/// The protection's change that a settlement recorded.
pub(super) fn change(activated: bool) -> Change {
    if activated { Change::Activated } else { Change::Ended }
}

/// Reads milliseconds since 1970.
pub(super) fn millisecond(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| invalid(column, error))
}

/// Reads an organisation's id.
pub(super) fn organisation(row: &Row<'_>, column: usize) -> rusqlite::Result<OrgId> {
    parsed(row, column, str::parse::<OrgId>)
}

fn position_code(position: Position) -> bool {
    position == Position::In
}

fn position(inside: bool) -> Position {
    if inside { Position::In } else { Position::Out }
}

fn code<T: PartialEq>(all: &[T], value: T) -> i64 {
    all.iter().position(|each| *each == value).map_or(-1, |code| code as i64)
}

fn decoded<T: Copy>(row: &Row<'_>, column: usize, all: &[T]) -> rusqlite::Result<T> {
    let code = row.get::<_, usize>(column)?;
    all.get(code).copied().ok_or_else(|| invalid(column, format!("the code {code} is not known")))
}

fn parsed<T, E: ToString>(row: &Row<'_>, column: usize, parse: impl Fn(&str) -> Result<T, E>) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).map_err(|error| invalid(column, error.to_string()))
}

fn invalid(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, error.into())
}
