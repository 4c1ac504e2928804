//! Refused messages: what was wrong with them, their text, and reading them again.

use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

use super::parameters::Parameters;
use super::{Admin, Problem, Token, json};
use crate::auth::Authenticated;
use crate::domain::{OrgId, Outcome};
use crate::journal::{Receipt, RefusedFilter, RefusedRecord};
use crate::public;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/refused", web::get().to(list))
        .route("/api/v1/refused/{id}", web::get().to(one))
        .route("/api/v1/refused/{id}/retry", web::post().to(retry));
}

#[derive(Serialize)]
struct Item {
    id: String,
    orgid: String,
    at: String,
    code: String,
    message: String,
    #[serde(rename = "where")]
    place: Option<String>,
    content_type: Option<String>,
    query: String,
    bytes: u64,
    /// Whether the body is all that came, so that it can be retried.
    complete: bool,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    item: Item,
    soap_action: Option<String>,
    tenant: Option<String>,
    body: String,
}

fn item(RefusedRecord { id, at, head }: RefusedRecord) -> Item {
    Item {
        id: id.to_string(),
        orgid: head.org.to_string(),
        at: at.to_string(),
        code: head.code,
        message: head.message,
        place: head.place,
        content_type: head.content_type,
        query: head.query,
        bytes: head.bytes,
        complete: head.whole,
    }
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Result<Json<Value>, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    let parameters = Parameters::of(&request, &["orgid", "code", "limit", "cursor"])?;
    let filter = RefusedFilter {
        orgs: token.narrow(parameters.parse::<OrgId>("orgid", "an organisation id")?)?,
        code: parameters.parse::<String>("code", "a code")?,
    };
    let page = admin.public.refused.list(filter, parameters.cursor()?, parameters.limit()?).await?;
    Ok(Json(json::page("refused", page, item)))
}

async fn one(admin: Data<Admin>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    Parameters::of(&request, &[])?;
    let (record, body) = find(&admin, &token, &id).await?;
    let (soap_action, tenant) = (record.head.soap_action.clone(), record.head.tenant.clone());
    Ok(HttpResponse::Ok().json(Whole { item: item(record), soap_action, tenant, body }))
}

/// Reads a message again with what is now in force. Its credentials were checked when it came; now
/// an operator vouches for it.
async fn retry(admin: Data<Admin>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let token = admin.tokens.load().verify(&request)?;
    Parameters::of(&request, &[])?;
    token.must_act()?;
    let (record, body) = find(&admin, &token, &id).await?;
    if !record.head.whole {
        return Err(Problem::conflict("Not all of the message was kept, or not as it came; it must be sent again."));
    }
    let org = &record.head.org;
    let organisation = admin.public.organisations.get(org.as_str());
    let organisation = organisation
        .ok_or_else(|| Problem::conflict(format!("The organisation {org} is not in the configuration any more.")))?;
    let kept = Authenticated::vouched().map(|()| (&record, body.as_str()));
    let retried = public::retry(&admin.public, &organisation, kept).await;
    let outcome = retried.as_ref().map_or("Refused", |receipt| receipt.outcome().as_str());
    tracing::info!(token = token.name, orgid = %org, id = record.id, outcome, "a refused message was retried");
    let receipt = retried.map_err(|refusal| Problem::refused(&refusal))?;
    if receipt.outcome() != Outcome::DryRun {
        admin.public.refused.remove(record.id).await?;
    }
    Ok(HttpResponse::Ok().json(answer(&receipt)))
}

fn answer(receipt: &Receipt) -> Value {
    serde_json::json!({
        "outcome": receipt.outcome().as_str(),
        "event_id": receipt.event_id().map(|id| id.to_string()),
        "event_type": receipt.event_type().as_str(),
    })
}

async fn find(admin: &Admin, token: &Token, id: &str) -> Result<(RefusedRecord, String), Problem> {
    let number = id.parse::<u64>().ok().filter(|id| i64::try_from(*id).is_ok());
    let number =
        number.ok_or_else(|| Problem::bad_parameter("id", format!("'{id}' is no id of a refused message.")))?;
    let found = admin.public.refused.find(number).await?;
    let seen = found.filter(|(record, _)| token.sees(&record.head.org));
    seen.ok_or_else(|| Problem::not_found(format!("There is no refused message {number}.")))
}
