//! Erasing a candidate: in steps of whole applications, so that none takes long, with a receipt that
//! counts what each of them removed.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::figures::Desk;
use super::link::{Failure, Values};
use super::removal::{lock, remove};
use super::row::{millisecond, number, optional, organisation, text};
use super::upkeep::Keeper;
use crate::domain::{CandidateId, OrgId};
use crate::journal::{Erasure, WaitingErasure};

/// After how many events a step takes no further application.
const STEP: i64 = 2_000;

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
        if self.link.transact(async |client| begin(client, number, undelivered).await).await? {
            while self.link.transact(async |client| step(client, desk, number, undelivered).await).await? {}
        }
        let erasures = self.link.ask(async |client| erasures(client, i64::MAX).await).await?;
        Ok(erasures.into_iter().find(|erasure| erasure.number == number as u64))
    }
}

/// Whose an erasure is that is not done.
struct Subject {
    org: OrgId,
    candidate: String,
}

impl Subject {
    /// The applications with what they are called.
    async fn applications(&self, client: &Client) -> Result<(Vec<Uuid>, Vec<String>), Failure> {
        let own = "SELECT DISTINCT application, job_application_id FROM event WHERE orgid = $1 AND candidate_id = $2";
        let values: Values<'_> = &[(&self.org.as_str(), Type::TEXT), (&self.candidate, Type::TEXT)];
        let rows = client.query_typed(own, values).await?;
        rows.iter().map(|row| Ok((row.try_get::<_, Uuid>(0)?, row.try_get::<_, String>(1)?))).collect()
    }

    /// The applications that one step removes; none when all is gone.
    async fn next(&self, client: &Client) -> Result<Vec<Uuid>, Failure> {
        let sql = format!(
            "SELECT application FROM (
                 SELECT application, sum(count(*)) OVER (ORDER BY application) - count(*) AS before FROM event
                 WHERE application IN (SELECT application FROM event WHERE orgid = $1 AND candidate_id = $2 LIMIT {STEP})
                 GROUP BY application) a
             WHERE before < {STEP}"
        );
        let values: Values<'_> = &[(&self.org.as_str(), Type::TEXT), (&self.candidate, Type::TEXT)];
        client.query_typed(&sql, values).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// `None` if it is done, or never was.
async fn subject(client: &Client, number: i64, lock: &str) -> Result<Option<Subject>, Failure> {
    let whose =
        format!("SELECT orgid, candidate_id FROM erasure WHERE number = $1 AND candidate_id IS NOT NULL {lock}");
    let row = client.query_typed_opt(&whose, &[(&number, Type::INT8)]).await?;
    row.map(|row| Ok(Subject { org: organisation(&row, 0)?, candidate: row.try_get(1)? })).transpose()
}

/// The same, with its row locked: of several bridges that do the same erasure each step is done by
/// one, and the receipt says what was removed by all.
async fn own(client: &Client, number: i64) -> Result<Option<Subject>, Failure> {
    subject(client, number, "FOR UPDATE").await
}

async fn waiting(client: &Client) -> Result<Vec<WaitingErasure>, Failure> {
    let sql = "SELECT number FROM erasure WHERE candidate_id IS NOT NULL ORDER BY number";
    let mut waiting = Vec::new();
    for row in client.query_typed(sql, &[]).await? {
        let number = row.try_get(0)?;
        let Some(subject) = subject(client, number, "").await? else { continue };
        let (applications, mut names) = subject.applications(client).await?;
        let held = held(client, &applications).await?;
        names.push(subject.candidate);
        waiting.push(WaitingErasure { number: number as u64, org: subject.org, names, held });
    }
    Ok(waiting)
}

async fn held(client: &Client, applications: &[Uuid]) -> Result<bool, Failure> {
    let holds = "SELECT EXISTS (SELECT FROM application WHERE key = ANY ($1) AND since IS NOT NULL)
                     OR EXISTS (SELECT FROM work WHERE application = ANY ($1) AND state = 0)";
    Ok(client.query_typed_one(holds, &[(&applications, Type::UUID_ARRAY)]).await?.try_get(0)?)
}

/// While all names are known: forgets where a relay named the candidate when it was told of another.
/// Whether the erasure may go on.
async fn begin(client: &Client, number: i64, undelivered: bool) -> Result<bool, Failure> {
    let Some(subject) = own(client, number).await? else { return Ok(false) };
    let (applications, mut names) = subject.applications(client).await?;
    if !undelivered && held(client, &applications).await? {
        return Ok(false);
    }
    names.push(subject.candidate);
    let answers = "UPDATE attempt SET answer = NULL FROM event
                   WHERE event.sequence = attempt.event AND event.orgid = $1
                       AND EXISTS (SELECT FROM unnest($2) AS name WHERE strpos(answer, name) > 0)";
    let values: Values<'_> = &[(&subject.org.as_str(), Type::TEXT), (&names, Type::TEXT_ARRAY)];
    client.execute_typed(answers, values).await?;
    Ok(true)
}

/// Removes the next applications, or finds that none is left and says so in the receipt. Whether
/// there may be more.
async fn step(client: &Client, desk: Desk, number: i64, undelivered: bool) -> Result<bool, Failure> {
    let Some(subject) = own(client, number).await? else { return Ok(false) };
    let applications = subject.next(client).await?;
    if applications.is_empty() {
        let done = "UPDATE erasure SET candidate_id = NULL, done_at = journal_now() WHERE number = $1";
        client.execute_typed(done, &[(&number, Type::INT8)]).await?;
        return Ok(false);
    }
    lock(client, &applications).await?;
    // A message may have come since the erasure began.
    if !undelivered && held(client, &applications).await? {
        return Ok(false);
    }
    let values: Values<'_> = &[(&applications, Type::UUID_ARRAY)];
    let rows = client.query_typed("SELECT sequence FROM event WHERE application = ANY ($1)", values).await?;
    let events = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Failure>>()?;
    remove(client, desk, &events).await?;
    client.execute_typed("DELETE FROM protection WHERE application = ANY ($1)", values).await?;
    client.execute_typed("DELETE FROM details WHERE application = ANY ($1)", values).await?;
    let counted = "UPDATE erasure SET events = events + $2 WHERE number = $1";
    client.execute_typed(counted, &[(&number, Type::INT8), (&(events.len() as i64), Type::INT8)]).await?;
    Ok(true)
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
