//! The refused messages beside the embedded journal: a SQLite file of their own, with its own thread.
//!
//! Nothing of the journal waits for it, and it holds back nobody: what finds too many waiting is
//! lost, and under a flood the thread pauses between its writes, so that the disk stays the
//! journal's.

mod ring;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use self::ring::Ring;
use super::open::{beside, spawn};
use super::schema::OpenError;
use crate::clock::Clock;
use crate::domain::OrgId;
use crate::journal::refused::{Refused, RefusedFilter, RefusedHead, RefusedRecord};
use crate::journal::{Cursor, Page, Ticket, Unavailable};

/// How many messages may wait to be written.
const MOST_WAITING: usize = 256;

/// How many commands are taken at once; after as many the thread pauses.
const BATCH: usize = 64;

/// For how long.
const PAUSE: Duration = Duration::from_millis(100);

/// How often what is too old is looked for while nothing else happens.
const PURGE_EVERY: Duration = Duration::from_secs(600);

type Query = Box<dyn FnOnce(&Ring) + Send>;

/// When it was refused, what is known of it, and its text.
type Message = (Timestamp, RefusedHead, String);

enum Command {
    Keep(Box<Message>),
    Query(Query),
    Close,
}

/// The refused messages of an embedded journal.
pub struct RefusedFile {
    commands: Sender<Command>,
    waiting: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RefusedFile {
    /// Opens the file beside the journal at `journal`, or makes it; messages are kept for `keep`.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(journal: &Path, keep: Duration, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let ring = Ring::open(&beside(journal, ".refused"), keep, Arc::clone(&clock))?;
        let (commands, taken) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let thread = spawn("journal-refused", move || run(ring, &taken, &counted))?;
        Ok(Self { commands, waiting, clock, thread: Mutex::new(Some(thread)) })
    }

    /// Removes the file beside the journal, with whatever an earlier configuration let be kept.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(journal: &Path) -> std::io::Result<()> {
        for suffix in [".refused", ".refused-wal", ".refused-shm"] {
            match std::fs::remove_file(beside(journal, suffix)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn query<T: Send + 'static>(&self, ask: impl FnOnce(&Ring) -> rusqlite::Result<T> + Send + 'static) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        let query: Query =
            Box::new(|ring| promise.keep(ask(ring).map_err(|error| Unavailable::Failing(error.to_string()))));
        // Once closed, the query is dropped, and its ticket says so.
        let _ = self.commands.send(Command::Query(query));
        ticket
    }
}

impl Refused for RefusedFile {
    fn keep(&self, head: RefusedHead, text: String) -> bool {
        let free = |waiting| (waiting < MOST_WAITING).then_some(waiting + 1);
        let room = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_ok();
        room && self.commands.send(Command::Keep(Box::new((self.clock.now(), head, text)))).is_ok()
    }

    fn list(&self, filter: RefusedFilter, before: Option<Cursor>, limit: usize) -> Ticket<Page<RefusedRecord>> {
        self.query(move |ring| ring.list(&filter, before, limit))
    }

    fn find(&self, id: u64) -> Ticket<Option<(RefusedRecord, String)>> {
        self.query(move |ring| ring.find(id))
    }

    fn remove(&self, id: u64) -> Ticket<bool> {
        self.query(move |ring| ring.remove(id))
    }

    fn erase(&self, org: OrgId, names: Vec<String>) -> Ticket<u64> {
        self.query(move |ring| ring.erase(&org, &names))
    }

    fn close(&self) {
        let _ = self.commands.send(Command::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map(JoinHandle::join);
    }
}

impl Drop for RefusedFile {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes what waits, in its order, until it is told to end.
fn run(mut ring: Ring, taken: &Receiver<Command>, waiting: &AtomicUsize) {
    loop {
        let first = match taken.recv_timeout(PURGE_EVERY) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut messages = Vec::new();
        let mut count = 0;
        for command in first.into_iter().chain(taken.try_iter()).take(BATCH) {
            count += 1;
            match command {
                Command::Keep(message) => {
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    messages.push(*message);
                }
                Command::Query(query) => {
                    ring.settle(&mut messages);
                    query(&ring);
                }
                Command::Close => {
                    ring.settle(&mut messages);
                    return;
                }
            }
        }
        ring.settle(&mut messages);
        if count == BATCH {
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests;
