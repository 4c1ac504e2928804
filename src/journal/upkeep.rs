//! Keeping the store in order: what an operator may change in it, and what has to go in time.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{EventFilter, Ticket};
use crate::domain::{CandidateId, EventId, OrgId};

/// Who asks for a change: the name of a token, or of a part of the bridge. It is recorded.
pub type Actor = Box<str>;

/// Which events are to be delivered anew.
#[derive(Debug, Clone)]
pub enum Which {
    /// This one.
    One(EventId),
    /// All that pass the filter. Where it names no state, the dead letters among them.
    All(EventFilter),
}

/// What is to be delivered anew, in the order of acceptance.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Which events are delivered anew.
    pub which: Which,
    /// Superseded ones as well.
    pub force: bool,
    /// Count only.
    pub dry_run: bool,
    /// Who asks.
    pub actor: Actor,
}

/// What came of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that wait for delivery again, or would.
    pub replayed: u64,
    /// Events left alone because a later boundary of their application has overtaken them.
    pub superseded: u64,
    /// Events left alone because they still wait, or have nothing to deliver.
    pub unsettled: u64,
}

/// What came of deleting a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// It is gone.
    Done,
    /// There is no such event.
    Unknown,
    /// It is no dead letter, nor what else was to be deleted.
    NotDead,
}

/// How a gate is turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// The deliveries of an organisation stop until they are resumed.
    Pause(OrgId),
    /// They go on, whatever stopped them.
    Resume(OrgId),
    /// The set-up was looked at: all that stopped because it was wrong go on.
    SetUpRead,
}

/// The receipt of an erasure. It does not say whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its number in the journal.
    pub number: u64,
    /// The organisation.
    pub org: OrgId,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it was done; `None` while events of the candidate still wait for delivery or an
    /// interview is open.
    pub done_at: Option<Timestamp>,
    /// How many events were removed.
    pub events: u64,
}

/// How long what was read back is kept after the interview.
#[derive(Debug, Clone)]
pub struct Keep {
    /// By organisation.
    pub each: HashMap<OrgId, Duration>,
    /// Of those that are not configured any more.
    pub otherwise: Duration,
}

impl Keep {
    /// How long it is kept of one organisation.
    pub fn of(&self, org: &OrgId) -> Duration {
        self.each.get(org).copied().unwrap_or(self.otherwise)
    }
}

/// An erasure that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingErasure {
    /// The number of its receipt.
    pub number: u64,
    /// The organisation.
    pub org: OrgId,
    /// The ids by which messages and answers speak of the candidate: its own, and those of its
    /// applications.
    pub names: Vec<String>,
    /// Whether events of the candidate still wait for delivery or an interview is open.
    pub held: bool,
}

/// Keeping the store in order. These run one after the other, in small steps between which accepts
/// go on.
pub trait Upkeep: Send + Sync {
    /// Lets settled events be delivered anew, with a fresh budget of retries. The `Idempotency-Key`
    /// stays that of the last delivery of a dead letter; each replay of a delivered event numbers it.
    fn replay(&self, replay: Replay) -> Ticket<Replayed>;

    /// Deletes a dead letter; where `waiting`, also an event that waits. It still counts for its
    /// application.
    fn discard(&self, id: EventId, waiting: bool, actor: Actor) -> Ticket<Discarded>;

    /// Stops the deliveries of an organisation or lets them go.
    fn turn(&self, turn: Turn, actor: Actor) -> Ticket<()>;

    /// Records that all applications of a candidate are to be removed; the number of the receipt. It
    /// is kept whose they are until [`Upkeep::finish_erasure`] is done, so that whoever holds more of
    /// the candidate than the journal erases that before.
    fn erase(&self, org: OrgId, candidate: CandidateId, actor: Actor) -> Ticket<u64>;

    /// The erasures that are not done, oldest first.
    fn waiting_erasures(&self) -> Ticket<Vec<WaitingErasure>>;

    /// Removes all applications of the candidate, with everything that was recorded of them and what
    /// relays answered about them, unless something of them waits for delivery or is in an interview.
    /// Where `undelivered`, nothing holds it up. The receipt; `None` if there is none of that number.
    fn finish_erasure(&self, number: u64, undelivered: bool) -> Ticket<Option<Erasure>>;

    /// The latest erasures, the newest first.
    fn erasures(&self, limit: usize) -> Ticket<Vec<Erasure>>;

    /// Removes what was settled and is older than this; how many events. What waits, what is dead
    /// and what an application in interview is known by stays.
    fn purge(&self, older_than: Duration) -> Ticket<u64>;

    /// Forgets what was read back for protections that ended long enough ago; of how many.
    fn forget_details(&self, keep: Keep) -> Ticket<u64>;

    /// Stops taking requests, finishes those that were taken, and closes the files.
    fn close(&self);
}
