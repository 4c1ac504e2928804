//! The in-process handler: the start of an interview turns the candidate's protection on, its end
//! turns it off. What it decides is recorded with the settlement of its attempt or not at all.

use std::time::Duration;

use crate::delivery::{Handled, Handler, Handling, Outcome};
use crate::domain::protection::Change;
use crate::journal::{Answered, Claimed};

/// Handles events by protecting their candidates.
#[derive(Debug, Default)]
pub struct InProcess;

impl Handler for InProcess {
    fn handle(&self, claimed: Claimed, _: Duration) -> Handling {
        let protection = Change::of(claimed.event.event_type);
        let (outcome, answered) = (Outcome::Delivered, Answered::default());
        Box::pin(std::future::ready(Handled { outcome, answered, reason: None, protection }))
    }
}
