//! What is said of an attempt in the log, where it did not go as it should.

use super::Handled;
use crate::journal::{Claimed, Verdict};

/// Logs how a delivery went.
pub(super) fn delivery(claimed: &Claimed, handled: &Handled, verdict: Verdict) {
    let (event, answered) = (&claimed.event, &handled.answered);
    let error = answered.error.as_deref().unwrap_or_default();
    match verdict {
        Verdict::Delivered => {
            tracing::debug!(event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, "delivered");
        }
        Verdict::Retry { after, hold_organisation } => tracing::warn!(
            event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, status = answered.status,
            error, retry.seconds = after.as_secs_f64(), holds_organisation = hold_organisation,
            "a delivery failed and is tried again"
        ),
        Verdict::Paused { probe_after } => tracing::error!(
            event.id = %event.event_id, orgid = %event.orgid, status = answered.status, error,
            probe.seconds = probe_after.as_secs_f64(),
            "the set-up of the relay is wrong; the organisation's deliveries pause and are probed"
        ),
        Verdict::Dead => tracing::error!(
            event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, status = answered.status,
            error, "an event was given up and stays as a dead letter"
        ),
    }
}

/// Logs how reading details back went; never what was read, nor what was said of it.
pub(super) fn details(claimed: &Claimed, verdict: Verdict) {
    let event = &claimed.event;
    match verdict {
        Verdict::Delivered => {
            tracing::debug!(event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt, "details read");
        }
        Verdict::Retry { after, .. } => tracing::warn!(
            event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt,
            retry.seconds = after.as_secs_f64(), "details cannot be read from Workday yet"
        ),
        Verdict::Paused { probe_after } => tracing::error!(
            event.id = %event.event_id, orgid = %event.orgid,
            probe.seconds = probe_after.as_secs_f64(),
            "Workday refuses the bridge; the organisation's reading back pauses and is probed"
        ),
        Verdict::Dead => tracing::error!(
            event.id = %event.event_id, orgid = %event.orgid, attempt = claimed.attempt,
            "details were given up; the protection stays without them"
        ),
    }
}
