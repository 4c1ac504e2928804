//! What has to be done from time to time: erasures that waited, purging, and the figures that take a
//! query to know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::admin::Admin;

/// How often erasures that wait are looked at.
const ERASURES: Duration = Duration::from_secs(5);

/// How many of these rounds pass between two looks at the figures, and between two purges.
const FIGURES: u64 = 2;
const PURGES: u64 = 120;

/// Runs until `stop` turns true.
pub(super) async fn run(admin: Arc<Admin>, retention: Duration, mut stop: watch::Receiver<bool>) {
    look(&admin).await;
    for round in 1_u64.. {
        tokio::select! {
            _ = stop.changed() => return,
            () = admin.clock.sleep(ERASURES) => {}
        }
        match admin.finish_erasures().await {
            Ok(0) => {}
            Ok(done) => tracing::info!(done, "erasures that had waited are done"),
            Err(reason) => tracing::warn!(%reason, "erasures cannot be done yet"),
        }
        if round % FIGURES == 0 {
            look(&admin).await;
        }
        if round % PURGES == 1 {
            purge(&admin, retention).await;
        }
    }
}

async fn look(admin: &Admin) {
    match admin.journal.stats(admin.ages()).await {
        Ok(stats) => admin.metrics.looked(&stats, admin.clock.now()),
        Err(reason) => tracing::warn!(%reason, "the journal's figures cannot be read"),
    }
}

async fn purge(admin: &Admin, retention: Duration) {
    match admin.journal.purge(retention).await {
        Ok(0) => {}
        Ok(events) => tracing::info!(events, "purged what was older than retention_days"),
        Err(reason) => tracing::warn!(%reason, "old events cannot be purged yet"),
    }
}
