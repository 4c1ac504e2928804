//! The lane in which a protection's details are read back from Workday. It has at most one piece of
//! work for each application, which stands in a row of its own with what was read: no event waits
//! for it, and it is forgotten without a trace.
//!
//! Its rows are locked after lanes, and an organisation's hold after its rows.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::claim::now;
use super::gate::milliseconds;
use super::link::{Failure, Values, together};
use super::row::{EVENT_COLUMNS, millisecond, number, optional, organisation, stored, text};
use super::settle::Held;
use super::shared::Shared;
use crate::domain::OrgId;
use crate::journal::{Claimed, Claims, DetailsStats, Fence, Keep, LaneKind, Quota, ReadBack, ReadBackRecord};
use crate::journal::{ReadBackState, Settled, Settlement, Verdict};

/// Until when an organisation is left alone, and whether because its set-up is wrong.
struct Hold {
    until: i64,
    wrong: bool,
}

/// What was claimed of an event.
struct Pick {
    attempt: i32,
    first_attempt: i64,
}

/// Makes it the work of the applications' lanes to read the details anew, in the place of what
/// earlier interviews have asked for, or of what was given up.
pub(super) async fn want(client: &Client, held: &[Held<'_>], now: i64) -> Result<(), Failure> {
    let wanted: Vec<_> = held.iter().filter(|held| held.settlement.read_back == ReadBack::Wanted).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let applications: Vec<_> = wanted.iter().map(|held| held.application).collect();
    let events: Vec<_> = wanted.iter().map(|held| held.event()).collect();
    let orgs: Vec<_> = wanted.iter().map(|held| held.org.as_str()).collect();
    let sql = "INSERT INTO details (application, event, orgid, due_at)
               SELECT application, event, orgid, $4 FROM unnest($1, $2, $3) AS u (application, event, orgid)
               ON CONFLICT (application) DO UPDATE SET event = excluded.event, state = 0, attempts = 0,
                   claimed = false, due_at = excluded.due_at, first_attempt_at = NULL, error = NULL
               WHERE details.event <> excluded.event OR details.state = 2";
    let values: Values<'_> = &[
        (&applications, Type::UUID_ARRAY),
        (&events, Type::INT8_ARRAY),
        (&orgs, Type::TEXT_ARRAY),
        (&now, Type::INT8),
    ];
    client.execute_typed(sql, values).await?;
    Ok(())
}

/// Claims what the quota allows.
pub(super) async fn claim(client: &Client, shared: &Shared, quota: &Quota, lease: Duration) -> Result<Claims, Failure> {
    let known: Vec<_> = quota.known.iter().filter(|org| quota.of(org) > 0).collect();
    let names: Vec<_> = known.iter().map(|org| org.as_str()).collect();
    let (now, holds) = together!(now(client), holds(client, &names))?;
    let probed = probed(client, &holds, now).await?;
    let (mut orgs, mut most, mut after, mut opens) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for org in known {
        let room = quota.of(org).min(quota.total);
        let hold = holds.get(org.as_str());
        let (room, closed_until) = match hold {
            Some(hold) if hold.until > now => (0, Some(hold.until)),
            Some(hold) if hold.wrong && probed.contains(&org.to_string()) => (1, None),
            Some(hold) if hold.wrong => (0, None),
            _ => (room, None),
        };
        orgs.push(org.as_str());
        most.push(room as i64);
        after.push(closed_until.map_or(now, |_| i64::MIN));
        opens.push(closed_until.unwrap_or(now));
    }
    let picks = picks(client, &orgs, &most, quota.total, now, lease).await?;
    let claimed = read(client, shared, &picks, now).await?;
    let until = now.saturating_add(milliseconds(lease));
    for org in probed.iter().filter(|org| claimed.iter().any(|claimed| claimed.event.orgid.as_str() == **org)) {
        set_hold(client, org, until, true).await?;
    }
    let due = "SELECT min(greatest(d.due_at, o.opens)) FROM unnest($1, $2, $3) AS o (orgid, due_after, opens)
               CROSS JOIN LATERAL (SELECT due_at FROM details WHERE details.orgid = o.orgid AND state = 0
                                   AND due_at > o.due_after ORDER BY due_at LIMIT 1) d";
    let values: Values<'_> = &[(&orgs, Type::TEXT_ARRAY), (&after, Type::INT8_ARRAY), (&opens, Type::INT8_ARRAY)];
    let due: Option<i64> = client.query_typed_one(due, values).await?.try_get(0)?;
    Ok(Claims { claimed, next_due: due.map(|due| positive(due - now)) })
}

async fn holds(client: &Client, orgs: &[&str]) -> Result<BTreeMap<String, Hold>, Failure> {
    let sql = "SELECT orgid, until, wrong FROM details_hold WHERE orgid = ANY ($1)";
    let rows = client.query_typed(sql, &[(&orgs, Type::TEXT_ARRAY)]).await?;
    let read = |row: &Row| Ok((row.try_get(0)?, Hold { until: row.try_get(1)?, wrong: row.try_get(2)? }));
    rows.iter().map(read).collect()
}

/// Locks the holds that a probe may pass, so that it is one probe among all processes.
async fn probed(client: &Client, holds: &BTreeMap<String, Hold>, now: i64) -> Result<Vec<String>, Failure> {
    let due: Vec<_> = holds.iter().filter(|(_, hold)| hold.wrong && hold.until <= now).map(|(org, _)| org).collect();
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT orgid FROM details_hold WHERE orgid = ANY ($1) AND wrong AND until <= $2 ORDER BY orgid
               FOR UPDATE SKIP LOCKED";
    let rows = client.query_typed(sql, &[(&due, Type::TEXT_ARRAY), (&now, Type::INT8)]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn picks(
    client: &Client,
    orgs: &[&str],
    most: &[i64],
    total: usize,
    now: i64,
    lease: Duration,
) -> Result<HashMap<i64, Pick>, Failure> {
    let (total, until) = (i64::try_from(total).unwrap_or(i64::MAX), now.saturating_add(milliseconds(lease)));
    let sql = "WITH picked AS MATERIALIZED (
                   SELECT l.application FROM unnest($1, $2) AS o (orgid, most) CROSS JOIN LATERAL (
                       SELECT application FROM details WHERE details.orgid = o.orgid AND state = 0 AND due_at <= $3
                       ORDER BY due_at LIMIT o.most FOR UPDATE SKIP LOCKED) l LIMIT $4)
               UPDATE details d SET attempts = attempts + 1, claimed = true, due_at = $5,
                   first_attempt_at = coalesce(first_attempt_at, $3)
               FROM picked WHERE d.application = picked.application
               RETURNING d.event, d.attempts, d.first_attempt_at";
    let values: Values<'_> = &[
        (&orgs, Type::TEXT_ARRAY),
        (&most, Type::INT8_ARRAY),
        (&now, Type::INT8),
        (&total, Type::INT8),
        (&until, Type::INT8),
    ];
    let rows = client.query_typed(sql, values).await?;
    let read = |row: &Row| Ok((row.try_get(0)?, Pick { attempt: row.try_get(1)?, first_attempt: row.try_get(2)? }));
    rows.iter().map(read).collect()
}

async fn read(client: &Client, shared: &Shared, picks: &HashMap<i64, Pick>, now: i64) -> Result<Vec<Claimed>, Failure> {
    let events: Vec<_> = picks.keys().copied().collect();
    let sql = format!("SELECT {EVENT_COLUMNS} FROM event WHERE sequence = ANY ($1) ORDER BY sequence");
    let rows = client.query_typed(&sql, &[(&events, Type::INT8_ARRAY)]).await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let stored = stored(row, shared.identity.tag)?;
        let Some(pick) = picks.get(&(stored.sequence as i64)) else { continue };
        let attempt = pick.attempt.unsigned_abs();
        claimed.push(Claimed {
            idempotency_key: stored.event.event_id.to_string(),
            fence: Fence { kind: LaneKind::Details, event: stored.sequence, attempt: u64::from(attempt) },
            attempt,
            since_first: positive(now - pick.first_attempt),
            replayed: false,
            strike: 1,
            age: positive(now - stored.event.received_at.as_millisecond()),
            trace: stored.trace,
            event: stored.event,
        });
    }
    Ok(claimed)
}

/// Records the results, each refused whose claim was taken over.
pub(super) async fn settle(client: &Client, settlements: &[Settlement]) -> Result<Vec<Settled>, Failure> {
    let now = now(client).await?;
    let mut answers = vec![Settled::Stale; settlements.len()];
    // Rows are locked in one order, whoever locks them.
    let mut order: Vec<_> = settlements.iter().enumerate().collect();
    order.sort_by_key(|(_, settlement)| settlement.fence.event);
    for (place, settlement) in order {
        if let Some(org) = settle_row(client, settlement, now).await? {
            answers[place] = Settled::Applied;
            hold(client, &org, settlement.verdict, now).await?;
        }
    }
    Ok(answers)
}

/// Whose row it was, where the claim stood.
async fn settle_row(client: &Client, settlement: &Settlement, now: i64) -> Result<Option<String>, Failure> {
    let (state, due): (i16, Option<i64>) = match settlement.verdict {
        Verdict::Delivered => (1, None),
        Verdict::Retry { after, .. } => (0, Some(now.saturating_add(milliseconds(after)))),
        Verdict::Paused { .. } => (0, Some(now)),
        Verdict::Dead => (2, None),
    };
    let read = match &settlement.read_back {
        ReadBack::Read(details) => {
            Some(serde_json::to_string(details).map_err(|error| Failure::Damaged(error.to_string()))?)
        }
        _ => None,
    };
    let (event, attempt) = (settlement.fence.event as i64, settlement.fence.attempt as i32);
    let error = settlement.answered.error.as_deref().map(text);
    let paused = matches!(settlement.verdict, Verdict::Paused { .. });
    let sql = "UPDATE details SET claimed = false, state = $3, due_at = coalesce($4, due_at), error = $5,
                   details = coalesce($6, details), read_at = CASE WHEN $6 IS NULL THEN read_at ELSE $7 END,
                   first_attempt_at = CASE WHEN $8 THEN NULL ELSE first_attempt_at END
               WHERE event = $1 AND attempts = $2 AND claimed AND state = 0 RETURNING orgid";
    let values: Values<'_> = &[
        (&event, Type::INT8),
        (&attempt, Type::INT4),
        (&state, Type::INT2),
        (&due, Type::INT8),
        (&error, Type::TEXT),
        (&read, Type::TEXT),
        (&now, Type::INT8),
        (&paused, Type::BOOL),
    ];
    let rows = client.query_typed(sql, values).await?;
    rows.first().map(|row| Ok(row.try_get(0)?)).transpose()
}

async fn hold(client: &Client, org: &str, verdict: Verdict, now: i64) -> Result<(), Failure> {
    match verdict {
        Verdict::Delivered | Verdict::Dead => let_go(client, Some(org)).await,
        Verdict::Paused { probe_after } => {
            set_hold(client, org, now.saturating_add(milliseconds(probe_after)), true).await
        }
        Verdict::Retry { after, hold_organisation: true } => {
            set_hold(client, org, now.saturating_add(milliseconds(after)), false).await
        }
        Verdict::Retry { .. } => Ok(()),
    }
}

async fn set_hold(client: &Client, org: &str, until: i64, wrong: bool) -> Result<(), Failure> {
    let sql = "INSERT INTO details_hold VALUES ($1, $2, $3) ON CONFLICT (orgid) DO UPDATE
               SET until = greatest(details_hold.until, excluded.until), wrong = details_hold.wrong OR excluded.wrong";
    client.execute_typed(sql, &[(&org, Type::TEXT), (&until, Type::INT8), (&wrong, Type::BOOL)]).await?;
    Ok(())
}

/// Lets go what waits for a wrong set-up, of one organisation or of all.
pub(super) async fn let_go(client: &Client, org: Option<&str>) -> Result<(), Failure> {
    let sql = "DELETE FROM details_hold WHERE $1 IS NULL OR orgid = $1";
    client.execute_typed(sql, &[(&org, Type::TEXT)]).await?;
    Ok(())
}

/// What this process holds of these events is due at once, for whoever is there.
pub(super) async fn give_back(client: &Client, events: &[i64]) -> Result<(), Failure> {
    let sql = "UPDATE details SET claimed = false, due_at = journal_now() FROM (
                   SELECT event FROM details WHERE event = ANY ($1) AND claimed ORDER BY event FOR UPDATE) own
               WHERE details.event = own.event";
    client.execute_typed(sql, &[(&events, Type::INT8_ARRAY)]).await?;
    Ok(())
}

/// Forgets the details of protections that ended so long ago.
pub(super) async fn forget(client: &Client, keep: &Keep) -> Result<u64, Failure> {
    let now = now(client).await?;
    let before = |kept: Duration| now.saturating_sub(milliseconds(kept)).saturating_mul(1000);
    let orgs: Vec<_> = keep.each.keys().map(OrgId::as_str).collect();
    let each: Vec<_> = keep.each.values().map(|kept| before(*kept)).collect();
    let sql = "DELETE FROM details d USING protection p WHERE p.application = d.application AND p.ended_at < coalesce(
                   (SELECT k.before FROM unnest($1, $2) AS k (orgid, before) WHERE k.orgid = d.orgid), $3)";
    let values: Values<'_> =
        &[(&orgs, Type::TEXT_ARRAY), (&each, Type::INT8_ARRAY), (&before(keep.otherwise), Type::INT8)];
    Ok(client.execute_typed(sql, values).await?)
}

/// How reading back stands, by organisation.
pub(super) async fn figures(client: &Client) -> Result<HashMap<OrgId, DetailsStats>, Failure> {
    let sql = "SELECT d.orgid, d.waiting, d.failed, e.received_at, coalesce(h.wrong, false), d.error
               FROM (SELECT orgid, count(*) FILTER (WHERE state = 0) AS waiting,
                            count(*) FILTER (WHERE state = 2) AS failed, min(event) FILTER (WHERE state = 0) AS oldest,
                            max(error) FILTER (WHERE state = 0) AS error FROM details GROUP BY orgid) d
               LEFT JOIN event e ON e.sequence = d.oldest LEFT JOIN details_hold h ON h.orgid = d.orgid";
    let rows = client.query_typed(sql, &[]).await?;
    let read = |row: &Row| {
        let stats = DetailsStats {
            waiting: number(row, 1)?,
            failed: number(row, 2)?,
            oldest_waiting: optional(row, 3)?,
            denied: row.try_get(4)?,
            error: row.try_get(5)?,
        };
        Ok((organisation(row, 0)?, stats))
    };
    rows.iter().map(read).collect()
}

/// The columns that [`record`] reads, of a table named `d` that may have no row.
pub(super) const COLUMNS: &str = "d.state, d.attempts, d.due_at, d.error, d.details, d.read_at";

/// Reads how it stands from a row in which [`COLUMNS`] begin at `first`.
pub(super) fn record(row: &Row, first: usize) -> Result<Option<ReadBackRecord>, Failure> {
    let Some(state) = row.try_get::<_, Option<i16>>(first)? else { return Ok(None) };
    let state = match state {
        0 => ReadBackState::Waiting,
        1 => ReadBackState::Read,
        _ => ReadBackState::Failed,
    };
    let at = |column| row.try_get::<_, Option<i64>>(column)?.map(millisecond).transpose();
    let details: Option<&str> = row.try_get(first + 4)?;
    let details = details.and_then(|json| serde_json::from_str(json).ok());
    let read_at: Option<Timestamp> = at(first + 5)?;
    Ok(Some(ReadBackRecord {
        state,
        attempts: row.try_get::<_, i32>(first + 1)?.unsigned_abs(),
        next_attempt_at: at(first + 2)?.filter(|_| state == ReadBackState::Waiting),
        last_error: row.try_get(first + 3)?,
        details: details.zip(read_at),
    }))
}

fn positive(milliseconds: i64) -> Duration {
    Duration::from_millis(milliseconds.max(0) as u64)
}
