//! Opening a store file: pragmas, read back, and numbered schema files.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Why a store file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite refuses.
    #[error("{path}: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file system does something else than was asked for.
    #[error("{path}: asked SQLite for {pragma} = {wanted} and got {found}; use a local file system")]
    Pragma {
        /// The file.
        path: String,
        /// The setting.
        pragma: &'static str,
        /// What was asked for.
        wanted: String,
        /// What is in force.
        found: String,
    },
    /// A newer bridge wrote the file.
    #[error("{path} has schema {found} and this bridge knows {known} at most; start the newer version again")]
    Newer {
        /// The file.
        path: String,
        /// Its schema's number.
        found: usize,
        /// The highest number that is known.
        known: usize,
    },
    /// Another process has the journal.
    #[error("{path} is in use by another process; one bridge owns a journal at a time")]
    InUse {
        /// The lock's file.
        path: String,
    },
    /// The folder or the lock file cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A background thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// How hard a file's commits are pushed to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Synchronous {
    /// Each commit is synced.
    Full,
    /// Checkpoints alone are: a power cut may lose the last commits, never consistency.
    Normal,
}

impl Synchronous {
    /// What SQLite calls it.
    fn level(self) -> u8 {
        match self {
            Self::Full => 2,
            Self::Normal => 1,
        }
    }
}

/// Sets how hard the next commits of a connection are pushed to the disk.
pub(super) fn push(connection: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("PRAGMA synchronous = {}", synchronous.level()))
}

/// How long a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(5);

/// Opens or makes a store file in WAL mode and brings its schema up to date.
pub(super) fn open(path: &Path, synchronous: Synchronous, migrations: &[&str]) -> Result<Connection, OpenError> {
    create_private(path)?;
    let mut connection = Connection::open(path).map_err(sqlite(path))?;
    configure(&connection, path, synchronous)?;
    migrate(&mut connection, path, migrations)?;
    Ok(connection)
}

/// Opens a store file that exists, for looking only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite(path))?;
    connection.busy_timeout(BUSY).map_err(sqlite(path))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Who may read the journal knows who applied where: a new file is its owner's only. SQLite gives
/// the files beside it the same mode.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let created = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    match created {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(OpenError::Io { path: path.display().to_string(), source })
        }
        _ => Ok(()),
    }
}

/// Moves everything from the write-ahead log into the file itself.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Empties the write-ahead log; `false` where readers hold on to it for longer than `within`.
pub(super) fn truncate_log(connection: &Connection, within: Duration) -> rusqlite::Result<bool> {
    connection.busy_timeout(within)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY)?;
    Ok(!busy?)
}

fn configure(connection: &Connection, path: &Path, synchronous: Synchronous) -> Result<(), OpenError> {
    connection.busy_timeout(BUSY).map_err(sqlite(path))?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(sqlite(path))?;
    expect(path, "journal_mode", "wal", mode)?;
    // What is deleted is overwritten, as erasure promises.
    connection.execute_batch("PRAGMA secure_delete = ON").map_err(sqlite(path))?;
    push(connection, synchronous).map_err(sqlite(path))?;
    let found: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).map_err(sqlite(path))?;
    expect(path, "synchronous", &synchronous.level().to_string(), found.to_string())
}

fn expect(path: &Path, pragma: &'static str, wanted: &str, found: String) -> Result<(), OpenError> {
    if found == wanted {
        return Ok(());
    }
    Err(OpenError::Pragma { path: path.display().to_string(), pragma, wanted: wanted.into(), found })
}

fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), OpenError> {
    let found: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite(path))?;
    if found > migrations.len() {
        return Err(OpenError::Newer { path: path.display().to_string(), found, known: migrations.len() });
    }
    for (number, sql) in migrations.iter().enumerate().skip(found) {
        let transaction = connection.transaction().map_err(sqlite(path))?;
        transaction.execute_batch(sql).map_err(sqlite(path))?;
        transaction.pragma_update(None, "user_version", number + 1).map_err(sqlite(path))?;
        transaction.commit().map_err(sqlite(path))?;
    }
    Ok(())
}

/// Names the file in an error of SQLite.
pub(super) fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    let path = path.display().to_string();
    move |source| OpenError::Sqlite { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_newer_schema_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let two = ["CREATE TABLE a (x)", "CREATE TABLE b (x)"];
        drop(open(&path, Synchronous::Full, &two).unwrap());
        drop(open(&path, Synchronous::Full, &two).unwrap());
        let refused = open(&path, Synchronous::Full, &two[..1]).unwrap_err().to_string();
        assert!(refused.contains("j.db has schema 2 and this bridge knows 1"), "{refused}");
    }

    #[test]
    fn a_failed_migration_leaves_the_schema_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        assert!(open(&path, Synchronous::Full, &["CREATE TABLE a (x)", "CREATE TABLE c (x); nonsense"]).is_err());
        let connection = open(&path, Synchronous::Full, &["CREATE TABLE a (x)", "CREATE TABLE c (x)"]).unwrap();
        connection.execute("INSERT INTO c VALUES (1)", []).unwrap();
    }
}
