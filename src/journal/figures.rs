//! Figures of organisations.

use std::time::Duration;

use jiff::Timestamp;

use super::{Paused, Pulse};
use crate::domain::{EventId, OrgId};

/// A stage that was seen in messages.
#[derive(Debug, Clone)]
pub struct StageSeen {
    /// Its text.
    pub stage: String,
    /// Whether it counted as an interview.
    pub interview: bool,
    /// How often.
    pub count: u64,
}

/// What counts as too old in the figures.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// How long an interview's start is useful.
    pub useful_within: Duration,
    /// How long an interview may be open without a remark.
    pub open_interview: Duration,
}

/// How reading the details of protected candidates back from Workday stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetailsStats {
    /// Of how many they are still to be read.
    pub waiting: u64,
    /// Of how many they cannot be read.
    pub failed: u64,
    /// When the oldest event was received whose candidate's are still to be read.
    pub oldest_waiting: Option<Timestamp>,
    /// Whether Workday denies access, so that it is left alone but for a probe from time to time.
    pub denied: bool,
    /// What went wrong with one of those that wait.
    pub error: Option<String>,
}

/// Figures of one organisation since its journal began.
#[derive(Debug, Clone)]
pub struct OrganisationStats {
    /// Whose figures they are.
    pub org: OrgId,
    /// Events accepted (stale ones and duplicates not counted).
    pub accepted: u64,
    /// Events that the relay took, or that were handled here.
    pub delivered: u64,
    /// Events given up and still there.
    pub dead: u64,
    /// Events that wait.
    pub pending: u64,
    /// When the oldest of those was received.
    pub oldest_pending: Option<Timestamp>,
    /// Which event that is, the one that waits the longest.
    pub oldest_event: Option<EventId>,
    /// When the oldest of those that were given up was received.
    pub oldest_dead: Option<Timestamp>,
    /// When the last message came.
    pub last_message_at: Option<Timestamp>,
    /// When the last interview's start came.
    pub last_started_at: Option<Timestamp>,
    /// Starts that were not delivered while that was useful: delivered later, given up, or still waiting.
    pub late: u64,
    /// Interviews that are open for longer than was asked about.
    pub open_too_long: u64,
    /// Whether its deliveries stand still.
    pub paused: Option<Paused>,
    /// Until when its relay has asked for quiet; it may be over.
    pub held_until: Option<Timestamp>,
    /// The stages that its messages named.
    pub stages: Vec<StageSeen>,
    /// How reading back from Workday stands.
    pub details: DetailsStats,
}

impl OrganisationStats {
    /// The time before which everything that was accepted is delivered: where nothing waits and
    /// nothing was given up, now.
    pub fn delivered_through(&self, now: Timestamp) -> Timestamp {
        [self.oldest_pending, self.oldest_dead].into_iter().flatten().min().unwrap_or(now)
    }

    /// Those of an organisation that had no event.
    pub fn unheard(org: OrgId, pulse: Option<&Pulse>) -> Self {
        Self {
            org,
            accepted: 0,
            delivered: 0,
            dead: 0,
            pending: 0,
            oldest_pending: None,
            oldest_event: None,
            oldest_dead: None,
            last_message_at: None,
            last_started_at: None,
            late: 0,
            open_too_long: 0,
            paused: pulse.and_then(|pulse| pulse.paused.clone()),
            held_until: pulse.and_then(|pulse| pulse.held_until),
            stages: Vec::new(),
            details: DetailsStats::default(),
        }
    }
}
