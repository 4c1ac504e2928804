//! The routes under `/api/v1`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use utoipa::{IntoParams, ToSchema};

use super::openapi::{Always, OfOne};
use super::parameters::{Paging, Parameters};
use super::routes::Routes;
use super::standing::Standing;
use super::{Admin, Problem, Token, json};
use crate::domain::{ApplicationId, CandidateId, EventId, EventType, OrgId};
use crate::journal::{AttemptRecord, DeliveryState, EventFilter, EventRecord, ProtectionFilter};

const INSTANT: &str = "an RFC 3339 time such as 2026-04-09T14:30:00Z";
pub(super) const ORGANISATION: &str = "an organisation id";

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/events", events)
        .get("/api/v1/events/{event_id}", event)
        .get("/api/v1/protections", protections)
        .get("/api/v1/stats", stats)
}

/// Whoever has no token is not told what there is.
pub(super) async fn unknown(admin: Data<Admin>, request: HttpRequest) -> Problem {
    match admin.caller(&request) {
        Ok(_) => Problem::not_found(format!("There is nothing at {} {}.", request.method(), request.path())),
        Err(problem) => problem,
    }
}

/// Events by filter, newest first.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events",
    params(EventQuery, Paging),
    responses((status = 200, description = "A page of events.", body = json::Events), Always, OfOne),
)]
pub(super) async fn events(admin: Data<Admin>, request: HttpRequest) -> Result<Json<json::Events>, Problem> {
    let token = admin.caller(&request)?;
    let parameters = Parameters::of(&request, &[FILTER, Paging::NAMES].concat())?;
    let filter = EventQuery::of(&parameters)?.seen_by(&token)?;
    let paging = parameters.paging()?;
    Ok(Json(json::events(admin.journal.events(filter, paging.cursor, paging.limit).await?)))
}

/// The keys of a filter of events.
pub(super) const FILTER: &[&str] =
    &["orgid", "event_type", "state", "job_application_id", "candidate_id", "since", "until"];

/// Which events; a key that is not given does not narrow.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = EventFilter, min_properties = 1)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    /// Only this organisation's.
    #[param(inline, nullable = false)]
    #[schema(nullable = false)]
    orgid: Option<OrgId>,
    /// Only this type.
    #[param(inline, nullable = false)]
    #[schema(nullable = false)]
    event_type: Option<EventType>,
    /// Only this state of delivery.
    #[param(inline, nullable = false)]
    #[schema(nullable = false)]
    state: Option<DeliveryState>,
    /// Only this job application's.
    #[param(inline, nullable = false)]
    #[schema(nullable = false)]
    job_application_id: Option<ApplicationId>,
    /// Only this candidate's.
    #[param(inline, nullable = false)]
    #[schema(nullable = false)]
    candidate_id: Option<CandidateId>,
    /// Received at this time or later.
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    since: Option<Timestamp>,
    /// Received before this time.
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    until: Option<Timestamp>,
}

impl EventQuery {
    /// Reads it from a query or a body.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, Problem> {
        Ok(Self {
            orgid: parameters.parse::<OrgId>("orgid", ORGANISATION)?,
            event_type: parameters.take(
                "event_type",
                "interview_started, interview_ended or state_changed",
                |value| EventType::ALL.into_iter().find(|each| each.as_str() == value),
            )?,
            state: parameters.take("state", "none, pending, delivered or dead", |value| {
                DeliveryState::ALL.into_iter().find(|each| each.as_str() == value)
            })?,
            job_application_id: parameters
                .take("job_application_id", "an id", |value| ApplicationId::new(value).ok())?,
            candidate_id: parameters.take("candidate_id", "an id", |value| CandidateId::new(value).ok())?,
            since: parameters.take("since", INSTANT, instant)?,
            until: parameters.take("until", INSTANT, instant)?,
        })
    }

    /// The same, narrowed to what the token sees.
    ///
    /// # Errors
    /// 404 for an organisation that it does not see.
    pub(super) fn seen_by(self, token: &Token) -> Result<EventFilter, Problem> {
        Ok(EventFilter {
            orgs: token.narrow(self.orgid)?,
            event_type: self.event_type,
            state: self.state,
            application: self.job_application_id,
            candidate: self.candidate_id,
            since: self.since,
            until: self.until,
        })
    }
}

/// A time, or the last that there is where it is later: the year 9999 ends beyond.
fn instant(text: &str) -> Option<Timestamp> {
    let beyond = || {
        let pieces = Pieces::parse(text).ok()?;
        let whole = pieces.time().is_some() && pieces.offset().is_some();
        (whole && pieces.date().year() == 9999).then_some(Timestamp::MAX)
    };
    text.parse().ok().or_else(beyond)
}

/// One event with every attempt to deliver it, oldest first.
#[utoipa::path(
    get, path = "/api/v1/events/{event_id}", tag = "events",
    params(("event_id" = inline(EventId), Path, description = "The event.")),
    responses((status = 200, description = "The event.", body = json::EventPage), Always, OfOne),
)]
pub(super) async fn event(
    admin: Data<Admin>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<Json<json::EventPage>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    let (record, attempts) = seen(&admin, &token, &id).await?;
    Ok(Json(json::event_page(record, attempts)))
}

/// An event that the token sees.
pub(super) async fn seen(admin: &Admin, token: &Token, id: &str) -> Result<(EventRecord, Vec<AttemptRecord>), Problem> {
    let parsed = id.parse::<EventId>();
    let parsed = parsed.map_err(|error| Problem::bad_parameter("event_id", format!("'{id}' {error}.")))?;
    let found = admin.journal.event(parsed).await?;
    let seen = found.filter(|(record, _)| token.sees(&record.event.orgid));
    seen.ok_or_else(|| Problem::not_found(format!("There is no event {parsed}.")))
}

/// Who is or was protected.
#[utoipa::path(
    get, path = "/api/v1/protections", tag = "applications",
    params(
        ("orgid" = inline(Option<OrgId>), Query, nullable = false, description = "Only this organisation's."),
        ("active" = Option<bool>, Query, nullable = false, description = "Only those that are on, or off."),
        Paging,
    ),
    responses((status = 200, description = "A page of protections.", body = json::Protections), Always, OfOne),
)]
pub(super) async fn protections(admin: Data<Admin>, request: HttpRequest) -> Result<Json<json::Protections>, Problem> {
    let token = admin.caller(&request)?;
    let parameters = Parameters::of(&request, &[&["orgid", "active"], Paging::NAMES].concat())?;
    let filter = ProtectionFilter {
        orgs: token.narrow(parameters.parse::<OrgId>("orgid", ORGANISATION)?)?,
        active: parameters.parse::<bool>("active", "true or false")?,
    };
    let paging = parameters.paging()?;
    Ok(Json(json::protections(admin.journal.protections(filter, paging.cursor, paging.limit).await?)))
}

/// Figures of each organisation since its journal began.
#[utoipa::path(
    get, path = "/api/v1/stats", tag = "organisations",
    responses((status = 200, description = "The figures.", body = json::Stats), Always),
)]
pub(super) async fn stats(admin: Data<Admin>, request: HttpRequest) -> Result<Json<json::Stats>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    let now = admin.clock.now();
    let stats = admin.with_unheard(admin.journal.stats(admin.ages()).await?);
    let silent = admin.silent();
    let mut organisations = Vec::new();
    for stats in stats.into_iter().filter(|stats| token.sees(&stats.org)) {
        let is_silent = silent.contains(&(stats.org.clone(), true));
        let standing = Standing::of(&admin, &stats, now).await?;
        organisations.push(json::organisation(stats, &standing, is_silent, now));
    }
    Ok(Json(json::Stats { organisations }))
}
