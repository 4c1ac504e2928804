//! How an event type is decided, as pure functions.
//!
//! [`StagePolicy::position`] says where a message puts the candidate, [`decide`] what that makes
//! of it, given what is known of the application. The decision is made once and stored with the
//! event; everything else derives from it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::change::{Occurred, StateChange, Text};

/// How far ahead of the clock a message's own timestamp may be and still order messages.
pub const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);

/// Whether the candidate is in an interview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum Position {
    /// Not in an interview stage, or closed.
    Out,
    /// In an interview stage.
    In,
}

impl Position {
    /// How it is spelled in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }

    /// Reads an explicit event type in either of the relay's spellings, without outer white space.
    /// `state_changed` and anything else is `None`.
    pub fn told_by(event_type: &str) -> Option<Self> {
        match event_type.trim() {
            "interview_started" | "interview_stage_started" => Some(Self::In),
            "interview_ended" | "interview_stage_ended" => Some(Self::Out),
            _ => None,
        }
    }
}

/// What a state change was decided to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum EventType {
    /// The candidate entered the first interview stage.
    InterviewStarted,
    /// The candidate left the last interview stage.
    InterviewEnded,
    /// No boundary of an interview.
    StateChanged,
}

impl EventType {
    /// All types, in the order of their codes in a journal.
    pub const ALL: [Self; 3] = [Self::InterviewStarted, Self::InterviewEnded, Self::StateChanged];

    /// How it is spelled in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InterviewStarted => "interview_started",
            Self::InterviewEnded => "interview_ended",
            Self::StateChanged => "state_changed",
        }
    }

    /// Whether the event opens or closes an interview.
    pub const fn is_boundary(self) -> bool {
        !matches!(self, Self::StateChanged)
    }
}

/// Why a message puts the candidate where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The message itself says so.
    Told,
    /// Its stage is an interview stage and its status not a closed one.
    InterviewStage,
    /// Its stage is not an interview stage.
    OtherStage,
    /// Its stage is an interview stage, but its status is a closed one.
    ClosedStatus,
}

impl Reason {
    /// All reasons, in the order of their codes in a journal.
    pub const ALL: [Self; 4] = [Self::Told, Self::InterviewStage, Self::OtherStage, Self::ClosedStatus];
}

/// Which stages are interviews and which statuses end one, for one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePolicy {
    /// As they are written, to be shown.
    interview_stages: Vec<String>,
    /// As they are compared.
    folded_stages: Vec<String>,
    closed_statuses: Vec<String>,
}

impl StagePolicy {
    /// A policy of these names; they are compared without case and outer white space.
    pub fn new<S: AsRef<str>>(interview_stages: &[S], closed_statuses: &[S]) -> Self {
        let folded = |names: &[S]| names.iter().map(|name| name.as_ref().trim().to_lowercase()).collect();
        let written = interview_stages.iter().map(|name| name.as_ref().trim().to_owned()).collect();
        Self {
            interview_stages: written,
            folded_stages: folded(interview_stages),
            closed_statuses: folded(closed_statuses),
        }
    }

    /// Which stages are interviews, as they are written.
    pub fn interview_stages(&self) -> &[String] {
        &self.interview_stages
    }

    /// Where the change puts the candidate, and why.
    pub fn position(&self, change: &StateChange) -> (Position, Reason) {
        if let Some(told) = change.told {
            return (told, Reason::Told);
        }
        let mut stages = change.stage.iter().chain(&change.stage_aliases);
        if !stages.any(|stage| listed(&self.folded_stages, stage)) {
            (Position::Out, Reason::OtherStage)
        } else if change.status.as_ref().is_some_and(|status| listed(&self.closed_statuses, status)) {
            (Position::Out, Reason::ClosedStatus)
        } else {
            (Position::In, Reason::InterviewStage)
        }
    }
}

impl Default for StagePolicy {
    fn default() -> Self {
        Self::new(&["Interview"], &["Rejected", "Declined", "Withdrawn", "Hired"])
    }
}

fn listed(folded: &[String], text: &Text) -> bool {
    let text = text.as_str();
    folded.iter().any(|name| name.eq_ignore_ascii_case(text) || (!text.is_ascii() && *name == text.to_lowercase()))
}

/// What makes two messages of one application the same: equal stage, step, status and explicit
/// type. Held as a keyed 128-bit hash, which whoever stores events makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Likeness(pub u128);

/// What is known of an application: the event last applied to it. No standing: it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where that event left the candidate.
    pub position: Position,
    /// What a message must equal to be its duplicate.
    pub likeness: Likeness,
    /// The event's own timestamp, where it had one that takes part in ordering.
    pub ordered_at: Option<Timestamp>,
}

/// A message, reduced to what its decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Where the message puts the candidate.
    pub position: Position,
    /// Why.
    pub reason: Reason,
    /// What makes it the same as another.
    pub likeness: Likeness,
    /// Its own timestamp, where that takes part in ordering: see [`ordered_at`].
    pub ordered_at: Option<Timestamp>,
    /// Whether an earlier accepted or stale message of the application with an equal WS-Addressing
    /// `MessageID` was the same.
    pub repeats_message_id: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is applied: the application moves from `was` (unknown: `None`) to `now`.
    Accepted {
        /// What it means.
        event_type: EventType,
        /// Where the candidate was; `None`: unknown.
        was: Option<Position>,
        /// Where the candidate is.
        now: Position,
    },
    /// It is older than what was applied last: recorded, without effect and without delivery.
    Stale {
        /// Where the candidate was and stays.
        stays: Position,
    },
    /// It repeats the event last applied.
    DuplicateOfLast,
    /// It repeats the earlier event with its `MessageID`.
    DuplicateOfMessageId,
}

/// What the sender is told became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum Outcome {
    /// It was applied and is stored.
    Accepted,
    /// It repeats a stored event and was only counted on that one.
    Duplicate,
    /// It is older than what was applied; stored without effect.
    Stale,
    /// Nothing was stored: the sender asked what would be decided.
    DryRun,
}

impl Outcome {
    /// How it is spelled in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Duplicate => "Duplicate",
            Self::Stale => "Stale",
            Self::DryRun => "DryRun",
        }
    }
}

/// The timestamp of a message that takes part in telling duplicates and stale messages: one with a
/// time of day that is not more than [`MAX_AHEAD`] ahead of `now`.
pub fn ordered_at(occurred: Option<Occurred>, now: Timestamp) -> Option<Timestamp> {
    let occurred = occurred.filter(|occurred| occurred.has_time)?;
    (occurred.at.duration_since(now) <= jiff::SignedDuration::try_from(MAX_AHEAD).ok()?).then_some(occurred.at)
}

/// Decides what becomes of a message, given what is known of its application.
pub fn decide(standing: Option<&Standing>, seen: &Seen) -> Decision {
    let times = standing.and_then(|standing| standing.ordered_at).zip(seen.ordered_at);
    if let Some(standing) = standing {
        let later = times.is_some_and(|(last, new)| new > last);
        if standing.likeness == seen.likeness && !later {
            return Decision::DuplicateOfLast;
        }
    }
    if seen.repeats_message_id {
        return Decision::DuplicateOfMessageId;
    }
    if let (Some(standing), Some((last, new))) = (standing, times)
        && new < last
    {
        return Decision::Stale { stays: standing.position };
    }
    let was = standing.map(|standing| standing.position);
    let event_type = match (was, seen.position) {
        (None | Some(Position::Out), Position::In) => EventType::InterviewStarted,
        (Some(Position::In), Position::Out) => EventType::InterviewEnded,
        (None, Position::Out) if seen.reason == Reason::Told => EventType::InterviewEnded,
        _ => EventType::StateChanged,
    };
    Decision::Accepted { event_type, was, now: seen.position }
}

#[cfg(test)]
mod tests;
