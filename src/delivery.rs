//! Getting accepted events to their handlers, in order, until they are delivered or given up.
//!
//! The [`pump`] claims work from the journal (which records the intent), lets the organisation's
//! [`Handler`] try it, has the [`verdict`] decide what becomes of it, and settles that under the
//! claim's fence. [`share`] keeps one organisation from using up the process.

pub mod handler;
pub mod pump;
pub mod relay;
mod report;
pub mod share;
pub mod verdict;

use std::time::Duration;

pub use handler::{Handled, Handler, Handling, Outcome, Reason, Routes};
pub use pump::{Attempted, Observer, Pump};

use crate::journal::Ages;

/// How deliveries are tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How long one attempt may take, the answer's body included.
    pub timeout: Duration,
    /// The upper bound of the first wait.
    pub first_retry: Duration,
    /// The upper bound of any wait that the relay did not ask for.
    pub max_retry: Duration,
    /// How long after its first attempt an event is given up.
    pub give_up_after: Duration,
    /// How long to wait before each probe of a relay that calls the set-up wrong.
    pub probe: Duration,
    /// An interview's start that is delivered later than this is counted as late.
    pub useful_within: Duration,
    /// An interview that is open for longer is reported.
    pub open_interview_alert: Duration,
    /// How many attempts run at once in the process.
    pub concurrency: usize,
}

impl Policy {
    /// What counts as too old in the figures.
    pub fn ages(&self) -> Ages {
        Ages { useful_within: self.useful_within, open_interview: self.open_interview_alert }
    }
}
