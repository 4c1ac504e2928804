//! Removing events with all that is kept beside them, and what goes in time.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::figures::{self, Desk, Tally};
use super::gate::milliseconds;
use super::link::{Failure, Values};
use super::row::organisation;
use super::upkeep::{Keeper, STEP};
use super::{claim, details};
use crate::journal::Keep;

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

/// Locks applications and their lanes, in the order in which messages do.
pub(super) async fn lock(client: &Client, applications: &[Uuid]) -> Result<(), Failure> {
    let values: Values<'_> = &[(&applications, Type::UUID_ARRAY)];
    let standings = "SELECT FROM application WHERE key = ANY ($1) ORDER BY key FOR UPDATE";
    let lanes = "SELECT FROM lane WHERE application = ANY ($1) ORDER BY application FOR UPDATE";
    client.query_typed(standings, values).await?;
    client.query_typed(lanes, values).await?;
    Ok(())
}

/// Removes events of applications that are locked, and what is known of those of which none is left.
pub(super) async fn remove(client: &Client, desk: Desk, events: &[i64]) -> Result<(), Failure> {
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
