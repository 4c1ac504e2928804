//! The embedded journal: two SQLite files and one writer thread.
//!
//! `journal.db` is append-only and the whole truth: each event with its decision, each attempt's
//! intent and result. Copied alone, with `sqlite3 journal.db ".backup copy.db"`, it is a complete
//! backup. The index beside it is derived and disposable: deleted, it is made anew at the start.
//!
//! - `append` alone knows the durable format.
//! - `writer` takes what waits, a commit for many requests; `turn` decides and appends each.
//! - `lanes` is what waits, in memory (`recover` makes it at the start); `standings` what is known of applications.
//! - `follow` and `sweep` carry committed `fact`s into the index, behind the writer.
//! - `gate` is what stops an organisation's deliveries.
//! - `details` is the lane in which a protection's details are read back: the one table whose rows change.
//! - `upkeep` finds what is to be replayed or may be removed (`removal`), and asks the writer for it
//!   as an `amendment`; `amend` is the durable format of these.
//! - `log` empties the files' write-ahead logs, and looks whether that succeeds.
//! - `refused` keeps what was refused, in a file of its own, and has nothing to do with the rest.
//! - `read` answers queries, on connections of its own; `source` reads all there is, to carry it
//!   into another store.

mod amend;
mod amendment;
mod append;
mod details;
mod fact;
mod follow;
mod gate;
mod keys;
mod lanes;
mod log;
mod read;
mod recover;
mod refused;
mod removal;
mod schema;
mod source;
mod standings;
mod sweep;
mod turn;
mod upkeep;
mod writer;

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use self::amendment::Amendment;
use self::append::Identity;
use self::follow::Progress;
use self::gate::Change;
use self::lanes::Seen;
use self::log::Log;
use self::standings::Standings;
use self::upkeep::{Job, Keeper};
use self::writer::{Command, Shown, Writer};
use super::{
    Actor, Ages, ApplicationFilter, ApplicationRecord, AttemptRecord, Claims, Cursor, Discarded, Erasure, EventFilter,
    EventRecord, Health, Incoming, Intake, Keep, OrganisationStats, Page, Promise, ProtectionFilter, ProtectionRecord,
    Pulse, Quota, Receipt, Records, Replay, Replayed, Settled, Settlement, Ticket, Turn, Unavailable, Upkeep,
    WaitingErasure, Work,
};
use crate::clock::Clock;
use crate::domain::{ApplicationId, CandidateId, EventId, OrgId};

pub use refused::RefusedFile;
pub use schema::OpenError;
pub use source::Source;
pub use writer::Options;

/// How many requests may wait for the writer before more are turned away.
const QUEUE: usize = 8_192;

/// How many queries run at once.
const READERS: usize = 2;

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// A journal in two SQLite files, owned by one process.
pub struct Embedded {
    commands: SyncSender<Command>,
    queries: Mutex<Option<mpsc::Sender<Query>>>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    clock: Arc<dyn Clock>,
    identity: Identity,
    progress: Arc<Progress>,
    shown: Arc<Shown>,
    /// The writer, upkeep, the readers, the follower: the order in which they end.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held for as long as the journal is open.
    lock: File,
}

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

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.shown.pulse.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn keep<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Keeper) -> Result<T, Unavailable> + Send + 'static,
    ) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        if let Some(jobs) = &*self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            let _ = jobs.send(Box::new(move |keeper| promise.keep(job(keeper))));
        }
        ticket
    }

    fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection, &Identity) -> rusqlite::Result<T> + Send + 'static,
    ) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        let (progress, identity) = (Arc::clone(&self.progress), self.identity);
        let query: Query = Box::new(move |connection| {
            let caught_up = progress.catch_up();
            let asked = || ask(connection, &identity).map_err(|error| Unavailable::Failing(error.to_string()));
            promise.keep(caught_up.and_then(|()| asked()));
        });
        // Once closed, the query is dropped, and its ticket says that the journal stopped.
        if let Some(queries) = &*self.queries.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            let _ = queries.send(query);
        }
        ticket
    }

    fn ask<T>(&self, command: impl FnOnce(Promise<T>) -> Command) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        match self.commands.try_send(command(promise)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(command)) => command.refuse(&Unavailable::Busy),
        }
        ticket
    }
}

impl Intake for Embedded {
    fn accept(&self, incoming: Incoming) -> Result<Ticket<Receipt>, Unavailable> {
        let (promise, ticket) = Ticket::new();
        let message = Box::new(self.identity.keys.keyed(incoming));
        match self.commands.try_send(Command::Accept(message, promise)) {
            Ok(()) => Ok(ticket),
            Err(TrySendError::Full(_)) => Err(Unavailable::Busy),
            Err(TrySendError::Disconnected(_)) => Err(Unavailable::Stopped),
        }
    }

    fn health(&self) -> Health {
        self.shown.asked.store(true, Ordering::Relaxed);
        self.shown.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Work for Embedded {
    fn claim(&self, quota: Quota, lease: Duration) -> Ticket<Claims> {
        self.ask(|promise| Command::Claim(quota, lease, promise))
    }

    fn settle(&self, settlement: Settlement) -> Ticket<Settled> {
        self.ask(|promise| Command::Settle(Box::new(settlement), promise))
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.shown.wake.subscribe()
    }
}

impl Records for Embedded {
    fn events(&self, filter: EventFilter, before: Option<Cursor>, limit: usize) -> Ticket<Page<EventRecord>> {
        self.query(move |connection, identity| read::events(connection, identity, &filter, before, limit))
    }

    fn event(&self, id: EventId) -> Ticket<Option<(EventRecord, Vec<AttemptRecord>)>> {
        self.query(move |connection, identity| read::event(connection, identity, id))
    }

    fn protections(
        &self,
        filter: ProtectionFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Ticket<Page<ProtectionRecord>> {
        self.query(move |connection, identity| read::protections(connection, identity, &filter, after, limit))
    }

    fn in_interview(
        &self,
        filter: ApplicationFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Ticket<Page<ApplicationRecord>> {
        self.query(move |connection, identity| read::in_interview(connection, identity, &filter, after, limit))
    }

    fn application(&self, org: OrgId, application: ApplicationId) -> Ticket<Option<ApplicationRecord>> {
        self.query(move |connection, identity| read::application(connection, identity, &org, &application))
    }

    fn stats(&self, ages: Ages) -> Ticket<Vec<OrganisationStats>> {
        let (seen, old) = (self.seen().clone(), read::Old::at(self.clock.now(), ages));
        self.query(move |connection, identity| read::stats(connection, identity, &seen, &old))
    }

    fn pulse(&self) -> Vec<Pulse> {
        self.seen().iter().map(|seen| seen.pulse.clone()).collect()
    }
}

impl Upkeep for Embedded {
    fn replay(&self, replay: Replay) -> Ticket<Replayed> {
        self.keep(|keeper| keeper.replay(replay))
    }

    fn discard(&self, id: EventId, waiting: bool, actor: Actor) -> Ticket<Discarded> {
        self.keep(move |keeper| keeper.discard(id, waiting, actor))
    }

    fn turn(&self, turn: Turn, actor: Actor) -> Ticket<()> {
        let amendment = match turn {
            Turn::Pause(org) => Amendment::Gate { org, change: Change::Paused, actor },
            Turn::Resume(org) => Amendment::Gate { org, change: Change::Resumed, actor },
            Turn::SetUpRead => Amendment::SetUpRead { actor },
        };
        self.ask(|promise| Command::Turn(Box::new(amendment), promise))
    }

    fn erase(&self, org: OrgId, candidate: CandidateId, actor: Actor) -> Ticket<u64> {
        self.keep(move |keeper| keeper.erase(org, candidate, actor))
    }

    fn waiting_erasures(&self) -> Ticket<Vec<WaitingErasure>> {
        self.keep(Keeper::waiting_erasures)
    }

    fn finish_erasure(&self, number: u64, undelivered: bool) -> Ticket<Option<Erasure>> {
        self.keep(move |keeper| keeper.finish_erasure(number, undelivered))
    }

    fn erasures(&self, limit: usize) -> Ticket<Vec<Erasure>> {
        self.query(move |connection, _| amend::erasures(connection, limit))
    }

    fn purge(&self, older_than: Duration) -> Ticket<u64> {
        self.keep(move |keeper| keeper.purge(older_than))
    }

    fn forget_details(&self, keep: Keep) -> Ticket<u64> {
        self.keep(move |keeper| keeper.forget_details(&keep))
    }

    fn close(&self) {
        // What upkeep has begun ends with the writer; it begins nothing more.
        self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        // A full queue is waited for: what stands in it was taken.
        let _ = self.commands.send(Command::Close);
        self.queries.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let mut threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let follower = threads.pop();
        // A thread that panicked has ended the process already.
        threads.into_iter().for_each(|thread| drop(thread.join()));
        // Only now: readers may still wait for what the writer wrote last.
        self.progress.close();
        follower.map(JoinHandle::join);
        // Closing the file would not do: a child that is being started holds it until it runs its own program.
        let _ = self.lock.unlock();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, ".lock");
    let io = |source| OpenError::Io { path: lock_path.display().to_string(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.display().to_string() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(OpenError::Thread)
}

/// A writer or follower that panics leaves requests unanswered and the journal without an owner:
/// the process ends, and its successor reads what is on disk.
fn ending_on_panic(work: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!("a thread of the journal panicked; ending");
        std::process::exit(1);
    }
}

fn readers(path: &Path, index: &Path, asked: mpsc::Receiver<Query>) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let asked = Arc::new(Mutex::new(asked));
    let reader = |_| {
        let connection = reading(path, index)?;
        let asked = Arc::clone(&asked);
        spawn("journal-reader", move || {
            loop {
                let next = asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
                let Ok(query) = next else { return };
                query(&connection);
            }
        })
    };
    (0..READERS).map(reader).collect()
}

/// A connection for looking at the journal and its index together.
fn reading(path: &Path, index: &Path) -> Result<Connection, OpenError> {
    let connection = schema::open_to_read(path)?;
    let attach = connection.execute("ATTACH DATABASE ?1 AS idx", [index.to_string_lossy()]);
    attach.map_err(schema::sqlite(index))?;
    Ok(connection)
}
