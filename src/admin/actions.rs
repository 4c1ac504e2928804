//! What an operator may do: replay, delete, pause, resume, erase. Every action is logged with the
//! name of its token.

use std::collections::BTreeMap;

use actix_web::web::{self, Bytes, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::api::{FILTER, filter, seen};
use super::applications::{all, move_by_hand};
use super::parameters::Parameters;
use super::{Admin, Problem, Token, json};
use crate::domain::{CandidateId, OrgId, Position};
use crate::journal::{DeliveryState, Discarded, EventFilter, Replay, Turn, Which};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/events/{event_id}", web::delete().to(discard))
        .route("/api/v1/events/{event_id}/replay", web::post().to(replay_one))
        .route("/api/v1/replay", web::post().to(replay_all))
        .route("/api/v1/organisations/{orgid}/pause", web::post().to(pause))
        .route("/api/v1/organisations/{orgid}/resume", web::post().to(resume))
        .route("/api/v1/candidates/{orgid}/{candidate_id}", web::delete().to(erase))
        .route("/api/v1/erasures", web::get().to(erasures));
}

async fn replay_one(
    admin: Data<Admin>,
    request: HttpRequest,
    id: Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let (query, fields) = (Parameters::of(&request, &["force"])?, Parameters::of_body(&body, &["force"])?);
    let force = query.flag("force")? || fields.flag("force")?;
    let (record, _) = seen(&admin, &token, &id).await?;
    token.must_act()?;
    let id = record.event.event_id;
    let replay = Replay { which: Which::One(id), force, dry_run: false, actor: token.name.as_str().into() };
    let replayed = admin.journal.replay(replay).await?;
    if replayed.superseded > 0 {
        return Err(Problem::conflict(
            "A later boundary of the application has superseded the event: to send it again would turn the \
             candidate's protection to what no longer holds. With force=true it is sent all the same.",
        ));
    }
    if replayed.replayed == 0 {
        let state = record.state.as_str();
        return Err(Problem::conflict(format!("Only dead and delivered events are replayed; this one is '{state}'.")));
    }
    tracing::info!(token = token.name, event.id = %id, force, action = "replay", "an operator acted");
    Ok(Json(json::replayed(replayed)))
}

async fn replay_all(admin: Data<Admin>, request: HttpRequest, body: Bytes) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let query = Parameters::of(&request, &["dry_run", "force"])?;
    let fields = Parameters::of_body(&body, FILTER)?;
    if fields.is_empty() {
        let detail = format!("The filter is empty; give at least one of {}.", FILTER.join(", "));
        return Err(Problem::bad_parameter("body", detail));
    }
    let (force, dry_run) = (query.flag("force")?, query.flag("dry_run")?);
    let which = Which::All(filter(&fields, &token)?);
    if !dry_run {
        token.must_act()?;
    }
    let replayed = admin.journal.replay(Replay { which, force, dry_run, actor: token.name.as_str().into() }).await?;
    if !dry_run {
        tracing::info!(token = token.name, replayed = replayed.replayed, force, action = "replay", "an operator acted");
    }
    Ok(Json(json::replayed(replayed)))
}

async fn discard(admin: Data<Admin>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    Parameters::of(&request, &[])?;
    let (record, _) = seen(&admin, &token, &id).await?;
    token.must_act()?;
    let id = record.event.event_id;
    // What nobody is there to deliver waits for ever, unless its organisation returns.
    let orphaned = admin.public.organisations.get(record.event.orgid.as_str()).is_none();
    match admin.journal.discard(id, orphaned, token.name.as_str().into()).await? {
        Discarded::Done => {
            tracing::info!(token = token.name, event.id = %id, action = "delete", "an operator acted");
            Ok(HttpResponse::NoContent().finish())
        }
        Discarded::Unknown => Err(Problem::not_found(format!("There is no event {id}."))),
        Discarded::NotDead => {
            let state = record.state.as_str();
            Err(Problem::conflict(format!(
                "Only dead letters are deleted, and what waits for an organisation that was removed; this event is '{state}'."
            )))
        }
    }
}

async fn pause(admin: Data<Admin>, request: HttpRequest, org: Path<String>) -> Result<Json<Value>, Problem> {
    turn(&admin, &request, &org, Turn::Pause, "pause").await
}

async fn resume(admin: Data<Admin>, request: HttpRequest, org: Path<String>) -> Result<Json<Value>, Problem> {
    turn(&admin, &request, &org, Turn::Resume, "resume").await
}

async fn turn(
    admin: &Admin,
    request: &HttpRequest,
    org: &str,
    make: impl Fn(OrgId) -> Turn,
    action: &str,
) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(request)?;
    Parameters::of(request, &[])?;
    let org = organisation(org)?;
    token.act_on(&org)?;
    known(admin, &org)?;
    admin.journal.turn(make(org.clone()), token.name.as_str().into()).await?;
    tracing::info!(token = token.name, orgid = %org, action, "an operator acted");
    let paused = admin.journal.pulse().iter().any(|pulse| pulse.org == org && pulse.paused.is_some());
    Ok(Json(serde_json::json!({ "orgid": org, "paused": paused })))
}

/// Lets an organisation pass that is configured, or that was heard of.
fn known(admin: &Admin, org: &OrgId) -> Result<(), Problem> {
    let configured = admin.public.organisations.get(org.as_str()).is_some();
    if configured || admin.journal.pulse().iter().any(|pulse| pulse.org == *org) {
        return Ok(());
    }
    Err(Problem::not_found(format!("There is no organisation {org}.")))
}

async fn erase(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let parameters = Parameters::of(&request, &["force", "undelivered"])?;
    let (force, undelivered) = (parameters.flag("force")?, parameters.flag("undelivered")?);
    let org = organisation(&path.0)?;
    token.act_on(&org)?;
    known(&admin, &org)?;
    let candidate = CandidateId::new(&path.1);
    let candidate = candidate.map_err(|error| Problem::bad_parameter("candidate_id", format!("It {error}.")))?;
    if !undelivered {
        finish_first(&admin, &token, &org, &candidate, force).await?;
    }
    let refused = admin.public.refused.erase(org.clone(), candidate.clone()).await?;
    let erasure = admin.journal.erase(org.clone(), candidate, undelivered, token.name.as_str().into()).await?;
    // Whose it was is not logged, as that is what it is about.
    let receipt = erasure.number;
    tracing::info!(token = token.name, orgid = %org, receipt, refused, action = "erase", "an operator acted");
    let status = if erasure.done_at.is_some() { 200 } else { 202 };
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(HttpResponse::build(status).json(json::erasure(erasure)))
}

/// What is open is ended first, so that nobody stays protected of whom nothing is known; without
/// `force` it is not touched.
async fn finish_first(
    admin: &Admin,
    token: &Token,
    org: &OrgId,
    candidate: &CandidateId,
    force: bool,
) -> Result<(), Problem> {
    let filter =
        EventFilter { orgs: Some(vec![org.clone()]), candidate: Some(candidate.clone()), ..EventFilter::default() };
    let events = all(admin, filter).await?;
    let waiting = events.iter().filter(|record| record.state == DeliveryState::Pending).count();
    let applications: BTreeMap<_, _> = events.iter().map(|record| (&record.event.job_application_id, ())).collect();
    let mut open = Vec::new();
    for application in applications.into_keys() {
        let record = admin.journal.application(org.clone(), application.clone()).await?;
        open.extend(record.filter(|record| record.in_interview_since.is_some()));
    }
    if !force && (waiting > 0 || !open.is_empty()) {
        return Err(Problem::conflict(format!(
            "Of the candidate {} interviews are open and {waiting} events wait for delivery. With force=true the \
             interviews are ended, and the erasure is done once everything is delivered. With undelivered=true all \
             goes at once, and the relay is told nothing.",
            open.len()
        )));
    }
    if !open.is_empty() && admin.public.organisations.get(org.as_str()).is_none() {
        return Err(Problem::conflict(format!(
            "The organisation {org} is not configured, so that nobody can be told that the interview is over. With \
             undelivered=true all goes at once."
        )));
    }
    for record in open {
        move_by_hand(admin, org, record, Position::Out, &token.name, Some("ended before an erasure")).await?;
    }
    Ok(())
}

async fn erasures(admin: Data<Admin>, request: HttpRequest) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let limit = Parameters::of(&request, &["limit"])?.limit()?;
    let receipts = admin.journal.erasures(limit).await?;
    let receipts: Vec<_> = receipts.into_iter().filter(|each| token.sees(&each.org)).map(json::erasure).collect();
    Ok(Json(serde_json::json!({ "erasures": receipts })))
}

fn organisation(org: &str) -> Result<OrgId, Problem> {
    org.parse::<OrgId>().map_err(|error| Problem::bad_parameter("orgid", format!("'{org}' {error}.")))
}
