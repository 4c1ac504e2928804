//! What is asked of the records, and what they answer.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{
    ApplicationId, CandidateEvent, CandidateId, Details, EventType, OrgId, Outcome, Position, Reason, RequisitionId,
};

/// A place in a list that stays right when entries are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub u64);

/// As many entries of a list as were asked for, and where the rest of it begins.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The entries, in the order of the query.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// Which events; a field that is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only these organisations; `None`: all.
    pub orgs: Option<Vec<OrgId>>,
    /// Only this type.
    pub event_type: Option<EventType>,
    /// Only this state of delivery.
    pub state: Option<DeliveryState>,
    /// Only this job application's.
    pub application: Option<ApplicationId>,
    /// Only this candidate's.
    pub candidate: Option<CandidateId>,
    /// Received at or after this.
    pub since: Option<Timestamp>,
    /// Received before this.
    pub until: Option<Timestamp>,
}

/// What became of an event's delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// There is nothing to deliver.
    None,
    /// It waits or is under way.
    Pending,
    /// It arrived.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::None, Self::Pending, Self::Delivered, Self::Dead];

    /// How it is spelled in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// An event with its decision and what became of it.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// The event.
    pub event: CandidateEvent,
    /// Where the candidate was; `None`: unknown.
    pub was: Option<Position>,
    /// Where the candidate is.
    pub now: Position,
    /// Why there.
    pub reason: Reason,
    /// `Accepted` or `Stale`.
    pub outcome: Outcome,
    /// What became of its delivery.
    pub state: DeliveryState,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the next one is due, while it waits.
    pub next_attempt_at: Option<Timestamp>,
    /// What the last attempt ran into.
    pub last_error: Option<String>,
    /// How often it was sent again by Workday.
    pub duplicates: u64,
    /// When last.
    pub last_duplicate_at: Option<Timestamp>,
    /// Who made it and why, where an operator did.
    pub note: Option<String>,
    /// A boundary that was settled and that a later one of its application has overtaken: to send
    /// it again would turn the candidate's protection to what no longer holds.
    pub superseded: bool,
}

/// One job application, as its latest event left it.
#[derive(Debug, Clone)]
pub struct ApplicationRecord {
    /// The latest event.
    pub latest: EventRecord,
    /// While the candidate is in an interview: when the event that started it was received.
    pub in_interview_since: Option<Timestamp>,
}

/// Which applications are asked for.
#[derive(Debug, Clone, Default)]
pub struct ApplicationFilter {
    /// Only these organisations; `None`: all.
    pub orgs: Option<Vec<OrgId>>,
}

/// Since when and why the deliveries of an organisation stand still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// Whether somebody or the relay stopped them.
    pub cause: PauseCause,
    /// What the relay answered, or who asked for it.
    pub reason: Option<String>,
}

/// Why deliveries stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// An operator paused them.
    Operator,
    /// The relay calls the set-up wrong.
    SetUp,
}

impl PauseCause {
    /// The spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::SetUp => "set_up",
        }
    }
}

/// What is known of an organisation at any moment, without a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// The organisation.
    pub org: OrgId,
    /// How many events wait for delivery.
    pub pending: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// Since when the oldest interview's start among them waits, replays not counted.
    pub oldest_start: Option<Timestamp>,
    /// Since when, or from when on, the first of those that are not under way may be claimed.
    pub due: Option<Timestamp>,
    /// Whether its deliveries stand still.
    pub paused: Option<Paused>,
    /// Until when its relay has asked for quiet; it may be over.
    pub held_until: Option<Timestamp>,
    /// When its last message came.
    pub last_message_at: Option<Timestamp>,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The event arrived.
    Delivered,
    /// It is tried again.
    Retry,
    /// It found the set-up wrong; the organisation's deliveries pause.
    Paused,
    /// It was given up.
    Dead,
    /// It was sent or about to be; whether it arrived is not known.
    Unknown,
}

impl AttemptOutcome {
    /// How it is spelled in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Paused => "paused",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// One attempt to deliver an event.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// When its intent was recorded.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The HTTP status, where the relay answered with one.
    pub status: Option<u16>,
    /// In milliseconds; unknown where the outcome is.
    pub latency_ms: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
    /// The first 2 KiB of the relay's answer.
    pub answer: Option<String>,
}

/// Which protections are asked for.
#[derive(Debug, Clone, Default)]
pub struct ProtectionFilter {
    /// Only these organisations; `None`: all.
    pub orgs: Option<Vec<OrgId>>,
    /// Only those that are on, or off.
    pub active: Option<bool>,
}

/// One application's protection.
#[derive(Debug, Clone)]
pub struct ProtectionRecord {
    /// The organisation.
    pub org: OrgId,
    /// Who is or was protected.
    pub candidate: CandidateId,
    /// For which application.
    pub application: ApplicationId,
    /// For which requisition.
    pub requisition: RequisitionId,
    /// From when to when.
    pub span: crate::domain::protection::Span,
    /// How reading back from Workday went; none where nothing is to be read.
    pub read_back: Option<ReadBackRecord>,
}

/// How reading a candidate's details back from Workday stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadBackState {
    /// They are still to be read.
    Waiting,
    /// They were read.
    Read,
    /// They cannot be read; `last_error` says why.
    Failed,
}

/// The details of a protection, and how reading them went.
#[derive(Debug, Clone)]
pub struct ReadBackRecord {
    /// How it stands.
    pub state: ReadBackState,
    /// How often they were asked for.
    pub attempts: u32,
    /// When they are asked for next.
    pub next_attempt_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// What was read, and when.
    pub details: Option<(Details, Timestamp)>,
}
