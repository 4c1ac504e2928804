//! Queries.

mod applications;
mod figures;
mod filter;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::link::{Failure, Values};
use super::row::{EVENT_COLUMNS, EVENT_WIDTH, number, optional, stored, uuid};
use super::schema::Identity;
use crate::domain::{ApplicationId, EventId, EventType, OrgId};
use crate::journal::{AttemptOutcome, AttemptRecord, Cursor, DeliveryState, EventFilter, EventRecord, Page};

pub(super) use self::applications::{application, in_interview, protections};
pub(super) use self::figures::stats;
use self::filter::{Keys, Narrowed};

/// What an event's row has beside its own columns, in the order that [`record`] reads.
const JOINED_COLUMNS: &str = "w.state, CASE WHEN l.head = event.sequence THEN l.due_at ELSE w.opened_at END,
    d.count, d.last_at, (SELECT count(*) FROM attempt WHERE attempt.event = event.sequence),
    (SELECT error FROM attempt WHERE attempt.event = event.sequence AND verdict IS NOT NULL
     ORDER BY sequence DESC LIMIT 1), a.since";

const JOINS: &str = "LEFT JOIN work w ON w.event = event.sequence
    LEFT JOIN lane l ON l.application = event.application AND l.kind = 0
    LEFT JOIN duplicate d ON d.event = event.sequence
    LEFT JOIN application a ON a.key = event.application";

/// A dead letter that was deleted is not shown.
const SHOWN: &str = "w.state IS DISTINCT FROM 2";

pub(super) async fn events(
    client: &Client,
    identity: &Identity,
    filter: &EventFilter,
    before: Option<Cursor>,
    limit: usize,
) -> Result<Page<EventRecord>, Failure> {
    let narrowed = Narrowed::by(filter, before, keys_of(client, identity, filter).await?);
    let sql = format!(
        "SELECT {EVENT_COLUMNS}, {JOINED_COLUMNS} FROM event {JOINS} WHERE {SHOWN}{} ORDER BY event.sequence DESC LIMIT {}",
        narrowed.conditions(),
        limit.saturating_add(1),
    );
    let rows = client.query_typed(&sql, &narrowed.values()).await?;
    let mut items = rows.iter().map(|row| record(row, identity)).collect::<Result<Vec<_>, _>>()?;
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        items.last().map(|record| Cursor(record.event.event_id.sequence()))
    });
    Ok(Page { items, next: next.flatten() })
}

pub(super) async fn event(
    client: &Client,
    identity: &Identity,
    id: EventId,
) -> Result<Option<(EventRecord, Vec<AttemptRecord>)>, Failure> {
    let sequence = id.sequence() as i64;
    let values: Values<'_> = &[(&sequence, Type::INT8)];
    let sql =
        format!("SELECT {EVENT_COLUMNS}, {JOINED_COLUMNS} FROM event {JOINS} WHERE event.sequence = $1 AND {SHOWN}");
    let found = client.query_typed_opt(&sql, values).await?;
    let found = found.map(|row| record(&row, identity)).transpose()?;
    // The place may hold another journal's event: the whole id counts.
    let Some(found) = found.filter(|found| found.event.event_id == id) else { return Ok(None) };
    let sql = "SELECT at, verdict, status, latency_ms, error, answer FROM attempt WHERE event = $1 ORDER BY sequence";
    let attempts = client.query_typed(sql, values).await?;
    let attempts = attempts.iter().map(attempt).collect::<Result<_, _>>()?;
    Ok(Some((found, attempts)))
}

fn attempt(row: &Row) -> Result<AttemptRecord, Failure> {
    Ok(AttemptRecord {
        at: super::row::millisecond(row.try_get(0)?)?,
        outcome: match row.try_get::<_, Option<i16>>(1)? {
            Some(0) => AttemptOutcome::Delivered,
            Some(1) => AttemptOutcome::Retry,
            Some(3) => AttemptOutcome::Paused,
            Some(_) => AttemptOutcome::Dead,
            None => AttemptOutcome::Unknown,
        },
        status: row.try_get::<_, Option<i16>>(2)?.map(i16::unsigned_abs),
        latency_ms: row.try_get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
        error: row.try_get(4)?,
        answer: row.try_get(5)?,
    })
}

/// Reads a row of [`EVENT_COLUMNS`] and [`JOINED_COLUMNS`].
fn record(row: &Row, identity: &Identity) -> Result<EventRecord, Failure> {
    let stored = stored(row, identity.tag)?;
    let state = match (stored.deliver, row.try_get::<_, Option<i16>>(EVENT_WIDTH)?) {
        (false, _) => DeliveryState::None,
        (true, None) => DeliveryState::Delivered,
        (true, Some(0)) => DeliveryState::Pending,
        (true, Some(_)) => DeliveryState::Dead,
    };
    let settled = matches!(state, DeliveryState::Delivered | DeliveryState::Dead);
    let since = row.try_get::<_, Option<i64>>(EVENT_WIDTH + 6)?.map(|since| since as u64);
    Ok(EventRecord {
        was: stored.was,
        now: stored.now,
        reason: stored.reason,
        outcome: stored.outcome,
        state,
        attempts: number(row, EVENT_WIDTH + 4)? as u32,
        next_attempt_at: optional(row, EVENT_WIDTH + 1)?.filter(|_| state == DeliveryState::Pending),
        last_error: row.try_get(EVENT_WIDTH + 5)?,
        duplicates: row.try_get::<_, Option<i64>>(EVENT_WIDTH + 2)?.unwrap_or(0).unsigned_abs(),
        last_duplicate_at: optional(row, EVENT_WIDTH + 3)?,
        note: stored.note,
        superseded: settled && superseded(stored.event.event_type, stored.sequence, since),
        event: stored.event,
    })
}

/// Whether a later boundary of the application makes a repetition of this one wrong: its interview
/// is over, or one has begun since it ended.
fn superseded(event_type: EventType, sequence: u64, since: Option<u64>) -> bool {
    match event_type {
        EventType::InterviewStarted => since != Some(sequence),
        EventType::InterviewEnded => since.is_some_and(|since| since > sequence),
        EventType::StateChanged => false,
    }
}

/// What a filter is looked up by, where it names more than times and states.
async fn keys_of(client: &Client, identity: &Identity, filter: &EventFilter) -> Result<Option<Keys>, Failure> {
    let orgs = match &filter.orgs {
        Some(orgs) => orgs.clone(),
        None if filter.application.is_some() || filter.candidate.is_some() => organisations(client).await?,
        None => return Ok(None),
    };
    let key = |application: &ApplicationId| {
        orgs.iter().map(|org| uuid(identity.keys.application(org, application.as_str()))).collect()
    };
    let applications = filter.application.as_ref().map(key);
    Ok(Some(Keys::of(&orgs, applications)))
}

/// The organisations that ever had a message.
async fn organisations(client: &Client) -> Result<Vec<OrgId>, Failure> {
    let rows = client.query_typed("SELECT DISTINCT orgid FROM figure ORDER BY orgid", &[]).await?;
    rows.iter().map(|row| super::row::organisation(row, 0)).collect()
}
