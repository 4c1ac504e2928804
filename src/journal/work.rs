//! What passes between the journal and whoever delivers: claims, settlements, quotas.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::protection;
use crate::domain::{CandidateEvent, Details, OrgId, TraceParent};

/// The kind of work that a lane holds; lanes of different kinds never wait for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LaneKind {
    /// Getting the event to its handler.
    #[default]
    Delivery,
    /// Reading back from Workday whom a protection is of. Such a lane holds one piece of work at
    /// most, as only the latest interview's start counts.
    Details,
}

impl LaneKind {
    /// The number by which stores keep it; it never changes.
    pub const fn code(self) -> u8 {
        match self {
            Self::Delivery => 0,
            Self::Details => 1,
        }
    }
}

/// Names one claim of one lane's head. Each claim of a lane has a higher one, so that a settlement
/// that comes after its lease ran out and the work was given away is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    pub(super) kind: LaneKind,
    pub(super) event: u64,
    pub(super) attempt: u64,
}

/// One event to be handled, and the right to say what became of it.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The event.
    pub event: CandidateEvent,
    /// To be named by the settlement.
    pub fence: Fence,
    /// How many attempts there were, this one included.
    pub attempt: u32,
    /// How long ago the first attempt began, pauses not counted; zero for the first.
    pub since_first: Duration,
    /// How long ago the event was accepted.
    pub age: Duration,
    /// The event was settled for good before; an operator wanted it again.
    pub replayed: bool,
    /// Which time it would be that this event finds the set-up wrong, counting only times between
    /// which others of its organisation went through.
    pub strike: u32,
    /// What the handler may recognise a repetition by.
    pub idempotency_key: String,
    /// The W3C `traceparent` of the message.
    pub trace: Option<Box<str>>,
}

impl Claimed {
    /// The trace that the event is delivered in: the message's, or one of its own.
    pub fn trace(&self) -> TraceParent {
        let given = self.trace.as_deref().and_then(TraceParent::read);
        given.unwrap_or_else(|| TraceParent::of_event(self.event.event_id))
    }
}

/// What a claim found.
#[derive(Debug, Default)]
pub struct Claims {
    /// The work, oldest first within an organisation.
    pub claimed: Vec<Claimed>,
    /// When a lane that is not due now becomes due, if any will by itself.
    pub next_due: Option<Duration>,
}

/// How much may be claimed, in all and per organisation.
#[derive(Debug, Clone, Default)]
pub struct Quota {
    /// Of which kind of lane.
    pub kind: LaneKind,
    /// How many at most, of all organisations together.
    pub total: usize,
    /// For each organisation that has no figure of its own.
    pub each: usize,
    /// The figures of those that already hold claims.
    pub held: HashMap<OrgId, usize>,
    /// Who may claim at all: the work of an organisation that is not configured waits.
    pub known: Arc<HashSet<OrgId>>,
}

impl Quota {
    /// How much one organisation may claim.
    pub fn of(&self, org: &OrgId) -> usize {
        if self.known.contains(org) { self.held.get(org).copied().unwrap_or(self.each) } else { 0 }
    }
}

/// What becomes of an event after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is handled.
    Delivered,
    /// It is to be tried again.
    Retry {
        /// After this.
        after: Duration,
        /// Whether its whole organisation waits with it.
        hold_organisation: bool,
    },
    /// Not the event but the set-up is wrong: the organisation's deliveries pause, and are probed
    /// with one event at a time, until one is delivered.
    Paused {
        /// How long to wait before each probe.
        probe_after: Duration,
    },
    /// It is given up; its lane goes on with the next event.
    Dead,
}

/// What the relay or Workday said to an attempt, as the attempt log keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status, where one came.
    pub status: Option<u16>,
    /// From the first byte sent to the end of the answer.
    pub latency: Duration,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub body: Option<String>,
}

/// What a settlement means for the details of its application's protection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReadBack {
    /// Nothing.
    #[default]
    Nothing,
    /// They are to be read: that becomes the work of the application's details lane, recorded with
    /// this settlement or not at all.
    Wanted,
    /// They were read.
    Read(Box<Details>),
}

/// What became of a claim.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The claim.
    pub fence: Fence,
    /// What becomes of the event.
    pub verdict: Verdict,
    /// What the other side said.
    pub answered: Answered,
    /// What handling in-process did to the protection; recorded with the settlement or not at all.
    pub protection: Option<protection::Change>,
    /// What it means for the protection's details.
    pub read_back: ReadBack,
    /// Whether an interview's start came later than was useful.
    pub late: bool,
}

/// Whether a settlement took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is recorded.
    Applied,
    /// The claim was taken over since: nothing changed.
    Stale,
}
