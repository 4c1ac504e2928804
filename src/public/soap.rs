//! The SOAP endpoint: `POST /soap/{orgid}`.

use std::time::Instant;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument;

use super::message::{self, Envelope, Taken};
use super::tries::Tries;
use super::{ALLOWED, Public, refused};
use crate::auth::{Authenticated, Denied};
use crate::domain::Source;
use crate::net::{self, BodyLimits, Sender};
use crate::organisation::Organisation;
use crate::refusal::{Code, Refusal};
use crate::soap::{self, Answer, FaultStatus, Rejected, Request, Success, UsernameToken, Version};

/// Takes one message.
pub(super) async fn post(
    public: Data<Public>,
    org: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let hint = hint(&request);
    let Some(organisation) = public.organisations.get(&org) else {
        public.metrics.not_taken(Source::Soap, Code::NotFound);
        let message = format!("There is no organisation '{org}' here; check the URL.");
        return nowhere(&request, &Refusal::new(Code::NotFound, message));
    };
    let span = message::span(&organisation.id, Source::Soap, &request);
    match take(&public, &organisation, &request, payload, hint).instrument(span.clone()).await {
        Ok((version, addressing, receipt)) => {
            message::taken(&span, &receipt);
            let success =
                Success { event_id: receipt.event_id(), event_type: receipt.event_type(), outcome: receipt.outcome() };
            let namespace = &organisation.profile.namespace;
            response(soap::success(version, addressing.as_ref(), namespace, &success))
        }
        Err(rejected) => {
            public.metrics.not_taken(Source::Soap, rejected.refusal.code);
            span.in_scope(|| refuse(&organisation, &rejected))
        }
    }
}

/// Answers what was posted where nobody takes it.
pub(super) fn nowhere(request: &HttpRequest, refusal: &Refusal) -> HttpResponse {
    respond(soap::fault(hint(request), None, refusal, FaultStatus::Standard, &unknown_namespace()), refusal)
}

/// Answers what is neither GET nor POST.
pub(super) async fn other_method(public: Data<Public>, org: Path<String>, request: HttpRequest) -> HttpResponse {
    let organisation = public.organisations.get(&org);
    let namespace = organisation.map_or_else(unknown_namespace, |organisation| organisation.profile.namespace.clone());
    public.metrics.not_taken(Source::Soap, Code::MethodNotAllowed);
    let message = format!("The method {} is not taken here; POST a message, or GET ?wsdl.", request.method());
    let refusal = Refusal::new(Code::MethodNotAllowed, message);
    let mut answer = respond(soap::fault(hint(&request), None, &refusal, FaultStatus::Standard, &namespace), &refusal);
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(ALLOWED));
    answer
}

/// One message's way: head, credentials, body, reading, journal.
async fn take(
    public: &Public,
    organisation: &Organisation,
    request: &HttpRequest,
    payload: Payload,
    hint: Version,
) -> Result<Taken, Rejected> {
    let envelope = Envelope::of(request);
    let tries = Tries::of(public, organisation, request);
    let head = check_head(&tries, organisation, request).map_err(|refusal| Rejected::new(hint, refusal))?;
    let sender = if head.is_some() { Sender::Known } else { Sender::Stranger };
    let received = receive(organisation, request, payload, &envelope, sender, hint).await;
    let arrived = Instant::now();
    let (body, message) = match received {
        Ok(body) => (body.clone(), envelope.read(&body, organisation)),
        Err((part, rejected)) => (part, Err(rejected)),
    };
    let (caller, message) = admit(public, &tries, organisation, head, message).await?.split();
    let taken = match within_rate(public, organisation, message) {
        Ok(message) => envelope.store(caller.map(|()| message), organisation, public, arrived).await,
        Err(rejected) => Err(rejected),
    };
    if let Err(rejected) = &taken {
        // Counted and kept is only what a known sender sent.
        public.metrics.refused(&organisation.id, Source::Soap);
        if rejected.refusal.code.is_retryable() {
            caller.give_back(&public.nonces, &organisation.id);
        }
        refused::keep(public, organisation, envelope, caller.map(|()| (&*body, rejected)));
    }
    taken
}

/// The body, if it is one to be read; else what there is of it.
async fn receive(
    organisation: &Organisation,
    request: &HttpRequest,
    payload: Payload,
    envelope: &Envelope,
    sender: Sender,
    hint: Version,
) -> Result<Bytes, (Bytes, Rejected)> {
    soap::check_media(envelope.content_type.as_deref()).map_err(|rejected| (Bytes::new(), rejected))?;
    let limits = &organisation.limits;
    let limits = BodyLimits { bytes: limits.body_bytes, within: limits.request, sender };
    let body = net::read_body(request, payload, limits).await;
    body.map_err(|unread| (unread.part, Rejected::new(hint, unread.refusal)))
}

/// Whom the head shows; nobody where it shows nothing and the body may.
fn check_head(
    tries: &Tries<'_>,
    organisation: &Organisation,
    request: &HttpRequest,
) -> Result<Option<Authenticated<()>>, Refusal> {
    tries.check()?;
    let credentials = request.headers().get_all(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let certificate = net::client_certificate(request);
    let caller = organisation.verifier.verify(credentials, certificate, ());
    if matches!(caller, Err(Denied::Missing | Denied::OtherScheme)) && organisation.verifier.takes_tokens() {
        return Ok(None);
    }
    tries.note(&caller)?;
    caller.map(Some).map_err(|denied| match (denied, certificate) {
        (Denied::OtherCertificate, Some(shown)) => {
            // The sender's own, as it is read here: what the operator has to write to let it in.
            Refusal::new(Code::Unauthorized, format!("The client certificate, {shown}, is not the one expected here."))
        }
        _ => denied.refusal(),
    })
}

/// A message that was read, from a sender who is known: by the head, or else by its UsernameToken.
///
/// What is wrong with it is told only to who may know, but for what SOAP asks for first, or what kept
/// the message from being read. That is told to everyone, and whether it is kept depends on a token that
/// was read all the same: where the document broke only behind its Header, whoever wrote that knew the
/// password, which is all that a token ever says.
async fn admit(
    public: &Public,
    tries: &Tries<'_>,
    organisation: &Organisation,
    head: Option<Authenticated<()>>,
    message: Result<Request, Rejected>,
) -> Result<Authenticated<Result<Request, Rejected>>, Rejected> {
    if let Some(caller) = head {
        return Ok(caller.map(|()| message));
    }
    let token = match &message {
        Ok(request) => request.username_token.as_ref(),
        Err(rejected) => rejected.username_token.as_deref(),
    };
    match (by_token(public, tries, organisation, token).await, message) {
        (Ok(caller), message) => Ok(caller.map(|()| message)),
        (Err(_), Err(rejected)) if comes_before_security(rejected.refusal.code) => Err(rejected),
        (Err(refusal), message) => Err(instead(message, refusal)),
    }
}

/// The sender whom a UsernameToken shows.
async fn by_token(
    public: &Public,
    tries: &Tries<'_>,
    organisation: &Organisation,
    token: Option<&UsernameToken>,
) -> Result<Authenticated<()>, Refusal> {
    tries.check()?;
    let nonces = (&organisation.id, &public.nonces);
    let caller = organisation.verifier.verify_token(token, nonces, public.clock.now(), ()).await;
    if let (Err(refusal), caller) = (tries.note(&caller), &caller) {
        if let Ok(caller) = caller {
            caller.give_back(&public.nonces, &organisation.id);
        }
        return Err(refusal);
    }
    caller.map_err(Denied::token_refusal)
}

/// Counts a message of a known sender, whatever it holds, and refuses it where it is one too many.
fn within_rate(
    public: &Public,
    organisation: &Organisation,
    message: Result<Request, Rejected>,
) -> Result<Request, Rejected> {
    match public.rates.take(&organisation.id) {
        Ok(()) => message,
        Err(refusal) => Err(instead(message, refusal)),
    }
}

/// A refusal in the place of what was to be said of a message.
fn instead(message: Result<Request, Rejected>, refusal: Refusal) -> Rejected {
    let (version, addressing) = match message {
        Ok(request) => (request.version, request.addressing),
        Err(rejected) => (rejected.version, rejected.addressing),
    };
    Rejected { addressing, ..Rejected::new(version, refusal) }
}

/// Whether a message was refused before its Security header could count: it did not arrive, it is
/// not XML or no envelope, or SOAP itself asks for the fault first.
fn comes_before_security(code: Code) -> bool {
    matches!(
        code,
        Code::NotWellFormed
            | Code::DtdRefused
            | Code::TooDeep
            | Code::TooManyElements
            | Code::UnsupportedMediaType
            | Code::VersionMismatch
            | Code::NotUnderstood
            | Code::BadRequest
            | Code::RequestTimeout
            | Code::TooLarge
            | Code::Unavailable
    )
}

fn refuse(organisation: &Organisation, rejected: &Rejected) -> HttpResponse {
    let Rejected { version, addressing, refusal, .. } = rejected;
    tracing::debug!(code = refusal.code.as_str(), "a message was refused");
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
    if let Some(seconds) = refusal.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    let unread = [
        Code::Unauthorized,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::RequestTimeout,
        Code::TooLarge,
        Code::UnsupportedMediaType,
        Code::TooManyRequests,
        Code::Unavailable,
    ];
    if unread.contains(&refusal.code) {
        // What may still come of the body is not waited for.
        response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    }
    response
}

fn response(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type(answer.content_type).body(answer.body)
}

/// The form to answer in where the message itself was not read.
fn hint(request: &HttpRequest) -> Version {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    soap::version_for(content_type)
}

/// In which namespace an organisation that does not exist is answered.
fn unknown_namespace() -> String {
    soap::Profile::default().namespace
}
