//! The erasure of a candidate: from the refused messages, which the journal does not know, and then
//! from the journal, which remembers whose it is until then.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::actions::{known, organisation};
use super::applications::{all, move_by_hand};
use super::openapi::{Always, OfActing, OfConflict, OfOne};
use super::parameters::Parameters;
use super::routes::Routes;
use super::{Admin, Problem, Token, json};
use crate::domain::{CandidateId, OrgId, Position};
use crate::journal::{DeliveryState, EventFilter, Unavailable, WaitingErasure};

pub(super) fn routes() -> Routes {
    Routes::default().delete("/api/v1/candidates/{orgid}/{candidate_id}", erase).get("/api/v1/erasures", erasures)
}

impl Admin {
    async fn erase_refused(&self, WaitingErasure { org, names, .. }: WaitingErasure) -> Result<u64, Unavailable> {
        self.public.refused.erase(org, names).await
    }
}

/// For an operator: erases what is recorded of a candidate.
///
/// It waits until nothing of the candidate waits for delivery. Without `force` it is refused while that is so.
#[utoipa::path(
    delete, path = "/api/v1/candidates/{orgid}/{candidate_id}", tag = "candidates",
    params(
        ("orgid" = inline(OrgId), Path, description = "The organisation."),
        ("candidate_id" = inline(CandidateId), Path, description = "The candidate."),
        ("force" = Option<bool>, Query, nullable = false, description = "Ends open interviews first."),
        ("undelivered" = Option<bool>, Query, nullable = false, description = "Erases at once, also what waits for delivery."),
    ),
    responses(
        (status = 200, description = "The receipt.", body = json::Erasure),
        (status = 202, description = "The receipt; it is done once everything is delivered.", body = json::Erasure),
        Always, OfOne, OfActing, OfConflict,
    ),
)]
pub(super) async fn erase(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let token = admin.caller(&request)?;
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
    let receipt = admin.journal.erase(org.clone(), candidate, token.name.as_str().into()).await?;
    // Whose it was is not logged, as that is what it is about.
    tracing::info!(token = token.name, orgid = %org, receipt, action = "erase", "an operator acted");
    let waiting = admin.journal.waiting_erasures().await?;
    if let Some(waiting) = waiting.into_iter().find(|waiting| waiting.number == receipt) {
        admin.erase_refused(waiting).await?;
    }
    let erasure = admin.journal.finish_erasure(receipt, undelivered).await?.ok_or(Unavailable::Stopped)?;
    let status = if erasure.done_at.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
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
            "Of the candidate {} interviews are open and {waiting} events wait for delivery. With `force` the \
             interviews are ended, and the erasure is done once everything is delivered. With `undelivered` all \
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

/// The receipts of erasures, newest first.
#[utoipa::path(
    get, path = "/api/v1/erasures", tag = "candidates",
    params((
        "limit" = Option<u16>, Query, nullable = false, description = "How many at most; 100 if not given.",
        minimum = 1, maximum = 1000
    )),
    responses((status = 200, description = "The receipts.", body = json::Erasures), Always),
)]
pub(super) async fn erasures(admin: Data<Admin>, request: HttpRequest) -> Result<Json<json::Erasures>, Problem> {
    let token = admin.caller(&request)?;
    let limit = Parameters::of(&request, &["limit"])?.limit()?;
    let receipts = admin.journal.erasures(limit).await?;
    let erasures = receipts.into_iter().filter(|each| token.sees(&each.org)).map(json::erasure).collect();
    Ok(Json(json::Erasures { erasures }))
}
