//! The JSON intake: `POST /webhooks/{orgid}/workday` and `/webhooks/{orgid}`, the relay's own contract.

use std::time::Instant;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::Value;
use tracing::Instrument;

use super::message::{self, traceparent_of};
use super::tries::Tries;
use super::{Public, parameters};
use crate::auth::{Denied, Verifier};
use crate::domain::{Source, StateChange};
use crate::intake::{self, Wrong};
use crate::journal::{Incoming, Receipt};
use crate::net::{self, BodyLimits, Sender};
use crate::organisation::Organisation;
use crate::problem::Problem;
use crate::refusal::{Code, Refusal};

/// By which a sender marks what it sends again; another bridge sends one with every event.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest `Idempotency-Key` that is remembered, in bytes.
const MAX_KEY: usize = 255;

/// Takes one message.
pub(super) async fn post(
    public: Data<Public>,
    org: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let organisation = public.organisations.get(&org);
    let found = organisation.as_ref().and_then(|organisation| Some((organisation, organisation.intake.as_ref()?)));
    let Some((organisation, verifier)) = found else {
        public.metrics.not_taken(Source::Webhook, Code::NotFound);
        let message = format!("There is no JSON intake of an organisation '{org}' here; check the URL.");
        return Problem::of_message(&Refusal::new(Code::NotFound, message), None).error_response();
    };
    if let Err(refusal) = check_head(&public, organisation, verifier, &request) {
        return refuse(&public, &org, &refusal.into());
    }
    let span = message::span(&organisation.id, Source::Webhook, &request);
    match take(&public, organisation, &request, payload).instrument(span.clone()).await {
        Ok(receipt) => {
            message::taken(&span, &receipt);
            HttpResponse::Ok().json(answer(&receipt))
        }
        Err(wrong) => {
            public.metrics.refused(&organisation.id, Source::Webhook);
            let code = wrong.refusal.code.as_str();
            span.in_scope(|| tracing::debug!(code, "a message was refused"));
            refuse(&public, &org, &wrong)
        }
    }
}

/// Answers what is no POST.
pub(super) async fn other_method(public: Data<Public>, request: HttpRequest) -> HttpResponse {
    public.metrics.not_taken(Source::Webhook, Code::MethodNotAllowed);
    let message = format!("The method {} is not taken here; POST a message.", request.method());
    let mut answer = Problem::of_message(&Refusal::new(Code::MethodNotAllowed, message), None).error_response();
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    answer
}

fn answer(receipt: &Receipt) -> Value {
    serde_json::json!({
        "event_id": receipt.event_id().map(|id| id.to_string()),
        "event_type": receipt.event_type().as_str(),
        "outcome": receipt.outcome().as_str(),
    })
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self { field: None, refusal }
    }
}

fn refuse(public: &Public, org: &str, wrong: &Wrong) -> HttpResponse {
    public.metrics.not_taken(Source::Webhook, wrong.refusal.code);
    let mut answer = Problem::of_message(&wrong.refusal, wrong.field).error_response();
    if wrong.refusal.code == Code::Unauthorized {
        // The organisation is known by now, so that its name is one that a header takes.
        let challenge = HeaderValue::try_from(format!("Bearer realm=\"{org}\"")).ok();
        challenge.into_iter().for_each(|value| answer.headers_mut().append(header::WWW_AUTHENTICATE, value));
    }
    answer
}

fn check_head(
    public: &Public,
    organisation: &Organisation,
    verifier: &Verifier,
    request: &HttpRequest,
) -> Result<(), Refusal> {
    let tries = Tries::of(public, organisation, request);
    tries.check()?;
    let credentials = request.headers().get_all(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let caller = verifier.verify(credentials, None, ());
    tries.note(&caller)?;
    caller.map(drop).map_err(Denied::refusal)
}

async fn take(
    public: &Public,
    organisation: &Organisation,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Receipt, Wrong> {
    check_media(request)?;
    parameters::no_dry_run(request.query_string())?;
    let limits = &organisation.limits;
    let limits_of_body = BodyLimits { bytes: limits.body_bytes, within: limits.request, sender: Sender::Known };
    let body = net::read_body(request, payload, limits_of_body).await;
    let body = body.map_err(|unread| unread.refusal)?;
    public.rates.take(&organisation.id)?;
    let change = intake::read(&body, organisation.profile.stage_always_required)?;
    Ok(message::receipt(public, limits, incoming(organisation, change, request), Instant::now()).await?)
}

fn check_media(request: &HttpRequest) -> Result<(), Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let found = if media.is_empty() { "missing".to_owned() } else { format!("'{media}'") };
    let message = format!("The Content-Type is {found}; expected application/json.");
    Err(Refusal::new(Code::UnsupportedMediaType, message))
}

fn incoming(organisation: &Organisation, change: StateChange, request: &HttpRequest) -> Incoming {
    let key = request.headers().get(&IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
    Incoming {
        message_id: key.filter(|key| !key.is_empty() && key.len() <= MAX_KEY).map(Into::into),
        trace: traceparent_of(request).map(|trace| trace.to_string().into()),
        ..organisation.incoming(change, Source::Webhook)
    }
}
