//! Figures of organisations.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::domain::{EventId, OrgId};
use crate::journal::postgres::details;
use crate::journal::postgres::gate::{self, milliseconds};
use crate::journal::postgres::link::Failure;
use crate::journal::postgres::row::{number, optional, organisation};
use crate::journal::postgres::schema::Identity;
use crate::journal::{Ages, DetailsStats, OrganisationStats, StageSeen};

/// Figures per organisation that ever had a message.
pub(in crate::journal::postgres) async fn stats(
    client: &Client,
    identity: &Identity,
    ages: Ages,
) -> Result<Vec<OrganisationStats>, Failure> {
    let sql = format!(
        "SELECT f.orgid, f.accepted, f.delivered, f.dead, f.late
                    + (SELECT count(*) FROM work w WHERE w.orgid = f.orgid AND state = 0 AND is_start
                       AND opened_at < clock.now - $1),
                f.pending, f.last_message_at, f.last_started_at,
                oldest.opened_at, oldest.received_at, oldest.event,
                (SELECT received_at FROM work w JOIN event e ON e.sequence = w.event
                 WHERE w.orgid = f.orgid AND w.state = 1 ORDER BY w.event LIMIT 1), {}
         FROM (SELECT journal_now() AS now) clock,
              (SELECT orgid, sum(accepted)::bigint AS accepted, sum(delivered)::bigint AS delivered,
                      sum(dead)::bigint AS dead, sum(late)::bigint AS late, sum(pending)::bigint AS pending,
                      max(last_message_at) AS last_message_at, max(last_started_at) AS last_started_at
               FROM figure GROUP BY orgid) f
         LEFT JOIN gate ON gate.orgid = f.orgid
         LEFT JOIN LATERAL (SELECT opened_at, event, (SELECT received_at FROM event e WHERE e.sequence = w.event)
                            FROM work w WHERE w.orgid = f.orgid AND state = 0 ORDER BY opened LIMIT 1) oldest ON true
         ORDER BY f.orgid",
        gate::COLUMNS
    );
    let (useful, open) = (milliseconds(ages.useful_within), milliseconds(ages.open_interview));
    let (rows, open, stages, details) = tokio::try_join!(
        async { Ok(client.query_typed(&sql, &[(&useful, Type::INT8)]).await?) },
        open_too_long(client, open),
        stages(client),
        details::figures(client),
    )?;
    rows.iter().map(|row| figures(row, identity, &open, &stages, &details)).collect()
}

fn figures(
    row: &Row,
    identity: &Identity,
    open: &HashMap<OrgId, u64>,
    stages: &HashMap<OrgId, Vec<StageSeen>>,
    details: &HashMap<OrgId, DetailsStats>,
) -> Result<OrganisationStats, Failure> {
    let org = organisation(row, 0)?;
    let gate = gate::read(row, 12)?.map(|(_, gate)| gate).unwrap_or_default();
    Ok(OrganisationStats {
        accepted: number(row, 1)?,
        delivered: number(row, 2)?,
        dead: number(row, 3)?,
        late: number(row, 4)?,
        pending: number(row, 5)?,
        last_message_at: optional(row, 6)?,
        last_started_at: optional(row, 7)?,
        oldest_pending: optional(row, 8)?,
        oldest_event: oldest_event(row, identity)?,
        oldest_dead: optional(row, 11)?,
        open_too_long: open.get(&org).copied().unwrap_or(0),
        paused: gate.paused()?,
        held_until: gate.held()?,
        stages: stages.get(&org).cloned().unwrap_or_default(),
        details: details.get(&org).cloned().unwrap_or_default(),
        org,
    })
}

fn oldest_event(row: &Row, identity: &Identity) -> Result<Option<EventId>, Failure> {
    let (received, event) = (row.try_get::<_, Option<i64>>(9)?, row.try_get::<_, Option<i64>>(10)?);
    Ok(received.zip(event).map(|(received, event)| EventId::compose(received, identity.tag, event as u64)))
}

/// How many interviews are open for too long.
async fn open_too_long(client: &Client, age: i64) -> Result<HashMap<OrgId, u64>, Failure> {
    let sql = "SELECT orgid, count(*) FROM application
               WHERE since IS NOT NULL AND since_at < (SELECT journal_now()) - $1 GROUP BY orgid";
    let rows = client.query_typed(sql, &[(&age, Type::INT8)]).await?;
    rows.iter().map(|row| Ok((organisation(row, 0)?, number(row, 1)?))).collect()
}

async fn stages(client: &Client) -> Result<HashMap<OrgId, Vec<StageSeen>>, Failure> {
    let sql = "SELECT orgid, stage, interview, sum(count)::bigint FROM stage GROUP BY orgid, stage, interview
               ORDER BY orgid, 4 DESC, stage";
    let mut stages: HashMap<OrgId, Vec<StageSeen>> = HashMap::new();
    for row in client.query_typed(sql, &[]).await? {
        let seen = stages.entry(organisation(&row, 0)?).or_default();
        if seen.len() < 100 {
            seen.push(StageSeen { stage: row.try_get(1)?, interview: row.try_get(2)?, count: number(&row, 3)? });
        }
    }
    Ok(stages)
}
