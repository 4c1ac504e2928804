//! Reading back from Workday while the bridge runs: a pump for the details lane, and forgetting
//! what was read.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::routing::Routing;
use crate::clock::Clock;
use crate::delivery::{self, Attempted, Handler, Policy, Pump, Routes};
use crate::domain::OrgId;
use crate::journal::{Journal, LaneKind};
use crate::metrics::Metrics;

/// How many candidates are read at once: Workday is said to take about ten requests a second.
const CONCURRENCY: usize = 4;

/// How long Workday is left alone after it has denied access: an account is locked after a few
/// wrong passwords. A reload or `resume` ends the pause at once.
pub(super) const PROBE: Duration = Duration::from_secs(3_600);

/// Two services are asked one after the other, and are slower than a relay.
const PATIENCE: u32 = 3;

/// How often is looked for what is to be forgotten.
const FORGET: Duration = Duration::from_secs(600);

/// The part of a running bridge that reads back.
pub(super) struct ReadBack {
    journal: Arc<dyn Journal>,
    routing: Arc<Routing>,
    clock: Arc<dyn Clock>,
    policy: Arc<ArcSwap<Policy>>,
    pump: Arc<Pump>,
}

impl ReadBack {
    pub(super) fn new(
        journal: &Arc<dyn Journal>,
        routing: &Arc<Routing>,
        clock: &Arc<dyn Clock>,
        deliveries: &Policy,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let (journal, routing, clock) = (Arc::clone(journal), Arc::clone(routing), Arc::clone(clock));
        let policy = Arc::new(ArcSwap::from_pointee(policy(deliveries)));
        let (work, readers) = (Arc::clone(&journal), Arc::new(Readers(Arc::clone(&routing))));
        let reads = Arc::new(Reads(Arc::clone(metrics)));
        let pump = Pump::new(work, readers, Arc::clone(&clock), Arc::clone(&policy), reads);
        Self { journal, routing, clock, policy, pump: Arc::new(pump.of_kind(LaneKind::Details)) }
    }

    /// Reads back and forgets until `stopping` turns true; attempts under way then have `grace`.
    pub(super) fn run(&self, stopping: watch::Receiver<bool>, grace: Duration) -> JoinHandle<()> {
        let (journal, routing, clock) = (Arc::clone(&self.journal), Arc::clone(&self.routing), Arc::clone(&self.clock));
        tokio::spawn(forget(journal, routing, clock, stopping.clone()));
        tokio::spawn(Arc::clone(&self.pump).run(stopping, grace))
    }

    /// Goes on by what is in force now.
    pub(super) fn reloaded(&self, deliveries: &Policy) {
        self.policy.store(Arc::new(policy(deliveries)));
        self.pump.nudge();
    }
}

fn policy(deliveries: &Policy) -> Policy {
    let timeout = deliveries.timeout * PATIENCE;
    Policy { timeout, probe: PROBE, concurrency: CONCURRENCY, ..deliveries.clone() }
}

/// The attempts of this lane are no deliveries, and counted apart.
struct Reads(Arc<Metrics>);

impl delivery::Observer for Reads {
    fn attempted(&self, org: &OrgId, attempted: Attempted) {
        self.0.read_back(org, attempted);
    }
}

/// Who reads back for which organisation.
struct Readers(Arc<Routing>);

impl Routes for Readers {
    fn organisations(&self) -> Arc<HashSet<OrgId>> {
        self.0.reading()
    }

    fn handler(&self, org: &OrgId) -> Option<Arc<dyn Handler>> {
        self.0.reader(org)
    }
}

async fn forget(
    journal: Arc<dyn Journal>,
    routing: Arc<Routing>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        match journal.forget_details(routing.keep()).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "details were forgotten as details_days asks"),
            Err(reason) => tracing::warn!(%reason, "details cannot be forgotten yet"),
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = clock.sleep(FORGET) => {}
        }
    }
}
