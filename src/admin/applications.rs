//! Job applications: which are in an interview, the path of one, and opening or closing an
//! interview by hand.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Payload};
use utoipa::ToSchema;

use super::api::ORGANISATION;
use super::openapi::{Always, OfActing, OfBody, OfConflict, OfOne};
use super::parameters::{Paging, Parameters};
use super::routes::Routes;
use super::{Admin, Problem, Token, json};
use crate::domain::{ApplicationId, Occurred, OrgId, Position, Source, StateChange};
use crate::journal::{ApplicationFilter, ApplicationRecord, Cursor, EventFilter, EventRecord, Incoming, Receipt};

/// How many events are asked of the journal at once.
const STEP: usize = 500;

/// The longest reason that an operator may give, in characters.
const MAX_REASON: usize = 1000;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/applications", list)
        .get("/api/v1/applications/{orgid}/{job_application_id}", one)
        .post("/api/v1/applications/{orgid}/{job_application_id}/events", by_hand)
}

/// The applications that are in an interview, the longest first.
#[utoipa::path(
    get, path = "/api/v1/applications", tag = "applications", operation_id = "applications",
    params(
        ("orgid" = inline(Option<OrgId>), Query, nullable = false, description = "Only this organisation's."),
        (
            "in_interview" = Option<String>, Query, nullable = false, pattern = "^true$",
            description = "Only these are listed."
        ),
        Paging,
    ),
    responses((status = 200, description = "A page of applications.", body = json::Applications), Always, OfOne),
)]
pub(super) async fn list(admin: Data<Admin>, request: HttpRequest) -> Result<Json<json::Applications>, Problem> {
    let token = admin.caller(&request)?;
    let parameters = Parameters::of(&request, &[&["orgid", "in_interview"], Paging::NAMES].concat())?;
    parameters.take("in_interview", "true, as only applications in an interview are listed", |value| {
        (value == "true").then_some(())
    })?;
    let filter = ApplicationFilter { orgs: token.narrow(parameters.parse::<OrgId>("orgid", ORGANISATION)?)? };
    let paging = parameters.paging()?;
    Ok(Json(json::applications(admin.journal.in_interview(filter, paging.cursor, paging.limit).await?)))
}

/// The path of one application, oldest first.
#[utoipa::path(
    get, path = "/api/v1/applications/{orgid}/{job_application_id}", tag = "applications",
    operation_id = "application",
    params(
        ("orgid" = inline(OrgId), Path, description = "The organisation."),
        ("job_application_id" = inline(ApplicationId), Path, description = "The job application."),
    ),
    responses((status = 200, description = "The application.", body = json::ApplicationPage), Always, OfOne),
)]
pub(super) async fn one(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<Json<json::ApplicationPage>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    let (org, application) = ids(&path)?;
    let record = find(&admin, &token, &org, &application).await?;
    let filter = EventFilter { orgs: Some(vec![org]), application: Some(application), ..EventFilter::default() };
    let events = all(&admin, filter).await?;
    Ok(Json(json::application_page(record, events)))
}

/// An application that the token sees.
pub(super) async fn find(
    admin: &Admin,
    token: &Token,
    org: &OrgId,
    application: &ApplicationId,
) -> Result<ApplicationRecord, Problem> {
    let found = match token.sees(org) {
        true => admin.journal.application(org.clone(), application.clone()).await?,
        false => None,
    };
    found.ok_or_else(|| Problem::not_found(format!("There is no job application {application} of {org}.")))
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

/// What an operator says of an application.
#[derive(ToSchema)]
#[schema(as = EventByHand)]
#[serde(deny_unknown_fields)]
pub(super) struct ByHand {
    /// Whether the interview is opened or closed.
    #[schema(value_type = String, pattern = "^interview_(stage_)?(started|ended)$")]
    pub(super) event_type: Position,
    /// Why.
    #[schema(max_length = 1000, nullable = false)]
    pub(super) reason: Option<String>,
}

impl ByHand {
    /// Reads it from the fields of a body.
    pub(super) fn of(fields: &Parameters) -> Result<Self, Problem> {
        let told = fields.take("event_type", "interview_started or interview_ended", Position::told_by)?;
        let event_type = told.ok_or_else(|| {
            let detail = "'event_type' is missing; expected interview_started or interview_ended.";
            Problem::bad_parameter("event_type", detail)
        })?;
        let reason = fields.take("reason", "a text of at most 1000 characters", |reason| {
            (reason.chars().count() <= MAX_REASON).then(|| reason.trim().to_owned())
        })?;
        Ok(Self { event_type, reason })
    }
}

/// For an operator: opens or closes an interview by hand, whatever Workday says.
#[utoipa::path(
    post, path = "/api/v1/applications/{orgid}/{job_application_id}/events", tag = "applications",
    params(
        ("orgid" = inline(OrgId), Path, description = "The organisation."),
        ("job_application_id" = inline(ApplicationId), Path, description = "The job application."),
    ),
    request_body = ByHand,
    responses(
        (status = 200, description = "The event was stored.", body = json::Taken),
        Always, OfOne, OfActing, OfConflict, OfBody,
    ),
)]
pub(super) async fn by_hand(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Result<Json<json::Taken>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    let (org, application) = ids(&path)?;
    token.act_on(&org)?;
    let fields = Parameters::of_body(&admin, &request, payload, &["event_type", "reason"], &[]).await?;
    let ByHand { event_type, reason } = ByHand::of(&fields)?;
    let record = find(&admin, &token, &org, &application).await?;
    let receipt = move_by_hand(&admin, &org, record, event_type, &token.name, reason.as_deref()).await?;
    Ok(Json(json::taken(&receipt)))
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
    let incoming =
        Incoming { pending_limit: 0, note: Some(note.into()), ..organisation.incoming(change, Source::Operator) };
    let receipt = admin.journal.accept(incoming)?.await?;
    let event = receipt.event_id().map(tracing::field::display);
    tracing::info!(token = who, orgid = %org, event.id = event, action = "event by hand", "an operator acted");
    Ok(receipt)
}

pub(super) fn ids(path: &(String, String)) -> Result<(OrgId, ApplicationId), Problem> {
    let org =
        path.0.parse::<OrgId>().map_err(|error| Problem::bad_parameter("orgid", format!("'{}' {error}.", path.0)))?;
    let application = ApplicationId::new(&path.1);
    let application =
        application.map_err(|error| Problem::bad_parameter("job_application_id", format!("'{}' {error}.", path.1)))?;
    Ok((org, application))
}
