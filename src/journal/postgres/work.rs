//! The desk of whoever delivers: claims and settlements, one after the other.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::figures::Desk;
use super::link::{Failure, Link};
use super::shared::Shared;
use super::{claim, details, pulse, settle};
use crate::journal::{Claims, Fence, LaneKind, Promise, Quota, Settled, Settlement, Unavailable};

/// How many requests are looked at together.
const BATCH: usize = 500;

/// What the desk is asked for.
pub(super) enum Asked {
    Claim(Quota, Duration, Promise<Claims>),
    Settle(Box<Settlement>, Promise<Settled>),
}

impl Asked {
    /// Answers that it cannot be done.
    pub(super) fn refuse(self, failure: &Unavailable) {
        match self {
            Self::Claim(.., promise) => promise.keep(Err(failure.clone())),
            Self::Settle(_, promise) => promise.keep(Err(failure.clone())),
        }
    }
}

/// The desk.
struct Work<'s> {
    link: Link,
    shared: &'s Shared,
    desk: Desk,
    /// Which attempts this process holds, and until when.
    held: HashMap<u64, Instant>,
    /// Of which events this process reads details, and until when.
    reading: HashMap<u64, Instant>,
    turn: usize,
}

/// Works until nobody can ask any more, and then gives back what it holds.
pub(super) async fn run(link: Link, shared: &Shared, mut asked: mpsc::Receiver<Asked>) {
    let desk = Desk { process: shared.process, number: 1 };
    let mut work = Work { link, shared, desk, held: HashMap::new(), reading: HashMap::new(), turn: 0 };
    let mut waiting = Vec::with_capacity(BATCH);
    while asked.recv_many(&mut waiting, BATCH).await > 0 {
        let (mut settlements, mut promises, mut claims) = (Vec::new(), Vec::new(), Vec::new());
        let (mut read, mut readers) = (Vec::new(), Vec::new());
        for asked in waiting.drain(..) {
            match asked {
                Asked::Settle(settlement, promise) if settlement.fence.kind == LaneKind::Details => {
                    read.push(*settlement);
                    readers.push(promise);
                }
                Asked::Settle(settlement, promise) => {
                    settlements.push(*settlement);
                    promises.push(promise);
                }
                Asked::Claim(quota, lease, promise) => claims.push((quota, lease, promise)),
            }
        }
        if !settlements.is_empty() {
            work.settle(&settlements, promises).await;
        }
        if !read.is_empty() {
            work.settle_details(&read, readers).await;
        }
        for (quota, lease, promise) in claims {
            let claimed = match quota.kind {
                LaneKind::Details => work.claim_details(&quota, lease).await,
                LaneKind::Delivery => work.claim(&quota, lease).await,
            };
            promise.keep(claimed.map_err(|failure| shared.failed(failure)));
        }
    }
    work.give_back().await;
}

impl Work<'_> {
    async fn claim(&mut self, quota: &Quota, lease: Duration) -> Result<Claims, Failure> {
        self.turn = self.turn.wrapping_add(1);
        let (shared, turn, begun) = (self.shared, self.turn, Instant::now());
        let claims = self.link.transact(async |client| claim::claim(client, shared, quota, lease, turn).await).await?;
        self.held.retain(|_, until| *until > begun);
        self.held.extend(claims.claimed.iter().map(|claimed| (claimed.fence.attempt, begun + lease)));
        Ok(claims)
    }

    async fn claim_details(&mut self, quota: &Quota, lease: Duration) -> Result<Claims, Failure> {
        let (shared, begun) = (self.shared, Instant::now());
        let claims = self.link.transact(async |client| details::claim(client, shared, quota, lease).await).await?;
        self.reading.retain(|_, until| *until > begun);
        self.reading.extend(claims.claimed.iter().map(|claimed| (claimed.fence.event, begun + lease)));
        Ok(claims)
    }

    async fn settle_details(&mut self, settlements: &[Settlement], promises: Vec<Promise<Settled>>) {
        match self.link.transact(async |client| details::settle(client, settlements).await).await {
            Ok(answers) => {
                // A stale one may be of an event that is being read again.
                for (settlement, settled) in settlements.iter().zip(&answers) {
                    if *settled == Settled::Applied {
                        self.reading.remove(&settlement.fence.event);
                    }
                }
                promises.into_iter().zip(answers).for_each(|(promise, settled)| promise.keep(Ok(settled)));
            }
            Err(failure) => {
                let failure = self.shared.failed(failure);
                promises.into_iter().for_each(|promise| promise.keep(Err(failure.clone())));
            }
        }
    }

    async fn settle(&mut self, settlements: &[Settlement], promises: Vec<Promise<Settled>>) {
        let (desk, shared) = (self.desk, self.shared);
        match self.link.transact(async |client| settle::settle(client, desk, settlements).await).await {
            Ok(outcomes) => {
                for Fence { attempt, .. } in settlements.iter().map(|settlement| settlement.fence) {
                    self.held.remove(&attempt);
                }
                shared.counted(&outcomes.tally);
                if outcomes.gated {
                    pulse::look(&mut self.link, shared).await;
                }
                for (promise, settled) in promises.into_iter().zip(outcomes.answers) {
                    promise.keep(Ok(settled));
                }
                shared.wake();
            }
            Err(failure) => {
                let failure = shared.failed(failure);
                promises.into_iter().for_each(|promise| promise.keep(Err(failure.clone())));
            }
        }
    }

    /// What is held when the bridge ends is due at once, for whoever is there; a late settlement
    /// of it is stale.
    async fn give_back(&mut self) {
        if self.held.is_empty() && self.reading.is_empty() {
            return;
        }
        let reading: Vec<_> = self.reading.keys().map(|event| *event as i64).collect();
        let attempts: Vec<_> = self.held.keys().map(|attempt| *attempt as i64).collect();
        let given = self.link.transact(async |client: &Client| {
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
}
