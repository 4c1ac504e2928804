//! Claiming: rows that are due, of organisations that are not left alone, as far as the quota goes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::super::claim::now;
use super::super::gate::milliseconds;
use super::super::link::{Failure, Values, together};
use super::super::row::{EVENT_COLUMNS, stored};
use super::super::shared::Shared;
use super::set_hold;
use crate::journal::{Claimed, Claims, Fence, LaneKind, Quota};

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

/// Claims what the quota allows.
pub(in crate::journal::postgres) async fn claim(
    client: &Client,
    shared: &Shared,
    quota: &Quota,
    lease: Duration,
) -> Result<Claims, Failure> {
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

fn positive(milliseconds: i64) -> Duration {
    Duration::from_millis(milliseconds.max(0) as u64)
}
