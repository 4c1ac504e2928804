//! The SOAP endpoint: `POST /soap/{orgid}`.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{ALLOWED, Public};
use crate::auth::{Authenticated, Denied};
use crate::domain::Source;
use crate::journal::{Incoming, Receipt, Unavailable};
use crate::net;
use crate::organisation::Organisation;
use crate::refusal::{Code, Refusal};
use crate::soap::{self, Addressing, Answer, FaultStatus, Head, Rejected, Success, Version};
use crate::xml;

/// The header that names the tenant a message comes from.
const TENANT: &str = "x-workday-tenant";

/// A W3C Trace Context header.
const TRACEPARENT: &str = "traceparent";

/// Takes one message.
pub(super) async fn post(
    public: Data<Public>,
    org: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let hint = soap::version_for(header_text(&request, &header::CONTENT_TYPE));
    let Some(organisation) = public.organisations.get(&org) else {
        let refusal = Refusal::new(Code::NotFound, format!("There is no organisation '{org}' here; check the URL."));
        return respond(soap::fault(hint, None, &refusal, FaultStatus::Standard, &unknown_namespace()), &refusal);
    };
    match take(&public, &organisation, &request, payload, hint).await {
        Ok((version, addressing, receipt)) => {
            let success =
                Success { event_id: receipt.event_id(), event_type: receipt.event_type(), outcome: receipt.outcome() };
            let namespace = &organisation.profile.namespace;
            response(soap::success(version, addressing.as_ref(), namespace, &success))
        }
        Err(rejected) => refuse(&public, &organisation, &rejected),
    }
}

/// Answers what is neither GET nor POST.
pub(super) async fn other_method(public: Data<Public>, org: Path<String>, request: HttpRequest) -> HttpResponse {
    let hint = soap::version_for(header_text(&request, &header::CONTENT_TYPE));
    let organisation = public.organisations.get(&org);
    let namespace = organisation.map_or_else(unknown_namespace, |organisation| organisation.profile.namespace.clone());
    let message = format!("The method {} is not taken here; POST a message, or GET ?wsdl.", request.method());
    let refusal = Refusal::new(Code::MethodNotAllowed, message);
    let mut answer = respond(soap::fault(hint, None, &refusal, FaultStatus::Standard, &namespace), &refusal);
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(ALLOWED));
    answer
}

type Taken = (Version, Option<Addressing>, Receipt);

/// One message's way: head, credentials, body, reading, journal.
async fn take(
    public: &Public,
    organisation: &Arc<Organisation>,
    request: &HttpRequest,
    payload: Payload,
    hint: Version,
) -> Result<Taken, Rejected> {
    let content_type = header_text(request, &header::CONTENT_TYPE);
    let credentials = request.headers().get_all(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let caller = organisation.verifier.verify(credentials, ());
    let caller = caller.map_err(|denied: Denied| Rejected::new(hint, denied.refusal()))?;
    soap::check_media(content_type)?;
    let body = net::read_body(request, payload, public.limits.body_bytes, public.limits.request).await;
    let body = body.map_err(|refusal| Rejected::new(hint, refusal))?;
    let (version, addressing, incoming) = read(public, organisation, request, caller.map(|()| body))?;
    let rejected = |refusal| Rejected { addressing: addressing.clone(), ..Rejected::new(version, refusal) };
    let receipt = store(public, incoming).await.map_err(rejected)?;
    Ok((version, addressing, receipt))
}

/// From bytes to what the journal takes.
fn read(
    public: &Public,
    organisation: &Organisation,
    request: &HttpRequest,
    body: Authenticated<Bytes>,
) -> Result<(Version, Option<Addressing>, Incoming), Rejected> {
    let query: Vec<_> = url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let parameter = |name: &str| query.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str());
    let head = Head {
        content_type: header_text(request, &header::CONTENT_TYPE),
        soap_action: header_text(request, &header::HeaderName::from_static("soapaction")),
        event: parameter("event"),
    };
    let limits = xml::Limits { depth: public.limits.xml_depth, elements: public.limits.xml_elements };
    let message = soap::read(body.as_ref(), &head, &organisation.profile, limits)?;
    let (version, addressing) = (message.version, message.addressing);
    let rejected = |refusal| Rejected { addressing: addressing.clone(), ..Rejected::new(version, refusal) };
    organisation.check_tenant(request.headers().get(TENANT).map(header::HeaderValue::as_bytes)).map_err(rejected)?;
    let dry_run = dry_run(parameter("dry_run")).map_err(rejected)?;
    let (position, reason) = organisation.policy.position(&message.change);
    let incoming = Incoming {
        org: organisation.id.clone(),
        change: message.change,
        position,
        reason,
        message_id: addressing.as_ref().and_then(Addressing::message_id).map(Into::into),
        source: Source::Soap,
        deliver: organisation.deliver(),
        pending_limit: organisation.pending_events.unwrap_or(0),
        dry_run,
        trace: request.headers().get(TRACEPARENT).and_then(|value| traceparent(value.as_bytes())),
        note: None,
    };
    Ok((version, addressing, incoming))
}

/// Waits for the journal's receipt, but not longer than a recruiter may wait.
async fn store(public: &Public, incoming: Incoming) -> Result<Receipt, Refusal> {
    let unavailable = |reason: Unavailable| {
        let message = format!("The event is not acknowledged: {reason}. Send it again.");
        Refusal::unavailable(message, reason.retry_after())
    };
    let begun = Instant::now();
    let ticket = public.journal.accept(incoming).map_err(unavailable)?;
    match actix_web::rt::time::timeout(public.limits.answer, ticket).await {
        Ok(result) => result.map_err(unavailable),
        Err(_) => {
            let seconds = begun.elapsed().as_secs();
            let message = format!(
                "The event is not on disk after {seconds} s. It may still be stored; send it again: a repeat is then a duplicate."
            );
            Err(Refusal::unavailable(message, Unavailable::Busy.retry_after()))
        }
    }
}

fn dry_run(value: Option<&str>) -> Result<bool, Refusal> {
    match value {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(other) => {
            let message = format!("The URL's dry_run is '{other}'; expected 1, true, 0 or false.");
            Err(Refusal::new(Code::InvalidValue, message))
        }
    }
}

/// A `traceparent` worth passing on: version 00 in its full form (Trace Context, section 3.2.2).
fn traceparent(value: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(value).ok()?;
    let bytes = text.as_bytes();
    let dashes = bytes.len() == 55 && [2, 35, 52].iter().all(|&place| bytes[place] == b'-');
    let hex = bytes.iter().enumerate().all(|(place, byte)| match place {
        2 | 35 | 52 => true,
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
    });
    (dashes && hex && text.starts_with("00") && text[3..35].bytes().any(|byte| byte != b'0')).then(|| text.into())
}

fn refuse(public: &Public, organisation: &Organisation, rejected: &Rejected) -> HttpResponse {
    let Rejected { version, addressing, refusal, .. } = rejected;
    if refusal.code != Code::Unauthorized {
        public.metrics.refused(&organisation.id, Source::Soap);
    }
    tracing::debug!(orgid = %organisation.id, code = refusal.code.as_str(), "a message was refused");
    let namespace = &organisation.profile.namespace;
    let fault = soap::fault(*version, addressing.as_ref(), refusal, organisation.fault_status, namespace);
    let mut answer = respond(fault, refusal);
    if refusal.code == Code::Unauthorized {
        for challenge in organisation.verifier.challenges(organisation.id.as_str()) {
            let value = header::HeaderValue::try_from(challenge).ok();
            value.into_iter().for_each(|value| answer.headers_mut().append(header::WWW_AUTHENTICATE, value));
        }
    }
    answer
}

fn respond(answer: Answer, refusal: &Refusal) -> HttpResponse {
    let mut response = response(answer);
    if let Some(after) = refusal.retry_after {
        let seconds = header::HeaderValue::from(after.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if matches!(refusal.code, Code::RequestTimeout | Code::TooLarge) {
        // What still comes of the body is not waited for.
        response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    }
    response
}

fn response(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type(answer.content_type).body(answer.body)
}

fn header_text<'r>(request: &'r HttpRequest, name: &header::HeaderName) -> Option<&'r str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// In which namespace an organisation that does not exist is answered.
fn unknown_namespace() -> String {
    soap::Profile::default().namespace
}
