//! Recording what became of claims: one transaction for all results that wait, each refused whose
//! fence is no longer its lane's.

use std::collections::{HashMap, HashSet};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::figures::{Desk, Tally};
use super::gate::{self, Gate};
use super::link::{Failure, together};
use super::row::{organisation, text};
use super::{claim, details, protect, set_up};
use crate::domain::OrgId;
use crate::journal::{LaneKind, Settled, Settlement, Verdict};

/// A claim that stands: its lane is locked.
pub(super) struct Held<'s> {
    pub(super) settlement: &'s Settlement,
    pub(super) application: Uuid,
    pub(super) org: OrgId,
    /// When the event's transition occurred, in microseconds.
    pub(super) occurred_at: i64,
    pub(super) strikes: i32,
    pub(super) strikes_upto: i64,
    pub(super) claimed_at: i64,
    /// What stopped the organisation's deliveries when the lane was locked.
    pub(super) gate: Gate,
}

impl Held<'_> {
    pub(super) fn event(&self) -> i64 {
        self.settlement.fence.event as i64
    }

    pub(super) fn finds_set_up_wrong(&self) -> bool {
        matches!(self.settlement.verdict, Verdict::Paused { .. })
    }
}

/// What the results came to.
pub(super) struct Outcomes {
    pub(super) answers: Vec<Settled>,
    pub(super) tally: Tally,
    /// Whether a gate changed.
    pub(super) gated: bool,
}

/// Records the results.
pub(super) async fn settle(client: &Client, desk: Desk, settlements: &[Settlement]) -> Result<Outcomes, Failure> {
    let (now, lanes) = together!(claim::now(client), lock(client, settlements))?;
    let mut held = Vec::new();
    let mut seen = HashSet::new();
    let mut answers = Vec::with_capacity(settlements.len());
    for settlement in settlements {
        let fence = (settlement.fence.event as i64, settlement.fence.attempt as i64);
        let stands = lanes.get(&fence).filter(|_| seen.insert(fence));
        answers.push(if stands.is_some() { Settled::Applied } else { Settled::Stale });
        held.extend(stands.map(|row| held_row(settlement, row)).transpose()?);
    }
    if held.is_empty() {
        return Ok(Outcomes { answers, tally: Tally::default(), gated: false });
    }
    let tally = tally(&held);
    // Statements that are sent together are done in the order in which they stand here: a lane goes
    // on once its head is gone, and sees what was put into it before it was locked.
    together!(
        results(client, &held),
        work(client, &held),
        set_up::strikes(client, &held),
        retries(client, &held, now),
        advance(client, &held, now),
        tally.add(client, desk),
        protect::apply(client, &held),
        details::want(client, &held, now),
    )?;
    let gated = set_up::gates(client, &held, now).await?;
    Ok(Outcomes { answers, tally, gated })
}

/// Locks the lanes that the fences name, always in the same order.
async fn lock(client: &Client, settlements: &[Settlement]) -> Result<HashMap<(i64, i64), Row>, Failure> {
    let events: Vec<_> = settlements.iter().map(|settlement| settlement.fence.event as i64).collect();
    let attempts: Vec<_> = settlements.iter().map(|settlement| settlement.fence.attempt as i64).collect();
    let sql = format!(
        "SELECT l.head, l.attempt, l.application, l.orgid, coalesce(e.occurred_at, e.received_at * 1000),
                w.strikes, w.strikes_upto, a.at, {}
         FROM unnest($1, $2) AS u (event, attempt)
         JOIN work w ON w.event = u.event AND w.state = 0
         JOIN lane l ON l.application = w.application AND l.kind = $3 AND l.head = u.event AND l.attempt = u.attempt
         JOIN attempt a ON a.sequence = u.attempt
         JOIN event e ON e.sequence = u.event
         LEFT JOIN gate ON gate.orgid = l.orgid
         ORDER BY l.application FOR UPDATE OF l",
        gate::COLUMNS
    );
    let rows = client
        .query_typed(
            &sql,
            &[
                (&events, Type::INT8_ARRAY),
                (&attempts, Type::INT8_ARRAY),
                (&i16::from(LaneKind::Delivery.code()), Type::INT2),
            ],
        )
        .await?;
    rows.into_iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row))).collect()
}

fn held_row<'s>(settlement: &'s Settlement, row: &Row) -> Result<Held<'s>, Failure> {
    Ok(Held {
        settlement,
        application: row.try_get(2)?,
        org: organisation(row, 3)?,
        occurred_at: row.try_get(4)?,
        strikes: row.try_get(5)?,
        strikes_upto: row.try_get(6)?,
        claimed_at: row.try_get(7)?,
        gate: gate::read(row, 8)?.map(|(_, gate)| gate).unwrap_or_default(),
    })
}

fn tally(held: &[Held<'_>]) -> Tally {
    let mut tally = Tally::default();
    let struck: HashSet<_> = held.iter().filter(|held| held.finds_set_up_wrong()).map(|held| &held.org).collect();
    for held in held {
        let change = tally.of(&held.org);
        change.late += i64::from(held.settlement.late);
        match held.settlement.verdict {
            Verdict::Delivered => {
                change.delivered += 1;
                // What was begun before the set-up was found wrong, or ends together with what found
                // it so, does not show that others go through.
                change.passed += i64::from(!held.gate.is_stale(held.claimed_at) && !struck.contains(&held.org));
                change.pending -= 1;
            }
            Verdict::Dead => {
                change.dead += 1;
                change.pending -= 1;
            }
            Verdict::Retry { .. } | Verdict::Paused { .. } => {}
        }
    }
    tally
}

async fn results(client: &Client, held: &[Held<'_>]) -> Result<(), Failure> {
    let answered = || held.iter().map(|held| &held.settlement.answered);
    let attempts: Vec<_> = held.iter().map(|held| held.settlement.fence.attempt as i64).collect();
    let verdicts: Vec<_> = held.iter().map(|held| verdict(held.settlement.verdict)).collect();
    let statuses: Vec<_> = answered().map(|answered| answered.status.map(|status| status as i16)).collect();
    let latencies: Vec<_> = answered().map(|answered| gate::milliseconds(answered.latency)).collect();
    let errors: Vec<_> = answered().map(|answered| answered.error.as_deref().map(text)).collect();
    let bodies: Vec<_> = answered().map(|answered| answered.body.as_deref().map(text)).collect();
    client
        .execute_typed(
            "UPDATE attempt a SET verdict = u.verdict, status = u.status, latency_ms = u.latency, error = u.error,
                    answer = u.answer
             FROM unnest($1, $2, $3, $4, $5, $6) AS u (attempt, verdict, status, latency, error, answer)
             WHERE a.sequence = u.attempt",
            &[
                (&attempts, Type::INT8_ARRAY),
                (&verdicts, Type::INT2_ARRAY),
                (&statuses, Type::INT2_ARRAY),
                (&latencies, Type::INT8_ARRAY),
                (&errors, Type::TEXT_ARRAY),
                (&bodies, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    Ok(())
}

fn verdict(verdict: Verdict) -> i16 {
    match verdict {
        Verdict::Delivered => 0,
        Verdict::Retry { .. } => 1,
        Verdict::Dead => 2,
        Verdict::Paused { .. } => 3,
    }
}

/// Events of those whose verdict is one of these.
fn events(held: &[Held<'_>], of: impl Fn(Verdict) -> bool) -> Vec<i64> {
    held.iter().filter(|held| of(held.settlement.verdict)).map(Held::event).collect()
}

async fn work(client: &Client, held: &[Held<'_>]) -> Result<(), Failure> {
    let delivered = events(held, |verdict| verdict == Verdict::Delivered);
    let dead = events(held, |verdict| verdict == Verdict::Dead);
    let (gone, given_up) =
        ("DELETE FROM work WHERE event = ANY ($1)", "UPDATE work SET state = 1 WHERE event = ANY ($1)");
    together!(execute(client, gone, &delivered), execute(client, given_up, &dead))?;
    Ok(())
}

/// Does something to these events, if there are any.
async fn execute(client: &Client, sql: &str, events: &[i64]) -> Result<(), Failure> {
    if !events.is_empty() {
        client.execute_typed(sql, &[(&events, Type::INT8_ARRAY)]).await?;
    }
    Ok(())
}

/// Lanes whose head is tried again. That of a probe goes behind those that are due already, so that
/// probes rotate.
async fn retries(client: &Client, held: &[Held<'_>], now: i64) -> Result<(), Failure> {
    let again = held.iter().filter_map(|held| match held.settlement.verdict {
        Verdict::Retry { after, .. } => Some((held.application, now.saturating_add(gate::milliseconds(after)))),
        Verdict::Paused { .. } => Some((held.application, now)),
        Verdict::Delivered | Verdict::Dead => None,
    });
    let (lanes, due): (Vec<_>, Vec<_>) = again.unzip();
    if lanes.is_empty() {
        return Ok(());
    }
    client
        .execute_typed(
            "UPDATE lane l SET attempt = NULL, due_at = u.due FROM unnest($1, $2) AS u (application, due)
             WHERE l.application = u.application AND l.kind = $3",
            &[
                (&lanes, Type::UUID_ARRAY),
                (&due, Type::INT8_ARRAY),
                (&i16::from(LaneKind::Delivery.code()), Type::INT2),
            ],
        )
        .await?;
    Ok(())
}

/// Lanes whose head is done with: the next one is due now.
async fn advance(client: &Client, held: &[Held<'_>], now: i64) -> Result<(), Failure> {
    let done = held.iter().filter(|held| matches!(held.settlement.verdict, Verdict::Delivered | Verdict::Dead));
    let lanes: Vec<_> = done.map(|held| held.application).collect();
    client
        .execute_typed(
            "UPDATE lane l SET attempt = NULL, head = n.event, head_opened = n.opened,
                    due_at = CASE WHEN n.event IS NULL THEN NULL ELSE $2 END
             FROM unnest($1) AS u (application)
             LEFT JOIN LATERAL (SELECT event, opened FROM work WHERE work.application = u.application AND state = 0
                                ORDER BY opened LIMIT 1) n ON true
             WHERE l.application = u.application AND l.kind = $3",
            &[(&lanes, Type::UUID_ARRAY), (&now, Type::INT8), (&i16::from(LaneKind::Delivery.code()), Type::INT2)],
        )
        .await?;
    Ok(())
}
