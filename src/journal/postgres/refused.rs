//! Refused messages, kept in a table: every bridge shows those of all.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::gate::milliseconds;
use super::link::{Failure, Link, Values};
use super::row::{millisecond, number, organisation, text};
use crate::domain::OrgId;
use crate::journal::refused::{MOST_KEPT, mentions};
use crate::journal::{Cursor, Page, Refused, RefusedFilter, RefusedHead, RefusedRecord, Ticket, Unavailable};

/// How many requests may wait; more are not kept, or told that the table is busy.
const QUEUE: usize = 256;

type Job = Box<dyn for<'l> FnOnce(&'l mut Link) -> Pin<Box<dyn Future<Output = ()> + 'l>> + Send>;

/// Refused messages in the table of a journal that is open.
pub struct RefusedTable {
    jobs: mpsc::Sender<Job>,
    keep_for: Duration,
}

/// The other end of a [`RefusedTable`], for the journal's thread.
pub(super) struct Desk(mpsc::Receiver<Job>);

/// A table that keeps messages for so long, and the desk that writes it.
pub(super) fn table(keep_for: Duration) -> (RefusedTable, Desk) {
    let (jobs, wanted) = mpsc::channel(QUEUE);
    (RefusedTable { jobs, keep_for }, Desk(wanted))
}

impl Desk {
    /// Does what is asked for; once the journal closes, only what was asked for before.
    pub(super) async fn run(mut self, mut link: Link, mut closing: watch::Receiver<bool>) {
        loop {
            let job = tokio::select! {
                job = self.0.recv() => job,
                _ = closing.wait_for(|closing| *closing) => break,
            };
            let Some(job) = job else { return };
            job(&mut link).await;
        }
        self.0.close();
        while let Some(job) = self.0.recv().await {
            job(&mut link).await;
        }
    }
}

impl RefusedTable {
    fn ask<T: Send + 'static>(&self, ask: impl AsyncFn(&Client) -> Result<T, Failure> + Send + 'static) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        let job: Job = Box::new(move |link| {
            Box::pin(async move {
                promise.keep(link.transact(async |client| ask(client).await).await.map_err(Unavailable::from));
            })
        });
        // A job that finds no room is dropped, and its ticket says that the journal stopped.
        let _ = self.jobs.try_send(job);
        ticket
    }
}

impl Refused for RefusedTable {
    fn keep(&self, head: RefusedHead, body: String) -> bool {
        let keep_for = milliseconds(self.keep_for);
        let job: Job = Box::new(move |link| {
            Box::pin(async move {
                if let Err(failure) = link.transact(async |client| keep(client, &head, &body, keep_for).await).await {
                    tracing::warn!(%failure, "a refused message is not kept");
                }
            })
        });
        self.jobs.try_send(job).is_ok()
    }

    fn list(&self, filter: RefusedFilter, before: Option<Cursor>, limit: usize) -> Ticket<Page<RefusedRecord>> {
        self.ask(async move |client| list(client, &filter, before, limit).await)
    }

    fn find(&self, id: u64) -> Ticket<Option<(RefusedRecord, String)>> {
        self.ask(async move |client| {
            let sql = format!("SELECT {COLUMNS}, body FROM refused WHERE id = $1");
            let row = client.query_typed_opt(&sql, &[(&(id as i64), Type::INT8)]).await?;
            row.map(|row| Ok((record(&row)?, row.try_get(WIDTH)?))).transpose()
        })
    }

    fn remove(&self, id: u64) -> Ticket<bool> {
        self.ask(async move |client| {
            let sql = "DELETE FROM refused WHERE id = $1";
            Ok(client.execute_typed(sql, &[(&(id as i64), Type::INT8)]).await? > 0)
        })
    }

    fn erase(&self, org: OrgId, names: Vec<String>) -> Ticket<u64> {
        self.ask(async move |client| erase(client, &org, &names).await)
    }

    fn close(&self) {
        // What was taken is written when the journal closes.
    }
}

const COLUMNS: &str = "id, at, orgid, code, message, place, content_type, soap_action, tenant, query, bytes, whole";

const WIDTH: usize = 12;

async fn keep(client: &Client, head: &RefusedHead, body: &str, keep_for: i64) -> Result<(), Failure> {
    let optional = |value: &Option<String>| value.as_deref().map(|value| text(value).into_owned());
    client
        .execute_typed(
            "INSERT INTO refused (orgid, code, message, place, content_type, soap_action, tenant, query, bytes, whole,
                                  body, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, journal_now())",
            &[
                (&head.org.as_str(), Type::TEXT),
                (&text(&head.code), Type::TEXT),
                (&text(&head.message), Type::TEXT),
                (&optional(&head.place), Type::TEXT),
                (&optional(&head.content_type), Type::TEXT),
                (&optional(&head.soap_action), Type::TEXT),
                (&optional(&head.tenant), Type::TEXT),
                (&text(&head.query), Type::TEXT),
                (&(head.bytes as i64), Type::INT8),
                (&head.whole, Type::BOOL),
                (&text(body), Type::TEXT),
            ],
        )
        .await?;
    let sql = format!(
        "DELETE FROM refused WHERE at < (SELECT journal_now()) - $2 OR (orgid = $1 AND id <= (
             SELECT id FROM refused WHERE orgid = $1 ORDER BY id DESC OFFSET {MOST_KEPT} LIMIT 1))"
    );
    client.execute_typed(&sql, &[(&head.org.as_str(), Type::TEXT), (&keep_for, Type::INT8)]).await?;
    Ok(())
}

async fn list(
    client: &Client,
    filter: &RefusedFilter,
    before: Option<Cursor>,
    limit: usize,
) -> Result<Page<RefusedRecord>, Failure> {
    let before = before.map_or(i64::MAX, |cursor| cursor.0 as i64);
    let orgs: Option<Vec<_>> = filter.orgs.as_ref().map(|orgs| orgs.iter().map(OrgId::as_str).collect());
    let sql = format!(
        "SELECT {COLUMNS} FROM refused WHERE id < $1 AND ($2::text[] IS NULL OR orgid = ANY ($2))
             AND ($3::text IS NULL OR code = $3) ORDER BY id DESC LIMIT {}",
        limit.saturating_add(1)
    );
    let values: Values<'_> = &[(&before, Type::INT8), (&orgs, Type::TEXT_ARRAY), (&filter.code, Type::TEXT)];
    let rows = client.query_typed(&sql, values).await?;
    let mut items = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        items.last().map(|record| Cursor(record.id))
    });
    Ok(Page { items, next: next.flatten() })
}

async fn erase(client: &Client, org: &OrgId, names: &[String]) -> Result<u64, Failure> {
    let sql = "SELECT id, body, query, message, soap_action FROM refused WHERE orgid = $1 FOR UPDATE";
    let rows = client.query_typed(sql, &[(&org.as_str(), Type::TEXT)]).await?;
    let mut found: Vec<i64> = Vec::new();
    for row in rows {
        let texts: [Option<&str>; 4] = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
        if texts.iter().flatten().any(|text| mentions(text, names)) {
            found.push(row.try_get(0)?);
        }
    }
    client.execute_typed("DELETE FROM refused WHERE id = ANY ($1)", &[(&found, Type::INT8_ARRAY)]).await?;
    Ok(found.len() as u64)
}

fn record(row: &Row) -> Result<RefusedRecord, Failure> {
    Ok(RefusedRecord {
        id: number(row, 0)?,
        at: millisecond(row.try_get(1)?)?,
        head: RefusedHead {
            org: organisation(row, 2)?,
            code: row.try_get(3)?,
            message: row.try_get(4)?,
            place: row.try_get(5)?,
            content_type: row.try_get(6)?,
            soap_action: row.try_get(7)?,
            tenant: row.try_get(8)?,
            query: row.try_get(9)?,
            bytes: number(row, 10)?,
            whole: row.try_get(11)?,
        },
    })
}
