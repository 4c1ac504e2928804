//! What is said in the log of how deliveries go: once when something is wrong, again when it is wrong
//! in another way, and once when it is over. What repeats at each retry and probe would fill the log,
//! and hide what else happens; the journal has every attempt.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Handled;
use crate::domain::OrgId;
use crate::journal::{Claimed, Verdict};

/// What was said of each organisation.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<HashMap<OrgId, Trouble>>);

/// What was wrong last.
#[derive(Debug)]
struct Trouble {
    /// Whether deliveries stand still for it, and what the error was.
    what: (bool, String),
    is_over: bool,
}

impl Reports {
    /// Logs how a delivery went.
    pub(super) fn delivery(&self, claimed: &Claimed, handled: &Handled, verdict: Verdict) {
        let (event, answered) = (&claimed.event, &handled.answered);
        let error = answered.error.as_deref().unwrap_or_default();
        match verdict {
            Verdict::Delivered => {
                if self.ends(&event.orgid) {
                    tracing::info!(orgid = %event.orgid, "the relay takes events again");
                }
                tracing::debug!(event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, "delivered");
            }
            Verdict::Retry { after, hold_organisation } if self.is_news(claimed, false, error) => tracing::warn!(
                event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, status = answered.status,
                error, retry.seconds = after.as_secs_f64(), holds_organisation = hold_organisation,
                "a delivery failed and is tried again"
            ),
            Verdict::Paused { probe_after } if self.is_news(claimed, true, error) => tracing::error!(
                event.id = %event.event_id, orgid = %event.orgid, status = answered.status, error,
                probe.seconds = probe_after.as_secs_f64(),
                "the set-up of the relay is wrong; the organisation's deliveries pause and are probed"
            ),
            Verdict::Retry { .. } | Verdict::Paused { .. } => tracing::debug!(
                event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, status = answered.status,
                error, "as before, a delivery failed"
            ),
            Verdict::Dead => tracing::error!(
                event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, status = answered.status,
                error, "an event was given up and stays as a dead letter"
            ),
        }
    }

    /// Logs how reading details back went; never what was read, nor what was said of it.
    pub(super) fn details(&self, claimed: &Claimed, verdict: Verdict) {
        let event = &claimed.event;
        match verdict {
            Verdict::Delivered => {
                if self.ends(&event.orgid) {
                    tracing::info!(orgid = %event.orgid, "details are read from Workday again");
                }
                tracing::debug!(event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, "details read");
            }
            Verdict::Retry { after, .. } if self.is_news(claimed, false, "") => tracing::warn!(
                event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt,
                retry.seconds = after.as_secs_f64(), "details cannot be read from Workday yet"
            ),
            Verdict::Paused { probe_after } if self.is_news(claimed, true, "") => tracing::error!(
                event.id = %event.event_id, orgid = %event.orgid,
                probe.seconds = probe_after.as_secs_f64(),
                "Workday refuses the bridge; the organisation's reading back pauses and is probed"
            ),
            Verdict::Retry { .. } | Verdict::Paused { .. } => tracing::debug!(
                event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt,
                "as before, details cannot be read"
            ),
            Verdict::Dead => tracing::error!(
                event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt,
                "details were given up; the protection stays without them"
            ),
        }
    }

    /// Whether this was not said yet. Once others go through again, an event that fails on as before
    /// is no news, but the next one that fails is.
    fn is_news(&self, claimed: &Claimed, stands_still: bool, error: &str) -> bool {
        let what = (stands_still, error.to_owned());
        let mut troubles = self.troubles();
        let is_said = |trouble: &Trouble| trouble.what == what && (!trouble.is_over || claimed.attempt > 1);
        if troubles.get(&claimed.event.orgid).is_some_and(is_said) {
            return false;
        }
        troubles.insert(claimed.event.orgid.clone(), Trouble { what, is_over: false });
        true
    }

    /// Whether something goes through for the first time after it did not.
    fn ends(&self, org: &OrgId) -> bool {
        let mut troubles = self.troubles();
        troubles.get_mut(org).is_some_and(|trouble| !std::mem::replace(&mut trouble.is_over, true))
    }

    fn troubles(&self) -> MutexGuard<'_, HashMap<OrgId, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
