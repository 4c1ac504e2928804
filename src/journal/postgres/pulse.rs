//! Looking at the database every second: whether it takes writes, and what waits.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::gate::{self, Gate, Opening};
use super::link::{Failure, Link};
use super::row::{millisecond, number, optional, organisation};
use super::schema;
use super::shared::Shared;
use crate::journal::{Health, Pulse};

/// How often the database is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How often whoever delivers is woken, so that what other bridges took is found as well.
const POLL: Duration = Duration::from_millis(250);

/// How often the pulse is read anew where this process changed it meanwhile.
const TRIES: usize = 3;

/// Looks until told to stop.
pub(super) async fn run(mut link: Link, shared: &Shared, mut closing: watch::Receiver<bool>) {
    let mut ticks: u32 = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        ticks = ticks.wrapping_add(1);
        shared.wake();
        if ticks.is_multiple_of((LOOK.as_millis() / POLL.as_millis()) as u32) {
            look(&mut link, shared).await;
        }
    }
}

/// What room for events takes: a server whose disk is full still changes a row that it has.
const PROBE: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '15s';
    INSERT INTO process (id, seen_at) SELECT md5(n::text)::uuid, 0 FROM generate_series(1, 5000) n;
    ROLLBACK";

/// Looks once.
pub(super) async fn look(link: &mut Link, shared: &Shared) {
    let seen = match seen(link, shared).await {
        Ok(pulses) if shared.is_doubtful() => probe(link).await.map(|()| {
            shared.trust();
            pulses
        }),
        seen => seen,
    };
    match seen {
        Ok(pulses) => {
            shared.refresh(pulses);
            shared.show(Health::Ready);
        }
        Err(failure) => drop(shared.failed(failure)),
    }
}

/// Tries whether there is room, and leaves nothing.
async fn probe(link: &mut Link) -> Result<(), Failure> {
    link.ask(async |client| Ok(client.batch_execute(PROBE).await?)).await
}

async fn seen(link: &mut Link, shared: &Shared) -> Result<Vec<Pulse>, Failure> {
    let mut pulses = Vec::new();
    for _ in 0..TRIES {
        let before = shared.changes();
        pulses = link.ask(async |client| pulse(client, shared).await).await?;
        // What this process took since is not in what was just read.
        if shared.changes() == before {
            break;
        }
    }
    Ok(pulses)
}

/// Looks whether the tables are still for this bridge, writes that it lives, which a database that takes no writes refuses, and reads what waits.
async fn pulse(client: &Client, shared: &Shared) -> Result<Vec<Pulse>, Failure> {
    let lives = "INSERT INTO process (id, seen_at) VALUES ($1, journal_now())
                 ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";
    shared.stand(schema::tables(client).await)?;
    client.execute_typed(lives, &[(&shared.process, Type::UUID)]).await?;
    read(client).await
}

async fn read(client: &Client) -> Result<Vec<Pulse>, Failure> {
    let sql = format!(
        "SELECT o.orgid, o.pending, o.last_message_at,
                (SELECT opened_at FROM work w WHERE w.orgid = o.orgid AND state = 0 ORDER BY opened LIMIT 1),
                (SELECT opened_at FROM work w WHERE w.orgid = o.orgid AND state = 0 AND is_start
                 ORDER BY opened LIMIT 1),
                (SELECT due_at FROM lane l WHERE l.orgid = o.orgid AND due_at IS NOT NULL ORDER BY due_at LIMIT 1),
                journal_now(), {}
         FROM (SELECT orgid, sum(pending)::bigint AS pending, max(last_message_at) AS last_message_at
               FROM figure GROUP BY orgid
               UNION ALL SELECT orgid, 0, NULL FROM gate WHERE NOT EXISTS (SELECT FROM figure f WHERE f.orgid = gate.orgid)) o
         LEFT JOIN gate ON gate.orgid = o.orgid ORDER BY o.orgid",
        gate::COLUMNS
    );
    let rows = client.query_typed(&sql, &[]).await?;
    let pulse = |row: &Row| {
        let gate = gate::read(row, 7)?.map(|(_, gate)| gate).unwrap_or_default();
        Ok(Pulse {
            org: organisation(row, 0)?,
            pending: number(row, 1)?,
            last_message_at: optional(row, 2)?,
            oldest: optional(row, 3)?,
            oldest_start: optional(row, 4)?,
            due: due(&gate, row)?,
            paused: gate.paused()?,
            held_until: gate.held()?,
        })
    };
    rows.iter().map(pulse).collect()
}

/// When the first lane may be claimed that is not claimed already.
fn due(gate: &Gate, row: &Row) -> Result<Option<Timestamp>, Failure> {
    let (Some(due), now) = (row.try_get::<_, Option<i64>>(5)?, row.try_get(6)?) else { return Ok(None) };
    match gate.opening(now) {
        Opening::Open | Opening::Probe => millisecond(due).map(Some),
        Opening::Closed(opens) => opens.map(|opens| millisecond(opens.max(due))).transpose(),
    }
}
