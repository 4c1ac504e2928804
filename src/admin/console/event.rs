//! One event: its journey from the message to the relay, and what can be done with it.

use std::fmt::Write;

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload};
use askama::Template;
use jiff::Timestamp;

use super::form::{Form, SHORT};
use super::show::{self, Moment, count, event_type, has_time, moved, state, state_mark};
use super::{Answer, Frame, done, page, visitor};
use crate::admin::Admin;
use crate::admin::actions::{delete, deliver_anew};
use crate::admin::api::seen;
use crate::admin::json;
use crate::admin::routes::Routes;
use crate::domain::{CandidateEvent, Outcome, Position, Reason, Source};
use crate::journal::{AttemptOutcome, AttemptRecord, DeliveryState, EventRecord};

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/events/{event_id}", one)
        .post("/events/{event_id}/replay", replay)
        .post("/events/{event_id}/delete", discard)
}

#[derive(Template)]
#[template(path = "event.html")]
struct Page {
    frame: Frame,
    event: CandidateEvent,
    path: String,
    name: &'static str,
    is_stale: bool,
    received: Moment,
    came: String,
    decision: String,
    because: String,
    duplicates: Option<(String, Option<Moment>)>,
    attempts: Vec<Attempt>,
    end: (&'static str, String),
    superseded: bool,
    can_replay: bool,
    can_delete: bool,
    report: String,
}

/// An attempt to deliver it.
struct Attempt {
    at: Moment,
    mark: &'static str,
    outcome: &'static str,
    particulars: String,
    answer: Option<String>,
}

impl Attempt {
    fn new(record: AttemptRecord, now: Timestamp) -> Self {
        let (mark, outcome) = match record.outcome {
            AttemptOutcome::Delivered => ("good", "Delivered"),
            AttemptOutcome::Retry => ("look", "Failed, to be tried again"),
            AttemptOutcome::Paused => ("look", "The relay calls the set-up wrong"),
            AttemptOutcome::Dead => ("bad", "Given up"),
            AttemptOutcome::Unknown => ("look", "It is not known whether it arrived"),
        };
        let at = Moment::new(record.at, now);
        Self {
            at,
            mark,
            outcome,
            particulars: particulars(&record),
            answer: record.answer.filter(|text| !text.is_empty()),
        }
    }
}

/// What an attempt ran into, in a line.
fn particulars(record: &AttemptRecord) -> String {
    let status = record.status.map(|status| format!("HTTP {status}"));
    let latency = record.latency_ms.map(|millis| format!("{millis} ms"));
    [status, latency, record.error.clone()].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

async fn one(admin: Data<Admin>, request: HttpRequest, id: Path<String>) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let (record, attempts) = seen(&admin, &visitor.token, &id).await?;
    let now = admin.clock.now();
    let report = report(&record, &attempts);
    let orphaned = admin.public.organisations.get(record.event.orgid.as_str()).is_none();
    page(&Page {
        frame: Frame::new(&admin, &request, &visitor, "/events"),
        name: event_type(record.event.event_type),
        is_stale: record.outcome == Outcome::Stale,
        received: Moment::new(record.event.received_at, now),
        came: came(&record.event, now),
        decision: moved(record.was, record.now),
        because: json::because(&record),
        duplicates: (record.duplicates > 0).then(|| {
            let last = record.last_duplicate_at.map(|at| Moment::new(at, now));
            (count(record.duplicates, "time"), last)
        }),
        attempts: attempts.into_iter().map(|attempt| Attempt::new(attempt, now)).collect(),
        end: (state_mark(record.state), end(&record, now)),
        superseded: record.superseded,
        can_replay: matches!(record.state, DeliveryState::Dead | DeliveryState::Delivered),
        can_delete: record.state == DeliveryState::Dead || (orphaned && record.state == DeliveryState::Pending),
        report,
        path: show::application(&record.event.orgid, &record.event.job_application_id),
        event: record.event,
    })
}

/// From where it came, and when the change occurred, where that was said.
fn came(event: &CandidateEvent, now: Timestamp) -> String {
    let occurred = has_time(event).then(|| Moment::new(event.timestamp, now));
    match (event.source, occurred) {
        (Source::Operator, _) => "by hand, of an operator".into(),
        (Source::Reconcile, _) => "by asking Workday where the application stands".into(),
        (source, Some(at)) => format!("by {}; the message says that the change occurred {at}", source.as_str()),
        (source, None) => format!("by {}; the message does not say when the change occurred", source.as_str()),
    }
}

/// Why the candidate is there, without what the message says.
fn cause(record: &EventRecord) -> &'static str {
    match record.reason {
        _ if record.outcome == Outcome::Stale => "the message is older than what was applied last",
        Reason::Told => "it says so itself",
        Reason::InterviewStage => "the stage is an interview stage",
        Reason::OtherStage => "the stage is not an interview stage",
        Reason::ClosedStatus => "the status closes the interview",
    }
}

/// How it stands with the delivery.
fn end(record: &EventRecord, now: Timestamp) -> String {
    match (record.state, record.next_attempt_at) {
        (DeliveryState::None, _) => "There is nothing to deliver.".into(),
        (DeliveryState::Pending, Some(at)) if at > now => {
            format!("It waits; the next attempt is due at {}.", Moment::new(at, now))
        }
        (DeliveryState::Pending, _) => "It waits for its delivery.".into(),
        (DeliveryState::Delivered, _) => "It is delivered.".into(),
        (DeliveryState::Dead, _) => "It was given up, and stays until somebody replays or deletes it.".into(),
    }
}

/// What can be shown to others: no candidate, application or requisition, nothing that anybody wrote,
/// and no answer of the relay, which may repeat them.
fn report(record: &EventRecord, attempts: &[AttemptRecord]) -> String {
    let event = &record.event;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name:<13} {value}");
    };
    line("imper-bridge", env!("CARGO_PKG_VERSION").into());
    line("event", event.event_id.to_string());
    line("organisation", event.orgid.to_string());
    line("type", format!("{} ({})", event.event_type.as_str(), record.outcome.as_str()));
    line("source", event.source.as_str().into());
    line("received", event.received_at.to_string());
    line("occurred", if has_time(event) { event.timestamp.to_string() } else { "not said".into() });
    let was = record.was.map_or("unknown", Position::as_str);
    line("decision", format!("was {was}, is {}: {}", record.now.as_str(), cause(record)));
    line("delivery", format!("{}, {}", state(record.state), count(record.attempts.into(), "attempt")));
    line("duplicates", record.duplicates.to_string());
    for attempt in attempts {
        line("attempt", format!("{} {} {}", attempt.at, attempt.outcome.as_str(), particulars(attempt)));
    }
    text
}

async fn replay(admin: Data<Admin>, request: HttpRequest, id: Path<String>, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let form = Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    deliver_anew(&admin, &visitor.token, &id, form.ticked("force")).await?;
    Ok(done(&admin, &visitor, "The event will be delivered anew.", &format!("/events/{id}")))
}

async fn discard(admin: Data<Admin>, request: HttpRequest, id: Path<String>, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    delete(&admin, &visitor.token, &id).await?;
    Ok(done(&admin, &visitor, "The event is deleted.", "/events"))
}
