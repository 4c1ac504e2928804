//! Comparing with Workday by itself, every so often, for the organisations that ask for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::routing::Routing;
use crate::admin::Admin;
use crate::domain::OrgId;
use crate::protection::reconcile::{self, RECENT, ReconcileError, Rules};

/// How often is looked whose turn it is.
const LOOK: Duration = Duration::from_secs(5);

/// In whose name the events are journalled.
const ACTOR: &str = "reconcile_every_minutes";

/// Runs until `stop` turns true. The first comparison comes one interval after the start, so that a
/// bridge that keeps being started does not keep asking.
pub(super) async fn run(admin: Arc<Admin>, routing: Arc<Routing>, mut stop: watch::Receiver<bool>) {
    let mut last: HashMap<OrgId, Duration> = HashMap::new();
    loop {
        let now = admin.clock.monotonic();
        for (org, every) in routing.reconciled() {
            let since = *last.entry(org.clone()).or_insert(now);
            if now.saturating_sub(since) < every {
                continue;
            }
            last.insert(org.clone(), now);
            if let Err(error) = one(&admin, &routing, &org).await {
                tracing::warn!(orgid = %org, %error, "the applications cannot be compared with Workday yet");
            }
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = admin.clock.sleep(LOOK) => {}
        }
    }
}

async fn one(admin: &Admin, routing: &Routing, org: &OrgId) -> Result<(), ReconcileError> {
    let organisation = admin.public.organisations.get(org.as_str());
    let (Some(organisation), Some(client)) = (organisation, routing.client(org)) else { return Ok(()) };
    let rules = Rules { org, policy: &organisation.policy, deliver: organisation.deliver() };
    let since = admin.clock.now() - RECENT;
    let comparison = reconcile::compare(&*admin.journal, &client, rules, since).await?;
    for difference in comparison.differences.iter().filter(|difference| !difference.overtaken) {
        let receipt = reconcile::apply(&*admin.journal, rules, difference, ACTOR).await?;
        let event = receipt.event_id().map(tracing::field::display);
        let event_type = receipt.event_type().as_str();
        tracing::warn!(orgid = %org, event.id = event, event_type, "Workday had dropped this; it is journalled now");
    }
    Ok(())
}
