//! The index follows the journal on a thread of its own, so that it never holds up an accept.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;

use super::append::{self, Identity};
use super::fact::{self, Fact};
use super::log::{self, Log};
use super::schema::{self, OpenError, Synchronous};
use super::sweep::Sweep;
use crate::domain::OrgId;
use crate::journal::Unavailable;

/// The index is made anew rather than migrated: the steps to an earlier schema are empty, and the
/// last one fails on a file that has tables.
const MIGRATIONS: &[&str] = &["", include_str!("index/0002.sql")];

/// How many facts make a sweep while messages keep coming.
const SWEEP: usize = 50_000;

/// How long nothing new must have come for a smaller sweep.
const IDLE: Duration = Duration::from_millis(300);

/// Small checkpoints, in pages: large ones stall the journal's fsync on the same disk.
pub(super) const LOG_PAGES: u32 = 2_000;

/// How long a query waits for the index before it is told that the store fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far the journal and its index are; shared by the writer, the follower and the readers.
#[derive(Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// Signals the follower.
    news: Condvar,
    /// Signals those who wait for the index.
    advanced: Condvar,
    applied: AtomicU64,
}

#[derive(Default)]
struct State {
    facts: Vec<Fact>,
    committed: u64,
    wanted: u64,
    closing: bool,
    failure: Option<String>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The last record that the index holds.
    pub(super) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Takes over the facts of a committed batch whose last record is `committed`.
    pub(super) fn push(&self, facts: &mut Vec<Fact>, committed: u64) {
        let mut state = self.lock();
        state.facts.append(facts);
        state.committed = committed;
        if state.facts.len() >= SWEEP {
            self.news.notify_one();
        }
    }

    /// Waits until the index holds everything that is committed now.
    pub(super) fn catch_up(&self) -> Result<(), Unavailable> {
        let mut state = self.lock();
        let target = state.committed;
        if self.applied() >= target {
            return Ok(());
        }
        state.wanted = state.wanted.max(target);
        self.news.notify_one();
        // While the index cannot be written nobody waits for it: the follower tries on by itself.
        let waiting = |state: &mut State| self.applied() < target && state.failure.is_none();
        let (state, timeout) = match self.advanced.wait_timeout_while(state, PATIENCE, waiting) {
            Ok(done) => done,
            Err(poisoned) => poisoned.into_inner(),
        };
        if timeout.timed_out() || self.applied() < target {
            let failure = state.failure.clone().unwrap_or_else(|| "its index is behind".into());
            return Err(Unavailable::Failing(failure));
        }
        Ok(())
    }

    /// Makes the follower finish and end.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.news.notify_all();
    }

    /// The next facts to apply, with the record they reach to; `None` when closing and done.
    fn take(&self) -> Option<(Vec<Fact>, u64)> {
        let mut state = self.lock();
        let mut seen = (state.facts.len(), Instant::now());
        loop {
            let waited_for = state.wanted > self.applied() || state.closing;
            // Some records, such as a gate's, say nothing to the index but are behind it all the same.
            let behind = state.committed > self.applied();
            let idle = seen.1.elapsed() >= IDLE && behind;
            if state.facts.len() >= SWEEP || idle || (waited_for && behind) {
                return Some((std::mem::take(&mut state.facts), state.committed));
            }
            if state.closing {
                return None;
            }
            state = match self.news.wait_timeout(state, IDLE) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if state.facts.len() != seen.0 {
                seen = (state.facts.len(), Instant::now());
            }
        }
    }

    fn advance(&self, upto: u64) {
        let mut state = self.lock();
        state.failure = None;
        self.applied.store(upto, Ordering::Release);
        self.advanced.notify_all();
    }
}

/// Opens the index and brings it up to the journal's end; makes it anew where it is missing, damaged
/// or of another journal.
pub(super) fn open(
    path: &Path,
    journal: &Connection,
    identity: &Identity,
    end: u64,
) -> Result<(Connection, Arc<Progress>), OpenError> {
    let removed_upto = append::removed_upto(journal).map_err(schema::sqlite(path))?;
    let mut index = match try_open(path, identity, removed_upto..=end) {
        Ok(index) => index,
        Err(reason) => {
            if path.exists() {
                tracing::warn!(index = %path.display(), %reason, "making the journal's index anew");
            }
            remove(path)?;
            create(path, journal, identity).map_err(schema::sqlite(path))??
        }
    };
    let applied = replay(&mut index, journal, identity, end).map_err(schema::sqlite(path))?;
    let progress = Progress::default();
    progress.lock().committed = applied;
    progress.advance(applied);
    Ok((index, Arc::new(progress)))
}

/// Opens an index that reaches to one of these records.
fn try_open(path: &Path, identity: &Identity, reach: RangeInclusive<u64>) -> Result<Connection, String> {
    if !path.exists() {
        return Err("it does not exist".into());
    }
    let index = schema::open(path, Synchronous::Normal, MIGRATIONS).map_err(|error| error.to_string())?;
    let query = index.query_row("SELECT journal_tag, applied FROM progress", [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (tag, applied): (u32, u64) = query.map_err(|error| error.to_string())?;
    if tag != identity.tag {
        return Err("it belongs to another journal".into());
    }
    if applied > *reach.end() {
        return Err("it is ahead of the journal, as after a power cut".into());
    }
    if applied < *reach.start() {
        // What is removed leaves no record from which the index could learn it later.
        return Err("it did not see everything that was removed from the journal".into());
    }
    tune(&index).map_err(|error| error.to_string())?;
    Ok(index)
}

fn create(path: &Path, journal: &Connection, identity: &Identity) -> rusqlite::Result<Result<Connection, OpenError>> {
    let index = match schema::open(path, Synchronous::Normal, MIGRATIONS) {
        Ok(index) => index,
        Err(error) => return Ok(Err(error)),
    };
    index.execute("INSERT INTO progress VALUES (?1, 0)", [identity.tag])?;
    start_figures(&index, journal)?;
    tune(&index)?;
    Ok(Ok(index))
}

/// The figures begin with those of what the journal no longer holds.
fn start_figures(index: &Connection, journal: &Connection) -> rusqlite::Result<()> {
    let mut removed =
        journal.prepare("SELECT orgid, accepted, delivered, late, last_message_at, last_started_at FROM removed")?;
    let mut start = index.prepare("INSERT INTO organisation VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)")?;
    let mut rows = removed.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..6).map(|column| row.get::<_, rusqlite::types::Value>(column));
        start.execute(rusqlite::params_from_iter(values.collect::<rusqlite::Result<Vec<_>>>()?))?;
    }
    Ok(())
}

/// When each organisation's last message came.
pub(super) fn last_messages(index: &Connection) -> rusqlite::Result<Vec<(OrgId, Timestamp)>> {
    let mut statement =
        index.prepare("SELECT orgid, last_message_at FROM organisation WHERE last_message_at IS NOT NULL")?;
    statement.query_map([], |row| Ok((append::organisation(row, 0)?, append::millisecond(row, 1)?)))?.collect()
}

fn tune(index: &Connection) -> rusqlite::Result<()> {
    index.execute_batch(&format!("PRAGMA wal_autocheckpoint = {LOG_PAGES}; PRAGMA cache_size = -16384"))
}

fn remove(path: &Path) -> Result<(), OpenError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::Io { path: path.display().to_string(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn replay(index: &mut Connection, journal: &Connection, identity: &Identity, end: u64) -> rusqlite::Result<u64> {
    let mut applied: u64 = index.query_row("SELECT applied FROM progress", [], |row| row.get(0))?;
    while applied < end {
        let upto = end.min(applied + SWEEP as u64);
        Sweep::of(&fact::of_records(journal, identity, applied, upto)?).apply(index, upto)?;
        applied = upto;
    }
    Ok(applied)
}

/// Follows until [`Progress::close`]. A sweep that fails is tried again: nothing of it is lost,
/// since the journal holds it all.
pub(super) fn run(mut index: Connection, mut log: Log, progress: &Progress) {
    while let Some((facts, upto)) = progress.take() {
        let sweep = Sweep::of(&facts);
        drop(facts);
        while let Err(error) = sweep.apply(&mut index, upto) {
            end_if_unsynced(&index, &error);
            tracing::error!(%error, "the journal's index cannot be written; trying again");
            let mut state = progress.lock();
            state.failure = Some(error.to_string());
            if state.closing {
                return;
            }
            drop(progress.news.wait_timeout(state, Duration::from_secs(1)));
        }
        progress.advance(upto);
        if let Err(error) = log.empty_if_long(&index) {
            end_if_unsynced(&index, &error);
        }
    }
    // The index is disposable: what stays in its log is read back from there.
    if let Err(error) = schema::checkpoint(&index) {
        end_if_unsynced(&index, &error);
    }
}

/// An index that may not be on the disk as it seems to be is made anew by the next process: what
/// waits and where applications stand is read from it.
fn end_if_unsynced(index: &Connection, error: &rusqlite::Error) {
    if log::is_unsynced(error) {
        let removed = index.path().map(|path| remove(Path::new(path)));
        tracing::error!(%error, ?removed, "the journal's index cannot be synced to the disk; ending, to make it anew");
        std::process::exit(1);
    }
}
