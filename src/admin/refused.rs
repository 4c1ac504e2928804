//! Refused messages: what was wrong with them, their text, and reading them again.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::{Always, OfActing, OfConflict, OfOne, OfRetry};
use super::parameters::{Paging, Parameters, shown};
use super::routes::Routes;
use super::{Admin, Problem, Token, json};
use crate::auth::Authenticated;
use crate::domain::{OrgId, Outcome};
use crate::journal::{Receipt, RefusedFilter, RefusedHead, RefusedRecord};
use crate::public;
use crate::refusal::Code;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/refused", list)
        .get("/api/v1/refused/{id}", one)
        .post("/api/v1/refused/{id}/retry", retry)
}

/// Refused messages.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedList)]
pub(super) struct List {
    refused: Vec<Item>,
    /// The cursor of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// A refused message.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedMessage)]
pub(super) struct Item {
    id: String,
    orgid: OrgId,
    #[schema(format = DateTime)]
    at: String,
    /// The word of the refusal.
    code: String,
    /// Its sentence.
    message: String,
    /// Where in the message: a path, or a line and column.
    #[serde(rename = "where")]
    #[schema(required)]
    place: Option<String>,
    #[schema(required)]
    content_type: Option<String>,
    /// The URL's query.
    query: String,
    /// How many bytes came.
    bytes: u64,
    /// Whether the body is all that came, so that it can be retried.
    complete: bool,
    /// What the body is, where it is not what came.
    #[schema(required)]
    note: Option<&'static str>,
}

/// A refused message with its text.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedPage)]
pub(super) struct Whole {
    #[serde(flatten)]
    item: Item,
    /// `SOAPAction`.
    #[schema(required)]
    soap_action: Option<String>,
    /// `X-Workday-Tenant`.
    #[schema(required)]
    tenant: Option<String>,
    /// Its text as decoded, with what stands in `Password` elements masked.
    body: String,
}

/// What is to be known of a body that was refused before it was read as a document.
fn note(head: &RefusedHead) -> Option<&'static str> {
    let is = |code: Code| head.code == code.as_str();
    match head.bytes {
        0 if is(Code::TooLarge) || is(Code::UnsupportedMediaType) || is(Code::BadRequest) => {
            Some("The body was not read, or not to its end, and nothing of it was kept.")
        }
        1.. if is(Code::BadRequest) => {
            Some("The body is not what its Content-Encoding says; this is what could be read of it.")
        }
        _ => None,
    }
}

fn item(RefusedRecord { id, at, head }: RefusedRecord) -> Item {
    Item {
        note: note(&head),
        id: id.to_string(),
        orgid: head.org,
        at: json::time(at),
        code: head.code,
        message: head.message,
        place: head.place,
        content_type: head.content_type,
        query: head.query,
        bytes: head.bytes,
        complete: head.whole,
    }
}

/// Refused messages that are kept, newest first.
#[utoipa::path(
    get, path = "/api/v1/refused", tag = "refused", operation_id = "refused",
    params(
        ("orgid" = inline(Option<OrgId>), Query, nullable = false, description = "Only this organisation's."),
        ("code" = Option<String>, Query, nullable = false, pattern = "^[a-z_]{1,64}$", description = "Only those refused with this code."),
        Paging,
    ),
    responses((status = 200, description = "A page of refused messages.", body = List), Always, OfOne),
)]
pub(super) async fn list(admin: Data<Admin>, request: HttpRequest) -> Result<Json<List>, Problem> {
    let token = admin.caller(&request)?;
    let parameters = Parameters::of(&request, &[&["orgid", "code"], Paging::NAMES].concat())?;
    let filter = RefusedFilter {
        orgs: token.narrow(parameters.parse::<OrgId>("orgid", "an organisation id")?)?,
        code: parameters
            .take("code", "a code such as missing_element", |value| is_code(value).then(|| value.to_owned()))?,
    };
    let paging = parameters.paging()?;
    let page = admin.public.refused.list(filter, paging.cursor, paging.limit).await?;
    Ok(Json(List { refused: page.items.into_iter().map(item).collect(), next: shown(page.next) }))
}

/// One refused message with its text.
#[utoipa::path(
    get, path = "/api/v1/refused/{id}", tag = "refused", operation_id = "refused_message",
    params(("id" = u64, Path, description = "Its number.", maximum = 9223372036854775807_i64)),
    responses((status = 200, description = "The message.", body = Whole), Always, OfOne),
)]
pub(super) async fn one(admin: Data<Admin>, request: HttpRequest, id: Path<String>) -> Result<Json<Whole>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    let (record, body) = find(&admin, &token, &id).await?;
    let (soap_action, tenant) = (record.head.soap_action.clone(), record.head.tenant.clone());
    Ok(Json(Whole { item: item(record), soap_action, tenant, body }))
}

/// For an operator: reads a message again with what is now in force; once taken, it is gone from the list.
///
/// Its credentials were checked when it came; now the operator vouches for it.
#[utoipa::path(
    post, path = "/api/v1/refused/{id}/retry", tag = "refused", operation_id = "retry_refused",
    params(("id" = u64, Path, description = "Its number.", maximum = 9223372036854775807_i64)),
    responses(
        (status = 200, description = "It was taken.", body = json::Taken),
        Always, OfOne, OfActing, OfConflict, OfRetry,
    ),
)]
pub(super) async fn retry(
    admin: Data<Admin>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<Json<json::Taken>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    Ok(Json(json::taken(&read_again(&admin, &token, &id).await?)))
}

/// Reads a kept message again, and forgets it once it is taken.
pub(super) async fn read_again(admin: &Admin, token: &Token, id: &str) -> Result<Receipt, Problem> {
    token.must_act()?;
    let (record, body) = find(admin, token, id).await?;
    if !record.head.whole {
        return Err(Problem::conflict("Not all of the message was kept, or not as it came; it must be sent again."));
    }
    let org = &record.head.org;
    let organisation = admin.public.organisations.get(org.as_str());
    let organisation = organisation
        .ok_or_else(|| Problem::conflict(format!("The organisation {org} is not in the configuration any more.")))?;
    let kept = vouched(token)?.map(|()| (&record, body.as_str()));
    let retried = public::retry(&admin.public, &organisation, kept).await;
    let outcome = retried.as_ref().map_or("Refused", |receipt| receipt.outcome().as_str());
    tracing::info!(token = token.name, orgid = %org, id = record.id, outcome, "a refused message was retried");
    let receipt = retried.map_err(|refusal| Problem::refused(&refusal))?;
    if receipt.outcome() != Outcome::DryRun {
        admin.public.refused.remove(record.id).await?;
    }
    Ok(receipt)
}

/// The sender of a message that an operator sends, or has read again.
///
/// # Errors
/// For a viewer.
pub(super) fn vouched(token: &Token) -> Result<Authenticated<()>, Problem> {
    token.must_act()?;
    Ok(Authenticated::vouched())
}

pub(super) async fn find(admin: &Admin, token: &Token, id: &str) -> Result<(RefusedRecord, String), Problem> {
    let number = id.parse::<u64>().ok().filter(|id| i64::try_from(*id).is_ok());
    let number =
        number.ok_or_else(|| Problem::bad_parameter("id", format!("'{id}' is no id of a refused message.")))?;
    let found = admin.public.refused.find(number).await?;
    let seen = found.filter(|(record, _)| token.sees(&record.head.org));
    seen.ok_or_else(|| Problem::not_found(format!("There is no refused message {number}.")))
}

/// Whether a text has the form of a refusal's code.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
