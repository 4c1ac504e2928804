//! The messages of the demo, and what must become of each.

use serde_json::{Value, json};

use super::Came;

/// One message.
pub(super) struct Step {
    /// What it is about, for people.
    pub(super) about: &'static str,
    /// The fixture's name.
    pub(super) fixture: &'static str,
    /// The fixture.
    pub(super) body: &'static [u8],
    /// Which organisation it is posted for: `demo` has the relay's webhook shape, `studio` the
    /// Studio mapping's.
    pub(super) org: &'static str,
    /// The HTTP status of its answer.
    status: u16,
    /// Its outcome, or its fault's code.
    outcome: &'static str,
    /// The decided event type.
    event_type: Option<&'static str>,
    /// What the relay gets, without the time; none where nothing is sent.
    delivered: Option<fn() -> Value>,
}

macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../fixtures/", $name)))
    };
}

const fn step(
    about: &'static str,
    (fixture, body): (&'static str, &'static [u8]),
    org: &'static str,
    (status, outcome, event_type): (u16, &'static str, Option<&'static str>),
    delivered: Option<fn() -> Value>,
) -> Step {
    Step { about, fixture, body, org, status, outcome, event_type, delivered }
}

/// The journey, in its order.
pub(super) const JOURNEY: &[Step] = &[
    step(
        "A candidate enters the interview",
        fixture!("seed.xml"),
        "demo",
        (200, "Accepted", Some("interview_started")),
        Some(|| webhook("interview_started", "W12345", "WAPPLIC12345", "REQ678")),
    ),
    step(
        "Workday sends it again: known, not delivered twice",
        fixture!("seed.xml"),
        "demo",
        (200, "Duplicate", Some("interview_started")),
        None,
    ),
    step(
        "Another candidate, in Workday's own style",
        fixture!("workday-style.xml"),
        "demo",
        (200, "Accepted", Some("interview_started")),
        Some(|| webhook("interview_started", "CAND-1182", "JOB_APPLICATION-6-248", "R-00008")),
    ),
    step(
        "The first candidate moves on to the offer",
        fixture!("seed-leaving.xml"),
        "demo",
        (200, "Accepted", Some("interview_ended")),
        Some(|| webhook("interview_ended", "W12345", "WAPPLIC12345", "REQ678")),
    ),
    step(
        "... and comes back, by SOAP 1.2",
        fixture!("seed-soap12.xml"),
        "demo",
        (200, "Accepted", Some("interview_started")),
        Some(|| webhook("interview_started", "W12345", "WAPPLIC12345", "REQ678")),
    ),
    step(
        "A message without its candidate is refused",
        fixture!("missing-candidate.xml"),
        "demo",
        (500, "missing_element", None),
        None,
    ),
    step("A hostile document is refused", fixture!("dtd-entity-bomb.xml"), "demo", (500, "dtd_refused", None), None),
    step(
        "An organisation with the Studio mapping",
        fixture!("seed-bare.xml"),
        "studio",
        (200, "Accepted", Some("interview_started")),
        Some(|| studio("Interview", "Phone Screen", "Screening")),
    ),
    step(
        "... gets every state change",
        fixture!("seed-leaving.xml"),
        "studio",
        (200, "Accepted", Some("interview_ended")),
        Some(|| studio("Offer", "Prepare Offer", "Offer Extended")),
    ),
];

fn webhook(event_type: &str, candidate: &str, application: &str, requisition: &str) -> Value {
    json!({ "event_type": event_type, "candidate_id": candidate, "job_application_id": application,
            "job_requisition_id": requisition })
}

fn studio(stage: &str, step: &str, status: &str) -> Value {
    json!({ "candidate_id": "W12345", "job_application_id": "WAPPLIC12345", "requisition_id": "REQ678",
            "stage": stage, "step": step, "status": status })
}

impl Step {
    /// Whether the relay is to hear of it.
    pub(super) fn is_relayed(&self) -> bool {
        self.delivered.is_some()
    }

    /// What came otherwise than it must, a sentence each.
    pub(super) fn judge(&self, came: &Came) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |what: &str, expected: &str, found: &str| {
            if expected != found {
                faults.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        expect("status", &self.status.to_string(), &came.status.to_string());
        expect("outcome", self.outcome, &came.outcome);
        expect("event type", self.event_type.unwrap_or("-"), came.event_type.as_deref().unwrap_or("-"));
        let Some(delivered) = self.delivered else { return faults };
        let last = came.relayed.last().map_or(Value::Null, |last| body(&last.body));
        let mut rest = last.clone();
        if self.org == "demo" {
            let time = rest.as_object_mut().and_then(|keys| keys.remove("timestamp"));
            let read = time.as_ref().and_then(Value::as_str).and_then(|time| time.parse::<jiff::Timestamp>().ok());
            expect("timestamp", "true", &read.is_some().to_string());
        }
        expect("JSON", &delivered().to_string(), &rest.to_string());
        expect("relay's answer", "200", &came.relayed.last().map_or(0, |last| last.answered).to_string());
        faults
    }
}

fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
