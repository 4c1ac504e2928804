//! What the API answers. Its description is made of these types.

mod application;
mod configuration;
mod event;
mod organisation;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::shown;
use crate::domain::{EventId, EventType, OrgId, Outcome};
use crate::journal::{self, Receipt};

pub(super) use application::{ApplicationPage, Applications, Protections, application_page, applications, protections};
pub(super) use configuration::{Configuration, Credentials, configuration, credentials};
pub(super) use event::{EventPage, Events, because, event_page, events, reason};
pub(super) use organisation::{Stats, organisation};

/// What came of a replay.
#[derive(Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Events that wait for delivery again, or would.
    replayed: u64,
    /// Events left alone because a later boundary of their application has overtaken them.
    superseded: u64,
    /// Events left alone because they still wait, or have nothing to deliver.
    unsettled: u64,
}

pub(super) fn replayed(replayed: journal::Replayed) -> Replayed {
    let journal::Replayed { replayed, superseded, unsettled } = replayed;
    Replayed { replayed, superseded, unsettled }
}

/// How the deliveries of an organisation stand.
#[derive(Serialize, ToSchema)]
pub(super) struct Gate {
    pub(super) orgid: OrgId,
    pub(super) paused: bool,
}

/// What became of a message.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// The event; of a duplicate, the first one; none where nothing was stored.
    #[schema(required)]
    event_id: Option<EventId>,
    event_type: EventType,
    outcome: Outcome,
}

pub(super) fn taken(receipt: &Receipt) -> Taken {
    Taken { event_id: receipt.event_id(), event_type: receipt.event_type(), outcome: receipt.outcome() }
}

/// The receipts of erasures.
#[derive(Serialize, ToSchema)]
pub(super) struct Erasures {
    pub(super) erasures: Vec<Erasure>,
}

/// The receipt of an erasure. It does not say whose.
#[derive(Serialize, ToSchema)]
pub(super) struct Erasure {
    /// Its number.
    receipt: u64,
    orgid: OrgId,
    state: ErasureState,
    #[schema(format = DateTime)]
    asked_at: String,
    #[schema(required, format = DateTime)]
    done_at: Option<String>,
    /// How many events were removed.
    events: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ErasureState {
    Done,
    Waiting,
}

/// The receipt of an erasure.
pub(super) fn erasure(erasure: journal::Erasure) -> Erasure {
    Erasure {
        receipt: erasure.number,
        orgid: erasure.org,
        state: if erasure.done_at.is_some() { ErasureState::Done } else { ErasureState::Waiting },
        asked_at: time(erasure.asked_at),
        done_at: text(erasure.done_at),
        events: erasure.events,
    }
}

/// A time as the API writes it: to the millisecond, as the journal's clock ticks.
pub(super) fn time(at: Timestamp) -> String {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at).to_string()
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_more_than_milliseconds() {
        for (at, written) in [
            ("2026-04-09T14:30:00.123456789Z", "2026-04-09T14:30:00.123Z"),
            ("2026-04-09T14:30:00.000999Z", "2026-04-09T14:30:00Z"),
            ("2026-04-09T14:30:00Z", "2026-04-09T14:30:00Z"),
        ] {
            assert_eq!(time(at.parse().unwrap()), written);
        }
    }
}
