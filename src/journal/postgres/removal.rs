//! What goes in time, and what an erasure removes.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::figures::{self, Desk, Tally};
use super::gate::milliseconds;
use super::link::{Failure, Values};
use super::row::{millisecond, number, optional, organisation, text};
use super::upkeep::{Keeper, STEP};
use super::{claim, details};
use crate::domain::{CandidateId, OrgId};
use crate::journal::{Erasure, Keep, WaitingErasure};

/// For how long a process that was not seen may still come back to its figures.
const GONE_AFTER: i64 = 86_400_000;

/// Everything that is kept of an event beside its row.
const TRACES: [&str; 6] = [
    "DELETE FROM attempt WHERE event = ANY ($1)",
    "DELETE FROM duplicate WHERE event = ANY ($1)",
    "DELETE FROM message WHERE event = ANY ($1)",
    "DELETE FROM work WHERE event = ANY ($1)",
    "DELETE FROM protection WHERE event = ANY ($1)",
    "DELETE FROM details WHERE event = ANY ($1)",
];

/// The next of what is about something else than an event.
const PASSED: [&str; 2] = [
    "DELETE FROM action WHERE ctid = ANY (ARRAY(SELECT ctid FROM action WHERE at < $1 ORDER BY at LIMIT 500))",
    "DELETE FROM pause WHERE ctid = ANY (ARRAY(SELECT ctid FROM pause WHERE until < $1 LIMIT 500))",
];

impl Keeper {
    /// Records that all of a candidate's applications are to be removed.
    pub(super) async fn erase(&mut self, org: &OrgId, candidate: &CandidateId, actor: &str) -> Result<u64, Failure> {
        let sql = "INSERT INTO erasure (number, at, orgid, candidate_id, actor)
                   VALUES (nextval('record'), journal_now(), $1, $2, $3) RETURNING number";
        let record = async |client: &Client| {
            let values: Values<'_> =
                &[(&org.as_str(), Type::TEXT), (&candidate.as_str(), Type::TEXT), (&text(actor), Type::TEXT)];
            number(&client.query_typed_one(sql, values).await?, 0)
        };
        self.link.transact(record).await
    }

    /// The erasures that are not done.
    pub(super) async fn waiting_erasures(&mut self) -> Result<Vec<WaitingErasure>, Failure> {
        self.link.ask(waiting).await
    }

    /// Does an erasure unless something holds it up.
    pub(super) async fn finish_erasure(&mut self, number: u64, undelivered: bool) -> Result<Option<Erasure>, Failure> {
        let (desk, number) = (self.desk, number as i64);
        self.link.transact(async |client| finish(client, desk, number, undelivered).await).await?;
        let erasures = self.link.ask(async |client| erasures(client, i64::MAX).await).await?;
        Ok(erasures.into_iter().find(|erasure| erasure.number == number as u64))
    }

    /// Forgets the details of protections that ended long enough ago.
    pub(super) async fn forget_details(&mut self, keep: &Keep) -> Result<u64, Failure> {
        self.link.transact(async |client| details::forget(client, keep).await).await
    }

    /// Removes what is older and not needed.
    pub(super) async fn purge(&mut self, older_than: Duration) -> Result<u64, Failure> {
        let (desk, mut after, mut removed) = (self.desk, (i64::MIN, i64::MIN), 0);
        let now = self.link.ask(claim::now).await?;
        let before = now.saturating_sub(milliseconds(older_than));
        loop {
            let step = async |client: &Client| purge(client, desk, before, after).await;
            let Some((last, events)) = self.link.transact(step).await? else { break };
            (after, removed) = (last, removed + events);
        }
        for sql in PASSED {
            let step = async |client: &Client| Ok(client.execute_typed(sql, &[(&before, Type::INT8)]).await?);
            while self.link.transact(step).await? > 0 {}
        }
        self.link.transact(async |client| figures::fold(client, now - GONE_AFTER).await).await?;
        Ok(removed)
    }
}

/// Whose an erasure is that is not done, and what of it stands.
struct Subject {
    org: OrgId,
    names: Vec<String>,
    applications: Vec<Uuid>,
}

async fn waiting(client: &Client) -> Result<Vec<WaitingErasure>, Failure> {
    let sql = "SELECT number FROM erasure WHERE candidate_id IS NOT NULL ORDER BY number";
    let mut waiting = Vec::new();
    for row in client.query_typed(sql, &[]).await? {
        let number = row.try_get(0)?;
        let Some(Subject { org, names, applications }) = subject(client, number).await? else { continue };
        let held = held(client, &applications).await?;
        waiting.push(WaitingErasure { number: number as u64, org, names, held });
    }
    Ok(waiting)
}

/// `None` if it is done, or never was.
async fn subject(client: &Client, number: i64) -> Result<Option<Subject>, Failure> {
    let whose = "SELECT orgid, candidate_id FROM erasure WHERE number = $1 AND candidate_id IS NOT NULL";
    let Some(row) = client.query_typed_opt(whose, &[(&number, Type::INT8)]).await? else { return Ok(None) };
    let (org, candidate) = (organisation(&row, 0)?, row.try_get::<_, String>(1)?);
    let own = "SELECT DISTINCT application, job_application_id FROM event WHERE orgid = $1 AND candidate_id = $2";
    let values: Values<'_> = &[(&org.as_str(), Type::TEXT), (&candidate, Type::TEXT)];
    let rows = client.query_typed(own, values).await?;
    let applications = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_, Failure>>()?;
    let mut names = rows.iter().map(|row| Ok(row.try_get(1)?)).collect::<Result<Vec<_>, Failure>>()?;
    names.push(candidate);
    Ok(Some(Subject { org, names, applications }))
}

async fn held(client: &Client, applications: &[Uuid]) -> Result<bool, Failure> {
    let holds = "SELECT EXISTS (SELECT FROM application WHERE key = ANY ($1) AND since IS NOT NULL)
                     OR EXISTS (SELECT FROM work WHERE application = ANY ($1) AND state = 0)";
    Ok(client.query_typed_one(holds, &[(&applications, Type::UUID_ARRAY)]).await?.try_get(0)?)
}

async fn finish(client: &Client, desk: Desk, number: i64, undelivered: bool) -> Result<(), Failure> {
    // Another bridge may be at it: whoever comes second finds it done and leaves its receipt alone.
    let alone = "SELECT FROM erasure WHERE number = $1 FOR UPDATE";
    client.query_typed(alone, &[(&number, Type::INT8)]).await?;
    let Some(Subject { org, names, applications }) = subject(client, number).await? else { return Ok(()) };
    lock(client, &applications).await?;
    if !undelivered && held(client, &applications).await? {
        return Ok(());
    }
    // A relay may have named the candidate when it was told of another.
    let answers = "UPDATE attempt SET answer = NULL FROM event
                   WHERE event.sequence = attempt.event AND event.orgid = $1
                       AND EXISTS (SELECT FROM unnest($2) AS name WHERE strpos(answer, name) > 0)";
    client.execute_typed(answers, &[(&org.as_str(), Type::TEXT), (&names, Type::TEXT_ARRAY)]).await?;
    let values: Values<'_> = &[(&applications, Type::UUID_ARRAY)];
    let all = "SELECT sequence FROM event WHERE application = ANY ($1)";
    let rows = client.query_typed(all, values).await?;
    let events = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Failure>>()?;
    remove(client, desk, &events).await?;
    client.execute_typed("DELETE FROM protection WHERE application = ANY ($1)", values).await?;
    client.execute_typed("DELETE FROM details WHERE application = ANY ($1)", values).await?;
    let done = "UPDATE erasure SET candidate_id = NULL, done_at = journal_now(), events = $2 WHERE number = $1";
    client.execute_typed(done, &[(&number, Type::INT8), (&(events.len() as i64), Type::INT8)]).await?;
    Ok(())
}

/// Locks applications and their lanes, in the order in which messages do.
async fn lock(client: &Client, applications: &[Uuid]) -> Result<(), Failure> {
    let values: Values<'_> = &[(&applications, Type::UUID_ARRAY)];
    let standings = "SELECT FROM application WHERE key = ANY ($1) ORDER BY key FOR UPDATE";
    let lanes = "SELECT FROM lane WHERE application = ANY ($1) ORDER BY application FOR UPDATE";
    client.query_typed(standings, values).await?;
    client.query_typed(lanes, values).await?;
    Ok(())
}

/// Removes events of applications that are locked, and what is known of those of which none is left.
async fn remove(client: &Client, desk: Desk, events: &[i64]) -> Result<(), Failure> {
    let values: Values<'_> = &[(&events, Type::INT8_ARRAY)];
    let dead = "SELECT orgid, count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 0) FROM work
                WHERE event = ANY ($1) GROUP BY orgid";
    let mut tally = Tally::default();
    for row in client.query_typed(dead, values).await? {
        let change = tally.of(&organisation(&row, 0)?);
        (change.dead, change.pending) = (-row.try_get::<_, i64>(1)?, -row.try_get::<_, i64>(2)?);
    }
    for sql in TRACES {
        client.execute_typed(sql, values).await?;
    }
    client.execute_typed("DELETE FROM action WHERE event = ANY ($1)", values).await?;
    let sql = "DELETE FROM event WHERE sequence = ANY ($1) RETURNING application";
    let rows = client.query_typed(sql, values).await?;
    let mut applications = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<Uuid>, Failure>>()?;
    applications.sort_unstable();
    applications.dedup();
    for sql in [
        "DELETE FROM lane WHERE application = ANY ($1)
             AND NOT EXISTS (SELECT FROM event WHERE event.application = lane.application)",
        "DELETE FROM application WHERE key = ANY ($1)
             AND NOT EXISTS (SELECT FROM event WHERE event.application = key)",
    ] {
        client.execute_typed(sql, &[(&applications, Type::UUID_ARRAY)]).await?;
    }
    tally.add(client, desk).await
}

/// Looks at the next old events and removes those that nothing needs: how far it came, and how many
/// went. Of an application goes only what stands before the first event that stays, so that no
/// history has a gap, and never more than was looked at, so that a step stays small.
async fn purge(
    client: &Client,
    desk: Desk,
    before: i64,
    after: (i64, i64),
) -> Result<Option<((i64, i64), u64)>, Failure> {
    let next = format!(
        "SELECT received_at, sequence, application FROM event
         WHERE (received_at, sequence) > ($1, $2) AND received_at < $3 ORDER BY received_at, sequence LIMIT {STEP}"
    );
    let values: Values<'_> = &[(&after.0, Type::INT8), (&after.1, Type::INT8), (&before, Type::INT8)];
    let rows = client.query_typed(&next, values).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last: (i64, i64) = (last.try_get(0)?, last.try_get(1)?);
    let mut applications = rows.iter().map(|row| Ok(row.try_get(2)?)).collect::<Result<Vec<Uuid>, Failure>>()?;
    applications.sort_unstable();
    applications.dedup();
    lock(client, &applications).await?;
    let free = format!(
        "SELECT e.sequence FROM application a JOIN event e ON e.application = a.key
         WHERE a.key = ANY ($1) AND a.since IS NULL AND (e.received_at, e.sequence) <= ($3, $4) AND e.sequence < coalesce((
             SELECT min(k.sequence) FROM event k LEFT JOIN work w ON w.event = k.sequence
             WHERE k.application = a.key AND (k.received_at >= $2 OR w.state IN (0, 1)
                 OR (k.sequence IN (a.head, a.applied) AND (a.heard_at >= $2 OR a.position = 1)))), {})",
        i64::MAX
    );
    let values: Values<'_> =
        &[(&applications, Type::UUID_ARRAY), (&before, Type::INT8), (&last.0, Type::INT8), (&last.1, Type::INT8)];
    let rows = client.query_typed(&free, values).await?;
    let events = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Failure>>()?;
    if !events.is_empty() {
        remove(client, desk, &events).await?;
    }
    Ok(Some((last, events.len() as u64)))
}

/// The latest erasures, the newest first.
pub(super) async fn erasures(client: &Client, limit: i64) -> Result<Vec<Erasure>, Failure> {
    let sql = "SELECT number, orgid, at, done_at, events FROM erasure ORDER BY number DESC LIMIT $1";
    let read = |row: &Row| {
        Ok(Erasure {
            number: number(row, 0)?,
            org: organisation(row, 1)?,
            asked_at: millisecond(row.try_get(2)?)?,
            done_at: optional(row, 3)?,
            events: number(row, 4)?,
        })
    };
    client.query_typed(sql, &[(&limit, Type::INT8)]).await?.iter().map(read).collect()
}
