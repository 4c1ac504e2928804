//! Queries: on connections of their own, over the journal and its index together.

mod applications;
mod figures;

use std::fmt::Write;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::append::{self, EVENT_COLUMNS, EVENT_WIDTH, Identity, millisecond};
use super::keys::halves;
use super::sweep::WAITS;
use crate::domain::{EventId, EventType, OrgId};
use crate::journal::{AttemptRecord, Cursor, DeliveryState, EventFilter, EventRecord, Page};

use self::applications::superseded;
pub(super) use self::applications::{application, in_interview, protections};
pub(super) use self::figures::{Old, stats};

/// What an event's row has beside its own columns, in the order that [`record`] reads.
const JOINED_COLUMNS: &str = "o.dead, o.due_at, d.count, d.last_at,
    (SELECT count(*) FROM idx.work w JOIN attempt a ON a.sequence = w.record WHERE w.event = event.sequence),
    (SELECT s.error FROM idx.work w JOIN settlement s ON s.sequence = w.record WHERE w.event = event.sequence
     ORDER BY w.record DESC LIMIT 1)";

const JOINS: &str = "LEFT JOIN idx.open o ON o.event = event.sequence
    LEFT JOIN idx.duplicates d ON d.event = event.sequence";

const OWN_COLUMNS: usize = EVENT_WIDTH;

pub(super) fn events(
    connection: &Connection,
    identity: &Identity,
    filter: &EventFilter,
    before: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Page<EventRecord>> {
    let query = Query::of(connection, identity, filter, before)?;
    let sql = format!(
        "{} SELECT {EVENT_COLUMNS}, {JOINED_COLUMNS} FROM {} {JOINS} WHERE {} ORDER BY event.sequence DESC LIMIT {}",
        query.with,
        query.from,
        query.conditions.join(" AND "),
        limit + 1,
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(query.values), |row| record(connection, row, identity))?;
    let mut items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        items.last().map(|record| Cursor(record.event.event_id.sequence()))
    });
    Ok(Page { items, next: next.flatten() })
}

pub(super) fn event(
    connection: &Connection,
    identity: &Identity,
    id: EventId,
) -> rusqlite::Result<Option<(EventRecord, Vec<AttemptRecord>)>> {
    let sql =
        format!("SELECT {EVENT_COLUMNS}, {JOINED_COLUMNS} FROM event {JOINS} WHERE event.sequence = ?1 AND {SHOWN}");
    let mut found = connection.prepare_cached(&sql)?;
    let found = found.query_row([id.sequence()], |row| record(connection, row, identity)).optional()?;
    // The place may hold another journal's event: the whole id counts.
    let Some(found) = found.filter(|found| found.event.event_id == id) else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "SELECT a.at, s.verdict, s.status, s.latency_ms, s.error, s.answer
         FROM idx.work w JOIN attempt a ON a.sequence = w.record
         LEFT JOIN settlement s ON s.attempt = a.sequence
              AND s.sequence IN (SELECT record FROM idx.work WHERE event = ?1)
         WHERE w.event = ?1 ORDER BY w.record",
    )?;
    let attempts = statement.query_map([id.sequence()], |row| {
        Ok(AttemptRecord {
            at: millisecond(row, 0)?,
            outcome: append::attempt_outcome(row.get(1)?),
            status: row.get(2)?,
            latency_ms: row.get(3)?,
            error: row.get(4)?,
            answer: row.get(5)?,
        })
    })?;
    let attempts = attempts.collect::<rusqlite::Result<_>>()?;
    Ok(Some((found, attempts)))
}

fn record(connection: &Connection, row: &Row<'_>, identity: &Identity) -> rusqlite::Result<EventRecord> {
    let stored = append::stored(row, identity.tag)?;
    let state = match (stored.deliver, row.get::<_, Option<u8>>(OWN_COLUMNS)?) {
        (false, _) => DeliveryState::None,
        (true, None) => DeliveryState::Delivered,
        (true, Some(WAITS)) => DeliveryState::Pending,
        (true, Some(_)) => DeliveryState::Dead,
    };
    let settled = matches!(state, DeliveryState::Delivered | DeliveryState::Dead);
    let superseded = settled && superseded(connection, &stored, identity)?;
    let due_at = row.get::<_, Option<i64>>(OWN_COLUMNS + 1)?.and_then(|at| Timestamp::from_millisecond(at).ok());
    let last_duplicate_at = row.get::<_, Option<i64>>(OWN_COLUMNS + 3)?;
    Ok(EventRecord {
        was: stored.was,
        now: stored.now,
        reason: stored.reason,
        outcome: stored.outcome,
        state,
        attempts: row.get(OWN_COLUMNS + 4)?,
        next_attempt_at: due_at.filter(|_| state == DeliveryState::Pending),
        last_error: row.get(OWN_COLUMNS + 5)?,
        duplicates: row.get::<_, Option<u64>>(OWN_COLUMNS + 2)?.unwrap_or(0),
        last_duplicate_at: last_duplicate_at.and_then(|at| Timestamp::from_millisecond(at).ok()),
        note: stored.note,
        superseded,
        event: stored.event,
    })
}

/// A dead letter that was deleted is not shown.
const SHOWN: &str = "o.dead IS NOT 2";

/// A filter as SQL, driven by whatever narrows most.
struct Query {
    with: String,
    from: String,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    fn of(
        connection: &Connection,
        identity: &Identity,
        filter: &EventFilter,
        before: Option<Cursor>,
    ) -> rusqlite::Result<Self> {
        let mut query = Self::driven(connection, identity, filter)?;
        query.narrow(connection, filter)?;
        if let Some(Cursor(before)) = before {
            query.conditions.push(format!("event.sequence < {before}"));
        }
        Ok(query)
    }

    fn driven(connection: &Connection, identity: &Identity, filter: &EventFilter) -> rusqlite::Result<Self> {
        let orgs = || match &filter.orgs {
            Some(orgs) => Ok(orgs.clone()),
            None => organisations(connection),
        };
        let (mut with, mut from) = (String::new(), "event".to_owned());
        if let Some(application) = &filter.application {
            let keys = orgs()?.into_iter().map(|org| halves(identity.keys.application(&org, application.as_str())));
            let keys = keys.map(|(k1, k2)| format!("({k1}, {k2})")).collect::<Vec<_>>().join(", ");
            let _ = write!(
                with,
                "WITH RECURSIVE chain (place) AS (
                    SELECT head FROM idx.application WHERE (k1, k2) IN (VALUES {})
                    UNION ALL SELECT previous FROM chain JOIN event ON event.sequence = place WHERE previous > 0)",
                if keys.is_empty() { "(0, 0)" } else { &keys },
            );
            from = "chain CROSS JOIN event ON event.sequence = chain.place".into();
        } else if let Some(candidate) = &filter.candidate {
            let keys = orgs()?.into_iter().map(|org| identity.keys.candidate(&org, candidate.as_str()).to_string());
            let keys = keys.collect::<Vec<_>>().join(", ");
            from = format!(
                "(SELECT DISTINCT event AS place FROM idx.candidate WHERE k IN ({keys})) c
                 CROSS JOIN event ON event.sequence = c.place"
            );
        } else if matches!(filter.state, Some(DeliveryState::Pending | DeliveryState::Dead)) {
            from = "(SELECT event AS place FROM idx.open) p CROSS JOIN event ON event.sequence = p.place".into();
        }
        Ok(Self { with, from, conditions: vec![SHOWN.into()], values: Vec::new() })
    }

    fn narrow(&mut self, connection: &Connection, filter: &EventFilter) -> rusqlite::Result<()> {
        if let Some(orgs) = &filter.orgs {
            let orgs: Vec<_> = orgs.iter().map(|org| self.value(org.as_str())).collect();
            self.conditions.push(format!("event.orgid IN ({})", orgs.join(", ")));
        }
        if let Some(event_type) = filter.event_type {
            let code = EventType::ALL.iter().position(|each| *each == event_type);
            self.conditions.push(format!("event.event_type = {}", code.unwrap_or(usize::MAX)));
        }
        if let Some(application) = &filter.application {
            let value = self.value(application.as_str());
            self.conditions.push(format!("event.job_application_id = {value}"));
        }
        if let Some(candidate) = &filter.candidate {
            let value = self.value(candidate.as_str());
            self.conditions.push(format!("event.candidate_id = {value}"));
        }
        if let Some(state) = filter.state {
            self.conditions.push(
                match state {
                    DeliveryState::None => "event.deliver = 0",
                    DeliveryState::Pending => "o.dead = 0",
                    DeliveryState::Delivered => "event.deliver = 1 AND o.event IS NULL",
                    DeliveryState::Dead => "o.dead = 1",
                }
                .into(),
            );
        }
        if let Some(since) = filter.since {
            self.conditions.push(format!("event.sequence >= {}", place(connection, since)?));
        }
        if let Some(until) = filter.until {
            self.conditions.push(format!("event.sequence < {}", place(connection, until)?));
        }
        Ok(())
    }

    fn value(&mut self, text: &str) -> String {
        self.values.push(Value::Text(text.to_owned()));
        format!("?{}", self.values.len())
    }
}

/// The place of the first event received at or after `at`; times and places grow together, so that
/// no index of times is needed.
fn place(connection: &Connection, at: Timestamp) -> rusqlite::Result<u64> {
    // Received times are whole milliseconds: what is later than one by less begins with the next.
    let at = at.as_microsecond().div_euclid(1000) + i64::from(at.subsec_nanosecond().rem_euclid(1_000_000) != 0);
    let last: Option<u64> = connection.query_row("SELECT max(sequence) FROM event", [], |row| row.get(0))?;
    let (mut low, mut high) = (1, last.map_or(1, |last| last + 1));
    let mut next = connection
        .prepare_cached("SELECT sequence, received_at FROM event WHERE sequence >= ?1 ORDER BY sequence LIMIT 1")?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(u64, i64)> = next.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some((sequence, received)) if received < at => low = sequence + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

fn organisations(connection: &Connection) -> rusqlite::Result<Vec<OrgId>> {
    let mut statement = connection.prepare_cached("SELECT orgid FROM idx.organisation ORDER BY orgid")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    Ok(names.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|name| name.parse().ok()).collect())
}
