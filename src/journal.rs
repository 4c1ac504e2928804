//! The durable record of accepted events and what became of them.
//!
//! Four small traits say what the rest of the bridge may ask of a journal; together they are a
//! [`Journal`]. Only durations cross them, never clock times, so that an implementation may keep
//! its own clock. What any implementation promises:
//!
//! - A [`Receipt`] exists only for what is durable.
//! - Events of one lane (organisation, application and kind of work) are claimed in the order in
//!   which they were accepted, the next only when the one before is settled for good.
//! - A settlement names the fence of its claim; one whose claim was taken over changes nothing.

pub mod batch;
pub mod carried;
pub mod embedded;
pub mod figures;
pub mod filter;
mod gate;
mod keys;
pub mod postgres;
pub mod refused;
mod thread;
pub mod ticket;
mod upkeep;
mod work;

use std::time::Duration;

use crate::domain::{ApplicationId, EventId, EventType, OrgId, Outcome, Position, Reason, Source, StateChange};

pub use figures::{Ages, DetailsStats, OrganisationStats, StageSeen};
pub use filter::{
    ApplicationFilter, ApplicationRecord, AttemptOutcome, AttemptRecord, Cursor, DeliveryState, EventFilter,
    EventRecord, Page, PauseCause, Paused, ProtectionFilter, ProtectionRecord, Pulse, ReadBackRecord, ReadBackState,
};
pub use refused::{Refused, RefusedFilter, RefusedHead, RefusedRecord};
pub use ticket::{Promise, Ticket};
pub use upkeep::{Actor, Discarded, Erasure, Keep, Replay, Replayed, Turn, Upkeep, WaitingErasure, Which};
pub use work::{Answered, Claimed, Claims, Fence, LaneKind, Quota, ReadBack, Settled, Settlement, Verdict};

/// A state change on its way into the journal, with what its organisation makes of it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Whose message it is.
    pub org: OrgId,
    /// What the message, or whoever stands in for one, says.
    pub change: StateChange,
    /// Where it puts the candidate.
    pub position: Position,
    /// Why there.
    pub reason: Reason,
    /// Its WS-Addressing `MessageID`.
    pub message_id: Option<Box<str>>,
    /// By which way it came in.
    pub source: Source,
    /// Which event types are delivered.
    pub deliver: Deliver,
    /// How many events of the organisation may wait before this one is turned away; 0: no limit.
    pub pending_limit: u64,
    /// Decide, but store nothing.
    pub dry_run: bool,
    /// The W3C `traceparent` that came with it.
    pub trace: Option<Box<str>>,
    /// Who made it and why, where an operator did.
    pub note: Option<Box<str>>,
    /// What it was concluded from; with any later event of the application it is void.
    pub after: Option<After>,
}

impl Incoming {
    /// A state change that is stored whatever waits, and delivered if it is a boundary; what else there is
    /// to say of it is said by its fields.
    pub fn new(org: OrgId, change: StateChange, (position, reason): (Position, Reason), source: Source) -> Self {
        Self {
            org,
            change,
            position,
            reason,
            message_id: None,
            source,
            deliver: Deliver::Boundaries,
            pending_limit: 0,
            dry_run: false,
            trace: None,
            note: None,
            after: None,
        }
    }
}

/// The latest event of an application at some time; `None`: nothing was known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After(pub Option<EventId>);

/// Which events have somewhere to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliver {
    /// Starts and ends of interviews.
    Boundaries,
    /// Every accepted event.
    Everything,
}

impl Deliver {
    /// Whether an event of this type is delivered.
    pub fn takes(self, event_type: EventType) -> bool {
        self == Self::Everything || event_type.is_boundary()
    }
}

/// Proof that a message was taken: it exists only for what is durable (or for a dry run, or a
/// duplicate of what is).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    event_id: Option<EventId>,
    event_type: EventType,
    outcome: Outcome,
}

impl Receipt {
    /// Of what is void by its [`After`].
    pub(crate) fn overtaken() -> Self {
        Self { event_id: None, event_type: EventType::StateChanged, outcome: Outcome::Stale }
    }

    /// Whether it was void, so that nothing was stored.
    pub fn is_overtaken(&self) -> bool {
        self.event_id.is_none() && self.outcome == Outcome::Stale
    }

    /// The event; of a duplicate, the first one; none for a dry run of something new and for what was
    /// void.
    pub fn event_id(&self) -> Option<EventId> {
        self.event_id
    }

    /// What the event was decided to mean.
    pub fn event_type(&self) -> EventType {
        self.event_type
    }

    /// What became of the message.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// Why the journal cannot do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too many requests wait for the disk.
    #[error("too many messages are waiting for the disk")]
    Busy,
    /// Too many events of the organisation wait for their delivery.
    #[error("{pending} events of the organisation are waiting for delivery, which is its limit")]
    Backlog {
        /// How many wait.
        pending: u64,
    },
    /// The disk has less space than `store.min_free_mb`.
    #[error("the disk of the journal is nearly full ({free_mb} MiB free, {min_free_mb} MiB wanted)")]
    LowDisk {
        /// What is free, in MiB.
        free_mb: u64,
        /// What must be free, in MiB.
        min_free_mb: u64,
    },
    /// The store refused the write or the query.
    #[error("the journal's store fails: {0}")]
    Failing(String),
    /// The journal is shutting down; whether the request still took effect is not known.
    #[error("the journal is shutting down")]
    Stopped,
}

impl Unavailable {
    /// When it makes sense to ask again.
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Busy => 1,
            Self::Stopped => 3,
            Self::Failing(_) => 5,
            Self::Backlog { .. } | Self::LowDisk { .. } => 30,
        })
    }
}

/// Whether the journal can take an event now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ready,
    /// It cannot, for this reason.
    NotReady(Unavailable),
}

/// Messages that were taken and are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose they are.
    pub org: OrgId,
    /// By which way they came in.
    pub source: Source,
    /// What became of them.
    pub outcome: Outcome,
    /// What they, or the first ones that they repeat, were decided to mean.
    pub event_type: EventType,
}

/// Who is told what was taken, and what the store takes for it. It is told by the journal and not by
/// whoever posted a message, so that a sender that hung up is counted all the same.
pub trait Observer: Send + Sync {
    /// That many messages were alike in this.
    fn taken(&self, taken: &Taken, count: u64);

    /// So many requests shared a commit, which took so long, deciding included.
    fn committed(&self, requests: usize, took: Duration);
}

/// Nobody is told.
impl Observer for () {
    fn taken(&self, _: &Taken, _: u64) {}

    fn committed(&self, _: usize, _: Duration) {}
}

/// Counts one more like this.
fn count(counts: &mut Vec<(Taken, u64)>, taken: Taken) {
    match counts.iter_mut().find(|(each, _)| *each == taken) {
        Some((_, count)) => *count += 1,
        None => counts.push((taken, 1)),
    }
}

/// Taking events in.
pub trait Intake: Send + Sync {
    /// Decides the message and stores its event; the ticket is redeemed once that is durable.
    ///
    /// # Errors
    /// At once when no more may wait.
    fn accept(&self, incoming: Incoming) -> Result<Ticket<Receipt>, Unavailable>;

    /// Whether an event could be taken now. Asking makes the journal look, so that the answer
    /// follows a failing disk, and its recovery, within seconds.
    fn health(&self) -> Health;
}

/// Handing out work and recording what became of it.
pub trait Work: Send + Sync {
    /// Claims the heads of due lanes within the quota, each for the duration of `lease`, and
    /// records the intents before it answers.
    fn claim(&self, quota: Quota, lease: Duration) -> Ticket<Claims>;

    /// Records what became of a claim, unless its fence is stale.
    fn settle(&self, settlement: Settlement) -> Ticket<Settled>;

    /// Completes when there may be work that was not there before; a level to claim at, not data.
    fn wake(&self) -> tokio::sync::watch::Receiver<u64>;
}

/// Looking at what is recorded. A query sees everything that was durable when it was asked.
pub trait Records: Send + Sync {
    /// Events by filter, newest first.
    fn events(&self, filter: EventFilter, before: Option<Cursor>, limit: usize) -> Ticket<Page<EventRecord>>;

    /// One event with its attempts, oldest first.
    fn event(&self, id: EventId) -> Ticket<Option<(EventRecord, Vec<AttemptRecord>)>>;

    /// Protections by filter, latest start last.
    fn protections(
        &self,
        filter: ProtectionFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Ticket<Page<ProtectionRecord>>;

    /// The applications that are in an interview, the longest first.
    fn in_interview(
        &self,
        filter: ApplicationFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Ticket<Page<ApplicationRecord>>;

    /// The latest state of one application; none for one that is unknown.
    fn application(&self, org: OrgId, application: ApplicationId) -> Ticket<Option<ApplicationRecord>>;

    /// Figures per organisation that ever had a message.
    fn stats(&self, ages: Ages) -> Ticket<Vec<OrganisationStats>>;

    /// What is known of each organisation without a query; cheap enough for every scrape.
    fn pulse(&self) -> Vec<Pulse>;
}

/// All that the bridge asks of its journal.
pub trait Journal: Intake + Work + Records + Upkeep {}

impl<T: Intake + Work + Records + Upkeep> Journal for T {}
