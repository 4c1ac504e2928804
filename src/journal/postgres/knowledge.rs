//! What a batch of messages is compared with, loaded and locked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::link::{Failure, Values, together};
use super::row::{decoded, microsecond, millisecond, number, optional, position, uuid};
use crate::domain::EventType;
use crate::domain::lifecycle::{Likeness, Standing};
use crate::journal::batch::{EventRef, Key, Keyed, Knowledge, Known};

/// An application that is locked by the transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Locked {
    pub(super) known: Option<Known>,
    /// While it is in an interview: the event that started that, and when.
    pub(super) since: Option<(u64, Timestamp)>,
    pub(super) heard_at: Option<Timestamp>,
}

/// What the database knows of the batch's applications and messages.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) applications: HashMap<Key, Locked>,
    messages: HashMap<Key, EventRef>,
    /// How many events of each limited organisation wait.
    pub(super) pending: HashMap<String, u64>,
    /// The database's time, or the latest that is on record for one of the applications.
    pub(super) at: Timestamp,
    /// Numbers for the events of the batch.
    pub(super) numbers: Vec<u64>,
}

impl Knowledge for Loaded {
    type Error = Infallible;

    fn application(&mut self, key: Key) -> Result<Option<Known>, Infallible> {
        Ok(self.applications.get(&key).and_then(|locked| locked.known))
    }

    fn message(&mut self, key: Key) -> Result<Option<EventRef>, Infallible> {
        Ok(self.messages.get(&key).copied())
    }
}

/// Locks the applications of the messages, and only then looks at anything: what is read holds
/// until the commit, and numbers and times of one application rise in the order of the commits.
pub(super) async fn load(client: &Client, messages: &[Keyed]) -> Result<Loaded, Failure> {
    let mut loaded = Loaded { applications: lock(client, messages).await?, ..Loaded::default() };
    let wanted = messages.len() as i64;
    let keys: Vec<_> = messages.iter().filter_map(|message| message.message).map(uuid).collect();
    let limited = messages.iter().filter(|message| message.incoming.pending_limit > 0);
    let limited: BTreeSet<_> = limited.map(|message| message.incoming.org.as_str()).collect();
    let (clock, known, pending) = together!(clock(client, wanted), repeated(client, &keys), pending(client, limited))?;
    let heard = loaded.applications.values().filter_map(|locked| locked.heard_at).max();
    loaded.at = heard.map_or(clock.0, |heard| heard.max(clock.0));
    (loaded.numbers, loaded.messages, loaded.pending) = (clock.1, known, pending);
    Ok(loaded)
}

/// Locks the rows of all applications, made first where there is none, in the order of their keys.
async fn lock(client: &Client, messages: &[Keyed]) -> Result<HashMap<Key, Locked>, Failure> {
    let all: BTreeSet<_> = messages.iter().map(|message| uuid(message.application)).collect();
    let all: Vec<_> = all.into_iter().collect();
    let stored: BTreeMap<_, _> = messages
        .iter()
        .filter(|message| !message.incoming.dry_run)
        .map(|message| (uuid(message.application), message.incoming.org.as_str()))
        .collect();
    let (keys, orgs): (Vec<Uuid>, Vec<&str>) = stored.into_iter().unzip();
    let (made, locks) = (
        "INSERT INTO application (key, orgid) SELECT key, orgid FROM unnest($1, $2) AS u (key, orgid) ORDER BY key
         ON CONFLICT DO NOTHING",
        "SELECT key, position, likeness, ordered_at, applied, applied_at, applied_as, head, since, since_at, heard_at
         FROM application WHERE key = ANY ($1) ORDER BY key FOR UPDATE",
    );
    let (new, wanted): (Values<'_>, Values<'_>) =
        (&[(&keys, Type::UUID_ARRAY), (&orgs, Type::TEXT_ARRAY)], &[(&all, Type::UUID_ARRAY)]);
    loop {
        let (_, rows) = together!(client.execute_typed(made, new), client.query_typed(locks, wanted))?;
        let read = |row: &Row| Ok((row.try_get::<_, Uuid>(0)?.as_u128(), locked_row(row)?));
        let locked = rows.iter().map(read).collect::<Result<HashMap<_, _>, Failure>>()?;
        // A row that was there may have been purged before it could be locked: it is made anew.
        if keys.iter().all(|key| locked.contains_key(&key.as_u128())) {
            return Ok(locked);
        }
    }
}

fn locked_row(row: &Row) -> Result<Locked, Failure> {
    let Some(inside) = row.try_get::<_, Option<i16>>(1)? else { return Ok(Locked::default()) };
    let likeness = Likeness(row.try_get::<_, Uuid>(2)?.as_u128());
    let ordered_at = row.try_get::<_, Option<i64>>(3)?.map(microsecond).transpose()?;
    let applied = EventRef {
        sequence: number(row, 4)?,
        received_at: millisecond(row.try_get(5)?)?,
        event_type: decoded(row, 6, &EventType::ALL)?,
    };
    let since = row.try_get::<_, Option<i64>>(8)?.map(|since| since as u64);
    Ok(Locked {
        known: Some(Known {
            standing: Standing { position: position(inside == 1), likeness, ordered_at },
            applied,
            head: number(row, 7)?,
        }),
        since: since.zip(optional(row, 9)?),
        heard_at: optional(row, 10)?,
    })
}

async fn clock(client: &Client, wanted: i64) -> Result<(Timestamp, Vec<u64>), Failure> {
    let sql = "SELECT journal_now(), ARRAY(SELECT nextval('record') FROM generate_series(1, $1))";
    let row = client.query_typed_one(sql, &[(&wanted, Type::INT8)]).await?;
    let numbers: Vec<i64> = row.try_get(1)?;
    Ok((millisecond(row.try_get(0)?)?, numbers.into_iter().map(|number| number as u64).collect()))
}

async fn repeated(client: &Client, keys: &[Uuid]) -> Result<HashMap<Key, EventRef>, Failure> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT key, event, received_at, event_type FROM message WHERE key = ANY ($1)";
    let rows = client.query_typed(sql, &[(&keys, Type::UUID_ARRAY)]).await?;
    let read = |row: &Row| {
        let event = EventRef {
            sequence: number(row, 1)?,
            received_at: millisecond(row.try_get(2)?)?,
            event_type: decoded(row, 3, &EventType::ALL)?,
        };
        Ok((row.try_get::<_, Uuid>(0)?.as_u128(), event))
    };
    rows.iter().map(read).collect()
}

async fn pending(client: &Client, orgs: BTreeSet<&str>) -> Result<HashMap<String, u64>, Failure> {
    if orgs.is_empty() {
        return Ok(HashMap::new());
    }
    let orgs: Vec<_> = orgs.into_iter().collect();
    let sql = "SELECT orgid, sum(pending)::bigint FROM figure WHERE orgid = ANY ($1) GROUP BY orgid";
    let rows = client.query_typed(sql, &[(&orgs, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, number(row, 1)?))).collect()
}
