//! Queries: on connections of their own, over the journal and its index together.

use std::collections::HashMap;
use std::fmt::Write;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::append::{self, EVENT_COLUMNS, EVENT_WIDTH, Identity, Stored, millisecond};
use super::keys::halves;
use super::sweep::{WAITS, microsecond};
use crate::domain::protection::Span;
use crate::domain::{ApplicationId, EventId, EventType, OrgId};
use crate::journal::batch::Key;
use crate::journal::{
    Ages, ApplicationFilter, ApplicationRecord, AttemptRecord, Cursor, DeliveryState, EventFilter, EventRecord,
    OrganisationStats, Page, ProtectionFilter, ProtectionRecord, Pulse, StageSeen,
};

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

/// Whether a later boundary of the application makes a repetition of this one wrong: its interview
/// is over, or one has begun since it ended.
fn superseded(connection: &Connection, stored: &Stored, identity: &Identity) -> rusqlite::Result<bool> {
    if !stored.event.event_type.is_boundary() {
        return Ok(false);
    }
    let since = interview(connection, super::fact::application(stored, identity))?.and_then(|(_, since)| since);
    Ok(match stored.event.event_type {
        EventType::InterviewStarted => since != Some(stored.sequence),
        _ => since.is_some_and(|since| since > stored.sequence),
    })
}

/// An application's latest event and the one that started the interview it is in.
fn interview(connection: &Connection, application: Key) -> rusqlite::Result<Option<(u64, Option<u64>)>> {
    let (k1, k2) = halves(application);
    let sql = "SELECT head, since FROM idx.application WHERE k1 = ?1 AND k2 = ?2";
    connection.prepare_cached(sql)?.query_row([k1, k2], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// The latest state of one application.
pub(super) fn application(
    connection: &Connection,
    identity: &Identity,
    org: &OrgId,
    application: &ApplicationId,
) -> rusqlite::Result<Option<ApplicationRecord>> {
    let key = identity.keys.application(org, application.as_str());
    let Some((head, since)) = interview(connection, key)? else { return Ok(None) };
    application_record(connection, identity, head, since)
}

fn application_record(
    connection: &Connection,
    identity: &Identity,
    head: u64,
    since: Option<u64>,
) -> rusqlite::Result<Option<ApplicationRecord>> {
    let sql = format!("SELECT {EVENT_COLUMNS}, {JOINED_COLUMNS} FROM event {JOINS} WHERE event.sequence = ?1");
    let mut latest = connection.prepare_cached(&sql)?;
    let latest = latest.query_row([head], |row| record(connection, row, identity)).optional()?;
    let started = since.map(|since| append::read(connection, since, identity.tag)).transpose()?.flatten();
    let in_interview_since = started.map(|started| started.event.received_at);
    Ok(latest.map(|latest| ApplicationRecord { latest, in_interview_since }))
}

/// The applications that are in an interview, the longest first.
pub(super) fn in_interview(
    connection: &Connection,
    identity: &Identity,
    filter: &ApplicationFilter,
    after: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Page<ApplicationRecord>> {
    let mut values = Vec::new();
    let mut conditions = format!("a.since > {}", after.map_or(0, |cursor| cursor.0));
    if let Some(orgs) = &filter.orgs {
        values.extend(orgs.iter().map(|org| Value::Text(org.to_string())));
        let _ = write!(conditions, " AND event.orgid IN ({})", vec!["?"; orgs.len()].join(", "));
    }
    let sql = format!(
        "SELECT a.head, a.since FROM idx.application a INDEXED BY interview CROSS JOIN event ON event.sequence = a.since
         WHERE a.since IS NOT NULL AND {conditions} ORDER BY a.since LIMIT {}",
        limit + 1
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(u64, u64)>>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(_, since)| Cursor(*since));
    let mut items = Vec::with_capacity(rows.len());
    for (head, since) in rows {
        items.extend(application_record(connection, identity, head, Some(since))?);
    }
    Ok(Page { items, next })
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

pub(super) fn protections(
    connection: &Connection,
    identity: &Identity,
    filter: &ProtectionFilter,
    after: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Page<ProtectionRecord>> {
    let mut conditions = vec![format!("p.event > {}", after.map_or(0, |cursor| cursor.0))];
    if let Some(active) = filter.active {
        let on = "p.started_at IS NOT NULL AND p.ended_at IS NULL";
        conditions.push(if active { on.into() } else { format!("NOT ({on})") });
    }
    if let Some(orgs) = &filter.orgs {
        let places: Vec<_> = (1..=orgs.len()).map(|place| format!("?{place}")).collect();
        conditions.push(format!("p.orgid IN ({})", places.join(", ")));
    }
    let sql = format!(
        "SELECT {EVENT_COLUMNS}, p.started_at, p.ended_at FROM idx.protection p
         JOIN event ON event.sequence = p.event WHERE {} ORDER BY p.event LIMIT {}",
        conditions.join(" AND "),
        limit + 1,
    );
    let orgs = filter.orgs.iter().flatten().map(OrgId::as_str);
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(orgs), |row| {
        let stored = append::stored(row, identity.tag)?;
        let span =
            Span { started_at: microsecond(row.get(OWN_COLUMNS)?), ended_at: microsecond(row.get(OWN_COLUMNS + 1)?) };
        let event = stored.event;
        let record = ProtectionRecord {
            org: event.orgid,
            candidate: event.candidate_id,
            application: event.job_application_id,
            requisition: event.job_requisition_id,
            span,
        };
        Ok((stored.sequence, record))
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(sequence, _)| Cursor(*sequence));
    Ok(Page { items: rows.into_iter().map(|(_, record)| record).collect(), next })
}

pub(super) fn stats(connection: &Connection, pulses: &[Pulse], old: &Old) -> rusqlite::Result<Vec<OrganisationStats>> {
    let mut statement = connection.prepare_cached(
        "SELECT orgid, accepted, delivered, dead, late, last_message_at, last_started_at
         FROM idx.organisation ORDER BY orgid",
    )?;
    let at = |at: Option<i64>| at.and_then(|at| Timestamp::from_millisecond(at).ok());
    let (overdue, open) = (overdue_starts(connection, old)?, open_too_long(connection, old)?);
    let rows = statement.query_map([], |row| {
        let org = append::organisation(row, 0)?;
        let pulse = pulses.iter().find(|pulse| pulse.org == org);
        Ok(OrganisationStats {
            accepted: row.get(1)?,
            delivered: row.get(2)?,
            dead: row.get(3)?,
            late: row.get::<_, u64>(4)? + overdue.get(org.as_str()).copied().unwrap_or(0),
            last_message_at: at(row.get(5)?),
            last_started_at: at(row.get(6)?),
            pending: pulse.map_or(0, |pulse| pulse.pending),
            oldest_pending: pulse.and_then(|pulse| pulse.oldest),
            open_too_long: open.get(org.as_str()).copied().unwrap_or(0),
            paused: pulse.and_then(|pulse| pulse.paused.clone()),
            stages: stages(connection, &org)?,
            org,
        })
    })?;
    rows.collect()
}

/// Before which times something is too old.
pub(super) struct Old {
    starts: Timestamp,
    interviews: Timestamp,
}

impl Old {
    pub(super) fn at(now: Timestamp, ages: Ages) -> Self {
        let before = |age| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        Self { starts: before(ages.useful_within), interviews: before(ages.open_interview) }
    }
}

/// How many starts of interviews wait for longer than they are of use, by organisation.
fn overdue_starts(connection: &Connection, old: &Old) -> rusqlite::Result<HashMap<String, u64>> {
    by_organisation(
        connection,
        "SELECT event.orgid, count(*) FROM idx.open o CROSS JOIN event ON event.sequence = o.event
         WHERE o.dead = 0 AND o.opened = o.event AND o.event < ?1 AND event.event_type = 0 GROUP BY event.orgid",
        place(connection, old.starts)?,
    )
}

/// How many interviews are open for too long, by organisation.
fn open_too_long(connection: &Connection, old: &Old) -> rusqlite::Result<HashMap<String, u64>> {
    by_organisation(
        connection,
        "SELECT event.orgid, count(*) FROM idx.application a INDEXED BY interview
         CROSS JOIN event ON event.sequence = a.since
         WHERE a.since IS NOT NULL AND a.since < ?1 GROUP BY event.orgid",
        place(connection, old.interviews)?,
    )
}

fn by_organisation(connection: &Connection, sql: &str, upto: u64) -> rusqlite::Result<HashMap<String, u64>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([upto], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn stages(connection: &Connection, org: &OrgId) -> rusqlite::Result<Vec<StageSeen>> {
    let mut statement = connection.prepare_cached(
        "SELECT stage, interview, count FROM idx.stage WHERE orgid = ?1 ORDER BY count DESC, stage LIMIT 100",
    )?;
    let rows = statement.query_map([org.as_str()], |row| {
        Ok(StageSeen { stage: row.get(0)?, interview: row.get(1)?, count: row.get(2)? })
    })?;
    rows.collect()
}
