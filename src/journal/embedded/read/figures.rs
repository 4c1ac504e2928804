//! Figures of organisations.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::place;
use crate::domain::{EventId, OrgId};
use crate::journal::embedded::append::{self, Identity};
use crate::journal::embedded::details;
use crate::journal::embedded::lanes::Seen;
use crate::journal::{Ages, OrganisationStats, StageSeen};

pub(in crate::journal::embedded) fn stats(
    connection: &Connection,
    identity: &Identity,
    seen: &[Seen],
    old: &Old,
) -> rusqlite::Result<Vec<OrganisationStats>> {
    let mut statement = connection.prepare_cached(
        "SELECT orgid, accepted, delivered, dead, late, last_message_at, last_started_at
         FROM idx.organisation ORDER BY orgid",
    )?;
    let at = |at: Option<i64>| at.and_then(|at| Timestamp::from_millisecond(at).ok());
    let (overdue, open) = (overdue_starts(connection, old)?, open_too_long(connection, old)?);
    let (dead, mut details) = (oldest_dead(connection)?, details::figures(connection)?);
    let rows = statement.query_map([], |row| {
        let org = append::organisation(row, 0)?;
        let seen = seen.iter().find(|seen| seen.pulse.org == org);
        let pulse = seen.map(|seen| &seen.pulse);
        Ok(OrganisationStats {
            accepted: row.get(1)?,
            delivered: row.get(2)?,
            dead: row.get(3)?,
            late: row.get::<_, u64>(4)? + overdue.get(org.as_str()).copied().unwrap_or(0),
            last_message_at: at(row.get(5)?),
            last_started_at: at(row.get(6)?),
            pending: pulse.map_or(0, |pulse| pulse.pending),
            oldest_pending: pulse.and_then(|pulse| pulse.oldest),
            oldest_event: seen
                .and_then(|seen| seen.oldest_event)
                .map(|event| id(connection, identity, event))
                .transpose()?
                .flatten(),
            oldest_dead: dead.get(org.as_str()).copied().and_then(|oldest| at(Some(oldest))),
            open_too_long: open.get(org.as_str()).copied().unwrap_or(0),
            paused: pulse.and_then(|pulse| pulse.paused.clone()),
            held_until: pulse.and_then(|pulse| pulse.held_until),
            stages: stages(connection, &org)?,
            details: details.remove(org.as_str()).unwrap_or_default(),
            org,
        })
    })?;
    rows.collect()
}

/// The id of the event in this place.
fn id(connection: &Connection, identity: &Identity, event: u64) -> rusqlite::Result<Option<EventId>> {
    let mut statement = connection.prepare_cached("SELECT received_at FROM event WHERE sequence = ?1")?;
    let received = statement.query_row([event], |row| row.get(0)).optional()?;
    Ok(received.map(|received| EventId::compose(received, identity.tag, event)))
}

/// Before which times something is too old.
pub(in crate::journal::embedded) struct Old {
    starts: Timestamp,
    interviews: Timestamp,
}

impl Old {
    pub(in crate::journal::embedded) fn at(now: Timestamp, ages: Ages) -> Self {
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

/// When the oldest event that was given up was received, in milliseconds, by organisation.
fn oldest_dead(connection: &Connection) -> rusqlite::Result<HashMap<String, i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT event.orgid, min(event.received_at) FROM idx.open o CROSS JOIN event ON event.sequence = o.event
         WHERE o.dead = 1 GROUP BY event.orgid",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
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
