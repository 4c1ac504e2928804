//! The ring itself: one table, of which the newest of each organisation stay.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Message;
use crate::clock::Clock;
use crate::domain::OrgId;
use crate::journal::embedded::schema::{self, OpenError, Synchronous};
use crate::journal::refused::{MOST_KEPT, RefusedFilter, RefusedHead, RefusedRecord, mentions};
use crate::journal::{Cursor, Page};

/// Numbers are not used again, so that one whose message is gone never names another.
const SCHEMA: &str = "CREATE TABLE refused (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, org TEXT NOT NULL, code TEXT NOT NULL,
    message TEXT NOT NULL, place TEXT, content_type TEXT, soap_action TEXT, tenant TEXT, query TEXT NOT NULL,
    bytes INTEGER NOT NULL, whole INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
    CREATE INDEX refused_by_org ON refused (org, id);
    CREATE INDEX refused_by_age ON refused (at);";

/// All columns but the text, in the order in which they are read.
const COLUMNS: &str = "id, at, org, code, message, place, content_type, soap_action, tenant, query, bytes, whole";

pub(super) struct Ring {
    connection: Connection,
    keep: SignedDuration,
    clock: Arc<dyn Clock>,
    failing: bool,
}

impl Ring {
    pub(super) fn open(path: &Path, keep: Duration, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let connection = schema::open(path, Synchronous::Normal, &[SCHEMA])?;
        // What is deleted is a person's data, and is overwritten.
        connection.pragma_update(None, "secure_delete", true).map_err(schema::sqlite(path))?;
        let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
        let mut ring = Self { connection, keep, clock, failing: false };
        ring.settle(&mut Vec::new());
        Ok(ring)
    }

    /// Writes what waits and forgets what is too old. What cannot be written is lost, which is
    /// logged when it begins.
    pub(super) fn settle(&mut self, messages: &mut Vec<Message>) {
        let now = self.clock.now();
        let settled = self.write(std::mem::take(messages)).and_then(|()| self.purge(now));
        match settled {
            Err(error) if !self.failing => {
                tracing::warn!(%error, "refused messages cannot be kept");
                self.failing = true;
            }
            Err(_) => {}
            Ok(()) => self.failing = false,
        }
    }

    fn write(&mut self, messages: Vec<Message>) -> rusqlite::Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        let mut touched = HashSet::new();
        for (at, head, text) in messages {
            let sql = format!(
                "INSERT INTO refused ({COLUMNS}, text) VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
            );
            transaction.prepare_cached(&sql)?.execute(params![
                at.as_millisecond(),
                head.org.as_str(),
                head.code,
                head.message,
                head.place,
                head.content_type,
                head.soap_action,
                head.tenant,
                head.query,
                head.bytes,
                head.whole,
                text,
            ])?;
            touched.insert(head.org);
        }
        for org in touched {
            let sql = "DELETE FROM refused WHERE org = ?1 AND id <=
                       (SELECT id FROM refused WHERE org = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
            transaction.prepare_cached(sql)?.execute(params![org.as_str(), MOST_KEPT as u64])?;
        }
        transaction.commit()
    }

    fn purge(&self, now: Timestamp) -> rusqlite::Result<()> {
        let Ok(oldest) = now.checked_sub(self.keep) else { return Ok(()) };
        let mut statement = self.connection.prepare_cached("DELETE FROM refused WHERE at < ?1")?;
        let gone = statement.execute([oldest.as_millisecond()])?;
        self.overwrite(gone)
    }

    /// The write-ahead log holds what was deleted until it is moved into the file and cut off.
    fn overwrite(&self, gone: usize) -> rusqlite::Result<()> {
        if gone == 0 { Ok(()) } else { schema::checkpoint(&self.connection) }
    }

    pub(super) fn list(
        &self,
        filter: &RefusedFilter,
        before: Option<Cursor>,
        limit: usize,
    ) -> rusqlite::Result<Page<RefusedRecord>> {
        let sql = format!("SELECT {COLUMNS} FROM refused WHERE id < ?1 AND (?2 IS NULL OR code = ?2) ORDER BY id DESC");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let before = before.map_or(i64::MAX as u64, |cursor| cursor.0);
        let mut rows = statement.query(params![before, filter.code])?;
        let mut items: Vec<RefusedRecord> = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(record) = record(row)? else { continue };
            if filter.orgs.as_ref().is_some_and(|orgs| !orgs.contains(&record.head.org)) {
                continue;
            }
            if items.len() == limit {
                let next = items.last().map(|last| Cursor(last.id));
                return Ok(Page { items, next });
            }
            items.push(record);
        }
        Ok(Page { items, next: None })
    }

    pub(super) fn find(&self, id: u64) -> rusqlite::Result<Option<(RefusedRecord, String)>> {
        let sql = format!("SELECT {COLUMNS}, text FROM refused WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_row([id], |row| Ok((record(row)?, row.get(12)?))).optional()?;
        Ok(found.and_then(|(record, text)| Some((record?, text))))
    }

    pub(super) fn remove(&self, id: u64) -> rusqlite::Result<bool> {
        let gone = self.connection.execute("DELETE FROM refused WHERE id = ?1", [id])?;
        self.overwrite(gone)?;
        Ok(gone > 0)
    }

    pub(super) fn erase(&self, org: &OrgId, names: &[String]) -> rusqlite::Result<u64> {
        let sql = "SELECT id, text, message, query, soap_action FROM refused WHERE org = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([org.as_str()])?;
        let mut found: Vec<u64> = Vec::new();
        while let Some(row) = rows.next()? {
            let texts: [Option<String>; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            if texts.iter().flatten().any(|text| mentions(text, names)) {
                found.push(row.get(0)?);
            }
        }
        for id in &found {
            self.connection.execute("DELETE FROM refused WHERE id = ?1", [id])?;
        }
        self.overwrite(found.len())?;
        Ok(found.len() as u64)
    }
}

/// One row; none if another program wrote an organisation or a time into it that is none.
fn record(row: &Row<'_>) -> rusqlite::Result<Option<RefusedRecord>> {
    let (Ok(at), Ok(org)) = (Timestamp::from_millisecond(row.get(1)?), row.get::<_, String>(2)?.parse()) else {
        return Ok(None);
    };
    let head = RefusedHead {
        org,
        code: row.get(3)?,
        message: row.get(4)?,
        place: row.get(5)?,
        content_type: row.get(6)?,
        soap_action: row.get(7)?,
        tenant: row.get(8)?,
        query: row.get(9)?,
        bytes: row.get(10)?,
        whole: row.get(11)?,
    };
    Ok(Some(RefusedRecord { id: row.get(0)?, at, head }))
}
