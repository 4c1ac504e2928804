//! What has to be done from time to time: erasures that waited, purging, and the figures that take a
//! query to know.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::delivery::Policy;
use crate::journal::Unavailable;
use crate::public::Public;

/// How often erasures that wait are looked at.
const ERASURES: Duration = Duration::from_secs(5);

/// How many of these rounds pass between two looks at the figures, and between two purges.
const FIGURES: u64 = 2;
const PURGES: u64 = 120;

/// What is kept in order.
pub(super) struct Upkeep {
    pub(super) public: Arc<Public>,
    /// What counts as late in the figures.
    pub(super) policy: Arc<ArcSwap<Policy>>,
    pub(super) retention: Duration,
}

impl Upkeep {
    /// Runs until `stop` turns true.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        self.look().await;
        for round in 1_u64.. {
            tokio::select! {
                _ = stop.changed() => return,
                () = self.public.clock.sleep(ERASURES) => {}
            }
            match self.erase().await {
                Ok(0) => {}
                Ok(done) => tracing::info!(done, "erasures that had waited are done"),
                Err(reason) => tracing::warn!(%reason, "erasures cannot be done yet"),
            }
            if round % FIGURES == 0 {
                self.look().await;
            }
            if round % PURGES == 1 {
                self.purge().await;
            }
        }
    }

    /// Does the erasures that had to wait and can be done now; how many were. What was refused while
    /// they waited goes along. What is not done is done in a later round.
    async fn erase(&self) -> Result<u64, Unavailable> {
        let (journal, mut done) = (&self.public.journal, 0);
        for waiting in journal.waiting_erasures().await?.into_iter().filter(|waiting| !waiting.held) {
            let number = waiting.number;
            self.public.refused.erase(waiting.org, waiting.names).await?;
            let erasure = journal.finish_erasure(number, false).await?;
            done += u64::from(erasure.is_some_and(|erasure| erasure.done_at.is_some()));
        }
        Ok(done)
    }

    async fn look(&self) {
        let ages = self.policy.load().ages();
        match self.public.journal.stats(ages).await {
            Ok(stats) => self.public.metrics.looked(&stats, self.public.clock.now()),
            Err(reason) => tracing::warn!(%reason, "the journal's figures cannot be read"),
        }
    }

    async fn purge(&self) {
        match self.public.journal.purge(self.retention).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "purged what was older than retention_days"),
            Err(reason) => tracing::warn!(%reason, "old events cannot be purged yet"),
        }
    }
}
