//! Which credentials are in use, so that the old one of two may go.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};

use super::actions::known;
use super::api::ORGANISATION;
use super::openapi::{Always, OfOne};
use super::parameters::Parameters;
use super::routes::Routes;
use super::{Admin, Problem, json};
use crate::domain::OrgId;

pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/credentials", credentials)
}

/// The credentials that are configured, by their keys, and when each was last used; no secret is shown.
///
/// One that callers show is used when it lets somebody in, the relay's when the relay answers with 2xx, and Workday's
/// when Workday answers what it was asked for, or gives a token for it.
#[utoipa::path(
    get, path = "/api/v1/credentials", tag = "configuration",
    params(("orgid" = inline(Option<OrgId>), Query, nullable = false, description = "Only this organisation's.")),
    responses((status = 200, description = "The credentials.", body = json::Credentials), Always, OfOne),
)]
pub(super) async fn credentials(admin: Data<Admin>, request: HttpRequest) -> Result<Json<json::Credentials>, Problem> {
    let token = admin.caller(&request)?;
    let asked = Parameters::of(&request, &["orgid"])?.parse::<OrgId>("orgid", ORGANISATION)?;
    let seen = token.narrow(asked.clone())?;
    asked.iter().try_for_each(|org| known(&admin, org))?;
    let organisations = admin.public.organisations.current();
    let seen = organisations.iter().filter(|one| seen.as_ref().is_none_or(|seen| seen.contains(&one.id)));
    Ok(Json(json::credentials(admin.started_at, seen.map(|one| (&one.id, &*one.credentials)))))
}
