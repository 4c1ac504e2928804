//! Events, with their decision, their delivery and its attempts.

use serde::Serialize;
use utoipa::ToSchema;

use super::{shown, text, time};
use crate::domain::{CandidateEvent, Outcome, Position, Reason, Source, Text};
use crate::journal::{AttemptOutcome, AttemptRecord, DeliveryState, EventRecord, Page};

/// A page of events.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Events {
    events: Vec<EventItem>,
    /// The cursor of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// An event with its decision and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
struct EventItem {
    #[serde(flatten)]
    event: CandidateEvent,
    delivery: Delivery,
    decision: Decision,
    /// `Accepted` or `Stale`.
    outcome: Outcome,
    /// How often Workday sent it again.
    duplicates: u64,
    #[schema(required, format = DateTime)]
    last_duplicate_at: Option<String>,
    /// A later boundary of the application has overtaken it: to replay it needs `force`.
    superseded: bool,
}

/// What became of an event's delivery.
#[derive(Serialize, ToSchema)]
struct Delivery {
    state: DeliveryState,
    attempts: u32,
    #[schema(required, format = DateTime)]
    next_attempt_at: Option<String>,
    #[schema(required)]
    last_error: Option<String>,
}

/// Where the candidate was and is, and why.
#[derive(Serialize, ToSchema)]
struct Decision {
    was: Was,
    is: Position,
    /// A sentence.
    because: String,
}

/// Where the candidate was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Was {
    Unknown,
    Out,
    In,
}

/// An event with every attempt to deliver it, oldest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct EventPage {
    #[serde(flatten)]
    event: EventItem,
    attempts_log: Vec<Attempt>,
}

/// An attempt to deliver an event.
#[derive(Serialize, ToSchema)]
struct Attempt {
    #[schema(format = DateTime)]
    at: String,
    /// The relay's HTTP status.
    #[schema(required)]
    status: Option<u16>,
    outcome: AttemptOutcome,
    #[schema(required)]
    latency_ms: Option<u64>,
    #[schema(required)]
    error: Option<String>,
    /// The first 2 KiB of what the relay answered.
    #[schema(required)]
    answer: Option<String>,
}

pub(in crate::admin) fn events(page: Page<EventRecord>) -> Events {
    Events { events: page.items.into_iter().map(event).collect(), next: shown(page.next) }
}

fn event(record: EventRecord) -> EventItem {
    EventItem {
        decision: Decision {
            was: match record.was {
                None => Was::Unknown,
                Some(Position::Out) => Was::Out,
                Some(Position::In) => Was::In,
            },
            is: record.now,
            because: because(&record),
        },
        delivery: Delivery {
            state: record.state,
            attempts: record.attempts,
            next_attempt_at: text(record.next_attempt_at),
            last_error: record.last_error.filter(|_| record.state != DeliveryState::Delivered),
        },
        outcome: record.outcome,
        duplicates: record.duplicates,
        last_duplicate_at: text(record.last_duplicate_at),
        superseded: record.superseded,
        event: record.event,
    }
}

pub(in crate::admin) fn event_page(record: EventRecord, attempts: Vec<AttemptRecord>) -> EventPage {
    let attempt = |attempt: AttemptRecord| Attempt {
        at: time(attempt.at),
        status: attempt.status,
        outcome: attempt.outcome,
        latency_ms: attempt.latency_ms,
        error: attempt.error,
        answer: attempt.answer,
    };
    EventPage { event: event(record), attempts_log: attempts.into_iter().map(attempt).collect() }
}

/// Why the candidate is where the decision says, as a sentence.
pub(in crate::admin) fn because(record: &EventRecord) -> String {
    if record.outcome == Outcome::Stale {
        return "The message is older than what was applied last, so it changes nothing.".into();
    }
    if let Some(note) = record.note.as_ref().filter(|_| record.event.source != Source::Reconcile) {
        return format!("By hand: {note}");
    }
    let CandidateEvent { stage, status, source, .. } = &record.event;
    let because = reason(record.reason, record.now, stage.as_ref(), status.as_ref());
    if *source == Source::Reconcile { format!("Workday reports it so, when asked. {because}") } else { because }
}

/// Why a stage and a status put the candidate there.
pub(in crate::admin) fn reason(reason: Reason, now: Position, stage: Option<&Text>, status: Option<&Text>) -> String {
    let named = |text: Option<&Text>| text.map_or("(none)".to_owned(), |text| format!("'{}'", text.as_str()));
    let (stage, status) = (named(stage), named(status));
    match (reason, now) {
        (Reason::Told, Position::In) => "The message itself says that the interview has started.".into(),
        (Reason::Told, Position::Out) => "The message itself says that the interview has ended.".into(),
        (Reason::InterviewStage, _) => {
            format!("The stage {stage} is an interview stage and the status {status} does not close it.")
        }
        (Reason::OtherStage, _) => format!("The stage {stage} is not an interview stage."),
        (Reason::ClosedStatus, _) => {
            format!("The status {status} closes the interview, although the stage is {stage}.")
        }
    }
}
