//! The lane in which a protection's details are read back from Workday. It has at most one piece of
//! work for each application, which stands in a row of its own with what was read: no event waits
//! for it, and it is forgotten without a trace.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::append::{self, millisecond};
use super::keys::halves;
use super::turn::Turn;
use crate::domain::{Details, OrgId};
use crate::journal::batch::Key;
use crate::journal::{
    Claimed, Claims, DetailsStats, Fence, LaneKind, Quota, ReadBack, ReadBackRecord, ReadBackState, Settled,
};
use crate::journal::{Settlement, Verdict};

/// A piece of work that is due.
struct Due {
    event: u64,
    attempts: u32,
    first_attempt: Option<Timestamp>,
}

/// Until when an organisation is left alone, and whether because its set-up is wrong.
struct Hold {
    until: i64,
    wrong: bool,
}

/// What was claimed before the journal was opened is nobody's any more.
pub(super) fn reclaim(journal: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE details SET claimed = 0, due_at = min(due_at, ?1) WHERE state = 0 AND claimed = 1";
    journal.execute(sql, [now.as_millisecond()]).map(drop)
}

impl Turn<'_> {
    /// Makes it the work of the application's lane to read the details anew, in the place of what
    /// an earlier interview has asked for, or of what was given up.
    pub(super) fn want_details(&self, org: &OrgId, application: Key, event: u64) -> rusqlite::Result<()> {
        let (k1, k2) = halves(application);
        let sql = "INSERT INTO details (k1, k2, event, orgid, state, attempts, claimed, due_at)
                   VALUES (?1, ?2, ?3, ?4, 0, 0, 0, ?5)
                   ON CONFLICT (k1, k2) DO UPDATE SET event = excluded.event, state = 0, attempts = 0, claimed = 0,
                       due_at = excluded.due_at, first_attempt_at = NULL, error = NULL
                   WHERE event <> excluded.event OR state = 2";
        let mut statement = self.journal.prepare_cached(sql)?;
        statement.execute(params![k1, k2, event, org.as_str(), self.batch.at().as_millisecond()]).map(drop)
    }

    pub(super) fn claim_details(&mut self, quota: &Quota, lease: Duration) -> rusqlite::Result<Claims> {
        let (mut claims, now) = (Claims::default(), self.batch.at().as_millisecond());
        for org in quota.known.iter().filter(|org| quota.of(org) > 0) {
            let room = quota.of(org).min(quota.total.saturating_sub(claims.claimed.len()));
            let mut hold = hold(self.journal, org)?;
            let most = match &mut hold {
                Some(hold) if hold.until > now => 0,
                Some(hold) if hold.wrong => room.min(1),
                _ => room,
            };
            for due in due(self.journal, org, now, most)? {
                claims.claimed.extend(self.claim_one(&due, lease)?);
                if let Some(hold) = hold.as_mut().filter(|hold| hold.wrong) {
                    hold.until = now.saturating_add(milliseconds(lease));
                    set_hold(self.journal, org, hold)?;
                }
            }
            let opens = hold.map_or(i64::MIN, |hold| hold.until);
            let next = next_due(self.journal, org, if opens > now { i64::MIN } else { now })?;
            let next = next.map(|next| Duration::from_millis(next.max(opens).saturating_sub(now).max(0) as u64));
            claims.next_due = [claims.next_due, next].into_iter().flatten().min();
        }
        Ok(claims)
    }

    fn claim_one(&self, due: &Due, lease: Duration) -> rusqlite::Result<Option<Claimed>> {
        let at = self.batch.at();
        let Some(stored) = append::read(self.journal, due.event, self.identity.tag)? else { return Ok(None) };
        let sql = "UPDATE details SET attempts = ?2, claimed = 1, due_at = ?3,
                       first_attempt_at = ifnull(first_attempt_at, ?4) WHERE event = ?1";
        let (attempt, until) = (due.attempts + 1, at.as_millisecond().saturating_add(milliseconds(lease)));
        self.journal.prepare_cached(sql)?.execute(params![due.event, attempt, until, at.as_millisecond()])?;
        Ok(Some(Claimed {
            idempotency_key: stored.event.event_id.to_string(),
            fence: Fence { kind: LaneKind::Details, event: due.event, attempt: u64::from(attempt) },
            attempt,
            since_first: since(at, due.first_attempt.unwrap_or(at)),
            replayed: false,
            strike: 1,
            age: since(at, stored.event.received_at),
            trace: stored.trace,
            event: stored.event,
        }))
    }

    pub(super) fn settle_details(&mut self, settlement: &Settlement) -> rusqlite::Result<Settled> {
        let now = self.batch.at().as_millisecond();
        let (state, due_at) = match settlement.verdict {
            Verdict::Delivered => (1, None),
            Verdict::Retry { after, .. } => (0, Some(now.saturating_add(milliseconds(after)))),
            Verdict::Paused { .. } => (0, Some(now)),
            Verdict::Dead => (2, None),
        };
        let paused = matches!(settlement.verdict, Verdict::Paused { .. });
        let read = match &settlement.read_back {
            ReadBack::Read(details) => Some(json(details)?),
            _ => None,
        };
        let sql = "UPDATE details SET claimed = 0, state = ?3, due_at = ifnull(?4, due_at), error = ?5,
                       details = ifnull(?6, details), read_at = iif(?6 IS NULL, read_at, ?7),
                       first_attempt_at = iif(?8, NULL, first_attempt_at)
                   WHERE event = ?1 AND attempts = ?2 AND claimed = 1 AND state = 0 RETURNING orgid";
        let Fence { event, attempt, .. } = settlement.fence;
        let values = params![event, attempt, state, due_at, settlement.answered.error, read, now, paused];
        let mut statement = self.journal.prepare_cached(sql)?;
        let org = statement.query_row(values, |row| append::organisation(row, 0)).optional()?;
        let Some(org) = org else { return Ok(Settled::Stale) };
        match settlement.verdict {
            Verdict::Delivered | Verdict::Dead => self.let_go_details(Some(&org))?,
            Verdict::Paused { probe_after: wait } | Verdict::Retry { after: wait, hold_organisation: true } => {
                set_hold(self.journal, &org, &Hold { until: now.saturating_add(milliseconds(wait)), wrong: paused })?;
            }
            Verdict::Retry { .. } => {}
        }
        Ok(Settled::Applied)
    }

    /// Lets go what waits for a wrong set-up, of one organisation or of all.
    pub(super) fn let_go_details(&mut self, org: Option<&OrgId>) -> rusqlite::Result<()> {
        let sql = "DELETE FROM details_hold WHERE ?1 IS NULL OR orgid = ?1";
        self.effects.stirred |= self.journal.prepare_cached(sql)?.execute([org.map(OrgId::as_str)])? > 0;
        Ok(())
    }
}

fn hold(journal: &Connection, org: &OrgId) -> rusqlite::Result<Option<Hold>> {
    let mut statement = journal.prepare_cached("SELECT until, wrong FROM details_hold WHERE orgid = ?1")?;
    statement.query_row([org.as_str()], |row| Ok(Hold { until: row.get(0)?, wrong: row.get(1)? })).optional()
}

fn set_hold(journal: &Connection, org: &OrgId, hold: &Hold) -> rusqlite::Result<()> {
    let sql = "INSERT INTO details_hold VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET until = max(until, excluded.until), wrong = max(wrong, excluded.wrong)";
    journal.prepare_cached(sql)?.execute(params![org.as_str(), hold.until, hold.wrong]).map(drop)
}

fn due(journal: &Connection, org: &OrgId, now: i64, most: usize) -> rusqlite::Result<Vec<Due>> {
    let sql = "SELECT event, attempts, first_attempt_at FROM details
               WHERE orgid = ?1 AND state = 0 AND due_at <= ?2 ORDER BY due_at LIMIT ?3";
    let mut statement = journal.prepare_cached(sql)?;
    let rows = statement.query_map(params![org.as_str(), now, most], |row| {
        let first_attempt = row.get::<_, Option<i64>>(2)?.and_then(|at| Timestamp::from_millisecond(at).ok());
        Ok(Due { event: row.get(0)?, attempts: row.get(1)?, first_attempt })
    })?;
    rows.collect()
}

fn next_due(journal: &Connection, org: &OrgId, after: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT min(due_at) FROM details WHERE orgid = ?1 AND state = 0 AND due_at > ?2";
    journal.prepare_cached(sql)?.query_row(params![org.as_str(), after], |row| row.get(0))
}

/// Forgets the details that these events have asked for.
pub(super) fn forget(journal: &Connection, events: &[u64]) -> rusqlite::Result<u64> {
    let mut statement = journal.prepare_cached("DELETE FROM details WHERE event = ?1")?;
    events.iter().try_fold(0, |gone, event| Ok(gone + statement.execute([event])? as u64))
}

/// The organisations of which anything is kept.
pub(super) fn organisations(connection: &Connection) -> rusqlite::Result<Vec<OrgId>> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT orgid FROM details")?;
    statement.query_map([], |row| append::organisation(row, 0))?.collect()
}

/// Some of the events whose details may be forgotten: the protection ended before that time.
pub(super) fn over(connection: &Connection, org: &OrgId, before: Timestamp, most: usize) -> rusqlite::Result<Vec<u64>> {
    let sql = "SELECT d.event FROM details d JOIN idx.protection p ON p.k1 = d.k1 AND p.k2 = d.k2
               WHERE d.orgid = ?1 AND p.ended_at < ?2 LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![org.as_str(), before.as_microsecond(), most], |row| row.get(0))?.collect()
}

/// How reading back stands, by organisation.
pub(super) fn figures(connection: &Connection) -> rusqlite::Result<HashMap<String, DetailsStats>> {
    let mut statement = connection.prepare_cached(
        "SELECT d.orgid, d.waiting, d.failed, e.received_at, ifnull(h.wrong, 0), d.error
         FROM (SELECT orgid, count(*) FILTER (WHERE state = 0) AS waiting,
                      count(*) FILTER (WHERE state = 2) AS failed, min(event) FILTER (WHERE state = 0) AS oldest,
                      max(error) FILTER (WHERE state = 0) AS error FROM details GROUP BY orgid) d
         LEFT JOIN event e ON e.sequence = d.oldest LEFT JOIN details_hold h ON h.orgid = d.orgid",
    )?;
    let read = |row: &Row<'_>| {
        let oldest = row.get::<_, Option<i64>>(3)?.and_then(|at| Timestamp::from_millisecond(at).ok());
        let (waiting, failed) = (row.get(1)?, row.get(2)?);
        let stats = DetailsStats { waiting, failed, oldest_waiting: oldest, denied: row.get(4)?, error: row.get(5)? };
        Ok((row.get(0)?, stats))
    };
    statement.query_map([], read)?.collect()
}

/// The columns that [`record`] reads, of a table named `d` that may have no row.
pub(super) const COLUMNS: &str = "d.state, d.attempts, d.due_at, d.error, d.details, d.read_at";

/// Reads how it stands from a row in which [`COLUMNS`] begin at `first`.
pub(super) fn record(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<ReadBackRecord>> {
    let Some(state) = row.get::<_, Option<u8>>(first)? else { return Ok(None) };
    let state = match state {
        0 => ReadBackState::Waiting,
        1 => ReadBackState::Read,
        _ => ReadBackState::Failed,
    };
    let details = row.get::<_, Option<String>>(first + 4)?;
    let details = details.and_then(|json| serde_json::from_str(&json).ok());
    Ok(Some(ReadBackRecord {
        state,
        attempts: row.get(first + 1)?,
        next_attempt_at: if state == ReadBackState::Waiting { Some(millisecond(row, first + 2)?) } else { None },
        last_error: row.get(first + 3)?,
        details: details
            .map(|details| Ok::<_, rusqlite::Error>((details, millisecond(row, first + 5)?)))
            .transpose()?,
    }))
}

fn json(details: &Details) -> rusqlite::Result<String> {
    serde_json::to_string(details).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn since(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
