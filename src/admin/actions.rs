//! What an operator may do: replay, delete, pause, resume. Every action is logged with the
//! name of its token.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::ToSchema;

use super::api::{EventQuery, FILTER, seen};
use super::openapi::{Always, OfActing, OfBody, OfConflict, OfOne};
use super::parameters::Parameters;
use super::routes::Routes;
use super::{Admin, Problem, Token, json};
use crate::domain::{EventId, OrgId};
use crate::journal::{Discarded, EventFilter, Replay, Replayed, Turn, Which};

pub(super) fn routes() -> Routes {
    Routes::default()
        .delete("/api/v1/events/{event_id}", discard)
        .post("/api/v1/events/{event_id}/replay", replay_one)
        .post("/api/v1/replay", replay_all)
        .post("/api/v1/organisations/{orgid}/pause", pause)
        .post("/api/v1/organisations/{orgid}/resume", resume)
}

/// How one event is delivered anew.
#[derive(ToSchema)]
#[schema(as = HowToReplay)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Also where a later boundary of the application has overtaken it.
    #[schema(required = false)]
    force: bool,
}

/// For an operator: delivers a dead or delivered event anew, with a fresh budget of retries.
///
/// A superseded one, which a later boundary of its application has overtaken, takes `force`, in the query or the body.
#[utoipa::path(
    post, path = "/api/v1/events/{event_id}/replay", tag = "events",
    params(
        ("event_id" = inline(EventId), Path, description = "The event."),
        ("force" = Option<bool>, Query, nullable = false, description = "Also a superseded one."),
    ),
    request_body = Option<How>,
    responses(
        (status = 200, description = "The event waits for its delivery.", body = json::Replayed),
        Always, OfOne, OfActing, OfConflict, OfBody,
    ),
)]
pub(super) async fn replay_one(
    admin: Data<Admin>,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> Result<Json<json::Replayed>, Problem> {
    let token = admin.caller(&request)?;
    let query = Parameters::of(&request, &["force"])?.flag("force")?;
    let How { force } =
        How { force: Parameters::of_body(&admin, &request, payload, &[], &["force"]).await?.flag("force")? };
    Ok(Json(json::replayed(deliver_anew(&admin, &token, &id, query || force).await?)))
}

/// Lets one event be delivered anew.
pub(super) async fn deliver_anew(admin: &Admin, token: &Token, id: &str, force: bool) -> Result<Replayed, Problem> {
    let (record, _) = seen(admin, token, id).await?;
    token.must_act()?;
    let id = record.event.event_id;
    let replay = Replay { which: Which::One(id), force, dry_run: false, actor: token.name.as_str().into() };
    let replayed = admin.journal.replay(replay).await?;
    if replayed.superseded > 0 {
        return Err(Problem::conflict(
            "A later boundary of the application has superseded the event: to send it again would turn the \
             candidate's protection to what no longer holds. With `force` it is sent all the same.",
        ));
    }
    if replayed.replayed == 0 {
        let state = record.state.as_str();
        return Err(Problem::conflict(format!("Only dead and delivered events are replayed; this one is '{state}'.")));
    }
    tracing::info!(token = token.name, event.id = %id, force, action = "replay", "an operator acted");
    Ok(replayed)
}

/// For an operator: delivers the events that pass a filter anew, the dead letters unless `state` says otherwise.
///
/// A viewer may count them with `dry_run`.
#[utoipa::path(
    post, path = "/api/v1/replay", tag = "events",
    params(
        ("dry_run" = Option<bool>, Query, nullable = false, description = "Only count."),
        ("force" = Option<bool>, Query, nullable = false, description = "Also superseded ones."),
    ),
    request_body = EventQuery,
    responses(
        (status = 200, description = "How many there are.", body = json::Replayed),
        Always, OfOne, OfActing, OfBody,
    ),
)]
pub(super) async fn replay_all(
    admin: Data<Admin>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<json::Replayed>, Problem> {
    let token = admin.caller(&request)?;
    let query = Parameters::of(&request, &["dry_run", "force"])?;
    let fields = Parameters::of_body(&admin, &request, payload, FILTER, &[]).await?;
    if fields.is_empty() {
        let detail = format!("The filter is empty; give at least one of {}.", FILTER.join(", "));
        return Err(Problem::bad_parameter("body", detail));
    }
    let (force, dry_run) = (query.flag("force")?, query.flag("dry_run")?);
    let filter = EventQuery::of(&fields)?.seen_by(&token)?;
    let said = logged(&filter);
    let which = Which::All(filter);
    if !dry_run {
        token.must_act()?;
    }
    let replayed = admin.journal.replay(Replay { which, force, dry_run, actor: token.name.as_str().into() }).await?;
    if !dry_run {
        tracing::info!(
            token = token.name,
            filter = said,
            replayed = replayed.replayed,
            force,
            action = "replay",
            "an operator acted"
        );
    }
    Ok(Json(json::replayed(replayed)))
}

/// A filter as the log may have it: whose application or candidate it is about is not for the log.
fn logged(filter: &EventFilter) -> String {
    let orgs =
        filter.orgs.as_ref().map_or("all".into(), |orgs| orgs.iter().map(OrgId::as_str).collect::<Vec<_>>().join(","));
    let named = [
        ("orgid", Some(orgs)),
        ("event_type", filter.event_type.map(|each| each.as_str().to_owned())),
        ("state", filter.state.map(|each| each.as_str().to_owned())),
        ("job_application_id", filter.application.as_ref().map(|_| "(one)".to_owned())),
        ("candidate_id", filter.candidate.as_ref().map(|_| "(one)".to_owned())),
        ("since", filter.since.map(|at| at.to_string())),
        ("until", filter.until.map(|at| at.to_string())),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    named.collect::<Vec<_>>().join(" ")
}

/// For an operator: deletes a dead letter, or an event that waits for an organisation that was removed.
///
/// For its application the event still counts.
#[utoipa::path(
    delete, path = "/api/v1/events/{event_id}", tag = "events",
    params(("event_id" = inline(EventId), Path, description = "The event.")),
    responses((status = 204, description = "It is gone."), Always, OfOne, OfActing, OfConflict),
)]
pub(super) async fn discard(
    admin: Data<Admin>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    delete(&admin, &token, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes what nobody will deliver.
pub(super) async fn delete(admin: &Admin, token: &Token, id: &str) -> Result<(), Problem> {
    let (record, _) = seen(admin, token, id).await?;
    token.must_act()?;
    let id = record.event.event_id;
    // What nobody is there to deliver waits for ever, unless its organisation returns.
    let orphaned = admin.public.organisations.get(record.event.orgid.as_str()).is_none();
    match admin.journal.discard(id, orphaned, token.name.as_str().into()).await? {
        Discarded::Done => {
            tracing::info!(token = token.name, event.id = %id, action = "delete", "an operator acted");
            Ok(())
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

/// For an operator: stops the organisation's deliveries. It outlives a restart.
#[utoipa::path(
    post, path = "/api/v1/organisations/{orgid}/pause", tag = "organisations",
    params(("orgid" = inline(OrgId), Path, description = "The organisation.")),
    responses((status = 200, description = "How its deliveries stand.", body = json::Gate), Always, OfOne, OfActing),
)]
pub(super) async fn pause(
    admin: Data<Admin>,
    request: HttpRequest,
    org: Path<String>,
) -> Result<Json<json::Gate>, Problem> {
    answer_turn(&admin, &request, &org, Turn::Pause, "pause").await
}

/// For an operator: lets the organisation's deliveries go, whatever stopped them.
#[utoipa::path(
    post, path = "/api/v1/organisations/{orgid}/resume", tag = "organisations",
    params(("orgid" = inline(OrgId), Path, description = "The organisation.")),
    responses((status = 200, description = "How its deliveries stand.", body = json::Gate), Always, OfOne, OfActing),
)]
pub(super) async fn resume(
    admin: Data<Admin>,
    request: HttpRequest,
    org: Path<String>,
) -> Result<Json<json::Gate>, Problem> {
    answer_turn(&admin, &request, &org, Turn::Resume, "resume").await
}

async fn answer_turn(
    admin: &Admin,
    request: &HttpRequest,
    org: &str,
    make: impl Fn(OrgId) -> Turn,
    action: &str,
) -> Result<Json<json::Gate>, Problem> {
    let token = admin.caller(request)?;
    Parameters::of(request, &[])?;
    let org = organisation(org)?;
    turn(admin, &token, make(org.clone()), action).await?;
    let paused = admin.journal.pulse().iter().any(|pulse| pulse.org == org && pulse.paused.is_some());
    Ok(Json(json::Gate { orgid: org, paused }))
}

/// Stops the deliveries of an organisation or lets them go.
pub(super) async fn turn(admin: &Admin, token: &Token, turn: Turn, action: &str) -> Result<(), Problem> {
    let (Turn::Pause(org) | Turn::Resume(org)) = &turn else { return Ok(()) };
    let org = org.clone();
    token.act_on(&org)?;
    known(admin, &org)?;
    admin.journal.turn(turn, token.name.as_str().into()).await?;
    tracing::info!(token = token.name, orgid = %org, action, "an operator acted");
    Ok(())
}

/// Lets an organisation pass that is configured, or that was heard of.
pub(super) fn known(admin: &Admin, org: &OrgId) -> Result<(), Problem> {
    let configured = admin.public.organisations.get(org.as_str()).is_some();
    if configured || admin.journal.pulse().iter().any(|pulse| pulse.org == *org) {
        return Ok(());
    }
    Err(Problem::not_found(format!("There is no organisation {org}.")))
}

pub(super) fn organisation(org: &str) -> Result<OrgId, Problem> {
    org.parse::<OrgId>().map_err(|error| Problem::bad_parameter("orgid", format!("'{org}' {error}.")))
}
