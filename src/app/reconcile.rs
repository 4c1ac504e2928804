//! Comparing with Workday by itself, every so often, for the organisations that ask for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::read_back::PROBE;
use super::routing::Routing;
use crate::domain::OrgId;
use crate::protection::reconcile::{self, RECENT, ReconcileError, Rules};
use crate::public::Public;
use crate::workday::Failure;

/// How often is looked whose turn it is.
const LOOK: Duration = Duration::from_secs(5);

/// In whose name the events are journalled.
const ACTOR: &str = "reconcile_every_minutes";

/// Runs until `stop` turns true. The first comparison comes one interval after the start, so that a
/// bridge that keeps being started does not keep asking.
pub(super) async fn run(public: Arc<Public>, routing: Arc<Routing>, mut stop: watch::Receiver<bool>) {
    let mut due: HashMap<OrgId, Duration> = HashMap::new();
    loop {
        let now = public.clock.monotonic();
        for (org, every) in routing.reconciled() {
            if now < *due.entry(org.clone()).or_insert(now + every) {
                continue;
            }
            let done = one(&public, &routing, &org).await;
            if let Err(error) = &done {
                let reason = match error {
                    ReconcileError::Workday(failure) => failure.what().to_owned(),
                    ReconcileError::Journal(reason) => reason.to_string(),
                };
                tracing::warn!(orgid = %org, reason, "the applications cannot be compared with Workday yet");
            }
            due.insert(org, now + wait(every, &done));
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = public.clock.sleep(LOOK) => {}
        }
    }
}

/// Where Workday denied access, long enough that its account is not locked.
fn wait(every: Duration, done: &Result<(), ReconcileError>) -> Duration {
    match done {
        Err(ReconcileError::Workday(Failure::Denied(..))) => every.max(PROBE),
        _ => every,
    }
}

async fn one(public: &Public, routing: &Routing, org: &OrgId) -> Result<(), ReconcileError> {
    let organisation = public.organisations.get(org.as_str());
    let (Some(organisation), Some(client)) = (organisation, routing.client(org)) else { return Ok(()) };
    let rules = Rules { org, policy: &organisation.policy, deliver: organisation.deliver() };
    let since = public.clock.now() - RECENT;
    let comparison = reconcile::compare(&*public.journal, &client, rules, since).await?;
    if !comparison.lost.is_empty() {
        tracing::warn!(orgid = %org, applications = comparison.lost.len(), "Workday does not show applications in interview");
    }
    for difference in comparison.differences.iter().filter(|difference| !difference.overtaken) {
        let receipt = reconcile::apply(&*public.journal, rules, difference, ACTOR).await?;
        let Some(event) = receipt.event_id() else { continue };
        let event_type = receipt.event_type().as_str();
        tracing::warn!(orgid = %org, event.id = %event, event_type, "Workday had dropped this; it is journalled now");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workday::Denial;

    #[test]
    fn a_denial_is_not_repeated_every_minute() {
        let minute = Duration::from_secs(60);
        assert_eq!(wait(minute, &Ok(())), minute);
        let refused = |failure| wait(minute, &Err(ReconcileError::Workday(failure)));
        assert_eq!(refused(Failure::Refused("no such page".into())), minute);
        assert_eq!(refused(Failure::Denied(Denial::Credentials, "wrong password".into())), PROBE);
        let denied = Err(ReconcileError::Workday(Failure::Denied(Denial::Permission, "no".into())));
        assert_eq!(wait(24 * PROBE, &denied), 24 * PROBE);
    }
}
