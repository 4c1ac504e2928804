//! The records that operators and upkeep add to `journal.db`, and what they remove from it: the
//! other half of the durable format, beside `append`.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::append::{millisecond, organisation};
use super::gate::Change;
use crate::domain::{CandidateId, OrgId};
use crate::journal::Erasure;

/// Appends that a settled event is delivered anew.
pub(super) fn replay(
    connection: &Connection,
    sequence: u64,
    at: Timestamp,
    reopened: &Reopened,
    actor: &str,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO replay VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let Reopened { event, number, was_dead, .. } = reopened;
    statement.execute(params![sequence, at.as_millisecond(), event, number, was_dead, actor]).map(drop)
}

/// A settled event that is to be delivered anew.
#[derive(Debug, Clone)]
pub(super) struct Reopened {
    pub(super) event: u64,
    pub(super) org: OrgId,
    pub(super) application: crate::journal::batch::Key,
    pub(super) number: u32,
    pub(super) was_dead: bool,
}

/// Appends that a dead letter, or an event that waited, was deleted.
pub(super) fn discard(
    connection: &Connection,
    sequence: u64,
    at: Timestamp,
    event: u64,
    was_dead: bool,
    actor: &str,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO discard VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![sequence, at.as_millisecond(), event, was_dead, actor]).map(drop)
}

/// Appends a change of an organisation's gate.
pub(super) fn gate(
    connection: &Connection,
    sequence: u64,
    at: Timestamp,
    org: &OrgId,
    change: &Change,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    let (code, wait) = match change {
        Change::Resumed => (0, None),
        Change::Paused => (1, None),
        Change::SetUpWrong { probe_every } => (2, Some(*probe_every)),
        Change::SetUpMended => (3, None),
        Change::Held { wait } => (4, Some(*wait)),
    };
    let wait = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let mut statement = connection.prepare_cached("INSERT INTO gate VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    statement.execute(params![sequence, at.as_millisecond(), org.as_str(), code, wait, reason]).map(drop)
}

/// A recorded change of a gate.
pub(super) struct Gated {
    pub(super) at: Timestamp,
    pub(super) org: OrgId,
    pub(super) change: Change,
    pub(super) reason: Option<String>,
}

/// All changes of gates that are kept, oldest first.
pub(super) fn gates(connection: &Connection) -> rusqlite::Result<Vec<Gated>> {
    let mut statement = connection.prepare("SELECT at, orgid, change, wait_ms, reason FROM gate ORDER BY sequence")?;
    let rows = statement.query_map([], |row| {
        let wait = Duration::from_millis(row.get::<_, Option<u64>>(3)?.unwrap_or(0));
        let change = match row.get::<_, u8>(2)? {
            0 => Change::Resumed,
            1 => Change::Paused,
            2 => Change::SetUpWrong { probe_every: wait },
            3 => Change::SetUpMended,
            _ => Change::Held { wait },
        };
        Ok(Gated { at: millisecond(row, 0)?, org: organisation(row, 1)?, change, reason: row.get(4)? })
    })?;
    rows.collect()
}

/// Removes what relays asked for before this time.
pub(super) fn forget_holds(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM gate WHERE change = 4 AND at < ?1", [before.as_millisecond()]).map(drop)
}

/// Appends that a candidate is to be erased.
pub(super) fn erasure(
    connection: &Connection,
    sequence: u64,
    at: Timestamp,
    org: &OrgId,
    candidate: &CandidateId,
    actor: &str,
) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("INSERT INTO erasure (sequence, at, orgid, candidate_id, actor) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![sequence, at.as_millisecond(), org.as_str(), candidate.as_str(), actor]).map(drop)
}

/// Records that an erasure is done, and forgets whose it was.
pub(super) fn erased(connection: &Connection, number: u64, at: Timestamp, events: u64) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("UPDATE erasure SET candidate_id = NULL, done_at = ?2, events = ?3 WHERE sequence = ?1")?;
    statement.execute(params![number, at.as_millisecond(), events]).map(drop)
}

const ERASURE_COLUMNS: &str = "sequence, orgid, at, done_at, events";

fn read_erasure(row: &Row<'_>) -> rusqlite::Result<Erasure> {
    let done_at = row.get::<_, Option<i64>>(3)?.and_then(|at| Timestamp::from_millisecond(at).ok());
    let (org, asked_at) = (organisation(row, 1)?, millisecond(row, 2)?);
    Ok(Erasure { number: row.get(0)?, org, asked_at, done_at, events: row.get(4)? })
}

/// The latest erasures, the newest first.
pub(super) fn erasures(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Erasure>> {
    let sql = format!("SELECT {ERASURE_COLUMNS} FROM erasure ORDER BY sequence DESC LIMIT ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map([limit], read_erasure)?.collect()
}

/// The receipt of this number.
pub(super) fn erasure_of(connection: &Connection, number: u64) -> rusqlite::Result<Option<Erasure>> {
    let sql = format!("SELECT {ERASURE_COLUMNS} FROM erasure WHERE sequence = ?1");
    connection.prepare_cached(&sql)?.query_row([number], read_erasure).optional()
}

/// The erasures that are not done, with whose they are, oldest first.
pub(super) fn waiting_erasures(connection: &Connection) -> rusqlite::Result<Vec<(u64, OrgId, CandidateId)>> {
    let sql = "SELECT sequence, orgid, candidate_id FROM erasure WHERE candidate_id IS NOT NULL ORDER BY sequence";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, organisation(row, 1)?, row.get::<_, String>(2)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().filter_map(|(number, org, id)| Some((number, org, CandidateId::new(&id).ok()?))).collect())
}

/// The number under which an event was replayed last, after it had been delivered.
pub(super) fn replay_number(connection: &Connection, event: u64) -> rusqlite::Result<u32> {
    let sql = "SELECT r.number FROM idx.work w JOIN replay r ON r.sequence = w.record
               WHERE w.event = ?1 ORDER BY w.record DESC LIMIT 1";
    let number = connection.prepare_cached(sql)?.query_row([event], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or(0))
}

/// Removes an event's row and these records, which are of it.
pub(super) fn remove(connection: &Connection, event: u64, records: &[u64]) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM event WHERE sequence = ?1")?.execute([event])?;
    records.iter().try_for_each(|record| remove_record(connection, *record))
}

/// Removes what was recorded of an event's delivery after this record.
pub(super) fn remove_later(connection: &Connection, event: u64, as_of: u64) -> rusqlite::Result<()> {
    for table in ["attempt", "settlement"] {
        let sql = format!("DELETE FROM {table} WHERE sequence > ?1 AND event = ?2");
        connection.prepare_cached(&sql)?.execute([as_of, event])?;
    }
    Ok(())
}

/// Removes a record that is of an event.
pub(super) fn remove_record(connection: &Connection, record: u64) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM settlement WHERE sequence = ?1",
        "DELETE FROM attempt WHERE sequence = ?1",
        "DELETE FROM duplicate WHERE sequence = ?1",
        "DELETE FROM replay WHERE sequence = ?1",
        "DELETE FROM discard WHERE sequence = ?1",
    ] {
        // The numbers of all tables are one sequence: the first hit is the only one.
        if connection.prepare_cached(sql)?.execute([record])? > 0 {
            break;
        }
    }
    Ok(())
}

/// Removes what a relay answered to an attempt.
pub(super) fn remove_answer(connection: &Connection, settlement: u64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE settlement SET answer = NULL WHERE sequence = ?1")?;
    statement.execute([settlement]).map(drop)
}

/// Figures of what was removed of an organisation.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    pub(super) late: u64,
    pub(super) last_message_at: Option<Timestamp>,
    pub(super) last_started_at: Option<Timestamp>,
}

/// Adds to the figures of what was removed.
pub(super) fn count_removed(connection: &Connection, org: &OrgId, figures: &Figures) -> rusqlite::Result<()> {
    let milliseconds = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let Figures { accepted, delivered, late, last_message_at, last_started_at } = figures;
    let mut statement = connection.prepare_cached(
        "INSERT INTO removed VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
            accepted = accepted + ?2, delivered = delivered + ?3, late = late + ?4,
            last_message_at = max(ifnull(last_message_at, ?5), ifnull(?5, last_message_at)),
            last_started_at = max(ifnull(last_started_at, ?6), ifnull(?6, last_started_at))",
    )?;
    let (message, started) = (milliseconds(*last_message_at), milliseconds(*last_started_at));
    statement.execute(params![org.as_str(), accepted, delivered, late, message, started]).map(drop)
}

/// Keeps the numbering, whatever was removed.
pub(super) fn keep_numbering(connection: &Connection, last: u64, at: Timestamp) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE journal SET removed_upto = ?1, removed_at = ?2")?;
    statement.execute(params![last, at.as_millisecond()]).map(drop)
}
