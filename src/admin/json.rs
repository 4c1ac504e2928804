//! What the API answers, in the contract's spelling (section 6).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::parameters::shown;
use crate::domain::{CandidateEvent, Outcome, Position, Reason, Text};
use crate::journal::{
    ApplicationRecord, AttemptRecord, DeliveryState, Erasure, EventRecord, OrganisationStats, Page, ProtectionRecord,
    Replayed,
};

/// A list with the cursor of its next page, under the list's own name.
pub(super) fn page<T, J: Serialize>(name: &str, page: Page<T>, item: impl Fn(T) -> J) -> Value {
    let next = shown(page.next);
    let items: Vec<_> = page.items.into_iter().map(item).collect();
    serde_json::json!({ name: items, "next": next })
}

#[derive(Serialize)]
pub(super) struct EventItem {
    #[serde(flatten)]
    event: CandidateEvent,
    delivery: Delivery,
    decision: Decision,
    outcome: Outcome,
    duplicates: u64,
    last_duplicate_at: Option<String>,
    /// A later boundary of the application has overtaken it: to replay it needs `force`.
    superseded: bool,
}

#[derive(Serialize)]
struct Delivery {
    state: &'static str,
    attempts: u32,
    next_attempt_at: Option<String>,
    last_error: Option<String>,
}

#[derive(Serialize)]
struct Decision {
    was: &'static str,
    is: &'static str,
    because: String,
}

#[derive(Serialize)]
pub(super) struct EventPage {
    #[serde(flatten)]
    event: EventItem,
    attempts_log: Vec<Attempt>,
}

#[derive(Serialize)]
struct Attempt {
    at: String,
    status: Option<u16>,
    outcome: &'static str,
    latency_ms: Option<u64>,
    error: Option<String>,
    answer: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Protection {
    orgid: String,
    candidate_id: String,
    job_application_id: String,
    job_requisition_id: String,
    active: bool,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// What was read back from Workday; nothing is, in this release.
    details: Option<Value>,
}

#[derive(Serialize)]
pub(super) struct Organisation {
    orgid: String,
    accepted: u64,
    delivered: u64,
    dead: u64,
    pending: u64,
    oldest_pending_seconds: f64,
    paused: bool,
    paused_since: Option<String>,
    paused_by: Option<&'static str>,
    paused_because: Option<String>,
    held_until: Option<String>,
    delivered_through: String,
    last_message_at: Option<String>,
    last_started_at: Option<String>,
    late: u64,
    interviews_open_too_long: u64,
    silent: bool,
    stages_seen: Vec<Stage>,
}

#[derive(Serialize)]
struct Stage {
    stage: String,
    interview: bool,
    count: u64,
}

pub(super) fn event(record: EventRecord) -> EventItem {
    EventItem {
        decision: Decision {
            was: record.was.map_or("unknown", Position::as_str),
            is: record.now.as_str(),
            because: because(&record),
        },
        delivery: Delivery {
            state: record.state.as_str(),
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

pub(super) fn event_page(record: EventRecord, attempts: Vec<AttemptRecord>) -> EventPage {
    let attempt = |attempt: AttemptRecord| Attempt {
        at: attempt.at.to_string(),
        status: attempt.status,
        outcome: attempt.outcome.as_str(),
        latency_ms: attempt.latency_ms,
        error: attempt.error,
        answer: attempt.answer,
    };
    EventPage { event: event(record), attempts_log: attempts.into_iter().map(attempt).collect() }
}

pub(super) fn protection(record: ProtectionRecord) -> Protection {
    Protection {
        orgid: record.org.to_string(),
        candidate_id: record.candidate.to_string(),
        job_application_id: record.application.to_string(),
        job_requisition_id: record.requisition.to_string(),
        active: record.span.is_active(),
        started_at: text(record.span.started_at),
        ended_at: text(record.span.ended_at),
        details: None,
    }
}

pub(super) fn organisation(stats: OrganisationStats, silent: bool, now: Timestamp) -> Organisation {
    let age = stats.oldest_pending.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0));
    Organisation {
        orgid: stats.org.to_string(),
        accepted: stats.accepted,
        delivered: stats.delivered,
        dead: stats.dead,
        pending: stats.pending,
        oldest_pending_seconds: age,
        paused: stats.paused.is_some(),
        paused_since: text(stats.paused.as_ref().map(|paused| paused.since)),
        paused_by: stats.paused.as_ref().map(|paused| paused.cause.as_str()),
        paused_because: stats.paused.and_then(|paused| paused.reason),
        held_until: text(stats.held_until.filter(|until| *until > now)),
        // Everything accepted before the oldest that waits, or before now, is done with.
        delivered_through: stats.oldest_pending.unwrap_or(now).to_string(),
        last_message_at: text(stats.last_message_at),
        last_started_at: text(stats.last_started_at),
        late: stats.late,
        interviews_open_too_long: stats.open_too_long,
        silent,
        stages_seen: (stats.stages.into_iter())
            .map(|seen| Stage { stage: seen.stage, interview: seen.interview, count: seen.count })
            .collect(),
    }
}

/// Why the candidate is where the decision says, as a sentence.
fn because(record: &EventRecord) -> String {
    if record.outcome == Outcome::Stale {
        return "The message is older than what was applied last, so it changes nothing.".into();
    }
    if let Some(note) = &record.note {
        return format!("By hand: {note}");
    }
    let named = |text: &Option<Text>| text.as_ref().map_or("(none)".to_owned(), |text| format!("'{}'", text.as_str()));
    let (stage, status) = (named(&record.event.stage), named(&record.event.status));
    match (record.reason, record.now) {
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

#[derive(Serialize)]
pub(super) struct Application {
    orgid: String,
    job_application_id: String,
    candidate_id: String,
    in_interview: bool,
    in_interview_since: Option<String>,
}

pub(super) fn application(record: ApplicationRecord) -> Application {
    let event = record.latest.event;
    Application {
        orgid: event.orgid.to_string(),
        job_application_id: event.job_application_id.to_string(),
        candidate_id: event.candidate_id.to_string(),
        in_interview: record.in_interview_since.is_some(),
        in_interview_since: text(record.in_interview_since),
    }
}

#[derive(Serialize)]
pub(super) struct ApplicationPage {
    #[serde(flatten)]
    application: Application,
    path: Vec<Passed>,
}

/// An event on an application's path.
#[derive(Serialize)]
struct Passed {
    event_id: String,
    event_type: &'static str,
    stage: Option<Text>,
    step: Option<Text>,
    status: Option<Text>,
    timestamp: String,
}

/// An application with its path, whose events come newest first.
pub(super) fn application_page(record: ApplicationRecord, newest_first: Vec<EventRecord>) -> ApplicationPage {
    let passed = |record: EventRecord| Passed {
        event_id: record.event.event_id.to_string(),
        event_type: record.event.event_type.as_str(),
        stage: record.event.stage,
        step: record.event.step,
        status: record.event.status,
        timestamp: record.event.timestamp.to_string(),
    };
    ApplicationPage { application: application(record), path: newest_first.into_iter().rev().map(passed).collect() }
}

pub(super) fn replayed(replayed: Replayed) -> Value {
    let Replayed { replayed, superseded, unsettled } = replayed;
    serde_json::json!({ "replayed": replayed, "superseded": superseded, "unsettled": unsettled })
}

/// The receipt of an erasure.
pub(super) fn erasure(erasure: Erasure) -> Value {
    serde_json::json!({
        "receipt": erasure.number,
        "orgid": erasure.org,
        "state": if erasure.done_at.is_some() { "done" } else { "waiting" },
        "asked_at": erasure.asked_at.to_string(),
        "done_at": text(erasure.done_at),
        "events": erasure.events,
    })
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
