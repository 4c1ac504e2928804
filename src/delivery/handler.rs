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

/// Why an attempt did not deliver: few enough to be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No answer came in time.
    Timeout,
    /// There was no connection, or it broke.
    Connection,
    /// The other side wants it later: 408, 425.
    Later,
    /// The other side wants quiet: 429.
    Throttled,
    /// The other side failed: 5xx.
    ServerError,
    /// The other side does not know the key: 401, 403.
    Credentials,
    /// Nothing is at the URL: 404, 410.
    NotThere,
    /// The URL is elsewhere: 3xx.
    Redirect,
    /// The other side will never take the event: any other 4xx.
    Refused,
    /// The organisation is no longer configured.
    Removed,
}

impl Reason {
    /// Every reason there is, in the order of their figures.
    pub const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Connection,
        Self::Later,
        Self::Throttled,
        Self::ServerError,
        Self::Credentials,
        Self::NotThere,
        Self::Redirect,
        Self::Refused,
        Self::Removed,
    ];

    /// Its name in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Later => "later",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Credentials => "credentials",
            Self::NotThere => "not_there",
            Self::Redirect => "redirect",
            Self::Refused => "refused",
            Self::Removed => "removed",
        }
    }

    /// Of an HTTP status; nothing for one that delivers.
    pub const fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            200..=299 => return None,
            300..=399 => Self::Redirect,
            401 | 403 => Self::Credentials,
            404 | 410 => Self::NotThere,
            408 | 425 => Self::Later,
            429 => Self::Throttled,
            400..=499 => Self::Refused,
            _ => Self::ServerError,
        })
    }
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub struct Handled {
    /// How it went.
    pub outcome: Outcome,
    /// What the other side said.
    pub answered: Answered,
    /// Why it was not delivered.
    pub reason: Option<Reason>,
    /// What it did to the protection, to be recorded with the settlement.
    pub protection: Option<protection::Change>,
    /// What it means for the protection's details, to be recorded likewise.
    pub read_back: ReadBack,
}

impl Handled {
    /// It went well, and there is nothing more to say of it.
    pub fn delivered() -> Self {
        Self {
            outcome: Outcome::Delivered,
            answered: Answered::default(),
            reason: None,
            protection: None,
            read_back: ReadBack::Nothing,
        }
    }
}

/// An attempt under way, which does nothing unless it is polled.
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
