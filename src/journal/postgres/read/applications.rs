//! Job applications, their interviews and their protections.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::{JOINED_COLUMNS, JOINS, record};
use crate::domain::protection::Span;
use crate::domain::{ApplicationId, OrgId};
use crate::journal::postgres::details;
use crate::journal::postgres::link::Failure;
use crate::journal::postgres::row::{EVENT_COLUMNS, EVENT_WIDTH, microsecond, number, optional, stored, uuid};
use crate::journal::postgres::schema::Identity;
use crate::journal::{ApplicationFilter, ApplicationRecord, Cursor, Page, ProtectionFilter, ProtectionRecord};

/// Where [`application_record`] finds what it adds to the columns of an event.
const OWN: usize = EVENT_WIDTH + 7;

/// The latest state of one application.
pub(in crate::journal::postgres) async fn application(
    client: &Client,
    identity: &Identity,
    org: &OrgId,
    application: &ApplicationId,
) -> Result<Option<ApplicationRecord>, Failure> {
    let key = uuid(identity.keys.application(org, application.as_str()));
    let sql = format!(
        "SELECT {EVENT_COLUMNS}, {JOINED_COLUMNS}, a.since_at FROM event {JOINS}
         WHERE a.key = $1 AND event.application = $1 AND event.sequence = a.head"
    );
    let found = client.query_typed_opt(&sql, &[(&key, Type::UUID)]).await?;
    found.map(|row| application_record(&row, identity)).transpose()
}

fn application_record(row: &Row, identity: &Identity) -> Result<ApplicationRecord, Failure> {
    Ok(ApplicationRecord { latest: record(row, identity)?, in_interview_since: optional(row, OWN)? })
}

/// The applications that are in an interview, the longest first.
pub(in crate::journal::postgres) async fn in_interview(
    client: &Client,
    identity: &Identity,
    filter: &ApplicationFilter,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<ApplicationRecord>, Failure> {
    let (after, orgs) = (after.map_or(0, |cursor| cursor.0 as i64), orgs(filter.orgs.as_deref()));
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&after, Type::INT8)];
    let narrowed = if let Some(orgs) = &orgs {
        values.push((orgs, Type::TEXT_ARRAY));
        "AND orgid = ANY ($2)"
    } else {
        ""
    };
    // The page is chosen first: what else is shown is looked up for it alone.
    let sql = format!(
        "SELECT {EVENT_COLUMNS}, {JOINED_COLUMNS}, a.since_at, a.since
         FROM (SELECT head FROM application WHERE since > $1 {narrowed} ORDER BY since LIMIT {}) page
         JOIN event ON event.sequence = page.head {JOINS} ORDER BY a.since",
        limit.saturating_add(1)
    );
    let mut rows = client.query_typed(&sql, &values).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| number(row, OWN + 1).map(Cursor)).transpose()?;
    let items = rows.iter().map(|row| application_record(row, identity)).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// Protections by filter, latest start last.
pub(in crate::journal::postgres) async fn protections(
    client: &Client,
    identity: &Identity,
    filter: &ProtectionFilter,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<ProtectionRecord>, Failure> {
    let (after, orgs) = (after.map_or(0, |cursor| cursor.0 as i64), orgs(filter.orgs.as_deref()));
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&after, Type::INT8)];
    let mut narrowed = String::new();
    if let Some(active) = filter.active {
        let on = "p.started_at IS NOT NULL AND p.ended_at IS NULL";
        narrowed += &if active { format!(" AND {on}") } else { format!(" AND NOT ({on})") };
    }
    if let Some(orgs) = &orgs {
        values.push((orgs, Type::TEXT_ARRAY));
        narrowed += " AND p.orgid = ANY ($2)";
    }
    let sql = format!(
        "SELECT {EVENT_COLUMNS}, p.started_at, p.ended_at, {} FROM protection p JOIN event ON event.sequence = p.event
         LEFT JOIN details d ON d.application = p.application
         WHERE p.event > $1{narrowed} ORDER BY p.event LIMIT {}",
        details::COLUMNS,
        limit.saturating_add(1)
    );
    let mut rows = client.query_typed(&sql, &values).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| number(row, 0).map(Cursor)).transpose()?;
    let items = rows.iter().map(|row| protection(row, identity)).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

fn protection(row: &Row, identity: &Identity) -> Result<ProtectionRecord, Failure> {
    let at = |column| row.try_get::<_, Option<i64>>(column)?.map(microsecond).transpose();
    let event = stored(row, identity.tag)?.event;
    Ok(ProtectionRecord {
        org: event.orgid,
        candidate: event.candidate_id,
        application: event.job_application_id,
        requisition: event.job_requisition_id,
        span: Span { started_at: at(EVENT_WIDTH)?, ended_at: at(EVENT_WIDTH + 1)? },
        read_back: details::record(row, EVENT_WIDTH + 2)?,
    })
}

fn orgs(orgs: Option<&[OrgId]>) -> Option<Vec<&str>> {
    orgs.map(|orgs| orgs.iter().map(OrgId::as_str).collect())
}
