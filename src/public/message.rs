//! One message between HTTP and the journal: from its bytes and what its head says of them to a
//! receipt. It runs in the same way for one that has just come and for one that was kept.

use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};

use super::{Public, parameters};
use crate::auth::Authenticated;
use crate::domain::Source;
use crate::journal::{Incoming, Receipt, Unavailable};
use crate::organisation::Organisation;
use crate::refusal::Refusal;
use crate::soap::{self, Addressing, Head, Rejected, Request, Version};
use crate::xml;

/// The header that names the tenant a message comes from.
const TENANT: HeaderName = HeaderName::from_static("x-workday-tenant");

/// A W3C Trace Context header.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// What the head of a request says of its message.
#[derive(Debug, Clone, Default)]
pub(super) struct Envelope {
    /// `Content-Type`.
    pub(super) content_type: Option<String>,
    /// `SOAPAction`.
    pub(super) soap_action: Option<String>,
    /// `X-Workday-Tenant`.
    pub(super) tenant: Option<String>,
    /// What follows the `?` of the URL.
    pub(super) query: String,
    /// `traceparent`, where it is one.
    pub(super) trace: Option<Box<str>>,
}

/// What a message that was taken is answered from.
pub(super) type Taken = (Version, Option<Addressing>, Receipt);

impl Envelope {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let value = |name: &HeaderName| request.headers().get(name);
        let text = |name| value(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            content_type: text(&header::CONTENT_TYPE),
            soap_action: text(&SOAP_ACTION),
            tenant: value(&TENANT).map(|tenant| String::from_utf8_lossy(tenant.as_bytes()).into_owned()),
            query: request.query_string().to_owned(),
            trace: traceparent_of(request),
        }
    }

    /// Reads the message's bytes.
    pub(super) fn read(&self, body: &[u8], organisation: &Organisation, public: &Public) -> Result<Request, Rejected> {
        let event = parameters::event(&self.query);
        let head = Head {
            content_type: self.content_type.as_deref(),
            soap_action: self.soap_action.as_deref(),
            event: event.as_deref(),
        };
        let limits = xml::Limits { depth: public.limits.xml_depth, elements: public.limits.xml_elements };
        soap::read(body, &head, &organisation.profile, limits)
    }

    /// Stores what an authenticated sender's message says, which had arrived at `since`.
    pub(super) async fn store(
        &self,
        request: Authenticated<Request>,
        organisation: &Organisation,
        public: &Public,
        since: Instant,
    ) -> Result<Taken, Rejected> {
        let request = request.into_inner();
        let (version, addressing) = (request.version, request.addressing.clone());
        let stored = match self.incoming(request, organisation) {
            Ok(incoming) => store(public, incoming, since).await,
            Err(refusal) => Err(refusal),
        };
        match stored {
            Ok(receipt) => Ok((version, addressing, receipt)),
            Err(refusal) => Err(Rejected { addressing, ..Rejected::new(version, refusal) }),
        }
    }

    /// What the journal takes of it.
    pub(super) fn incoming(&self, request: Request, organisation: &Organisation) -> Result<Incoming, Refusal> {
        organisation.check_tenant(self.tenant.as_deref().map(str::as_bytes))?;
        let dry_run = parameters::dry_run(&self.query)?;
        let (position, reason) = organisation.policy.position(&request.change);
        Ok(Incoming {
            org: organisation.id.clone(),
            change: request.change,
            position,
            reason,
            message_id: request.addressing.as_ref().and_then(Addressing::message_id).map(Into::into),
            source: Source::Soap,
            deliver: organisation.deliver(),
            pending_limit: organisation.pending_events.unwrap_or(0),
            dry_run,
            trace: self.trace.clone(),
            note: None,
        })
    }

    /// Whether the sender only asks what would be decided.
    pub(super) fn is_dry_run(&self) -> bool {
        parameters::dry_run(&self.query).unwrap_or(false)
    }
}

/// Waits for the journal's receipt, but not longer than a recruiter may wait who has waited since the
/// message arrived.
pub(super) async fn store(public: &Public, incoming: Incoming, since: Instant) -> Result<Receipt, Refusal> {
    let unavailable = |reason: Unavailable| {
        let message = format!("The event is not acknowledged: {reason}. Send it again.");
        Refusal::unavailable(message, reason.retry_after())
    };
    let ticket = public.journal.accept(incoming).map_err(unavailable)?;
    match actix_web::rt::time::timeout(public.limits.answer.saturating_sub(since.elapsed()), ticket).await {
        Ok(result) => result.map_err(unavailable),
        Err(_) => {
            let seconds = since.elapsed().as_secs();
            let message = format!(
                "The event is not on disk after {seconds} s. It may still be stored; send it again: a repeat is then a duplicate."
            );
            Err(Refusal::unavailable(message, Unavailable::Busy.retry_after()))
        }
    }
}

/// The `traceparent` that came with a request.
pub(super) fn traceparent_of(request: &HttpRequest) -> Option<Box<str>> {
    request.headers().get(&TRACEPARENT).and_then(|value| traceparent(value.as_bytes()))
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
