//! Reading a whole journal, to carry it into another store. It is held like any journal that is
//! open, so that nothing changes meanwhile, and only read.

use std::fs::File;
use std::path::Path;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use super::append::{self, Identity};
use super::open::{beside, lock, reading};
use super::schema::{self, OpenError};
use super::{amend, follow};
use crate::domain::{OrgId, Position, Text};
use crate::journal::batch::Key;
use crate::journal::carried::{Gated, Kind, Origin, Row, Sum, Table, Value};

/// A journal to be carried elsewhere.
pub struct Source {
    connection: Connection,
    identity: Identity,
    origin: Origin,
    refused: bool,
    /// What the journal itself and its index are held open by.
    _held: (File, Connection, Connection),
}

impl Source {
    /// Opens the journal at `path`, which must be there.
    ///
    /// # Errors
    /// When there is none, when a bridge has it open, or when its files cannot be used.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let name = || path.display().to_string();
        path.metadata().map_err(|source| OpenError::Io { path: name(), source })?;
        let (lock, sqlite) = (lock(path)?, schema::sqlite(path));
        let (journal, identity) = append::open(path)?;
        let (last, _) = append::end(&journal).map_err(schema::sqlite(path))?;
        let index_path = beside(path, ".index");
        let (index, _) = follow::open(&index_path, &journal, &identity, last)?;
        let connection = reading(path, &index_path)?;
        let hash_key = connection.query_row("SELECT hash_key FROM journal", [], |row| row.get(0)).map_err(sqlite)?;
        define(&connection, identity).map_err(schema::sqlite(path))?;
        let refused = attach_refused(&connection, &beside(path, ".refused"))?;
        let origin = Origin { tag: identity.tag, hash_key, last };
        Ok(Self { connection, identity, origin, refused, _held: (lock, journal, index) })
    }

    /// Which journal it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Gives a table's rows that stand after this place, in their order and so many at a time.
    ///
    /// # Errors
    /// When they cannot be read, or whatever is made of them fails.
    pub fn rows<E: From<rusqlite::Error>>(
        &self,
        table: &Table,
        after: i64,
        step: usize,
        each: &mut dyn FnMut(Vec<Row>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(query) = self.query(table) else { return Ok(()) };
        let mut statement =
            self.connection.prepare(&format!("SELECT * FROM ({query}) WHERE place > ?1 ORDER BY place"))?;
        let mut rows = statement.query([after])?;
        let mut read = Vec::with_capacity(step);
        while let Some(row) = rows.next()? {
            let kinds = table.columns.iter().zip(1..);
            let values =
                kinds.map(|((_, kind), column)| value(*kind, row.get_ref(column)?)).collect::<Result<_, _>>()?;
            read.push(Row { place: row.get(0)?, values });
            if read.len() >= step {
                each(std::mem::take(&mut read))?;
            }
        }
        if read.is_empty() { Ok(()) } else { each(read) }
    }

    /// How many rows a table has, with their checksum.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn sum(&self, table: &Table) -> rusqlite::Result<Sum> {
        let mut sum = Sum::default();
        self.rows(table, i64::MIN, 10_000, &mut |rows| {
            rows.iter().for_each(|row| sum.add(&self.identity.keys, &row.values));
            Ok::<_, Error>(())
        })?;
        Ok(sum)
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub fn count(&self, table: &Table) -> rusqlite::Result<u64> {
        let Some(query) = self.query(table) else { return Ok(0) };
        self.connection.query_row(&format!("SELECT count(*) FROM ({query})"), [], |row| row.get(0))
    }

    /// What changed the gates of organisations, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn gates(&self) -> rusqlite::Result<Vec<Gated>> {
        let gated = amend::gates(&self.connection)?.into_iter();
        Ok(gated
            .map(|gated| Gated {
                at: gated.at.as_millisecond(),
                org: gated.org,
                change: gated.change,
                reason: gated.reason,
            })
            .collect())
    }

    fn query(&self, table: &Table) -> Option<&'static str> {
        match table.name {
            "event" => Some(EVENT),
            "attempt" => Some(ATTEMPT),
            "message" => Some(MESSAGE),
            "duplicate" => Some("SELECT event AS place, event, count, last_at FROM idx.duplicates"),
            "work" => Some(WORK),
            "lane" => Some(LANE),
            "application" => Some(APPLICATION),
            "protection" => {
                Some("SELECT event AS place, key_of(k1, k2), event, orgid, started_at, ended_at FROM idx.protection")
            }
            "details" => Some(
                "SELECT event AS place, key_of(k1, k2), event, orgid, state, attempts, 0, due_at, first_attempt_at,
                        error, details, read_at FROM main.details",
            ),
            "details_hold" => {
                Some("SELECT row_number() OVER (ORDER BY orgid) AS place, orgid, until, wrong FROM main.details_hold")
            }
            "action" => Some(ACTION),
            "figure" => Some(FIGURE),
            "stage" => Some(STAGE),
            "erasure" => Some(
                "SELECT sequence AS place, sequence, at, orgid, candidate_id, actor, done_at, events FROM main.erasure",
            ),
            "refused" => self.refused.then_some(REFUSED),
            _ => None,
        }
    }
}

const EVENT: &str = "
    SELECT e.sequence AS place, e.sequence, e.received_at, application_key(e.orgid, e.job_application_id), e.orgid,
           e.job_application_id, e.candidate_id, e.job_requisition_id, e.stage, e.step, e.status, e.occurred_at,
           e.event_type, e.outcome, e.was, e.now, e.reason, e.source, e.deliver, e.trace, e.note,
           ifnull((SELECT r.number FROM idx.work w JOIN main.replay r ON r.sequence = w.record
                   WHERE w.event = e.sequence ORDER BY w.record DESC LIMIT 1), 0)
    FROM main.event e";

const ATTEMPT: &str = "
    SELECT a.sequence AS place, a.sequence, a.event, a.at, s.verdict, s.status, s.latency_ms, s.error, s.answer
    FROM main.attempt a LEFT JOIN main.settlement s ON s.sequence = (
        SELECT o.sequence FROM idx.work w JOIN main.settlement o ON o.sequence = w.record
        WHERE w.event = a.event AND o.attempt = a.sequence)";

const MESSAGE: &str = "
    SELECT m.event AS place, key_of(m.k1, m.k2), m.event, e.received_at, e.event_type
    FROM idx.message m JOIN main.event e ON e.sequence = m.event";

const WORK: &str = "
    SELECT o.event AS place, o.event, application_key(e.orgid, e.job_application_id), e.orgid, o.dead, o.opened,
           o.opened_at, e.event_type = 0 AND o.opened = o.event, o.attempts, o.first_attempt_at
    FROM idx.open o JOIN main.event e ON e.sequence = o.event";

const LANE: &str = "
    SELECT event AS place, key, 0, orgid, event, opened, due_at FROM (
        SELECT o.event, application_key(e.orgid, e.job_application_id) AS key, e.orgid, o.opened, o.due_at,
               row_number() OVER (PARTITION BY e.orgid, e.job_application_id ORDER BY o.opened) AS nth
        FROM idx.open o JOIN main.event e ON e.sequence = o.event WHERE o.dead = 0)
    WHERE nth = 1";

/// What a stale event is stale against is the applied one that it names.
const APPLICATION: &str = "
    SELECT a.head AS place, key_of(a.k1, a.k2), h.orgid, p.now, likeness(p.stage, p.step, p.status, p.told),
           CASE WHEN p.ordered THEN p.occurred_at END, p.sequence, p.received_at, p.event_type, a.head, a.since,
           (SELECT received_at FROM main.event s WHERE s.sequence = a.since),
           max(h.received_at, ifnull((SELECT max(last_at) FROM idx.duplicates d
                                      WHERE d.event IN (h.sequence, p.sequence)), 0))
    FROM idx.application a JOIN main.event h ON h.sequence = a.head
    JOIN main.event p ON p.sequence = CASE h.outcome WHEN 1 THEN h.applied ELSE h.sequence END";

const ACTION: &str = "
    SELECT r.sequence AS place, r.at, 'replay', r.actor, e.orgid, r.event
    FROM main.replay r JOIN main.event e ON e.sequence = r.event
    UNION ALL SELECT d.sequence, d.at, 'discard', d.actor, e.orgid, d.event
    FROM main.discard d JOIN main.event e ON e.sequence = d.event
    UNION ALL SELECT sequence, at, CASE change WHEN 0 THEN 'resume' ELSE 'pause' END, ifnull(reason, ''), orgid, NULL
    FROM main.gate WHERE change IN (0, 1)";

const FIGURE: &str = "
    SELECT o.rowid AS place, o.orgid, key_of(0, 0), 0, o.accepted, o.delivered, o.dead, o.late, ifnull(p.pending, 0),
           o.delivered, o.last_message_at, o.last_started_at
    FROM idx.organisation o LEFT JOIN (
        SELECT e.orgid, count(*) AS pending FROM idx.open w JOIN main.event e ON e.sequence = w.event
        WHERE w.dead = 0 GROUP BY e.orgid) p ON p.orgid = o.orgid";

const STAGE: &str = "
    SELECT row_number() OVER (ORDER BY orgid, stage, interview) AS place, orgid, key_of(0, 0), stage, interview, count
    FROM idx.stage";

const REFUSED: &str = "
    SELECT id AS place, id, at, org, code, message, place AS part, content_type, soap_action, tenant, query, bytes,
           whole, text
    FROM kept.refused";

/// The refused messages, where any are kept.
fn attach_refused(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    if !path.exists() {
        return Ok(false);
    }
    let attached = connection.execute("ATTACH DATABASE ?1 AS kept", [path.to_string_lossy()]);
    attached.map_err(schema::sqlite(path))?;
    Ok(true)
}

fn value(kind: Kind, found: ValueRef<'_>) -> Result<Value, Error> {
    Ok(match (kind, found) {
        (_, ValueRef::Null) => Value::None,
        (Kind::Int, found) => Value::Int(found.as_i64()?),
        (Kind::Bool, found) => Value::Bool(found.as_i64()? != 0),
        // No other store holds the character zero.
        (Kind::Text, found) => Value::Text(found.as_str()?.replace('\0', "\u{fffd}")),
        (Kind::Key, found) => {
            let bytes = found.as_blob()?.try_into().map_err(|_| Error::InvalidQuery)?;
            Value::Key(Key::from_be_bytes(bytes))
        }
    })
}

/// Lets queries ask for the keys under which a journal knows applications and what they are like.
fn define(connection: &Connection, identity: Identity) -> rusqlite::Result<()> {
    let (keys, flags) = (identity.keys, FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC);
    connection.create_scalar_function("application_key", 2, flags, move |given| {
        let org: OrgId = given.get::<String>(0)?.parse().map_err(|error| failed(&error))?;
        Ok(keys.application(&org, &given.get::<String>(1)?).to_be_bytes().to_vec())
    })?;
    connection.create_scalar_function("likeness", 4, flags, move |given| {
        let text = |nth| Ok::<_, Error>(given.get::<Option<String>>(nth)?.as_deref().and_then(Text::new));
        let told = given.get::<Option<bool>>(3)?.map(|inside| if inside { Position::In } else { Position::Out });
        let likeness = keys.likeness(text(0)?.as_ref(), text(1)?.as_ref(), text(2)?.as_ref(), told);
        Ok(likeness.0.to_be_bytes().to_vec())
    })?;
    connection.create_scalar_function("key_of", 2, flags, |given| {
        let half = |nth| Ok::<_, Error>(Key::from(given.get::<i64>(nth)? as u64));
        Ok((half(0)? << 64 | half(1)?).to_be_bytes().to_vec())
    })
}

fn failed(error: &impl ToString) -> Error {
    Error::UserFunctionError(error.to_string().into())
}
