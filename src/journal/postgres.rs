//! The journal that any number of bridges share: tables in a PostgreSQL database.
//!
//! One thread with a runtime of its own holds the desks, each with a connection that is made anew
//! whenever it fails. Requests are posted to them and answered after the commit.
//!
//! - `accept` takes messages in: `knowledge` locks and loads what they are compared with, `store`
//!   writes what was decided.
//! - `work` are the desks of whoever delivers: `claim` hands out the heads of due lanes, `settle`
//!   records results, `gate` is what stops an organisation, `set_up` what results do to
//!   that, `protect` what became of protections.
//! - `details` is the lane in which a protection's details are read back.
//! - `read` answers queries; `upkeep` and `removal` are what operators and time change.
//! - `pulse` looks at the database every second; `shared` shows what it saw.
//! - `line` finds the server among those of the URL, `link` is a connection to it, `schema` makes the tables, `row` knows how values stand in them.
//! - `target` takes in a journal that is carried here from another store.
//! - `figures` counts, in rows of which each process has its own.
//! - `refused` keeps what was refused, `nonces` which tokens were used; they have nothing to do with
//!   the rest.
//!
//! Only the database's clock counts. Locks are taken in one order: gates for probes, applications,
//! lanes, gates for results, figures; of each kind in the order of their keys.

mod accept;
mod claim;
mod details;
mod figures;
mod gate;
mod knowledge;
mod line;
mod link;
mod nonces;
mod open;
mod protect;
mod pulse;
mod read;
mod refused;
mod removal;
mod row;
mod schema;
mod set_up;
mod settle;
mod shared;
mod store;
mod target;
mod tls;
mod upkeep;
mod work;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio_postgres::Client;

use self::link::{Failure, Link};
use self::schema::Identity;
use self::shared::Shared;
use self::upkeep::Keeper;
use super::{
    Actor, Ages, ApplicationFilter, ApplicationRecord, AttemptRecord, Claims, Cursor, Discarded, Erasure, EventFilter,
    EventRecord, Health, Incoming, Intake, Keep, OrganisationStats, Page, ProtectionFilter, ProtectionRecord, Pulse,
    Quota, Receipt, Records, Replay, Replayed, Settled, Settlement, Ticket, Turn, Unavailable, Upkeep, WaitingErasure,
    Work,
};
use crate::domain::{ApplicationId, CandidateId, EventId, OrgId};

pub use nonces::NonceTable;
pub use open::{OpenError, Options, reach};
pub use refused::RefusedTable;
pub use schema::Tables;
pub use target::{Target, TargetError};

/// How many messages may wait before more are turned away.
const QUEUE: usize = 8_192;

type Query = Box<dyn for<'l> FnOnce(&'l mut Link, &'l Shared) -> Pin<Box<dyn Future<Output = ()> + 'l>> + Send>;
type Job = Box<dyn for<'k> FnOnce(&'k mut Keeper) -> Pin<Box<dyn Future<Output = ()> + 'k>> + Send>;

/// A journal in a PostgreSQL database.
pub struct Postgres {
    posts: RwLock<Option<Posts>>,
    shared: Arc<Shared>,
    closing: watch::Sender<bool>,
    refused: Mutex<Option<RefusedTable>>,
    nonces: NonceTable,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where requests are posted.
struct Posts {
    messages: mpsc::Sender<accept::Asked>,
    work: mpsc::Sender<work::Asked>,
    done: mpsc::Sender<work::Done>,
    queries: mpsc::UnboundedSender<Query>,
    jobs: mpsc::UnboundedSender<Job>,
}

impl Postgres {
    /// What keeps refused messages in the same database; `None` where they are not to be kept, and
    /// when it was asked for before.
    pub fn refused(&self) -> Option<RefusedTable> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Which tokens were used, as all bridges on the database know it.
    pub fn nonces(&self) -> NonceTable {
        self.nonces.clone()
    }

    /// Posts a request; once closed it is dropped, and its ticket says that the journal stopped.
    fn post(&self, post: impl FnOnce(&Posts)) {
        if let Some(posts) = &*self.posts.read().unwrap_or_else(PoisonError::into_inner) {
            post(posts);
        }
    }

    fn query<T: Send + 'static>(
        &self,
        ask: impl AsyncFn(&Client, &Identity) -> Result<T, Failure> + Send + 'static,
    ) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        let query: Query = Box::new(move |link, shared| {
            Box::pin(async move {
                let asked = link.ask(async |client| ask(client, &shared.identity).await).await;
                promise.keep(asked.map_err(Unavailable::from));
            })
        });
        self.post(|posts| drop(posts.queries.send(query)));
        ticket
    }

    fn keep<T: Send + 'static>(
        &self,
        job: impl AsyncFnOnce(&mut Keeper) -> Result<T, Failure> + Send + 'static,
    ) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        let job: Job = Box::new(move |keeper| {
            Box::pin(async move {
                let done = match keeper.shared.usable() {
                    Ok(()) => job(keeper).await,
                    Err(outgrown) => Err(outgrown),
                };
                keeper.look().await;
                promise.keep(done.map_err(Unavailable::from));
            })
        });
        self.post(|posts| drop(posts.jobs.send(job)));
        ticket
    }
}

impl Intake for Postgres {
    fn accept(&self, incoming: Incoming) -> Result<Ticket<Receipt>, Unavailable> {
        let (promise, ticket) = Ticket::new();
        let message = self.shared.identity.keys.keyed(incoming);
        match &*self.posts.read().unwrap_or_else(PoisonError::into_inner) {
            None => Err(Unavailable::Stopped),
            Some(posts) => match posts.messages.try_send((message, promise)) {
                Ok(()) => Ok(ticket),
                Err(TrySendError::Full(_)) => Err(Unavailable::Busy),
                Err(TrySendError::Closed(_)) => Err(Unavailable::Stopped),
            },
        }
    }

    fn health(&self) -> Health {
        self.shared.health()
    }
}

impl Work for Postgres {
    fn claim(&self, quota: Quota, lease: Duration) -> Ticket<Claims> {
        let (promise, ticket) = Ticket::new();
        self.post(|posts| {
            if let Err(TrySendError::Full((.., promise))) = posts.work.try_send((quota, lease, promise)) {
                promise.keep(Err(Unavailable::Busy));
            }
        });
        ticket
    }

    fn settle(&self, settlement: Settlement) -> Ticket<Settled> {
        let (promise, ticket) = Ticket::new();
        self.post(|posts| {
            if let Err(TrySendError::Full((_, promise))) = posts.done.try_send((settlement, promise)) {
                promise.keep(Err(Unavailable::Busy));
            }
        });
        ticket
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.shared.waking()
    }
}

impl Records for Postgres {
    fn events(&self, filter: EventFilter, before: Option<Cursor>, limit: usize) -> Ticket<Page<EventRecord>> {
        self.query(async move |client, identity| read::events(client, identity, &filter, before, limit).await)
    }

    fn event(&self, id: EventId) -> Ticket<Option<(EventRecord, Vec<AttemptRecord>)>> {
        self.query(async move |client, identity| read::event(client, identity, id).await)
    }

    fn protections(
        &self,
        filter: ProtectionFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Ticket<Page<ProtectionRecord>> {
        self.query(async move |client, identity| read::protections(client, identity, &filter, after, limit).await)
    }

    fn in_interview(
        &self,
        filter: ApplicationFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Ticket<Page<ApplicationRecord>> {
        self.query(async move |client, identity| read::in_interview(client, identity, &filter, after, limit).await)
    }

    fn application(&self, org: OrgId, application: ApplicationId) -> Ticket<Option<ApplicationRecord>> {
        self.query(async move |client, identity| read::application(client, identity, &org, &application).await)
    }

    fn stats(&self, ages: Ages) -> Ticket<Vec<OrganisationStats>> {
        self.query(async move |client, _| read::stats(client, ages).await)
    }

    fn pulse(&self) -> Vec<Pulse> {
        self.shared.pulses()
    }
}

impl Upkeep for Postgres {
    fn replay(&self, replay: Replay) -> Ticket<Replayed> {
        self.keep(async move |keeper: &mut Keeper| keeper.replay(&replay).await)
    }

    fn discard(&self, id: EventId, waiting: bool, actor: Actor) -> Ticket<Discarded> {
        self.keep(async move |keeper: &mut Keeper| keeper.discard(id, waiting, &actor).await)
    }

    fn turn(&self, turn: Turn, actor: Actor) -> Ticket<()> {
        self.keep(async move |keeper: &mut Keeper| keeper.turn(&turn, &actor).await)
    }

    fn erase(&self, org: OrgId, candidate: CandidateId, actor: Actor) -> Ticket<u64> {
        self.keep(async move |keeper: &mut Keeper| keeper.erase(&org, &candidate, &actor).await)
    }

    fn waiting_erasures(&self) -> Ticket<Vec<WaitingErasure>> {
        self.keep(async move |keeper: &mut Keeper| keeper.waiting_erasures().await)
    }

    fn finish_erasure(&self, number: u64, undelivered: bool) -> Ticket<Option<Erasure>> {
        self.keep(async move |keeper: &mut Keeper| keeper.finish_erasure(number, undelivered).await)
    }

    fn erasures(&self, limit: usize) -> Ticket<Vec<Erasure>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.query(async move |client, _| removal::erasures(client, limit).await)
    }

    fn purge(&self, older_than: Duration) -> Ticket<u64> {
        self.keep(async move |keeper: &mut Keeper| keeper.purge(older_than).await)
    }

    fn forget_details(&self, keep: Keep) -> Ticket<u64> {
        self.keep(async move |keeper: &mut Keeper| keeper.forget_details(&keep).await)
    }

    fn close(&self) {
        // What was posted is still done; the desks end when nobody can post any more.
        self.posts.write().unwrap_or_else(PoisonError::into_inner).take();
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.closing.send(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has ended the process already.
        thread.map(JoinHandle::join);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.close();
    }
}
