//! The tables, made and brought up to date by whoever comes first.

use std::cmp::Ordering;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::link::{Failure, Values};
use crate::journal::keys::Keys;

/// The versions of the schema: what makes each, and the oldest that bridges may still work with it.
const MIGRATIONS: &[(&str, i32)] = &[
    (include_str!("migrations/0001.sql"), 1),
    (include_str!("migrations/0002.sql"), 1),
    (include_str!("migrations/0003.sql"), 1),
    (include_str!("migrations/0004.sql"), 1),
    (include_str!("migrations/0005.sql"), 1),
];

/// Whoever migrates holds this lock until its transaction ends; it is only a number that no other
/// user of the database is likely to take.
const LOCK: i64 = 0x1497_e2b2_1d9e_0005;

/// The version that bridges must know while a journal is moved here: none does.
const MOVING: i32 = i32::MAX;

/// Why the tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    /// The database says no.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// A newer bridge has changed them.
    #[error(
        "the journal is of version {found}, which bridges of version {works_with} or later can use, \
         and this one knows version {known}; start the newer bridge"
    )]
    Newer { found: i32, works_with: i32, known: usize },
    /// The database cannot hold every text.
    #[error(
        "the database's encoding is {0}, which cannot hold every text; make one with ENCODING 'UTF8' \
         (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)"
    )]
    Encoding(String),
    /// The user may not make the tables.
    #[error(
        "the user {0} may not make tables in this database; GRANT CREATE ON its schema, or let another user start the bridge once"
    )]
    NoRight(String),
    /// A journal is on its way here.
    #[error("a journal is being moved into this database; let `imper-bridge move` come to its end first")]
    Moving,
}

/// What is fixed for the life of a journal.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    pub(super) tag: u32,
    pub(super) keys: Keys,
}

/// Brings the tables up to date. Any number of bridges may do so at once: all but one wait.
pub(super) async fn migrate(client: &mut Client) -> Result<Identity, SchemaError> {
    let transaction = client.transaction().await.map_err(Failure::from)?;
    let within = transaction.client();
    lock(within).await?;
    make(within).await?;
    let identity = identity(within).await?;
    transaction.commit().await.map_err(Failure::from)?;
    Ok(identity)
}

/// Waits until nobody else makes tables, and keeps others from it until the transaction ends.
pub(super) async fn lock(within: &Client) -> Result<(), Failure> {
    within.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    Ok(())
}

/// Makes the tables, or what they lack.
pub(super) async fn make(within: &Client) -> Result<(), SchemaError> {
    encoding(within).await?;
    let made = "CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL, works_with integer NOT NULL)";
    within.batch_execute(made).await.map_err(Failure::from)?;
    let found = usable(version(within).await?)?;
    for (sql, _) in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        within.batch_execute(sql).await.map_err(Failure::from)?;
    }
    if (found as usize) < MIGRATIONS.len() { Ok(release(within).await?) } else { Ok(()) }
}

/// Refuses a database in which there is no room for some character.
async fn encoding(within: &Client) -> Result<(), SchemaError> {
    let row = within.query_typed_one("SELECT current_setting('server_encoding')", &[]).await.map_err(Failure::from)?;
    let encoding: String = row.try_get(0).map_err(Failure::from)?;
    if encoding == "UTF8" { Ok(()) } else { Err(SchemaError::Encoding(encoding)) }
}

/// Refuses a user who could not make the tables.
async fn right_to_make(client: &Client) -> Result<(), SchemaError> {
    let sql = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), current_user::text";
    let row = client.query_typed_one(sql, &[]).await.map_err(Failure::from)?;
    let (may, user): (bool, String) =
        row.try_get(0).and_then(|may| Ok((may, row.try_get(1)?))).map_err(Failure::from)?;
    if may { Ok(()) } else { Err(SchemaError::NoRight(user)) }
}

/// What there is of a journal.
pub(super) enum Found {
    /// A part of one that is moved here.
    Moving,
    Whole,
}

/// Looks for a journal.
pub(super) async fn found(within: &Client) -> Result<Option<Found>, Failure> {
    let there = within.query_typed_one("SELECT to_regclass('schema_version') IS NOT NULL", &[]).await?;
    if !there.try_get(0)? {
        return Ok(None);
    }
    let (_, works_with) = version(within).await?;
    Ok(Some(if works_with == MOVING { Found::Moving } else { Found::Whole }))
}

/// Keeps all bridges away: a journal is moved here.
pub(super) async fn reserve(within: &Client) -> Result<(), Failure> {
    within.query_typed("UPDATE schema_version SET works_with = $1", &[(&MOVING, Type::INT4)]).await?;
    Ok(())
}

/// Says that the tables are those of this version.
pub(super) async fn release(within: &Client) -> Result<(), Failure> {
    let (known, works_with) = (MIGRATIONS.len(), MIGRATIONS[MIGRATIONS.len() - 1].1);
    let sql = format!(
        "DELETE FROM schema_version; INSERT INTO schema_version (version, works_with) VALUES ({known}, {works_with})"
    );
    within.batch_execute(&sql).await?;
    Ok(())
}

/// How the tables stand to the version that this bridge knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// There are none: the next start makes them.
    Missing,
    /// They are of an earlier version: the next start brings them up to date.
    Behind,
    /// They are of its version.
    Current,
    /// A newer bridge has made them this version, which bridges of this one may still use.
    Ahead(i32),
}

/// Looks how the tables stand.
pub(super) async fn tables(client: &Client) -> Result<Tables, SchemaError> {
    let there = client.query_typed_one("SELECT to_regclass('schema_version') IS NOT NULL", &[]).await;
    let there: bool = there.and_then(|row| row.try_get(0)).map_err(Failure::from)?;
    let found = if there { usable(version(client).await?)? } else { 0 };
    encoding(client).await?;
    if (found as usize) < MIGRATIONS.len() {
        right_to_make(client).await?;
    }
    if found == 0 {
        return Ok(Tables::Missing);
    }
    Ok(match found.cmp(&(MIGRATIONS.len() as i32)) {
        Ordering::Less => Tables::Behind,
        Ordering::Equal => Tables::Current,
        Ordering::Greater => Tables::Ahead(found),
    })
}

/// The version that was found, where this bridge can work with it.
fn usable((found, works_with): (i32, i32)) -> Result<i32, SchemaError> {
    let known = MIGRATIONS.len();
    if works_with == MOVING {
        return Err(SchemaError::Moving);
    }
    if works_with > known as i32 { Err(SchemaError::Newer { found, works_with, known }) } else { Ok(found) }
}

async fn version(client: &Client) -> Result<(i32, i32), Failure> {
    let rows = client.query_typed("SELECT version, works_with FROM schema_version", &[]).await?;
    let read = |row: &Row| Ok::<_, Failure>((row.try_get(0)?, row.try_get(1)?));
    rows.first().map_or(Ok((0, 0)), read)
}

async fn identity(client: &Client) -> Result<Identity, Failure> {
    let rows = client.query_typed("SELECT tag, hash_key FROM journal", &[]).await?;
    if let Some(row) = rows.first() {
        let key: &[u8] = row.try_get(1)?;
        let key = key.try_into().map_err(|_| Failure::Damaged("the hash key must have 16 bytes".into()))?;
        return Ok(Identity { tag: row.try_get::<_, i32>(0)? as u32, keys: Keys::new(key) });
    }
    let (mut key, mut tag) = ([0; 16], [0; 4]);
    let filled = getrandom::fill(&mut key).and_then(|()| getrandom::fill(&mut tag));
    filled.map_err(|error| Failure::Damaged(format!("the machine gives no random numbers: {error}")))?;
    let tag = u32::from_le_bytes(tag) & 0x3ff_ffff;
    let values: Values<'_> = &[(&(tag as i32), Type::INT4), (&&key[..], Type::BYTEA)];
    client.query_typed("INSERT INTO journal (tag, hash_key) VALUES ($1, $2)", values).await?;
    Ok(Identity { tag, keys: Keys::new(key) })
}
