//! Job applications, their interviews and their protections.

use std::fmt::Write;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::{JOINED_COLUMNS, JOINS, OWN_COLUMNS, record};
use crate::domain::protection::Span;
use crate::domain::{ApplicationId, EventType, OrgId};
use crate::journal::batch::Key;
use crate::journal::embedded::append::{self, EVENT_COLUMNS, Identity, Stored};
use crate::journal::embedded::fact;
use crate::journal::embedded::keys::halves;
use crate::journal::embedded::sweep::microsecond;
use crate::journal::{ApplicationFilter, ApplicationRecord, Cursor, Page, ProtectionFilter, ProtectionRecord};

/// The latest state of one application.
pub(in crate::journal::embedded) fn application(
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
pub(in crate::journal::embedded) fn in_interview(
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

pub(in crate::journal::embedded) fn protections(
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
            read_back: None,
        };
        Ok((stored.sequence, record))
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(sequence, _)| Cursor(*sequence));
    Ok(Page { items: rows.into_iter().map(|(_, record)| record).collect(), next })
}

/// Whether a later boundary of the application makes a repetition of this one wrong: its interview
/// is over, or one has begun since it ended.
pub(super) fn superseded(connection: &Connection, stored: &Stored, identity: &Identity) -> rusqlite::Result<bool> {
    if !stored.event.event_type.is_boundary() {
        return Ok(false);
    }
    let since = interview(connection, fact::application(stored, identity))?.and_then(|(_, since)| since);
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
