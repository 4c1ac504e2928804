//! A state change, as one message tells it, and the candidate event that the bridge makes of it.

use jiff::Timestamp;
use serde::Serialize;

use super::ids::{ApplicationId, CandidateId, EventId, OrgId, RequisitionId};
use super::lifecycle::{EventType, Position};

/// A stage, step or status: trimmed, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "server", schema(value_type = String, min_length = 1))]
pub struct Text(Box<str>);

/// Longest stage, step or status that is taken, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 1024;

impl Text {
    /// The text without outer white space, or nothing where nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// When a message says that its transition occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurred {
    /// The instant; of a date without a time, its midnight.
    pub at: Timestamp,
    /// Whether the message gave a time of day. A bare date takes no part in ordering.
    pub has_time: bool,
}

impl Occurred {
    /// Reads a date with a time, or a date alone (XML Schema part 2, sections 3.2.7 and 3.2.9; RFC
    /// 3339); either with `Z`, an offset or neither, which is UTC. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        super::timestamp::parse(text)
    }
}

/// What one TriggerCandidateStateChange message says: this application is now at this stage,
/// step and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The job application that changed.
    pub application: ApplicationId,
    /// Whose application it is.
    pub candidate: CandidateId,
    /// What was applied for.
    pub requisition: RequisitionId,
    /// The recruiting stage.
    pub stage: Option<Text>,
    /// Further names of the same stage (its ID beside its Descriptor, the WID): `interview_stages`
    /// is compared with these as well.
    pub stage_aliases: Vec<Text>,
    /// The step within the stage.
    pub step: Option<Text>,
    /// The application's status or disposition.
    pub status: Option<Text>,
    /// Where the message itself says that the candidate is now (`Event_Type`, `?event=`).
    pub told: Option<Position>,
    /// When the transition occurred, where the message says so.
    pub occurred: Option<Occurred>,
}

impl StateChange {
    /// The candidate event that it becomes once it is decided what it means.
    pub fn into_event(
        self,
        event_id: EventId,
        orgid: OrgId,
        event_type: EventType,
        received_at: Timestamp,
        source: Source,
    ) -> CandidateEvent {
        CandidateEvent {
            event_id,
            orgid,
            event_type,
            candidate_id: self.candidate,
            job_application_id: self.application,
            job_requisition_id: self.requisition,
            stage: self.stage,
            step: self.step,
            status: self.status,
            timestamp: self.occurred.map_or(received_at, |occurred| occurred.at),
            received_at,
            source,
        }
    }
}

/// By which way a state change came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum Source {
    /// The SOAP endpoint, enveloped or bare.
    Soap,
    /// The JSON intake.
    Webhook,
    /// An operator, by hand.
    Operator,
    /// A comparison with what Workday reports.
    Reconcile,
}

impl Source {
    /// All sources, in the order of their codes in a journal.
    pub const ALL: [Self; 4] = [Self::Soap, Self::Webhook, Self::Operator, Self::Reconcile];

    /// How it is spelled in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Soap => "soap",
            Self::Webhook => "webhook",
            Self::Operator => "operator",
            Self::Reconcile => "reconcile",
        }
    }
}

/// A state change with its identity and its decided type: the model that all parts share, and,
/// serialised, the candidate event of `wsdl/candidate-event.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "server",
    schema(description = "A state change with its identity and what it was decided to mean.")
)]
pub struct CandidateEvent {
    /// Identity; also the `Idempotency-Key` at the relay.
    pub event_id: EventId,
    /// Whose event it is.
    pub orgid: OrgId,
    /// What the state change was decided to mean.
    pub event_type: EventType,
    /// Whose application it is.
    pub candidate_id: CandidateId,
    /// The job application.
    pub job_application_id: ApplicationId,
    /// The job requisition.
    pub job_requisition_id: RequisitionId,
    /// The recruiting stage, `null` where not given.
    #[cfg_attr(feature = "server", schema(required))]
    pub stage: Option<Text>,
    /// The step, `null` where not given.
    #[cfg_attr(feature = "server", schema(required))]
    pub step: Option<Text>,
    /// The status, `null` where not given.
    #[cfg_attr(feature = "server", schema(required))]
    pub status: Option<Text>,
    /// When the transition occurred, RFC 3339 UTC; the time of receipt where the message gives none.
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub timestamp: Timestamp,
    /// When the journal took the event, RFC 3339 UTC.
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub received_at: Timestamp,
    /// By which way it came in.
    pub source: Source,
}

fn rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}
