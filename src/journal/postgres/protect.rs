//! What handling in-process does to protections, recorded with the result or not at all.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::link::Failure;
use super::row::microsecond;
use super::settle::Held;
use crate::domain::protection::Span;

/// Applies the changes; the applications' lanes are locked, and with them their protections.
pub(super) async fn apply(client: &Client, held: &[Held<'_>]) -> Result<(), Failure> {
    let changed: Vec<_> = held.iter().filter(|held| held.settlement.protection.is_some()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let applications: Vec<_> = changed.iter().map(|held| held.application).collect();
    let sql = "SELECT application, started_at, ended_at FROM protection WHERE application = ANY ($1)";
    let rows = client.query_typed(sql, &[(&applications, Type::UUID_ARRAY)]).await?;
    let mut spans: BTreeMap<Uuid, Span> = BTreeMap::new();
    for row in rows {
        let at = |column| row.try_get::<_, Option<i64>>(column)?.map(microsecond).transpose();
        spans.insert(row.try_get(0)?, Span { started_at: at(1)?, ended_at: at(2)? });
    }
    let mut latest = BTreeMap::new();
    for held in changed {
        let Some(change) = held.settlement.protection else { continue };
        let span = spans.entry(held.application).or_default();
        let after = span.after(change, microsecond(held.occurred_at)?);
        if std::mem::replace(span, after) != after {
            latest.insert(held.application, (held.event(), held.org.as_str(), after));
        }
    }
    if latest.is_empty() {
        return Ok(());
    }
    let applications: Vec<_> = latest.keys().copied().collect();
    let events: Vec<_> = latest.values().map(|(event, ..)| *event).collect();
    let orgs: Vec<_> = latest.values().map(|(_, org, _)| *org).collect();
    let column = |of: fn(&Span) -> Option<Timestamp>| {
        latest.values().map(|(.., span)| of(span).map(Timestamp::as_microsecond)).collect::<Vec<_>>()
    };
    client
        .execute_typed(
            "INSERT INTO protection (application, event, orgid, started_at, ended_at)
             SELECT * FROM unnest($1, $2, $3, $4, $5)
             ON CONFLICT (application) DO UPDATE SET event = excluded.event, started_at = excluded.started_at,
                 ended_at = excluded.ended_at",
            &[
                (&applications, Type::UUID_ARRAY),
                (&events, Type::INT8_ARRAY),
                (&orgs, Type::TEXT_ARRAY),
                (&column(|span| span.started_at), Type::INT8_ARRAY),
                (&column(|span| span.ended_at), Type::INT8_ARRAY),
            ],
        )
        .await?;
    Ok(())
}
