//! The latest warnings and errors of this process.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::Always;
use super::parameters::Parameters;
use super::routes::Routes;
use super::{Admin, Problem, Token, json};
use crate::log::{self, Entry};

pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/log", lines)
}

/// The latest warnings and errors.
#[derive(Serialize, ToSchema)]
pub(super) struct Lines {
    lines: Vec<Line>,
}

/// A line of the log.
#[derive(Serialize, ToSchema)]
struct Line {
    #[schema(format = DateTime)]
    at: String,
    /// `WARN` or `ERROR`.
    level: &'static str,
    message: String,
    /// What else it says; `orgid` where it is about one organisation.
    fields: BTreeMap<&'static str, String>,
}

/// The latest warnings and errors of this process, newest first, without anything of candidates.
///
/// A token that is bound to some organisations sees the lines that are about these.
#[utoipa::path(
    get, path = "/api/v1/log", tag = "organisations",
    responses((status = 200, description = "The lines.", body = Lines), Always),
)]
pub(super) async fn lines(admin: Data<Admin>, request: HttpRequest) -> Result<Json<Lines>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    let seen = log::recent().into_iter().filter(|entry| is_seen(&token, entry));
    let line = |Entry { at, level, message, fields }| Line { at: json::time(at), level, message, fields };
    Ok(Json(Lines { lines: seen.map(line).collect() }))
}

fn is_seen(token: &Token, entry: &Entry) -> bool {
    let about = entry.fields.get("orgid").and_then(|org| org.parse().ok());
    about.map_or(token.orgs.is_none(), |org| token.sees(&org))
}
