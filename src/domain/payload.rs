//! The two JSON shapes that the relay takes: its webhook and the Studio mapping.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::change::{CandidateEvent, Text};
use super::ids::{ApplicationId, CandidateId, RequisitionId};
use super::lifecycle::EventType;

/// Which of its two shapes the relay is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// The relay's documented webhook: five keys, interview boundaries only.
    #[default]
    Webhook,
    /// The Studio mapping: six keys, every state change.
    StateChange,
}

impl Shape {
    /// Whether an event of this type is sent at all in this shape.
    pub fn carries(self, event_type: EventType) -> bool {
        self == Self::StateChange || event_type.is_boundary()
    }
}

/// How the relay wants an event type spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventNames {
    /// `interview_started`, `interview_ended`.
    #[default]
    Short,
    /// `interview_stage_started`, `interview_stage_ended`.
    Stage,
}

impl EventNames {
    /// An event type as the relay is told it; of `state_changed` there is one spelling.
    pub fn spell(self, event_type: EventType) -> &'static str {
        match (self, event_type) {
            (Self::Stage, EventType::InterviewStarted) => "interview_stage_started",
            (Self::Stage, EventType::InterviewEnded) => "interview_stage_ended",
            (_, other) => other.as_str(),
        }
    }
}

/// What one delivery carries.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Payload<'a> {
    /// See [`Shape::Webhook`].
    Webhook {
        /// The spelled event type.
        event_type: &'static str,
        /// The candidate.
        candidate_id: &'a CandidateId,
        /// The job application.
        job_application_id: &'a ApplicationId,
        /// The job requisition.
        job_requisition_id: &'a RequisitionId,
        /// When the transition occurred, RFC 3339 UTC.
        #[serde(serialize_with = "displayed")]
        timestamp: Timestamp,
    },
    /// See [`Shape::StateChange`].
    StateChange {
        /// The candidate.
        candidate_id: &'a CandidateId,
        /// The job application.
        job_application_id: &'a ApplicationId,
        /// The job requisition, under the Studio mapping's name.
        requisition_id: &'a RequisitionId,
        /// The stage, `null` where not given.
        stage: Option<&'a Text>,
        /// The step, `null` where not given.
        step: Option<&'a Text>,
        /// The status, `null` where not given.
        status: Option<&'a Text>,
    },
}

impl<'a> Payload<'a> {
    /// The event in the shape and spelling that its organisation's relay takes.
    pub fn of(event: &'a CandidateEvent, shape: Shape, names: EventNames) -> Self {
        match shape {
            Shape::Webhook => Self::Webhook {
                event_type: names.spell(event.event_type),
                candidate_id: &event.candidate_id,
                job_application_id: &event.job_application_id,
                job_requisition_id: &event.job_requisition_id,
                timestamp: event.timestamp,
            },
            Shape::StateChange => Self::StateChange {
                candidate_id: &event.candidate_id,
                job_application_id: &event.job_application_id,
                requisition_id: &event.job_requisition_id,
                stage: event.stage.as_ref(),
                step: event.step.as_ref(),
                status: event.status.as_ref(),
            },
        }
    }
}

fn displayed<T: fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
