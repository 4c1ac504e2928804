//! The desks of whoever delivers: one hands out work, the other records what became of it. Each has
//! a connection of its own, so that neither waits for the other.
//!
//! A claim is synced before anything is sent: if a server that falls could take it along, somebody
//! else would get the same work while it is still under way here. What became of deliveries is not:
//! without it the work comes back after its lease and is sent again, as it may be; and the next claim
//! of the same lane, which is written behind it, keeps it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::figures::Desk;
use super::link::Link;
use super::shared::Shared;
use super::{claim, details, pulse, settle};
use crate::journal::{Claims, Fence, LaneKind, Promise, Quota, Settled, Settlement, Unavailable};

/// How many results may share a commit.
const BATCH: usize = 500;

/// Work that is asked for, and for how long it may be held.
pub(super) type Asked = (Quota, Duration, Promise<Claims>);

/// What became of a piece of work.
pub(super) type Done = (Settlement, Promise<Settled>);

/// What this process holds, and until when.
#[derive(Default)]
pub(super) struct Holdings {
    /// Its attempts.
    attempts: RefCell<HashMap<u64, Instant>>,
    /// The events whose details it reads.
    reading: RefCell<HashMap<u64, Instant>>,
}

/// Hands out work until nobody can ask any more.
pub(super) async fn hand_out(mut link: Link, shared: &Shared, holdings: &Holdings, mut asked: mpsc::Receiver<Asked>) {
    let mut turn: usize = 0;
    while let Some((quota, lease, promise)) = asked.recv().await {
        if let Err(outgrown) = shared.usable() {
            promise.keep(Err(outgrown.into()));
            continue;
        }
        let begun = Instant::now();
        turn = turn.wrapping_add(1);
        let (claims, held) = match quota.kind {
            LaneKind::Details => {
                let claim = async |client: &Client| details::claim(client, shared, &quota, lease).await;
                (link.transact(claim).await, &holdings.reading)
            }
            LaneKind::Delivery => {
                let claim = async |client: &Client| claim::claim(client, shared, &quota, lease, turn).await;
                (link.transact(claim).await, &holdings.attempts)
            }
        };
        if let Ok(claims) = &claims {
            let number = |fence: Fence| if quota.kind == LaneKind::Details { fence.event } else { fence.attempt };
            let mut held = held.borrow_mut();
            held.retain(|_, until| *until > begun);
            held.extend(claims.claimed.iter().map(|claimed| (number(claimed.fence), begun + lease)));
        }
        promise.keep(claims.map_err(|failure| shared.failed(failure)));
    }
}

/// Records what became of work until nobody can tell any more.
pub(super) async fn record(link: Link, shared: &Shared, holdings: &Holdings, mut done: mpsc::Receiver<Done>) {
    let desk = Desk { process: shared.process, number: 1 };
    let mut recorder = Recorder { link, shared, desk, holdings };
    let mut waiting = Vec::with_capacity(BATCH);
    while done.recv_many(&mut waiting, BATCH).await > 0 {
        if let Err(outgrown) = shared.usable() {
            refuse(waiting.drain(..).map(|(_, promise)| promise).collect(), outgrown.into());
            continue;
        }
        let is_details = |done: &Done| done.0.fence.kind == LaneKind::Details;
        let (read, delivered): (Vec<_>, Vec<_>) = waiting.drain(..).partition(is_details);
        if !delivered.is_empty() {
            recorder.deliveries(delivered).await;
        }
        if !read.is_empty() {
            recorder.details(read).await;
        }
    }
}

struct Recorder<'s> {
    link: Link,
    shared: &'s Shared,
    desk: Desk,
    holdings: &'s Holdings,
}

impl Recorder<'_> {
    async fn deliveries(&mut self, done: Vec<Done>) {
        let (desk, shared) = (self.desk, self.shared);
        let (settlements, promises): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        match self.link.transact_unsynced(async |client| settle::settle(client, desk, &settlements).await).await {
            Ok(outcomes) => {
                for settlement in &settlements {
                    self.holdings.attempts.borrow_mut().remove(&settlement.fence.attempt);
                }
                shared.counted(&outcomes.tally);
                if outcomes.gated {
                    pulse::look(&mut self.link, shared).await;
                }
                promises.into_iter().zip(outcomes.answers).for_each(|(promise, settled)| promise.keep(Ok(settled)));
                shared.wake();
            }
            Err(failure) => refuse(promises, shared.failed(failure)),
        }
    }

    async fn details(&mut self, done: Vec<Done>) {
        let (settlements, promises): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        match self.link.transact(async |client| details::settle(client, &settlements).await).await {
            Ok(answers) => {
                // A stale one may be of an event that is being read again.
                for (settlement, settled) in settlements.iter().zip(&answers) {
                    if *settled == Settled::Applied {
                        self.holdings.reading.borrow_mut().remove(&settlement.fence.event);
                    }
                }
                promises.into_iter().zip(answers).for_each(|(promise, settled)| promise.keep(Ok(settled)));
            }
            Err(failure) => refuse(promises, self.shared.failed(failure)),
        }
    }
}

fn refuse(promises: Vec<Promise<Settled>>, reason: Unavailable) {
    promises.into_iter().for_each(|promise| promise.keep(Err(reason.clone())));
}

/// What is held when the bridge ends is due at once, for whoever is there; a late settlement of it
/// is stale.
pub(super) async fn give_back(mut link: Link, holdings: &Holdings) {
    let numbers = |held: &RefCell<HashMap<u64, Instant>>| held.take().into_keys().map(|number| number as i64).collect();
    let (attempts, reading): (Vec<_>, Vec<_>) = (numbers(&holdings.attempts), numbers(&holdings.reading));
    if attempts.is_empty() && reading.is_empty() {
        return;
    }
    let given = link.transact(async |client: &Client| {
        // Looked up first, so that lanes are locked in their order.
        let sql = "UPDATE lane SET attempt = NULL, due_at = journal_now() FROM (
                       SELECT l.application, l.kind FROM attempt a JOIN work w ON w.event = a.event
                       JOIN lane l ON l.application = w.application AND l.attempt = a.sequence
                       WHERE a.sequence = ANY ($1) ORDER BY l.application FOR UPDATE OF l) own
                   WHERE lane.application = own.application AND lane.kind = own.kind";
        client.execute_typed(sql, &[(&attempts, Type::INT8_ARRAY)]).await?;
        details::give_back(client, &reading).await
    });
    if let Err(failure) = given.await {
        tracing::warn!(%failure, "what was under way is sent again only after its lease");
    }
}
