//! The write-ahead log of a store file, emptied by whoever writes the file.
//!
//! SQLite would empty it by itself after a commit, and would keep it to itself when the disk does
//! not confirm the file's sync: the log would grow for ever and nobody would know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;
use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};

/// How long the log of one connection's file is.
pub(super) struct Log {
    pages: Arc<AtomicU32>,
    limit: u32,
    failed: bool,
}

impl Log {
    /// Watches the log of this connection's file, which from now on is emptied by
    /// [`empty_if_long`](Self::empty_if_long) alone, once it has `limit` pages.
    pub(super) fn watch(connection: &mut Connection, limit: u32) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pages);
        // A hook takes the place of SQLite's own, which is what empties the log otherwise.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            counted.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { pages, limit, failed: false })
    }

    /// Moves what readers allow from the log into the file, once the log is long enough. What fails
    /// is tried again after the next commit; only a sync that fails is an error.
    pub(super) fn empty_if_long(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.pages.load(Ordering::Relaxed) < self.limit {
            return Ok(());
        }
        self.pages.store(0, Ordering::Relaxed);
        let emptied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        let failed = std::mem::replace(&mut self.failed, emptied.is_err());
        match emptied {
            Err(error) if is_unsynced(&error) => Err(error),
            Err(error) if !failed => {
                tracing::warn!(%error, "a write-ahead log cannot be emptied yet, and grows");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether an error says that the disk did not confirm a sync: nobody knows then what is on it.
pub(super) fn is_unsynced(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| [SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC].contains(&code))
}
