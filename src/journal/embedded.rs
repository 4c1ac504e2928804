//! The embedded journal: two SQLite files and one writer thread.
//!
//! `journal.db` is append-only and the whole truth: each event with its decision, each attempt's
//! intent and result. Copied alone, with `sqlite3 journal.db ".backup copy.db"`, it is a complete
//! backup. The index beside it is derived and disposable: deleted, it is made anew at the start.
//!
//! - `open` makes or opens the files, and starts the threads.
//! - `append` alone knows the durable format.
//! - `writer` takes what waits, a `command` each and a commit for many; `turn` decides and appends each.
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
mod command;
mod details;
mod fact;
mod follow;
mod gate;
mod keys;
mod lanes;
mod log;
mod open;
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

use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use self::amendment::Amendment;
use self::append::Identity;
use self::command::{Command, Shown};
use self::follow::Progress;
use self::gate::Change;
use self::lanes::Seen;
use self::upkeep::{Job, Keeper};
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
