//! What operators change: replays, deleted dead letters, gates.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::figures::{Desk, Tally};
use super::gate::{self, Change};
use super::link::{Failure, Link};
use super::row::{organisation, text};
use super::schema::Identity;
use super::shared::Shared;
use super::{claim, details, pulse, read, store};
use crate::domain::{EventId, OrgId};
use crate::journal::{DeliveryState, Discarded, EventRecord, Replay, Replayed, Turn, Which};

/// How many events one transaction changes.
pub(super) const STEP: usize = 500;

/// What upkeep works with.
pub(super) struct Keeper {
    pub(super) link: Link,
    pub(super) shared: Arc<Shared>,
    pub(super) identity: Identity,
    pub(super) desk: Desk,
}

/// What a replay found.
#[derive(Default)]
struct Found {
    events: Vec<i64>,
    replayed: Replayed,
}

impl Found {
    fn look(&mut self, record: &EventRecord, force: bool) {
        match record.state {
            DeliveryState::None | DeliveryState::Pending => self.replayed.unsettled += 1,
            _ if record.superseded && !force => self.replayed.superseded += 1,
            _ => self.events.push(record.event.event_id.sequence() as i64),
        }
    }
}

impl Keeper {
    /// Shows what is so after a change, and wakes whoever delivers.
    pub(super) async fn look(&mut self) {
        let shared = Arc::clone(&self.shared);
        pulse::look(&mut self.link, &shared).await;
        shared.wake();
    }

    /// Lets settled events be delivered anew.
    pub(super) async fn replay(&mut self, replay: &Replay) -> Result<Replayed, Failure> {
        let Found { mut events, mut replayed } = self.find(replay).await?;
        replayed.replayed = events.len() as u64;
        if replay.dry_run {
            return Ok(replayed);
        }
        // They were found newest first and are opened in the order of acceptance.
        events.sort_unstable();
        replayed.replayed = 0;
        for step in events.chunks(STEP) {
            let desk = self.desk;
            let reopened = self.link.transact(async |client| reopen(client, desk, step, &replay.actor).await);
            replayed.replayed += reopened.await?;
        }
        Ok(replayed)
    }

    async fn find(&mut self, replay: &Replay) -> Result<Found, Failure> {
        let (identity, mut found) = (self.identity, Found::default());
        match &replay.which {
            Which::One(id) => {
                let record = self.link.ask(async |client| read::event(client, &identity, *id).await).await?;
                record.iter().for_each(|(record, _)| found.look(record, replay.force));
            }
            Which::All(filter) => {
                let mut filter = filter.clone();
                filter.state.get_or_insert(DeliveryState::Dead);
                let mut before = None;
                loop {
                    let page = async |client: &Client| read::events(client, &identity, &filter, before, STEP).await;
                    let page = self.link.ask(page).await?;
                    page.items.iter().for_each(|record| found.look(record, replay.force));
                    before = page.next;
                    if before.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Deletes a dead letter or, where `waiting`, an event that waits.
    pub(super) async fn discard(&mut self, id: EventId, waiting: bool, actor: &str) -> Result<Discarded, Failure> {
        let (identity, desk) = (self.identity, self.desk);
        self.link.transact(async |client| discard(client, &identity, desk, id, waiting, actor).await).await
    }

    /// Turns a gate, or those that a wrong set-up has closed.
    pub(super) async fn turn(&mut self, turn: &Turn, actor: &str) -> Result<(), Failure> {
        self.link.transact(async |client| turned(client, turn, actor).await).await
    }
}

/// Puts settled events into their lanes anew; those that are settled no longer, because somebody
/// else did the same, are left alone.
async fn reopen(client: &Client, desk: Desk, events: &[i64], actor: &str) -> Result<u64, Failure> {
    let lock = "SELECT l.application FROM lane l WHERE l.kind = 0 AND l.application IN (
                    SELECT application FROM event WHERE sequence = ANY ($1)) ORDER BY l.application FOR UPDATE";
    client.query_typed(lock, &[(&events, Type::INT8_ARRAY)]).await?;
    let now = claim::now(client).await?;
    // Numbers are given in the order of the events.
    let rows = client
        .query_typed(
            "WITH settled AS MATERIALIZED (
                 SELECT e.sequence, e.application, e.orgid, w.state FROM event e
                 LEFT JOIN work w ON w.event = e.sequence
                 WHERE e.sequence = ANY ($1) AND e.deliver AND (w.state IS NULL OR w.state = 1) ORDER BY e.sequence),
             numbered AS MATERIALIZED (SELECT settled.*, nextval('record') AS opened FROM settled),
             counted AS (UPDATE event SET replays = replays + 1 FROM numbered n
                         WHERE event.sequence = n.sequence AND n.state IS NULL),
             opened AS (INSERT INTO work (event, application, orgid, is_start, opened, opened_at)
                 SELECT sequence, application, orgid, false, opened, $2 FROM numbered
                 ON CONFLICT (event) DO UPDATE SET state = 0, opened = excluded.opened, opened_at = excluded.opened_at,
                     is_start = false, attempts = 0, first_attempt_at = NULL, strikes = 0, strikes_upto = 0),
             noted AS (INSERT INTO action (at, what, actor, orgid, event)
                 SELECT $2, 'replay', $3, orgid, sequence FROM numbered)
             SELECT sequence, application, orgid, opened, state IS NULL FROM numbered ORDER BY sequence",
            &[(&events, Type::INT8_ARRAY), (&now, Type::INT8), (&text(actor), Type::TEXT)],
        )
        .await?;
    let (mut tally, mut heads) = (Tally::default(), BTreeMap::new());
    for row in &rows {
        let (org, delivered): (OrgId, bool) = (organisation(row, 2)?, row.try_get(4)?);
        let change = tally.of(&org);
        change.pending += 1;
        *(if delivered { &mut change.delivered } else { &mut change.dead }) -= 1;
        let (event, opened): (i64, i64) = (row.try_get(0)?, row.try_get(3)?);
        heads.entry(row.try_get::<_, Uuid>(1)?).or_insert((org.to_string(), event, opened));
    }
    push(client, &heads, now).await?;
    tally.add(client, desk).await?;
    Ok(rows.len() as u64)
}

async fn push(client: &Client, heads: &BTreeMap<Uuid, (String, i64, i64)>, now: i64) -> Result<(), Failure> {
    let applications: Vec<_> = heads.keys().copied().collect();
    let orgs: Vec<_> = heads.values().map(|(org, ..)| org.as_str()).collect();
    let events: Vec<_> = heads.values().map(|(_, event, _)| *event).collect();
    let opened: Vec<_> = heads.values().map(|(.., opened)| *opened).collect();
    store::push(client, &applications, &orgs, &events, &opened, now).await
}

async fn discard(
    client: &Client,
    identity: &Identity,
    desk: Desk,
    id: EventId,
    waiting: bool,
    actor: &str,
) -> Result<Discarded, Failure> {
    let Some((record, _)) = read::event(client, identity, id).await? else { return Ok(Discarded::Unknown) };
    let sequence = id.sequence() as i64;
    let lane = "SELECT l.application FROM lane l JOIN work w ON w.application = l.application WHERE w.event = $1
                FOR UPDATE OF l";
    client.query_typed(lane, &[(&sequence, Type::INT8)]).await?;
    let dead = "UPDATE work SET state = 2 WHERE event = $1 AND state = 1";
    let was_dead = client.execute_typed(dead, &[(&sequence, Type::INT8)]).await? > 0;
    let gone = was_dead || (waiting && dropped(client, sequence).await?);
    if !gone {
        return Ok(Discarded::NotDead);
    }
    let org = record.event.orgid;
    note(client, "discard", actor, Some(&org), Some(sequence)).await?;
    let mut tally = Tally::default();
    let change = tally.of(&org);
    *(if was_dead { &mut change.dead } else { &mut change.pending }) = -1;
    tally.add(client, desk).await?;
    Ok(Discarded::Done)
}

/// Takes an event out of its lane, which is locked; should it be in flight, what comes of that is
/// void. Whether it was there.
async fn dropped(client: &Client, event: i64) -> Result<bool, Failure> {
    let sql = "UPDATE work SET state = 2 WHERE event = $1 AND state = 0";
    if client.execute_typed(sql, &[(&event, Type::INT8)]).await? == 0 {
        return Ok(false);
    }
    // A statement of its own, which sees that the event waits no more.
    let next = "UPDATE lane l SET attempt = NULL, head = n.event, head_opened = n.opened,
                       due_at = CASE WHEN n.event IS NULL THEN NULL ELSE journal_now() END
                FROM (SELECT application FROM work WHERE event = $1) u
                LEFT JOIN LATERAL (SELECT event, opened FROM work WHERE work.application = u.application
                                   AND state = 0 ORDER BY opened LIMIT 1) n ON true
                WHERE l.application = u.application AND l.head = $1";
    client.execute_typed(next, &[(&event, Type::INT8)]).await?;
    Ok(true)
}

async fn turned(client: &Client, turn: &Turn, actor: &str) -> Result<(), Failure> {
    let (what, change, orgs) = match turn {
        Turn::Pause(org) => ("pause", Change::Paused, vec![org.clone()]),
        Turn::Resume(org) => ("resume", Change::Resumed, vec![org.clone()]),
        Turn::SetUpRead => ("set_up_read", Change::SetUpMended, probing(client).await?),
    };
    let now = claim::now(client).await?;
    if *turn == Turn::SetUpRead {
        details::let_go(client, None).await?;
    }
    for org in orgs {
        let mut gate = gate::lock(client, &org).await?;
        if change == Change::Resumed {
            details::let_go(client, Some(org.as_str())).await?;
        }
        let over = gate.apply(&change, Some(actor), now);
        gate::store(client, &org, &gate, over).await?;
        note(client, what, actor, Some(&org), None).await?;
    }
    Ok(())
}

async fn probing(client: &Client) -> Result<Vec<OrgId>, Failure> {
    let sql = "SELECT orgid FROM gate WHERE probe_every IS NOT NULL ORDER BY orgid";
    client.query_typed(sql, &[]).await?.iter().map(|row: &Row| organisation(row, 0)).collect()
}

async fn note(
    client: &Client,
    what: &str,
    actor: &str,
    org: Option<&OrgId>,
    event: Option<i64>,
) -> Result<(), Failure> {
    let sql = "INSERT INTO action (at, what, actor, orgid, event) VALUES (journal_now(), $1, $2, $3, $4)";
    let org = org.map(OrgId::as_str);
    client
        .execute_typed(
            sql,
            &[(&what, Type::TEXT), (&text(actor), Type::TEXT), (&org, Type::TEXT), (&event, Type::INT8)],
        )
        .await?;
    Ok(())
}
