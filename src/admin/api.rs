//! The routes under `/api/v1`.

use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde_json::Value;

use super::parameters::Parameters;
use super::{Admin, Problem, Token, json};
use crate::domain::{ApplicationId, CandidateId, EventId, EventType, OrgId};
use crate::journal::{AttemptRecord, DeliveryState, EventFilter, EventRecord, ProtectionFilter};

const INSTANT: &str = "an RFC 3339 time such as 2026-04-09T14:30:00Z";
pub(super) const ORGANISATION: &str = "an organisation id";

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/events", web::get().to(events))
        .route("/api/v1/events/{event_id}", web::get().to(event))
        .route("/api/v1/protections", web::get().to(protections))
        .route("/api/v1/stats", web::get().to(stats))
        .configure(super::applications::routes)
        .configure(super::actions::routes)
        .service(web::scope("/api").default_service(web::to(unknown)));
}

/// Whoever has no token is not told what there is.
async fn unknown(admin: Data<Admin>, request: HttpRequest) -> Problem {
    match admin.tokens.load().verify(&request) {
        Ok(_) => Problem::not_found(format!("There is nothing at {} {}.", request.method(), request.path())),
        Err(problem) => problem,
    }
}

async fn events(admin: Data<Admin>, request: HttpRequest) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let parameters = Parameters::of(&request, &[FILTER, &["limit", "cursor"]].concat())?;
    let filter = filter(&parameters, &token)?;
    let page = admin.journal.events(filter, parameters.cursor()?, parameters.limit()?).await?;
    Ok(Json(json::page("events", page, json::event)))
}

/// The keys of a filter of events.
pub(super) const FILTER: &[&str] =
    &["orgid", "event_type", "state", "job_application_id", "candidate_id", "since", "until"];

/// Reads a filter of events, narrowed to what the token sees.
pub(super) fn filter(parameters: &Parameters, token: &Token) -> Result<EventFilter, Problem> {
    Ok(EventFilter {
        orgs: token.narrow(parameters.parse::<OrgId>("orgid", ORGANISATION)?)?,
        event_type: parameters.take("event_type", "interview_started, interview_ended or state_changed", |value| {
            EventType::ALL.into_iter().find(|each| each.as_str() == value)
        })?,
        state: parameters.take("state", "none, pending, delivered or dead", |value| {
            DeliveryState::ALL.into_iter().find(|each| each.as_str() == value)
        })?,
        application: parameters.take("job_application_id", "an id", |value| ApplicationId::new(value).ok())?,
        candidate: parameters.take("candidate_id", "an id", |value| CandidateId::new(value).ok())?,
        since: parameters.parse::<Timestamp>("since", INSTANT)?,
        until: parameters.parse::<Timestamp>("until", INSTANT)?,
    })
}

async fn event(admin: Data<Admin>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    Parameters::of(&request, &[])?;
    let (record, attempts) = seen(&admin, &token, &id).await?;
    Ok(HttpResponse::Ok().json(json::event_page(record, attempts)))
}

/// An event that the token sees.
pub(super) async fn seen(admin: &Admin, token: &Token, id: &str) -> Result<(EventRecord, Vec<AttemptRecord>), Problem> {
    let parsed = id.parse::<EventId>();
    let parsed = parsed.map_err(|error| Problem::bad_parameter("event_id", format!("'{id}' {error}.")))?;
    let found = admin.journal.event(parsed).await?;
    let seen = found.filter(|(record, _)| token.sees(&record.event.orgid));
    seen.ok_or_else(|| Problem::not_found(format!("There is no event {parsed}.")))
}

async fn protections(admin: Data<Admin>, request: HttpRequest) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let parameters = Parameters::of(&request, &["orgid", "active", "limit", "cursor"])?;
    let filter = ProtectionFilter {
        orgs: token.narrow(parameters.parse::<OrgId>("orgid", ORGANISATION)?)?,
        active: parameters.parse::<bool>("active", "true or false")?,
    };
    let page = admin.journal.protections(filter, parameters.cursor()?, parameters.limit()?).await?;
    Ok(Json(json::page("protections", page, json::protection)))
}

async fn stats(admin: Data<Admin>, request: HttpRequest) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    Parameters::of(&request, &[])?;
    let now = admin.clock.now();
    let stats = admin.with_unheard(admin.journal.stats(admin.ages()).await?);
    let silent = admin.silent();
    let seen = stats.into_iter().filter(|stats| token.sees(&stats.org));
    let organisations: Vec<_> = seen
        .map(|stats| {
            let is_silent = silent.contains(&(stats.org.clone(), true));
            json::organisation(stats, is_silent, now)
        })
        .collect();
    Ok(Json(serde_json::json!({ "organisations": organisations })))
}
