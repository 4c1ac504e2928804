//! Records as they are read back.

use std::sync::LazyLock;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::protection::Change;
use crate::domain::{
    ApplicationId, CandidateEvent, CandidateId, EventId, EventType, OrgId, Outcome, Position, Reason, RequisitionId,
    Source, Text,
};
use crate::journal::AttemptOutcome;
use crate::journal::batch::EventRef;

/// An event as it was stored.
#[derive(Debug, Clone)]
pub(in crate::journal::embedded) struct Stored {
    pub(in crate::journal::embedded) sequence: u64,
    pub(in crate::journal::embedded) event: CandidateEvent,
    pub(in crate::journal::embedded) told: Option<Position>,
    pub(in crate::journal::embedded) ordered_at: Option<Timestamp>,
    pub(in crate::journal::embedded) outcome: Outcome,
    pub(in crate::journal::embedded) was: Option<Position>,
    pub(in crate::journal::embedded) now: Position,
    pub(in crate::journal::embedded) reason: Reason,
    pub(in crate::journal::embedded) deliver: bool,
    pub(in crate::journal::embedded) message_id: Option<Box<str>>,
    pub(in crate::journal::embedded) trace: Option<Box<str>>,
    pub(in crate::journal::embedded) previous: u64,
    pub(in crate::journal::embedded) applied: u64,
    pub(in crate::journal::embedded) note: Option<String>,
}

impl Stored {
    pub(in crate::journal::embedded) fn reference(&self) -> EventRef {
        EventRef { sequence: self.sequence, received_at: self.event.received_at, event_type: self.event.event_type }
    }
}

/// The columns that [`stored`] reads, in its order.
pub(in crate::journal::embedded) const EVENT_COLUMNS: &str = "event.sequence, event.received_at, event.orgid, event.job_application_id, \
     event.candidate_id, event.job_requisition_id, event.stage, event.step, event.status, event.told, \
     event.occurred_at, event.ordered, event.event_type, event.outcome, event.was, event.now, event.reason, \
     event.source, event.deliver, event.message_id, event.trace, event.previous, event.applied, event.note";

/// How many these are.
pub(in crate::journal::embedded) const EVENT_WIDTH: usize = 24;

/// Reads an event from a row that begins with [`EVENT_COLUMNS`].
pub(in crate::journal::embedded) fn stored(row: &Row<'_>, tag: u32) -> rusqlite::Result<Stored> {
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
pub(in crate::journal::embedded) fn read(
    connection: &Connection,
    sequence: u64,
    tag: u32,
) -> rusqlite::Result<Option<Stored>> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("SELECT {EVENT_COLUMNS} FROM event WHERE sequence = ?1"));
    connection.prepare_cached(&SQL)?.query_row([sequence], |row| stored(row, tag)).optional()
}

/// The outcome that a settlement's verdict code stands for.
pub(in crate::journal::embedded) fn attempt_outcome(verdict: Option<i64>) -> AttemptOutcome {
    match verdict {
        Some(0) => AttemptOutcome::Delivered,
        Some(1) => AttemptOutcome::Retry,
        Some(3) => AttemptOutcome::Paused,
        Some(_) => AttemptOutcome::Dead,
        None => AttemptOutcome::Unknown,
    }
}

/// The protection's change that a settlement recorded.
pub(in crate::journal::embedded) fn change(activated: bool) -> Change {
    if activated { Change::Activated } else { Change::Ended }
}

/// Reads milliseconds since 1970.
pub(in crate::journal::embedded) fn millisecond(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| invalid(column, error))
}

/// Reads an organisation's id.
pub(in crate::journal::embedded) fn organisation(row: &Row<'_>, column: usize) -> rusqlite::Result<OrgId> {
    parsed(row, column, str::parse::<OrgId>)
}

fn position(inside: bool) -> Position {
    if inside { Position::In } else { Position::Out }
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
