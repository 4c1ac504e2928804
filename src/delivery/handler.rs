//! What handles an event, and how it is found.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{OrgId, protection};
use crate::journal::{Answered, Claimed, ReadBack};

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The event is handled.
    Delivered,
    /// It is worth trying again.
    Retry {
        /// The wait that the other side asked for.
        retry_after: Option<Duration>,
        /// Whether it asked for quiet from the whole organisation.
        whole_organisation: bool,
    },
    /// The set-up is wrong, not the event: the deliveries pause until somebody mended it.
    SetUp,
    /// The other side will never take this event.
    Refused,
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub struct Handled {
    /// How it went.
    pub outcome: Outcome,
    /// What the other side said.
    pub answered: Answered,
    /// What it did to the protection, to be recorded with the settlement.
    pub protection: Option<protection::Change>,
    /// What it means for the protection's details, to be recorded likewise.
    pub read_back: ReadBack,
}

/// An attempt under way.
pub type Handling = Pin<Box<dyn Future<Output = Handled> + Send>>;

/// Something that events are delivered to: the relay, or the bridge itself.
pub trait Handler: Send + Sync {
    /// Tries to handle the event within `timeout`. It may be asked more than once for the same
    /// event and must then do no more than once what it does.
    fn handle(&self, claimed: Claimed, timeout: Duration) -> Handling;
}

/// Which handler is in force for an organisation, at the moment it is asked.
pub trait Routes: Send + Sync {
    /// Every organisation that is configured.
    fn organisations(&self) -> Arc<HashSet<OrgId>>;

    /// The handler of one; none once it was removed.
    fn handler(&self, org: &OrgId) -> Option<Arc<dyn Handler>>;
}
