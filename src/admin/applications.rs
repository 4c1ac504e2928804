//! Job applications: which are in an interview, the path of one, and opening or closing an
//! interview by hand.

use actix_web::web::{self, Bytes, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::api::ORGANISATION;
use super::parameters::Parameters;
use super::{Admin, Problem, json};
use crate::domain::{ApplicationId, Occurred, OrgId, Position, Reason, Source, StateChange};
use crate::journal::{ApplicationFilter, ApplicationRecord, Cursor, EventFilter, EventRecord, Incoming, Receipt};

/// How many events are asked of the journal at once.
const STEP: usize = 500;

/// The longest reason that an operator may give, in bytes.
const MAX_REASON: usize = 1000;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/applications", web::get().to(list))
        .route("/api/v1/applications/{orgid}/{job_application_id}", web::get().to(one))
        .route("/api/v1/applications/{orgid}/{job_application_id}/events", web::post().to(by_hand));
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let parameters = Parameters::of(&request, &["orgid", "in_interview", "limit", "cursor"])?;
    if !parameters.parse::<bool>("in_interview", "true")?.unwrap_or(true) {
        let detail = "Only applications in an interview are listed; ask for in_interview=true.";
        return Err(Problem::bad_parameter("in_interview", detail));
    }
    let filter = ApplicationFilter { orgs: token.narrow(parameters.parse::<OrgId>("orgid", ORGANISATION)?)? };
    let page = admin.journal.in_interview(filter, parameters.cursor()?, parameters.limit()?).await?;
    Ok(Json(json::page("applications", page, json::application)))
}

async fn one(admin: Data<Admin>, request: HttpRequest, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    Parameters::of(&request, &[])?;
    let (org, application) = ids(&path)?;
    if !token.sees(&org) {
        return Err(unknown(&org, &application));
    }
    let record = admin.journal.application(org.clone(), application.clone()).await?;
    let record = record.ok_or_else(|| unknown(&org, &application))?;
    let filter = EventFilter { orgs: Some(vec![org]), application: Some(application), ..EventFilter::default() };
    let events = all(&admin, filter).await?;
    Ok(HttpResponse::Ok().json(json::application_page(record, events)))
}

/// All events that pass the filter, newest first.
pub(super) async fn all(admin: &Admin, filter: EventFilter) -> Result<Vec<EventRecord>, Problem> {
    let (mut events, mut before): (_, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = admin.journal.events(filter.clone(), before, STEP).await?;
        events.extend(page.items);
        before = page.next;
        if before.is_none() {
            return Ok(events);
        }
    }
}

async fn by_hand(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    Parameters::of(&request, &[])?;
    let (org, application) = ids(&path)?;
    token.act_on(&org)?;
    let fields = Parameters::of_body(&body, &["event_type", "reason"])?;
    let told = fields.take("event_type", "interview_started or interview_ended", Position::told_by)?;
    let told = told.ok_or_else(|| {
        Problem::bad_parameter("event_type", "'event_type' is missing; expected interview_started or interview_ended.")
    })?;
    let reason = fields.take("reason", "a text of at most 1000 bytes", |reason| {
        (reason.len() <= MAX_REASON).then(|| reason.trim().to_owned())
    })?;
    let record = admin.journal.application(org.clone(), application.clone()).await?;
    let record = record.ok_or_else(|| unknown(&org, &application))?;
    let receipt = move_by_hand(&admin, &org, record, told, &token.name, reason.as_deref()).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "event_id": receipt.event_id(),
        "event_type": receipt.event_type(),
        "outcome": receipt.outcome(),
    })))
}

/// Puts the candidate in or out of an interview, whatever Workday says.
pub(super) async fn move_by_hand(
    admin: &Admin,
    org: &OrgId,
    record: ApplicationRecord,
    told: Position,
    who: &str,
    reason: Option<&str>,
) -> Result<Receipt, Problem> {
    let organisation = admin.public.organisations.get(org.as_str());
    let organisation =
        organisation.ok_or_else(|| Problem::conflict(format!("The organisation {org} is not configured here.")))?;
    let is_in = record.in_interview_since.is_some();
    if is_in == (told == Position::In) {
        let state = if is_in { "is in an interview already" } else { "is in no interview" };
        return Err(Problem::conflict(format!("The application {state}.")));
    }
    let latest = record.latest.event;
    // With a time of its own, what Workday sent before it but delivers later is stale.
    let occurred = Occurred { at: admin.clock.now().max(latest.timestamp), has_time: true };
    let change = StateChange {
        application: latest.job_application_id,
        candidate: latest.candidate_id,
        requisition: latest.job_requisition_id,
        stage: latest.stage,
        stage_aliases: Vec::new(),
        step: latest.step,
        status: latest.status,
        told: Some(told),
        occurred: Some(occurred),
    };
    let note = reason.map_or_else(|| who.to_owned(), |reason| format!("{who}: {reason}"));
    let incoming = Incoming {
        org: org.clone(),
        change,
        position: told,
        reason: Reason::Told,
        message_id: None,
        source: Source::Operator,
        deliver: organisation.deliver(),
        pending_limit: 0,
        dry_run: false,
        trace: None,
        note: Some(note.into()),
    };
    let receipt = admin.journal.accept(incoming)?.await?;
    let event = receipt.event_id().map(tracing::field::display);
    tracing::info!(token = who, orgid = %org, event.id = event, action = "event by hand", "an operator acted");
    Ok(receipt)
}

fn ids(path: &(String, String)) -> Result<(OrgId, ApplicationId), Problem> {
    let org =
        path.0.parse::<OrgId>().map_err(|error| Problem::bad_parameter("orgid", format!("'{}' {error}.", path.0)))?;
    let application = ApplicationId::new(&path.1);
    let application =
        application.map_err(|error| Problem::bad_parameter("job_application_id", format!("'{}' {error}.", path.1)))?;
    Ok((org, application))
}

fn unknown(org: &OrgId, application: &ApplicationId) -> Problem {
    Problem::not_found(format!("There is no job application {application} of {org}."))
}
