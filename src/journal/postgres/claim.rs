//! Handing out the heads of due lanes: claimed in one short transaction, which is over before
//! anything is sent.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::gate::{self, Gate, Opening, milliseconds};
use super::link::{Failure, Values, together};
use super::row::{EVENT_COLUMNS, EVENT_WIDTH, Stored, number, organisation, stored};
use super::shared::Shared;
use crate::domain::OrgId;
use crate::journal::{Claimed, Claims, Fence, LaneKind, Quota};

/// How much of which organisation may be claimed, and when the others may be looked at again.
#[derive(Default)]
struct Ask {
    orgs: Vec<String>,
    most: Vec<i64>,
    /// Of all organisations, also those of which nothing may be claimed now: the lanes that become
    /// due after this...
    every: Vec<String>,
    due_after: Vec<i64>,
    /// ...may be claimed from then on.
    opens: Vec<i64>,
}

/// The head of a due lane, locked.
struct Pick {
    application: Uuid,
    org: OrgId,
    event: i64,
}

/// Claims what the quota allows.
pub(super) async fn claim(
    client: &Client,
    shared: &Shared,
    quota: &Quota,
    lease: Duration,
    turn: usize,
) -> Result<Claims, Failure> {
    let known: Vec<_> = quota.known.iter().map(OrgId::as_str).collect();
    let (now, gates) = together!(now(client), gate::look(client, &known))?;
    let probed = probe_locks(client, &gates, now).await?;
    let ask = ask(quota, &gates, &probed, now);
    let picks = fair(picks(client, &ask, now).await?, quota.total, turn);
    // Statements that are sent together are done in the order in which they stand here.
    let (claimed, next_due) = together!(record(client, shared, &picks, now, lease), next_due(client, &ask, now))?;
    for (org, mut gate) in probed {
        if let Some(pick) = picks.iter().find(|pick| pick.org.as_str() == org) {
            gate.probe_started(lease, now);
            gate::store(client, &pick.org, &gate, None).await?;
        }
    }
    Ok(Claims { claimed, next_due })
}

/// The database's time.
pub(super) async fn now(client: &Client) -> Result<i64, Failure> {
    Ok(client.query_typed_one("SELECT journal_now()", &[]).await?.try_get(0)?)
}

/// Locks the gates that a probe may pass, so that it is one probe among all processes.
async fn probe_locks(
    client: &Client,
    gates: &BTreeMap<String, Gate>,
    now: i64,
) -> Result<BTreeMap<String, Gate>, Failure> {
    let due: Vec<_> =
        gates.iter().filter(|(_, gate)| gate.opening(now) == Opening::Probe).map(|(org, _)| org.as_str()).collect();
    if due.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql =
        format!("SELECT {} FROM gate WHERE orgid = ANY ($1) ORDER BY orgid FOR UPDATE SKIP LOCKED", gate::COLUMNS);
    let rows = client.query_typed(&sql, &[(&due, Type::TEXT_ARRAY)]).await?;
    let locked: Result<BTreeMap<_, _>, _> = rows.iter().filter_map(|row| gate::read(row, 0).transpose()).collect();
    // Somebody else's probe may have begun in between.
    Ok(locked?.into_iter().filter(|(_, gate)| gate.opening(now) == Opening::Probe).collect())
}

fn ask(quota: &Quota, gates: &BTreeMap<String, Gate>, probed: &BTreeMap<String, Gate>, now: i64) -> Ask {
    let mut ask = Ask::default();
    let mut orgs: Vec<_> = quota.known.iter().filter(|org| quota.of(org) > 0).collect();
    orgs.sort_unstable();
    for org in orgs {
        let opening = gates.get(org.as_str()).map_or(Opening::Open, |gate| gate.opening(now));
        let (most, due_after, opens) = match opening {
            Opening::Open => (quota.of(org).min(quota.total), now, now),
            Opening::Probe if probed.contains_key(org.as_str()) => (1, now, now),
            Opening::Probe => (0, now, now),
            Opening::Closed(Some(opens)) => (0, i64::MIN, opens),
            Opening::Closed(None) => continue,
        };
        if most > 0 {
            ask.orgs.push(org.to_string());
            ask.most.push(most as i64);
        }
        ask.every.push(org.to_string());
        ask.due_after.push(due_after);
        ask.opens.push(opens);
    }
    ask
}

async fn picks(client: &Client, ask: &Ask, now: i64) -> Result<Vec<Pick>, Failure> {
    if ask.orgs.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client
        .query_typed(
            "SELECT l.application, o.orgid, l.head FROM unnest($1, $2) AS o (orgid, most) CROSS JOIN LATERAL (
                SELECT application, head FROM lane WHERE lane.orgid = o.orgid AND due_at <= $3
                ORDER BY due_at, head_opened LIMIT o.most FOR UPDATE SKIP LOCKED) l",
            &[(&ask.orgs, Type::TEXT_ARRAY), (&ask.most, Type::INT8_ARRAY), (&now, Type::INT8)],
        )
        .await?;
    let read =
        |row: &Row| Ok(Pick { application: row.try_get(0)?, org: organisation(row, 1)?, event: row.try_get(2)? });
    rows.iter().map(read).collect()
}

/// Takes turns between organisations, beginning with another one each time.
fn fair(picks: Vec<Pick>, total: usize, turn: usize) -> Vec<Pick> {
    let mut queues: Vec<VecDeque<Pick>> = Vec::new();
    for pick in picks {
        match queues.last_mut().filter(|queue| queue.front().is_some_and(|first| first.org == pick.org)) {
            Some(queue) => queue.push_back(pick),
            None => queues.push([pick].into()),
        }
    }
    if !queues.is_empty() {
        let first = turn % queues.len();
        queues.rotate_left(first);
    }
    let mut taken = Vec::new();
    while taken.len() < total && !queues.is_empty() {
        let room = total - taken.len();
        taken.extend(queues.iter_mut().take(room).filter_map(VecDeque::pop_front));
        queues.retain(|queue| !queue.is_empty());
    }
    taken
}

/// What the row of an event's work says, as far as a claim depends on it.
struct Waiting {
    stored: Stored,
    /// The number that the attempt gets.
    attempt: i64,
    attempts: i32,
    since_first: i64,
    opened: i64,
    strikes: i32,
    strikes_upto: i64,
    replays: i32,
}

/// Records the intents and makes claims of them: nobody else gets these lanes' heads before the
/// lease ends.
async fn record(
    client: &Client,
    shared: &Shared,
    picks: &[Pick],
    now: i64,
    lease: Duration,
) -> Result<Vec<Claimed>, Failure> {
    if picks.is_empty() {
        return Ok(Vec::new());
    }
    let orgs: Vec<_> = picks.iter().map(|pick| pick.org.as_str()).collect();
    let until = now.saturating_add(milliseconds(lease));
    let (waiting, passed) = together!(waiting(client, shared, picks, now, until), passed(client, &orgs))?;
    let claimed = picks.iter().filter_map(|pick| {
        let waits = waiting.get(&pick.event)?;
        Some(claimed(waits, passed.get(pick.org.as_str()).copied().unwrap_or(0), now))
    });
    Ok(claimed.collect())
}

fn claimed(waits: &Waiting, passed: i64, now: i64) -> Claimed {
    let event = &waits.stored.event;
    let suffix = if waits.replays == 0 { String::new() } else { format!(".{}", waits.replays) };
    let counts = waits.strikes == 0 || passed > waits.strikes_upto;
    Claimed {
        fence: Fence { kind: LaneKind::Delivery, event: waits.stored.sequence, attempt: waits.attempt as u64 },
        attempt: waits.attempts.unsigned_abs() + 1,
        since_first: positive(waits.since_first),
        age: positive(now - event.received_at.as_millisecond()),
        replayed: waits.opened as u64 != waits.stored.sequence,
        strike: (waits.strikes + i32::from(counts)).unsigned_abs(),
        idempotency_key: format!("{}{suffix}", event.event_id),
        trace: waits.stored.trace.clone(),
        event: event.clone(),
    }
}

fn positive(milliseconds: i64) -> Duration {
    Duration::from_millis(milliseconds.max(0) as u64)
}

/// Numbers the attempts, holds the lanes and counts the tries, all by one statement; what the
/// events' rows said before it. Pauses are taken off the time since the first attempt.
async fn waiting(
    client: &Client,
    shared: &Shared,
    picks: &[Pick],
    now: i64,
    until: i64,
) -> Result<HashMap<i64, Waiting>, Failure> {
    let events: Vec<_> = picks.iter().map(|pick| pick.event).collect();
    let applications: Vec<_> = picks.iter().map(|pick| pick.application).collect();
    let sql = format!(
        "WITH pick AS MATERIALIZED (
             SELECT event, application, nextval('record') AS attempt FROM unnest($1, $2) AS u (event, application)),
         noted AS (INSERT INTO attempt (sequence, event, at) SELECT attempt, event, $3 FROM pick),
         held AS (UPDATE lane SET attempt = pick.attempt, due_at = $4 FROM pick
             WHERE lane.application = pick.application AND lane.kind = $5),
         counted AS (UPDATE work SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $3)
             WHERE event = ANY ($1))
         SELECT {EVENT_COLUMNS}, w.attempts, w.opened, w.strikes, w.strikes_upto, event.replays,
                CASE WHEN w.first_attempt_at IS NULL THEN 0 ELSE $3 - w.first_attempt_at
                    - (SELECT coalesce(sum(p.until - greatest(p.since, w.first_attempt_at)), 0)::bigint FROM pause p
                       WHERE p.orgid = w.orgid AND p.until > w.first_attempt_at)
                    - coalesce((SELECT $3 - greatest(g.paused_since, w.first_attempt_at) FROM gate g
                                WHERE g.orgid = w.orgid AND g.paused_since IS NOT NULL), 0) END,
                pick.attempt
         FROM pick JOIN work w ON w.event = pick.event JOIN event ON event.sequence = pick.event"
    );
    let values: Values<'_> = &[
        (&events, Type::INT8_ARRAY),
        (&applications, Type::UUID_ARRAY),
        (&now, Type::INT8),
        (&until, Type::INT8),
        (&i16::from(LaneKind::Delivery.code()), Type::INT2),
    ];
    let read = |row: &Row| {
        let waiting = Waiting {
            stored: stored(row, shared.identity.tag)?,
            attempts: row.try_get(EVENT_WIDTH)?,
            opened: row.try_get(EVENT_WIDTH + 1)?,
            strikes: row.try_get(EVENT_WIDTH + 2)?,
            strikes_upto: row.try_get(EVENT_WIDTH + 3)?,
            replays: row.try_get(EVENT_WIDTH + 4)?,
            since_first: row.try_get(EVENT_WIDTH + 5)?,
            attempt: row.try_get(EVENT_WIDTH + 6)?,
        };
        Ok((number(row, 0)? as i64, waiting))
    };
    client.query_typed(&sql, values).await?.iter().map(read).collect()
}

/// How many deliveries of these organisations went through.
pub(super) async fn passed(client: &Client, orgs: &[&str]) -> Result<HashMap<String, i64>, Failure> {
    let sql = "SELECT orgid, sum(passed)::bigint FROM figure WHERE orgid = ANY ($1) GROUP BY orgid";
    let rows = client.query_typed(sql, &[(&orgs, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// When the next lane that may be claimed and is not due yet will be.
async fn next_due(client: &Client, ask: &Ask, now: i64) -> Result<Option<Duration>, Failure> {
    let row = client
        .query_typed_one(
            "SELECT min(greatest(l.due_at, o.opens)) FROM unnest($1, $2, $3) AS o (orgid, due_after, opens)
             CROSS JOIN LATERAL (SELECT due_at FROM lane WHERE lane.orgid = o.orgid AND due_at > o.due_after
                                 ORDER BY due_at LIMIT 1) l",
            &[(&ask.every, Type::TEXT_ARRAY), (&ask.due_after, Type::INT8_ARRAY), (&ask.opens, Type::INT8_ARRAY)],
        )
        .await?;
    let due: Option<i64> = row.try_get(0)?;
    Ok(due.map(|due| positive(due - now)))
}
