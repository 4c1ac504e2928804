//! How values stand in rows.

use std::borrow::Cow;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::link::Failure;
use crate::domain::{
    ApplicationId, CandidateEvent, CandidateId, EventId, EventType, OrgId, Outcome, Position, Reason, RequisitionId,
    Source, Text,
};
use crate::journal::batch::Key;

/// An event as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) event: CandidateEvent,
    pub(super) outcome: Outcome,
    pub(super) was: Option<Position>,
    pub(super) now: Position,
    pub(super) reason: Reason,
    pub(super) deliver: bool,
    pub(super) trace: Option<Box<str>>,
    pub(super) note: Option<String>,
}

/// The columns that [`stored`] reads, in its order.
pub(super) const EVENT_COLUMNS: &str = "event.sequence, event.received_at, event.orgid, event.job_application_id, \
     event.candidate_id, event.job_requisition_id, event.stage, event.step, event.status, event.occurred_at, \
     event.event_type, event.stale, event.was, event.now, event.reason, event.source, event.deliver, event.trace, \
     event.note";

/// How many these are.
pub(super) const EVENT_WIDTH: usize = 19;

/// Reads an event from a row that begins with [`EVENT_COLUMNS`].
pub(super) fn stored(row: &Row, tag: u32) -> Result<Stored, Failure> {
    let sequence = number(row, 0)?;
    let received_at = millisecond(row.try_get(1)?)?;
    let occurred = row.try_get::<_, Option<i64>>(9)?.map(microsecond).transpose()?;
    let text = |column| Ok::<_, Failure>(row.try_get::<_, Option<&str>>(column)?.and_then(Text::new));
    let event = CandidateEvent {
        event_id: EventId::compose(received_at.as_millisecond(), tag, sequence),
        orgid: organisation(row, 2)?,
        event_type: decoded(row, 10, &EventType::ALL)?,
        candidate_id: parsed(row, 4, CandidateId::new)?,
        job_application_id: parsed(row, 3, ApplicationId::new)?,
        job_requisition_id: parsed(row, 5, RequisitionId::new)?,
        stage: text(6)?,
        step: text(7)?,
        status: text(8)?,
        timestamp: occurred.unwrap_or(received_at),
        received_at,
        source: decoded(row, 15, &Source::ALL)?,
    };
    Ok(Stored {
        sequence,
        event,
        outcome: if row.try_get(11)? { Outcome::Stale } else { Outcome::Accepted },
        was: row.try_get::<_, Option<bool>>(12)?.map(position),
        now: position(row.try_get(13)?),
        reason: decoded(row, 14, &Reason::ALL)?,
        deliver: row.try_get(16)?,
        trace: row.try_get::<_, Option<&str>>(17)?.map(Into::into),
        note: row.try_get(18)?,
    })
}

/// A place in the journal, or a count.
pub(super) fn number(row: &Row, column: usize) -> Result<u64, Failure> {
    Ok(row.try_get::<_, i64>(column)?.max(0) as u64)
}

/// An organisation's id.
pub(super) fn organisation(row: &Row, column: usize) -> Result<OrgId, Failure> {
    parsed(row, column, str::parse::<OrgId>)
}

/// A time in milliseconds.
pub(super) fn millisecond(at: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_millisecond(at).map_err(|error| Failure::Damaged(error.to_string()))
}

/// A time in milliseconds, where there is one.
pub(super) fn optional(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    row.try_get::<_, Option<i64>>(column)?.map(millisecond).transpose()
}

/// A time in microseconds.
pub(super) fn microsecond(at: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_microsecond(at).map_err(|error| Failure::Damaged(error.to_string()))
}

/// The value that a code stands for.
pub(super) fn decoded<T: Copy>(row: &Row, column: usize, all: &[T]) -> Result<T, Failure> {
    let code = row.try_get::<_, i16>(column)?;
    let known = usize::try_from(code).ok().and_then(|code| all.get(code));
    known.copied().ok_or_else(|| Failure::Damaged(format!("the code {code} is not known")))
}

/// The code of a value.
pub(super) fn code<T: PartialEq>(all: &[T], value: &T) -> i16 {
    all.iter().position(|each| each == value).map_or(-1, |code| code as i16)
}

pub(super) fn position(inside: bool) -> Position {
    if inside { Position::In } else { Position::Out }
}

fn parsed<T, E: ToString>(row: &Row, column: usize, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Failure> {
    parse(row.try_get(column)?).map_err(|error| Failure::Damaged(error.to_string()))
}

/// A key as the database holds it.
pub(super) fn uuid(key: Key) -> Uuid {
    Uuid::from_u128(key)
}

/// A text that the database can hold: all but the character zero.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}
