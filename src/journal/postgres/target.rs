//! Taking in a journal that is carried here from another store.
//!
//! Until all of it is here and verified, the schema says that no bridge there is may work with it.
//! Each step is a transaction that also says how far it got, so that whoever comes after a kill goes
//! on from there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row as SqlRow};
use uuid::Uuid;

use super::gate::{self, Gate};
use super::link::{Failure, Link, Values};
use super::open::{self, OpenError, Options};
use super::schema::{self, SchemaError};
use crate::domain::OrgId;
use crate::journal::carried::{Gated, Kind, Origin, Row, Sum, Table, Value};
use crate::journal::keys::Keys;

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// How many rows are read at a time.
const FETCH: usize = 5_000;

/// Why a journal cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The database cannot be reached or says no.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is a journal that is whole.
    #[error("the database holds a journal already; name an empty one")]
    Journal,
    /// This journal is here already, as a whole.
    #[error("this journal was moved here already")]
    Moved,
    /// Somebody else's tables are there.
    #[error("the database holds {0} tables of something else; name an empty one")]
    Foreign(i64),
    /// Another journal is half-way here.
    #[error("another journal was begun to be moved into this database, or this one was used since; name an empty one")]
    Another,
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> Self {
        Self::Open(failure.into())
    }
}

impl From<SchemaError> for TargetError {
    fn from(error: SchemaError) -> Self {
        Self::Open(error.into())
    }
}

/// A database that takes a journal in.
pub struct Target {
    runtime: Runtime,
    link: Link,
    keys: Keys,
}

impl Target {
    /// Makes the tables, or finds those of the same journal that was moved in part.
    ///
    /// # Errors
    /// When the database does not answer, or holds anything else.
    pub fn open(options: &Options, origin: &Origin) -> Result<Self, TargetError> {
        let line = Arc::new(open::line(options)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OpenError::Thread)?;
        let mut link = Link::new(line, PATIENCE);
        runtime.block_on(link.transact(async |client| Ok(prepare(client, origin).await)))??;
        Ok(Self { runtime, link, keys: Keys::new(origin.hash_key) })
    }

    /// Up to which place a table's rows are here.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn upto(&mut self, table: &Table) -> Result<i64, TargetError> {
        let Self { runtime, link, .. } = self;
        let upto = runtime.block_on(link.ask(async |client| {
            let sql = "SELECT upto FROM moving WHERE name = $1";
            let row = client.query_typed_opt(sql, &[(&table.name, Type::TEXT)]).await?;
            Ok(row.map_or(Ok(i64::MIN), |row| row.try_get(0))?)
        }));
        Ok(upto?)
    }

    /// Takes rows in.
    ///
    /// # Errors
    /// When the database does not; then none of them is here.
    pub fn put(&mut self, table: &Table, rows: &[Row]) -> Result<(), TargetError> {
        let Self { runtime, link, .. } = self;
        Ok(runtime.block_on(link.transact(async |client| put(client, table, rows).await))?)
    }

    /// How many rows of a table are here, with their checksum.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn sum(&mut self, table: &Table) -> Result<Sum, TargetError> {
        let Self { runtime, link, keys } = self;
        Ok(runtime.block_on(link.transact(async |client| sum(client, table, keys).await))?)
    }

    /// Puts the gates as these changes leave them.
    ///
    /// # Errors
    /// When the database does not take them.
    pub fn gates(&mut self, gated: &[Gated]) -> Result<(), TargetError> {
        let Self { runtime, link, .. } = self;
        Ok(runtime.block_on(link.transact(async |client| gates(client, gated).await))?)
    }

    /// Lets bridges work with the journal.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn finish(mut self, origin: &Origin) -> Result<(), TargetError> {
        let next = origin.last.max(1) as i64;
        let done = self.link.transact(async |client| {
            client.query_typed("SELECT setval('record', $1)", &[(&next, Type::INT8)]).await?;
            let refused = "SELECT setval(pg_get_serial_sequence('refused', 'id'), (SELECT max(id) FROM refused))";
            client.query_typed(refused, &[]).await?;
            client.batch_execute("DROP TABLE moving").await?;
            schema::release(client).await
        });
        Ok(self.runtime.block_on(done)?)
    }
}

async fn prepare(client: &Client, origin: &Origin) -> Result<(), TargetError> {
    schema::lock(client).await?;
    match schema::found(client).await? {
        None => {
            let sql = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace";
            let others: i64 =
                client.query_typed_one(sql, &[]).await.and_then(|row| row.try_get(0)).map_err(Failure::from)?;
            if others > 0 {
                return Err(TargetError::Foreign(others));
            }
            begin(client, origin).await
        }
        Some(schema::Found::Moving) if same(client, origin).await? => Ok(()),
        Some(schema::Found::Moving) => Err(TargetError::Another),
        Some(schema::Found::Whole) if is_own(client, origin).await? => Err(TargetError::Moved),
        Some(schema::Found::Whole) => Err(TargetError::Journal),
    }
}

async fn begin(client: &Client, origin: &Origin) -> Result<(), TargetError> {
    schema::make(client).await?;
    schema::reserve(client).await?;
    let identity: Values<'_> = &[(&(origin.tag as i32), Type::INT4), (&&origin.hash_key[..], Type::BYTEA)];
    let done = async {
        client.query_typed("INSERT INTO journal (tag, hash_key) VALUES ($1, $2)", identity).await?;
        client.batch_execute("CREATE TABLE moving (name text PRIMARY KEY, upto bigint NOT NULL)").await?;
        let end: Values<'_> = &[(&(origin.last as i64), Type::INT8)];
        client.query_typed("INSERT INTO moving VALUES ('', $1)", end).await
    };
    done.await.map_err(Failure::from)?;
    Ok(())
}

/// Whether it is this journal that is half-way here, and it has not been used since.
async fn same(client: &Client, origin: &Origin) -> Result<bool, Failure> {
    let sql = "SELECT tag, hash_key, upto FROM journal, moving WHERE name = ''";
    let Some(row) = client.query_typed_opt(sql, &[]).await? else { return Ok(false) };
    let (tag, last): (i32, i64) = (row.try_get(0)?, row.try_get(2)?);
    let hash_key: &[u8] = row.try_get(1)?;
    Ok(tag as u32 == origin.tag && hash_key == origin.hash_key && last as u64 == origin.last)
}

/// Whether the journal that is here came out of the same file.
async fn is_own(client: &Client, origin: &Origin) -> Result<bool, Failure> {
    let row = client.query_typed_opt("SELECT tag, hash_key FROM journal", &[]).await?;
    let Some(row) = row else { return Ok(false) };
    let (tag, hash_key): (i32, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    Ok(tag as u32 == origin.tag && hash_key == origin.hash_key)
}

async fn put(client: &Client, table: &Table, rows: &[Row]) -> Result<(), Failure> {
    let Some(last) = rows.last() else { return Ok(()) };
    let columns: Vec<_> = (0..table.columns.len()).map(|nth| column(table.columns[nth].1, rows, nth)).collect();
    let values: Vec<_> = columns.iter().map(|(values, of)| (&**values, of.clone())).collect();
    let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    let places: Vec<_> = (1..=names.len()).map(|nth| format!("${nth}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({})",
        table.name,
        names.join(", "),
        places.join(", ")
    );
    client.execute_typed(&sql, &values).await?;
    let upto = "INSERT INTO moving VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET upto = excluded.upto";
    client.execute_typed(upto, &[(&table.name, Type::TEXT), (&last.place, Type::INT8)]).await?;
    Ok(())
}

/// The values of a column, as one array.
fn column(kind: Kind, rows: &[Row], nth: usize) -> (Box<dyn ToSql + Sync>, Type) {
    let values = rows.iter().map(|row| &row.values[nth]);
    match kind {
        Kind::Int => {
            let of = |value: &Value| if let Value::Int(value) = value { Some(*value) } else { None };
            (Box::new(values.map(of).collect::<Vec<_>>()), Type::INT8_ARRAY)
        }
        Kind::Bool => {
            let of = |value: &Value| if let Value::Bool(value) = value { Some(*value) } else { None };
            (Box::new(values.map(of).collect::<Vec<_>>()), Type::BOOL_ARRAY)
        }
        Kind::Text => {
            let of = |value: &Value| if let Value::Text(value) = value { Some(value.clone()) } else { None };
            (Box::new(values.map(of).collect::<Vec<_>>()), Type::TEXT_ARRAY)
        }
        Kind::Key => {
            let of = |value: &Value| if let Value::Key(value) = value { Some(Uuid::from_u128(*value)) } else { None };
            (Box::new(values.map(of).collect::<Vec<_>>()), Type::UUID_ARRAY)
        }
    }
}

async fn sum(client: &Client, table: &Table, keys: &Keys) -> Result<Sum, Failure> {
    let cast =
        |(name, kind): &(&str, Kind)| if *kind == Kind::Int { format!("{name}::bigint") } else { (*name).into() };
    let names: Vec<String> = table.columns.iter().map(cast).collect();
    let cursor = format!("DECLARE carried NO SCROLL CURSOR FOR SELECT {} FROM {}", names.join(", "), table.name);
    client.batch_execute(&cursor).await?;
    let mut sum = Sum::default();
    loop {
        let rows = client.query_typed(&format!("FETCH {FETCH} FROM carried"), &[]).await?;
        for row in &rows {
            let kinds = table.columns.iter().enumerate();
            let values = kinds.map(|(nth, (_, kind))| value(*kind, row, nth)).collect::<Result<Vec<_>, _>>()?;
            sum.add(keys, &values);
        }
        if rows.is_empty() {
            client.batch_execute("CLOSE carried").await?;
            return Ok(sum);
        }
    }
}

fn value(kind: Kind, row: &SqlRow, nth: usize) -> Result<Value, Failure> {
    let value = match kind {
        Kind::Int => row.try_get::<_, Option<i64>>(nth)?.map(Value::Int),
        Kind::Bool => row.try_get::<_, Option<bool>>(nth)?.map(Value::Bool),
        Kind::Text => row.try_get::<_, Option<String>>(nth)?.map(Value::Text),
        Kind::Key => row.try_get::<_, Option<Uuid>>(nth)?.map(|key| Value::Key(key.as_u128())),
    };
    Ok(value.unwrap_or(Value::None))
}

async fn gates(client: &Client, gated: &[Gated]) -> Result<(), Failure> {
    client.batch_execute("DELETE FROM pause; DELETE FROM gate").await?;
    let mut gates: BTreeMap<&OrgId, Gate> = BTreeMap::new();
    for Gated { at, org, change, reason } in gated {
        let gate = gates.entry(org).or_default();
        if let Some(over) = gate.apply(change, reason.as_deref(), *at) {
            gate::lock(client, org).await?;
            gate::store(client, org, gate, Some(over)).await?;
        }
    }
    for (org, gate) in gates {
        gate::lock(client, org).await?;
        gate::store(client, org, &gate, None).await?;
    }
    Ok(())
}
