//! Figures of organisations.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::text;
use crate::admin::standing::{Failing, Standing};
use crate::domain::OrgId;
use crate::journal::{OrganisationStats, PauseCause};

/// Figures of each organisation since its journal began.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Stats {
    pub(in crate::admin) organisations: Vec<Organisation>,
}

/// Figures of an organisation.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Organisation {
    orgid: OrgId,
    /// Events accepted; stale ones and duplicates are not counted.
    accepted: u64,
    delivered: u64,
    /// Events given up and still there.
    dead: u64,
    /// Events that wait for delivery.
    pending: u64,
    oldest_pending_seconds: f64,
    /// Whether its deliveries stand still.
    paused: bool,
    #[schema(required, format = DateTime)]
    paused_since: Option<String>,
    #[schema(required)]
    paused_by: Option<PauseCause>,
    /// What the relay answered, or who asked for it.
    #[schema(required)]
    paused_because: Option<String>,
    /// Since when what waits the longest is not taken, where that is more than a hiccup.
    #[schema(required, format = DateTime)]
    failing_since: Option<String>,
    /// How many attempts to deliver it have failed since then.
    failed_attempts: u64,
    /// What the relay answered, or that it did not.
    #[schema(required)]
    failing_because: Option<String>,
    /// Until when the relay has asked for quiet.
    #[schema(required, format = DateTime)]
    held_until: Option<String>,
    /// All that was accepted before is delivered.
    #[schema(format = DateTime)]
    delivered_through: String,
    #[schema(required, format = DateTime)]
    last_message_at: Option<String>,
    #[schema(required, format = DateTime)]
    last_started_at: Option<String>,
    /// Starts that were not delivered while that was of use.
    late: u64,
    interviews_open_too_long: u64,
    /// No message came for longer than expected.
    silent: bool,
    stages_seen: Vec<Stage>,
    details: Details,
}

/// How reading back from Workday stands; nothing of it where nothing is read back.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadingBack)]
struct Details {
    /// Protections whose details are still to be read.
    waiting: u64,
    oldest_waiting_seconds: f64,
    /// Protections whose details cannot be read.
    failed: u64,
    /// Whether Workday denies access, so that it is left alone but for a probe from time to time.
    denied: bool,
}

/// A stage that was seen in messages.
#[derive(Serialize, ToSchema)]
struct Stage {
    stage: String,
    /// Whether it counted as an interview.
    interview: bool,
    /// How often it was seen.
    count: u64,
}

pub(in crate::admin) fn organisation(
    stats: OrganisationStats,
    standing: &Standing,
    silent: bool,
    now: Timestamp,
) -> Organisation {
    let age = |oldest: Option<Timestamp>| oldest.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    let through = stats.delivered_through(now);
    let paused_since = standing.paused_since(&stats);
    // What stands still is not tried.
    let failing = standing.failing(now).filter(|_| stats.paused.is_none()).map(|(failing, _)| failing);
    Organisation {
        orgid: stats.org,
        accepted: stats.accepted,
        delivered: stats.delivered,
        dead: stats.dead,
        pending: stats.pending,
        oldest_pending_seconds: age(stats.oldest_pending),
        paused: stats.paused.is_some(),
        paused_since: text(paused_since),
        paused_by: stats.paused.as_ref().map(|paused| paused.cause),
        paused_because: stats.paused.and_then(|paused| paused.reason),
        failing_since: text(failing.map(|failing| failing.since)),
        failed_attempts: failing.map_or(0, |failing| failing.attempts),
        failing_because: failing.map(Failing::says),
        held_until: text(stats.held_until.filter(|until| *until > now)),
        delivered_through: through.to_string(),
        last_message_at: text(stats.last_message_at),
        last_started_at: text(stats.last_started_at),
        late: stats.late,
        interviews_open_too_long: stats.open_too_long,
        silent,
        stages_seen: (stats.stages.into_iter())
            .map(|seen| Stage { stage: seen.stage, interview: seen.interview, count: seen.count })
            .collect(),
        details: Details {
            waiting: stats.details.waiting,
            oldest_waiting_seconds: age(stats.details.oldest_waiting),
            failed: stats.details.failed,
            denied: stats.details.denied,
        },
    }
}
