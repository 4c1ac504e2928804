//! Job applications and the protection of their candidates.

use serde::Serialize;
use utoipa::ToSchema;

use super::{shown, text, time};
use crate::domain::{ApplicationId, CandidateId, Details, EventId, EventType, OrgId, RequisitionId, Text};
use crate::journal::{ApplicationRecord, EventRecord, Page, ProtectionRecord, ReadBackRecord, ReadBackState};

/// A page of applications that are in an interview.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Applications {
    applications: Vec<Application>,
    /// The cursor of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// A job application.
#[derive(Serialize, ToSchema)]
struct Application {
    orgid: OrgId,
    job_application_id: ApplicationId,
    candidate_id: CandidateId,
    in_interview: bool,
    #[schema(required, format = DateTime)]
    in_interview_since: Option<String>,
}

/// A job application with its path, oldest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ApplicationPage {
    #[serde(flatten)]
    application: Application,
    path: Vec<Passed>,
}

/// An event on an application's path.
#[derive(Serialize, ToSchema)]
struct Passed {
    event_id: EventId,
    event_type: EventType,
    #[schema(required)]
    stage: Option<Text>,
    #[schema(required)]
    step: Option<Text>,
    #[schema(required)]
    status: Option<Text>,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// A page of protections.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Protections {
    protections: Vec<Protection>,
    /// The cursor of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// The protection of an application's candidate.
#[derive(Serialize, ToSchema)]
struct Protection {
    orgid: OrgId,
    candidate_id: CandidateId,
    job_application_id: ApplicationId,
    job_requisition_id: RequisitionId,
    active: bool,
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// What was read back from Workday.
    #[schema(required)]
    details: Option<ReadDetails>,
    /// How reading it went; null where nothing is to be read.
    #[schema(required)]
    read_back: Option<ReadBack>,
}

/// What was read back from Workday, and when.
#[derive(Serialize, ToSchema)]
struct ReadDetails {
    #[serde(flatten)]
    details: Details,
    #[schema(format = DateTime)]
    read_at: String,
}

/// How reading back from Workday stands.
#[derive(Serialize, ToSchema)]
struct ReadBack {
    state: ReadBackState,
    attempts: u32,
    #[schema(required, format = DateTime)]
    next_attempt_at: Option<String>,
    #[schema(required)]
    last_error: Option<String>,
}

pub(in crate::admin) fn applications(page: Page<ApplicationRecord>) -> Applications {
    Applications { applications: page.items.into_iter().map(application).collect(), next: shown(page.next) }
}

fn application(record: ApplicationRecord) -> Application {
    let event = record.latest.event;
    Application {
        orgid: event.orgid,
        job_application_id: event.job_application_id,
        candidate_id: event.candidate_id,
        in_interview: record.in_interview_since.is_some(),
        in_interview_since: text(record.in_interview_since),
    }
}

/// An application with its path, whose events come newest first.
pub(in crate::admin) fn application_page(record: ApplicationRecord, newest_first: Vec<EventRecord>) -> ApplicationPage {
    let passed = |record: EventRecord| Passed {
        event_id: record.event.event_id,
        event_type: record.event.event_type,
        stage: record.event.stage,
        step: record.event.step,
        status: record.event.status,
        timestamp: record.event.timestamp.to_string(),
    };
    ApplicationPage { application: application(record), path: newest_first.into_iter().rev().map(passed).collect() }
}

pub(in crate::admin) fn protections(page: Page<ProtectionRecord>) -> Protections {
    Protections { protections: page.items.into_iter().map(protection).collect(), next: shown(page.next) }
}

fn protection(mut record: ProtectionRecord) -> Protection {
    let read = record.read_back.as_mut().and_then(|read_back| read_back.details.take());
    Protection {
        orgid: record.org,
        candidate_id: record.candidate,
        job_application_id: record.application,
        job_requisition_id: record.requisition,
        active: record.span.is_active(),
        started_at: text(record.span.started_at),
        ended_at: text(record.span.ended_at),
        details: read.map(|(details, read_at)| ReadDetails { details, read_at: time(read_at) }),
        read_back: record.read_back.map(read_back),
    }
}

fn read_back(record: ReadBackRecord) -> ReadBack {
    ReadBack {
        state: record.state,
        attempts: record.attempts,
        next_attempt_at: text(record.next_attempt_at),
        last_error: record.last_error,
    }
}
