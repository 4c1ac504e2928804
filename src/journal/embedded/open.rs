//! Opening: one process takes the files, what is derived is made, and the threads are started.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::watch;

use super::command::Shown;
use super::log::Log;
use super::standings::Standings;
use super::upkeep::{self, Keeper};
use super::writer::{self, Options, Writer};
use super::{Embedded, OpenError, Query, append, details, follow, recover, schema};
use crate::clock::Clock;
use crate::journal::Health;
use crate::journal::thread::ending_on_panic;

/// How many requests may wait for the writer before more are turned away.
const QUEUE: usize = 8_192;

/// How many queries run at once.
const READERS: usize = 2;

impl Embedded {
    /// Opens the journal at `path`, or makes it, and rebuilds what is derived as far as needed.
    ///
    /// # Errors
    /// When another process has it, when it is of a newer version, or when the files cannot be used.
    pub fn open(path: &Path, options: Options, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let index_path = beside(path, ".index");
        let (mut journal, identity) = append::open(path)?;
        details::reclaim(&journal, clock.now()).map_err(schema::sqlite(path))?;
        let (last, last_received) = append::end(&journal).map_err(schema::sqlite(path))?;
        let (mut index, progress) = follow::open(&index_path, &journal, &identity, last)?;
        let lanes =
            recover::lanes(&index, &journal, &identity, last_received, &*clock).map_err(schema::sqlite(&index_path))?;
        let (journal_reader, index_reader) = (schema::open_to_read(path)?, schema::open_to_read(&index_path)?);
        let standings = Standings::load(journal_reader, index_reader, identity, Arc::clone(&progress))
            .map_err(schema::sqlite(&index_path))?;
        let shown = Arc::new(Shown {
            health: Mutex::new(Health::Ready),
            asked: AtomicBool::new(true),
            pulse: Mutex::new(Vec::new()),
            wake: watch::Sender::new(0),
        });
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut writer = Writer {
            log: Log::watch(&mut journal, writer::LOG_PAGES).map_err(schema::sqlite(path))?,
            journal,
            identity,
            standings,
            lanes,
            progress: Arc::clone(&progress),
            shown: Arc::clone(&shown),
            clock: Arc::clone(&clock),
            options,
            folder: folder.to_owned(),
            last,
            last_received,
            synchronous: schema::Synchronous::Full,
            free_mb: None,
            failing: false,
        };
        writer.show_pulse();
        let (commands, taken) = mpsc::sync_channel(QUEUE);
        let (queries, asked) = mpsc::channel();
        let mut threads = vec![spawn("journal-writer", move || ending_on_panic(|| writer.run(&taken)))?];
        let keeper = Keeper {
            connection: reading(path, &index_path)?,
            identity,
            progress: Arc::clone(&progress),
            commands: commands.clone(),
            clock: Arc::clone(&clock),
        };
        let (jobs, wanted) = mpsc::channel();
        threads.push(spawn("journal-upkeep", move || upkeep::run(&keeper, &wanted))?);
        threads.extend(readers(path, &index_path, asked)?);
        let following = Arc::clone(&progress);
        let index_log = Log::watch(&mut index, follow::LOG_PAGES).map_err(schema::sqlite(&index_path))?;
        threads.push(spawn("journal-index", move || ending_on_panic(|| follow::run(index, index_log, &following)))?);
        let (queries, jobs) = (Mutex::new(Some(queries)), Mutex::new(Some(jobs)));
        Ok(Self { commands, queries, jobs, clock, identity, progress, shown, threads: Mutex::new(threads), lock })
    }
}

pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, ".lock");
    let io = |source| OpenError::Io { path: lock_path.display().to_string(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.display().to_string() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(OpenError::Thread)
}

fn readers(path: &Path, index: &Path, asked: mpsc::Receiver<Query>) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let asked = Arc::new(Mutex::new(asked));
    let reader = |_| {
        let connection = reading(path, index)?;
        let asked = Arc::clone(&asked);
        spawn("journal-reader", move || {
            loop {
                let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(query) = next else { return };
                query(&connection);
            }
        })
    };
    (0..READERS).map(reader).collect()
}

/// A connection for looking at the journal and its index together.
pub(super) fn reading(path: &Path, index: &Path) -> Result<Connection, OpenError> {
    let connection = schema::open_to_read(path)?;
    let attach = connection.execute("ATTACH DATABASE ?1 AS idx", [index.to_string_lossy()]);
    attach.map_err(schema::sqlite(index))?;
    Ok(connection)
}
